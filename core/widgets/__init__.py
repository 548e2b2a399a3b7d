"""The map and the gallery as widgets of a notebook, and the scripts that they and the explorer draw with.

>>> from core.widgets import GalleryWidget, MapWidget
"""

from typing import TYPE_CHECKING, Any

from core.faces import face

if TYPE_CHECKING:
    from core.widgets.gallery_widget import GalleryWidget
    from core.widgets.map_widget import MapWidget

__all__ = ["GalleryWidget", "MapWidget"]
_FACES = {"GalleryWidget": "core.widgets.gallery_widget", "MapWidget": "core.widgets.map_widget"}


def __getattr__(name: str) -> Any:
    return face(__name__, _FACES, "notebook", name)
