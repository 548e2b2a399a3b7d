"""The pages of the explorer in the order of the navigation; the first is the one at `/`.

To add a page, create a module with `PAGE` in `app/listing_vibes_app/app_pages`. An installed distribution can also name a `PAGE`
as an entry point of the group `listing_vibes.pages`.
"""

from importlib import import_module
from pkgutil import iter_modules

from listing_vibes.errors import VibesError
from listing_vibes.registry import Plugin, plugins_of
from listing_vibes_app import app_pages
from listing_vibes_app.server.pages import PageEntry

#: The order of the navigation; other pages follow by name.
ORDER = ("overview", "similar", "users", "simulate", "map", "cold", "compare")
NAMES = sorted(
    (module.name for module in iter_modules(app_pages.__path__)),
    key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name),
)
PAGES: list[PageEntry] = [import_module(f"{app_pages.__name__}.{name}").PAGE for name in NAMES]
#: The error of each page of another package that cannot be shown.
PROBLEMS: list[str] = []


def plugin_page(plugin: Plugin) -> PageEntry:
    """Return the page of an installed distribution.

    Raises:
        VibesError: it cannot be imported, is not a page, or its name is in use.
    """
    result = plugin.load("page")
    if not isinstance(result, PageEntry) or result.show is None:
        lacks = "has no function `show`" if isinstance(result, PageEntry) else "is not a PageEntry"
        raise VibesError(
            f"The page '{plugin.entry.name}' of the installed package {plugin.distribution} cannot be used ({plugin.entry.value} "
            f"{lacks}); update or uninstall that package."
        )
    if any(result.name == page.name for page in PAGES):
        raise VibesError(
            f"The installed package {plugin.distribution} names its page '{result.name}', as another one is called; rename it "
            "there, or uninstall that package."
        )
    return result


for plugins in plugins_of("listing_vibes.pages").values():
    for plugin in plugins:
        try:
            PAGES.append(plugin_page(plugin))
        except VibesError as error:  # the other pages go on
            PROBLEMS.append(str(error))
