"""The pages of the explorer in the order of the navigation; the first is the one at `/`.

To add one: a package in `app/listing_vibes_app/app_pages` that holds `PAGE` and `page.py`, and its name in this list; or a package
like that elsewhere, which an installed distribution names as an entry point of the group `listing_vibes.pages`.
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from sys import modules

from listing_vibes.errors import VibesError
from listing_vibes.registry import Plugin, plugins_of
from listing_vibes_app.server.pages import PageEntry

NAMES = (
    "overview",
    "similar",
    "users",
    "simulate",
    "map",
    "cold",
    "compare",
)
PAGES: list[PageEntry] = [import_module(f"listing_vibes_app.app_pages.{name}").PAGE for name in NAMES]
#: Of each page of another package that cannot be shown, why.
PROBLEMS: list[str] = []


def plugin_page(plugin: Plugin) -> PageEntry:
    """Return the page that an installed distribution names, with the path of its script.

    Raises:
        VibesError: it cannot be imported, is no page, or has the name of one that is there.
    """
    result = plugin.load("page")
    script = Path(modules[plugin.entry.module].__file__ or "").with_name("page.py")
    if not isinstance(result, PageEntry) or not script.is_file():
        lacks = f"has no {script}" if isinstance(result, PageEntry) else "is no PageEntry"
        raise VibesError(
            f"The page '{plugin.entry.name}' of the installed package {plugin.distribution} cannot be used ({plugin.entry.value} "
            f"{lacks}); update or uninstall that package."
        )
    if any(result.name == page.name for page in PAGES):
        raise VibesError(
            f"The installed package {plugin.distribution} names its page '{result.name}', as another one is called; rename it "
            "there, or uninstall that package."
        )
    return replace(result, script=str(script))


for plugins in plugins_of("listing_vibes.pages").values():
    for plugin in plugins:
        try:
            PAGES.append(plugin_page(plugin))
        except VibesError as error:  # the other pages go on
            PROBLEMS.append(str(error))
