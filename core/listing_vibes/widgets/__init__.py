"""The map and the gallery as notebook widgets, and the scripts that the widgets and the explorer share.

>>> from listing_vibes.widgets import GalleryWidget, MapWidget
"""

from typing import TYPE_CHECKING, Any

from listing_vibes.lazy_imports import import_lazily

if TYPE_CHECKING:
    from listing_vibes.widgets.gallery_widget import GalleryWidget
    from listing_vibes.widgets.map_widget import MapWidget

__all__ = ["GalleryWidget", "MapWidget"]
_MODULES = {
    "GalleryWidget": "listing_vibes.widgets.gallery_widget",
    "MapWidget": "listing_vibes.widgets.map_widget",
}


def __getattr__(name: str) -> Any:
    return import_lazily(__name__, _MODULES, "notebook", name)
