"""Photo against photo: for each photo of a listing the one of another that comes nearest."""

import numpy as np

from listing_vibes_app.kit.component import component
from listing_vibes_app.server.photos import photo_url
from listing_vibes_app.server.runs import OpenRun

_component = component(__file__, '<ul class="pairs"></ul>')


def photo_pairs(
    opened: OpenRun, rows: tuple[int, int], alike: np.ndarray, photos: tuple[np.ndarray, ...]
) -> None:
    """Show them, the most alike first.

    Args:
        rows: the two listings.
        alike: (m, n) cosine of their photos.
        photos: (m,) and (n,) places of those photos in their listings.
    """
    nearest = alike.argmax(axis=1)  # (m,)
    order = np.argsort(-alike.max(axis=1), kind="stable")
    pairs = []
    for at in order:
        places = int(photos[0][at]), int(photos[1][nearest[at]])
        one, two = (
            {
                "photo": photo_url(opened.name, opened.view, row, place),
                "alt": f"Photo {place + 1} of {opened.view.title(row)}",
            }
            for row, place in zip(rows, places, strict=True)
        )
        pairs.append({"one": one, "two": two, "value": f"{alike[at, nearest[at]]:.2f}"})
    label = "Photos of the first listing, each beside the nearest photo of the second"
    _component(key="photo-pairs", data={"pairs": pairs, "box": opened.box, "label": label})
