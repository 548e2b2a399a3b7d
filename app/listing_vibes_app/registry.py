"""The pages of the explorer in the order of the navigation; the first is the one at `/`.

To add a page, create a package with `PAGE` and `page.py` in `app/listing_vibes_app/app_pages` and add its name to this list. An
installed distribution can also name such a package as an entry point of the group `listing_vibes.pages`.
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
#: The error of each page of another package that cannot be shown.
PROBLEMS: list[str] = []


def plugin_page(plugin: Plugin) -> PageEntry:
    """Return the page of an installed distribution, with the path of its script.

    Raises:
        VibesError: it cannot be imported, is not a page, or its name is in use.
    """
    result = plugin.load("page")
    script = Path(modules[plugin.entry.module].__file__ or "").with_name("page.py")
    if not isinstance(result, PageEntry) or not script.is_file():
        lacks = f"has no {script}" if isinstance(result, PageEntry) else "is not a PageEntry"
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
