"""The geometry of a deck's figures; `templates/figures.html` draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)  # candidate distances of two ticks of an axis
TICKS = 5  # maximum, in addition to 0
#: Colors of the map's groups, readable on a light and a dark background.
GROUPS = ("#1f86c7", "#cf6a1e", "#1b9e77", "#a66bc4", "#9a7b12", "#d6478b", "#6f7d84")


@dataclass(frozen=True)
class Row:
    """One row of a figure with intervals; `kind` is a class of the style sheet."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = "other"
    note: str = ""

    @property
    def bounded(self) -> bool:
        """Return whether there is an interval."""
        return self.low is not None and self.high is not None


@dataclass(frozen=True)
class Rows:
    """A mark, or a bar, and its 95 % interval for each row, on one axis from 0."""

    rows: Sequence[Row]
    caption: str
    as_bars: bool = False

    @property
    def ticks(self) -> list[float]:
        """Return the positions of the axis' lines, from 0 to its end."""
        top = max((row.value if row.high is None else row.high for row in self.rows), default=0) or 1
        step = next((size for size in STEPS if top / size <= TICKS), STEPS[-1])
        end = np.ceil(top / step - 1e-9) * step
        return [float(tick) for tick in np.arange(0, end + step / 2, step)]

    def at(self, value: float) -> str:
        """Return the position of a value as a percentage of the axis' length."""
        return f"{100 * value / self.ticks[-1]:.2f}%"


@dataclass(frozen=True)
class Group:
    """A line of the map's legend."""

    name: str
    size: int
    color: str


@dataclass(frozen=True)
class Map:
    """Listings as dots, with one color per group.

    Attributes:
        places: (n, 2) on the grid 0..1000.
        cluster: (n,) the group of each, -1 for none.
        groups: name and size of each group, the largest first.
    """

    places: np.ndarray
    cluster: np.ndarray
    groups: Sequence[tuple[str, int]]
    caption: str

    @property
    def box(self) -> str:
        """Return the part of the picture with dots, as an SVG viewBox."""
        x, y = self.places[:, 0], 1000 - self.places[:, 1]
        return f"{x.min() - 20} {y.min() - 20} {np.ptp(x) + 40} {np.ptp(y) + 40}"

    @property
    def dots(self) -> list[tuple[str, str]]:
        """Return color and SVG path of each group's dots; dots without a group are drawn first."""
        drawn = []
        for number in [-1, *range(len(self.groups))]:
            color = "var(--line)" if number < 0 else GROUPS[min(number, len(GROUPS) - 1)]
            path = "".join(f"M{x} {1000 - y}h0" for x, y in self.places[self.cluster == number])
            if path:
                drawn.append((color, path))
        return drawn

    @property
    def numbers(self) -> list[tuple[int, str, str]]:
        """Return the legend's number of each group with dots, and the center of its dots."""
        middles = []
        for number in range(min(len(self.groups), len(GROUPS))):
            places = self.places[self.cluster == number]
            if len(places):
                x, y = np.median(places, axis=0)
                middles.append((number + 1, f"{x:.0f}", f"{1000 - y:.0f}"))
        return middles

    @property
    def legend(self) -> list[Group]:
        """Return the groups that have a color."""
        return [Group(*group, color) for group, color in zip(self.groups, GROUPS, strict=False)]
