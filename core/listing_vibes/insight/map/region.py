"""A region of the map: which listings lie inside an outline. Whole numbers only, so browser and server agree."""

import numpy as np

SIZE = 50_000  # steps of the grid along the longer side
MOST = 200  # maximum number of corners of an outline


def grid_places(places: np.ndarray) -> np.ndarray:
    """Return `places` (n, 2) on the grid 0..SIZE, uint16, centered and with one scale for both axes; y points up."""
    if not len(places):
        return np.zeros((0, 2), np.uint16)
    places = np.asarray(places, np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    scale = SIZE / max(float((high - low).max()), 1e-9)
    return np.asarray(
        np.clip(np.rint((places - (low + high) / 2) * scale + SIZE / 2), 0, SIZE).astype(np.uint16)
    )


def inside(places: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Return which of `places` (n, 2) lie inside the closed `outline` (m, 2), by the even-odd rule, (n,) bool.

    Both have integers up to SIZE. A point on an edge belongs to the side to the left of or below it.
    """
    x, y = np.asarray(places, np.int64).T if len(places) else np.zeros((2, 0), np.int64)  # (n,) each
    within = np.zeros(len(x), bool)
    corners = np.asarray(outline, np.int64)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        spans = (y1 > y) != (y2 > y)
        # x < x1 + (x2 - x1) * (y - y1) / (y2 - y1), without the division
        left = (x - x1) * (y2 - y1) - (x2 - x1) * (y - y1)
        within ^= spans & ((left < 0) if y2 > y1 else (left > 0))
    return within


def read_outline(text: str) -> np.ndarray | None:
    """Parse the corners (m, 2) int64 of an outline `x,y;x,y;x,y`; None if the text is not an outline."""
    try:
        corners = [tuple(int(part) for part in corner.split(",")) for corner in text.split(";")]
    except ValueError:
        return None
    if not 3 <= len(corners) <= MOST or any(len(corner) != 2 for corner in corners):
        return None
    if not all(-SIZE <= part <= 2 * SIZE for corner in corners for part in corner):
        return None
    return np.array(corners, np.int64)
