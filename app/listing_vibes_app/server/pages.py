"""The registry entry of a page (name, title, icon and what draws it), and the converter for numbers in URLs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.routing import Route


def page_file(name: str) -> str:
    """Return the script of a page relative to `app/listing_vibes_app/main.py`, for `st.Page` and `st.page_link`."""
    return f"app_pages/{name}/page.py"


@dataclass(frozen=True)
class PageEntry:
    """A page of the explorer: `PAGE` in the module `listing_vibes_app.app_pages.NAME`.

    A page without `show` is a package, drawn by its script `page.py`.
    """

    name: str  # of its module, and in the URL unless the page is the first
    title: str
    icon: str
    #: Routes for data that a rerun should not send again.
    routes: Callable[[], list[Route]] = field(default=list)
    #: Draws the page.
    show: Callable[[], None] | None = None

    @property
    def source(self) -> str | Callable[[], None]:
        """Return what `st.Page` runs."""
        return self.show or page_file(self.name)


NUMBER = "number"


class _Number(IntegerConvertor):
    regex = "[0-9]{1,9}"  # Python rejects integers of several thousand digits


register_url_convertor(NUMBER, _Number())
