"""The page that carries the app: Streamlit's own, told where its server is, what the app is called and what it needs.

Without the address, the browser guesses the server's path from the page's: `/similar` costs two requests that fail
before the right ones, and two errors in the console. Without the preloads, each kind of widget is fetched only when
the first of its kind is drawn, as a grey box of another height, and the page jumps. Without the styles, the page is
narrow until the script has said that it is wide, and rows of widgets grow once these are drawn. Without the script of the sidebar,
which there is where there are several runs, the page jumps to the right once it is drawn. Without the script of tables, those that
are scrolled are not by keyboard.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from listing_vibes_app.server.pages import PageEntry
from listing_vibes_app.server.runs import run_paths

TITLE = "Listing Vibes"
_STATIC = Path(st.__file__).parent / "static"
_ADDRESS = (
    '<script>window.__streamlit = {{BACKEND_BASE_URL: new URL("{base}/", location.origin).href}}</script>'
)
#: Containers whose key begins with `labelled-`, rows of widgets with a label above, and with `uploader-`, a file
#: uploader that is stacked until it has seen how much room it has, have the height of what they hold from the start, as
#: has the slider `at`; on a phone these rows are stacked, too.
_STYLES = """<style>
.stMainBlockContainer.block-container { max-width: none }
.stApp .st-key-theme-watch { display: none }
.stApp button[kind="primary"]:enabled :is(p, span) { color: light-dark(#ffffff, #14191b) }
.stApp :is(h1, h2, h3, td) { unicode-bidi: plaintext }
.stApp :is(h1, h2, h3) { text-align: left }
.stApp [data-testid="stMultiSelectTagsContainer"] [data-tag-index] * { color: light-dark(#ffffff, #14191b) }
.stApp .st-key-dial-place, .stApp .st-key-as-of { min-height: 2.5rem }
.stApp [class*="st-key-labelled-"], .stApp .st-key-at { min-height: 4.25rem }
@media (max-width: 640px) {
  .stApp .stHorizontalBlock:has(> .stColumn) { row-gap: 1rem }
  .stApp [class*="st-key-labelled-"] > .stElementContainer:has(.stButtonGroup), .stApp .st-key-by { min-height: 3.75rem }
  .stApp .st-key-labelled-picker > .st-key-q { min-height: 4.25rem }
  .stApp .st-key-labelled-picker { min-height: 16rem }
  .stApp .st-key-labelled-neighbours { min-height: 16.75rem }
  .stApp .st-key-labelled-added { min-height: 8.5rem }
  .stApp .st-key-labelled-simulate { min-height: 6rem }
}
@media (min-width: 1000px) {
  .stApp [class*="st-key-uploader-"] { height: 6rem }
}
</style>"""
#: The room of a sidebar that is not drawn yet, unless the viewer has shut it: as wide as Streamlit remembers it.
_SIDEBAR = """<style>
@media (min-width: 769px) {
  .stAppViewContainer:not(:has(> .stSidebar)) > :has(> .stMain) { margin-left: var(--vibes-sidebar, 0) }
}
</style><script>
try {
  const shut = Object.entries(localStorage).some(([key, value]) => key.startsWith("stSidebarCollapsed-") && value === "true")
  if (!shut) document.documentElement.style.setProperty("--vibes-sidebar", `${parseInt(localStorage.sidebarWidth) || 300}px`)
} catch {} // a browser that keeps nothing
</script>"""
#: A table that is wider than its place is scrolled by keyboard, too: it takes the focus, as a region named like the table.
_TABLES = """<script>
(() => {
  let waiting = false
  const mark = () => {
    waiting = false
    for (const table of document.querySelectorAll('[data-testid="stTable"] table')) {
      const box = table.parentElement
      if (box.scrollWidth <= box.clientWidth) {
        if (box.dataset.wide) for (const name of ["tabindex", "role", "aria-label", "data-wide"]) box.removeAttribute(name)
      } else if (!box.hasAttribute("tabindex")) {
        const label = table.getAttribute("aria-label") || "Table"
        for (const [name, value] of Object.entries({ tabindex: 0, role: "region", "aria-label": label, "data-wide": 1 }))
          box.setAttribute(name, value)
      }
    }
  }
  const soon = () => { if (!waiting) waiting = Boolean(requestAnimationFrame(mark)) }
  new MutationObserver(soon).observe(document, { childList: true, subtree: true })
  addEventListener("resize", soon)
})()
</script>"""
_COMMON = (
    "BidiComponent",
    "Button",
    "ButtonGroup",
    "PageLink",
    "StreamlitMarkdown",
    "TextInput",
    "WidgetLabel",
    "WidgetLabelHelpIcon",
    "Tooltip",
)


@lru_cache(maxsize=16)
def page_html(base: str, parts: tuple[str, ...], sidebar: bool = False) -> str:
    """Streamlit's `index.html` with our title, the server's address and the preloads of a page's `parts` in its head; with room
    for a `sidebar`."""
    source = (_STATIC / "index.html").read_text(encoding="utf-8")
    scripts = [
        script.name
        for part in (*_COMMON, *parts)
        for script in (_STATIC / "static" / "js").glob(f"{part}.*.js")
    ]
    early = "".join(f'import("{base}/static/js/{name}");' for name in scripts)
    head = _ADDRESS.format(base=base) + _STYLES + _SIDEBAR * sidebar + _TABLES
    head += f'<script type="module">{early}</script>'
    source = source.replace("<title>Streamlit</title>", f"<title>{TITLE}</title>")
    return source.replace("<head>", "<head>" + head, 1)


def routes(base: str, pages: Sequence[PageEntry]) -> list[Route]:
    """Routes for every page, the first at the root; `base` is `server.baseUrlPath` with its slash, or empty."""
    return [
        Route(f"{base}/{page.name if number else ''}", _serve(base, page.parts))
        for number, page in enumerate(pages)
    ]


def _serve(base: str, parts: tuple[str, ...]) -> Callable[[Request], HTMLResponse]:
    def serve(_request: Request) -> HTMLResponse:
        return HTMLResponse(
            page_html(base, parts, len(run_paths()) > 1), headers={"Cache-Control": "no-cache"}
        )

    return serve
