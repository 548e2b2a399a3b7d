"""The colors of groups and values on a map, for light and for dark backgrounds."""

from dataclasses import dataclass

import numpy as np

KINDS = 10  # colors of groups and values; all other values share a gray
OTHER, UNKNOWN = 10, 11  # codes
#: Ten colors that are told apart at the size of a dot, then other and unknown; contrast to the background at least 3:1.
VALUES = {
    "light": [
        "#0072b2", "#c4500a", "#00795a", "#8e44ad", "#7a5c00", "#c2185b", "#3d4a50", "#5f8a00", "#0e8aa6", "#a31515", "#858f94", "#a08676",
    ],
    "dark": [
        "#56b4e9", "#f0a050", "#35c79a", "#c9a2e0", "#e8d44d", "#f585b3", "#dfe6e8", "#a3c94a", "#5fd9e6", "#ff8077", "#7d888d", "#9a8172",
    ],
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Coloring:
    """The color codes of listings and their legend."""

    codes: np.ndarray  # (n,) uint8
    legend: list[tuple[str, int, int]]  # label, code, number of listings
    scale: bool  # whether the codes are ordered from low to high


def by_value(values: np.ndarray, names: list[str], other: str, unknown: str) -> Coloring:
    """Color listings by `values` (n,), indices of `names` (-1: unknown); the first `KINDS` names have a color."""
    codes = np.where(values < 0, UNKNOWN, np.minimum(values, OTHER)).astype(np.uint8)
    size = np.bincount(codes, minlength=UNKNOWN + 1)
    legend = [(name, code, int(size[code])) for code, name in enumerate(names[:KINDS])]
    legend += [
        (name, code, int(size[code])) for name, code in ((other, OTHER), (unknown, UNKNOWN)) if size[code]
    ]
    return Coloring(codes, legend, scale=False)
