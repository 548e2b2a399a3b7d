"""The colours of groups and values on a map, for light and for dark ground."""

from dataclasses import dataclass

import numpy as np

KINDS = 7  # colours of values; the rest share a grey
OTHER, UNKNOWN = 7, 8  # codes
#: Seven colours that colour-blind readers tell apart, then other and unknown; each stands out 3:1 from its ground.
VALUES = {
    "light": [
        "#0072b2",
        "#c4500a",
        "#00795a",
        "#8e44ad",
        "#7a5c00",
        "#c2185b",
        "#3d4a50",
        "#858f94",
        "#a08676",
    ],
    "dark": [
        "#56b4e9",
        "#f0a050",
        "#35c79a",
        "#c9a2e0",
        "#e8d44d",
        "#f585b3",
        "#dfe6e8",
        "#7d888d",
        "#9a8172",
    ],
}


@dataclass(frozen=True, eq=False)
class Colouring:
    """What each listing's colour says."""

    codes: np.ndarray  # (n,) uint8
    legend: list[tuple[str, int, int]]  # label, code, how many
    scale: bool  # an order, from low to high


def by_value(values: np.ndarray, names: list[str], other: str, unknown: str) -> Colouring:
    """`values` (n,) are numbers of `names`, -1 unknown; the first seven have a colour, or all where seven suffice."""
    codes = np.where(values < 0, UNKNOWN, np.minimum(values, OTHER)).astype(np.uint8)
    size = np.bincount(codes, minlength=UNKNOWN + 1)
    legend = [(name, code, int(size[code])) for code, name in enumerate(names[:KINDS])]
    legend += [
        (name, code, int(size[code])) for name, code in ((other, OTHER), (unknown, UNKNOWN)) if size[code]
    ]
    return Colouring(codes, legend, scale=False)
