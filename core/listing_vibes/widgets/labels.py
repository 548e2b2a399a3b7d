"""The texts on a map and next to it."""

from collections.abc import Sequence

import numpy as np

from listing_vibes.words import cut

LETTERS = 90  # of a name on the map; the zoom determines how many are shown
HINT = "Point at a listing to see it here; click to keep it."
#: Keyboard help for screen readers.
KEYS = "Arrows go from listing to listing, with Shift they move the map, + and − zoom, Enter opens similar listings."


def labels(places: np.ndarray, cluster: np.ndarray, names: Sequence[str]) -> list[dict[str, object]]:
    """Return the name of each cluster at the median of its positions, the largest first.

    A cluster without a listing in the market has no label.

    Args:
        places: (n, 2) positions.
        cluster: (n,) cluster of each listing, -1 for none.
        names: of the clusters.
    """
    results: list[dict[str, object]] = []
    for number, name in enumerate(names):
        mine = places[cluster == number]
        if not len(mine):
            continue
        x, y = np.median(mine, axis=0)
        results.append({"text": cut(name, LETTERS), "x": int(x), "y": int(y)})
    return results
