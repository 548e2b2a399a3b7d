"""The deck and the keyboard of every page: "Pin", "Deck" and "Present" in the header, the search of everything, and shortcuts.

Slides are stored in the user's browser, not on the server.
"""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from listing_vibes.insight.evidence import what_to_choose
from listing_vibes_app.kit.component import component
from listing_vibes_app.server.pages import PageEntry
from listing_vibes_app.server.params import link
from listing_vibes_app.server.photos import base_path
from listing_vibes_app.server.runs import run_paths

#: Hidden until the script listens, so that no click or key is lost.
_HTML = """
<div class="presenter" hidden>
  <div class="line">
    <span class="status" role="status"></span>
    <button type="button" class="find" aria-label="Find anything (Ctrl K)">Find <kbd>Ctrl K</kbd></button>
    <button type="button" class="pin" aria-label="Pin this view as a slide">Pin</button>
    <button type="button" class="deck">Deck</button>
    <button type="button" class="main">Present</button>
  </div>
</div>
"""
_component = component(__file__, _HTML)


def presenter(title: str, pages: Sequence[PageEntry]) -> None:
    """Draw the buttons of the deck in the header, and let the keyboard reach listings, users, groups, pages and commands.

    Args:
        title: of the current page.
        pages: of the explorer, the first at `/`.
    """
    names = list(run_paths())
    if not names:
        return
    name = link().choice("run", names, names[0])
    query = f"?{urlencode({'run': name})}" if name != names[0] else ""
    links = [(page.title, f"{base_path()}/{'' if page is pages[0] else page.name}{query}") for page in pages]
    routes = {key: f"{base_path()}/{key}/{quote(name, safe='')}" for key in ("deck", "find")}
    simulate = f"{base_path()}/simulate{query}{'&' if query else '?'}h="
    page = next(page for page in pages if page.title == title)
    why = what_to_choose("" if page is pages[0] else page.name, link())
    data = {
        "title": title,
        "isHome": page is pages[0],
        "base": base_path(),
        "why": why,
        "file": f"{name}-deck.html",
        "pages": links,
        "simulate": simulate,
        **routes,
    }
    _component(key="presenter-line", data=data)
