"""The explorer's navigation; each page is a module of `app_pages`."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from listing_vibes_app.all_pages import PAGES, PROBLEMS
from listing_vibes_app.kit.controls import select
from listing_vibes_app.kit.notices import link_notices, market_notice
from listing_vibes_app.kit.presenter import presenter
from listing_vibes_app.server.boundary import boundary
from listing_vibes_app.server.runs import run_label, run_paths

ICON = str(Path(__file__).with_name("icon.svg"))

#: The header leaves room for the deck's buttons. Titles and values in right-to-left languages keep their direction, and tags on the primary color are readable in both themes. The page behind a dialog is darker in both. On a phone a listing is its photo beside its facts, and menus have no icon, so that the first results are in sight.
STYLE = """<style>
.stApp :is(h1, h2, h3, td) { unicode-bidi: plaintext; text-align: left }
.stApp [data-tag-index] * { color: light-dark(#ffffff, #14191b) }
[data-testid="stHeader"] { padding-right: 22rem; background: var(--st-background-color, light-dark(#fff, #14191b)); border-bottom: 1px solid light-dark(#dfe3e4, #2b3336) }
[data-testid="stDialog"] { background-color: rgb(8 12 14 / 50%) }
@media (max-width: 640px) {
  .stApp h1 { font-size: 1.7rem; padding: 0.5rem 0 }
  .st-key-pinned { max-height: 42vh; overflow-y: auto }
  [data-testid="stHorizontalBlock"] { gap: 1rem }
  [class*="st-key-labelled-"] { gap: 0.6rem }
  [data-testid="stLayoutWrapper"]:has(> [data-testid="stPopover"]) { flex: none; width: auto !important }
  [data-testid="stPopoverButton"] [data-has-shortcut] > :first-child:not(:last-child) { display: none }
  .st-key-panel:has(.st-key-photos) { display: grid; grid-template-columns: 2fr 3fr; align-items: start; gap: 0.8rem }
  .st-key-panel > :last-child { grid-column: 1 / -1 }
  .st-key-panel > [data-testid="stElementContainer"] p { font-size: 0.875rem; display: -webkit-box; -webkit-line-clamp: 6; -webkit-box-orient: vertical; overflow: hidden }
}
@media (min-width: 641px) {
  .stMainBlockContainer { padding-left: 3rem; padding-right: 3rem }
  [data-testid="stColumn"]:has(.st-key-pinned) { position: sticky; top: 3.5rem; align-self: flex-start; max-height: calc(100vh - 4rem); overflow-y: auto }
}
</style>"""


def run_selector(pages: Sequence[Page]) -> None:
    """Draw a sidebar with the runs and the pages; Streamlit's own navigation would lose the run from the URL."""
    names = list(run_paths())
    with st.sidebar:
        run = select("Run", "run", {name: run_label(name) for name in names}, names[0])
        for page in pages:
            st.page_link(page, query_params={"run": run} if run != names[0] else None)


# Before the navigation: it would take the first page's icon, which browsers fetch from another machine.
st.set_page_config(page_icon=ICON, layout="wide")

pages = [
    st.Page(entry.source, title=entry.title, icon=entry.icon, url_path=entry.name, default=entry is PAGES[0])
    for entry in PAGES
]
several = len(run_paths()) > 1
page = st.navigation(pages, position="hidden" if several else "top")
st.set_page_config(page_title=f"{page.title} · Listing Vibes")
st.logo(ICON, size="large")
# Without the navigation, the header has no height of its own.
st.html(
    STYLE + ("<style>.stMainBlockContainer { padding-top: 3.8rem !important }</style>" if several else "")
)
# Drawn before the page and placed below it: the keyboard works from the start, and no page replaces an open dialog.
body = st.container()
presenter(page.title, PAGES)
with body, link_notices(), boundary():
    if several:
        run_selector(pages)
    market_notice()
    for problem in PROBLEMS:
        st.warning(problem)
    page.run()
