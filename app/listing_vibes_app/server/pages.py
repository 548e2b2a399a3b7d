"""The registry entry of a page (name, title, icon, routes and script), and the converter for numbers in URLs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.routing import Route


def page_file(name: str) -> str:
    """Return the script of a page relative to `app/listing_vibes_app/main.py`, for `st.Page` and `st.page_link`."""
    return f"app_pages/{name}/page.py"


@dataclass(frozen=True)
class PageEntry:
    """A page of the explorer: `PAGE` in the package `listing_vibes_app.app_pages.NAME`, with the script `page.py`."""

    name: str  # of its package, and in the URL unless the page is the first
    title: str
    icon: str
    #: Routes for data that a rerun should not send again.
    routes: Callable[[], list[Route]] = field(default=list)
    #: Path of the script; "": `page_file(name)`.
    script: str = ""

    @property
    def file(self) -> str:
        """Path of the script."""
        return self.script or page_file(self.name)


NUMBER = "number"


class _Number(IntegerConvertor):
    regex = "[0-9]{1,9}"  # Python rejects integers of several thousand digits


register_url_convertor(NUMBER, _Number())
