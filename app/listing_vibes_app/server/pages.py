"""What the explorer knows of a page: its name in the URL, its place in the navigation, what its file draws; numbers in addresses."""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.routing import Route


def page_file(name: str) -> str:
    """The script of a page relative to `app/listing_vibes_app/main.py`, as `st.Page` and `st.page_link` take it."""
    return f"app_pages/{name}/page.py"


@dataclass(frozen=True)
class PageEntry:
    """A page of the explorer; the package `listing_vibes_app.app_pages.NAME` holds one as `PAGE`, and its script as `page.py`."""

    name: str  # of its package, and in the URL unless the page is the first
    title: str
    icon: str
    #: Routes of its own, for what a rerun should not carry.
    routes: Callable[[], list[Route]] = field(default=list)
    #: Path of its script; "": `page_file(name)`.
    script: str = ""

    @property
    def file(self) -> str:
        """Its script."""
        return self.script or page_file(self.name)


NUMBER = "number"


class _Number(IntegerConvertor):
    regex = "[0-9]{1,9}"  # Python refuses to read several thousand


register_url_convertor(NUMBER, _Number())
