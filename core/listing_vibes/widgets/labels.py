"""What is written on a map and beside it."""

from collections.abc import Sequence

import numpy as np

from listing_vibes.words import cut

LETTERS = 90  # of a name on the map, of which the zoom shows more or fewer
HINT = "Point at a listing to see it here; click to keep it."
#: For who cannot see the map.
KEYS = "Arrows go from listing to listing, with Shift they move the map, + and − zoom, Enter opens what is like the listing."


def labels(places: np.ndarray, cluster: np.ndarray, names: Sequence[str]) -> list[dict[str, object]]:
    """The name of each cluster at the middle of its places (n, 2), the largest first; `cluster` (n,) is -1 between them.

    A cluster whose listings have all left the market since the map was drawn has no place.
    """
    results: list[dict[str, object]] = []
    for number, name in enumerate(names):
        mine = places[cluster == number]
        if not len(mine):
            continue
        x, y = np.median(mine, axis=0)
        results.append({"text": cut(name, LETTERS), "x": int(x), "y": int(y)})
    return results
