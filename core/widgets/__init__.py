"""The map and the gallery as widgets of a notebook, and the scripts that they and the explorer draw with.

>>> from core.widgets import GalleryWidget, MapWidget
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core.errors import VibesError

if TYPE_CHECKING:
    from core.widgets.gallery_widget import GalleryWidget
    from core.widgets.map_widget import MapWidget

__all__ = ["GalleryWidget", "MapWidget"]
_FACES = {"GalleryWidget": "core.widgets.gallery_widget", "MapWidget": "core.widgets.map_widget"}


def __getattr__(name: str) -> Any:
    if name not in _FACES:
        raise AttributeError(f"module 'core.widgets' has no attribute {name!r}")
    try:
        return getattr(import_module(_FACES[name]), name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == "core":
            raise
        raise VibesError(
            f"core.widgets needs {error.name}; install it with `pip install 'listing-vibes[notebook]'`."
        ) from error
