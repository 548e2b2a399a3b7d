"""The measures of a street front, and a collector that turns many small parts into one mesh per material."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from listing_vibes.demo.homes import Home
from studio import shapes
from studio.chance import Rng
from studio.kit import Kit
from studio.shapes import Point, Shape
from studio.skins import Skin

BASE = 0.5  # metres from the ground to the lowest floor


@dataclass(frozen=True)
class Mass:
    """Storeys and bays of a front in metres; x runs along the street about 0, the wall's face is y = 0."""

    kind: str
    vibe: str
    bays: int
    floors: int
    step: float
    storey: float
    wide: float  # of a window
    tall: float
    sill: float
    reveal: float
    entrance: int

    @property
    def width(self) -> float:
        """Of the whole front."""
        return self.step * self.bays

    @property
    def height(self) -> float:
        """Of the eaves."""
        return self.storey * self.floors + BASE + 0.1

    def middle(self, bay: int) -> float:
        """x of a bay's axis."""
        return (bay + 0.5 - self.bays / 2) * self.step

    def level(self, floor: int) -> float:
        """z of a floor."""
        return BASE + floor * self.storey


def draw_mass(rng: Rng, home: Home) -> Mass:
    """Measures by the kind of building, bent to what the vibe likes."""
    kind, vibe = home.building, home.vibe
    low = vibe == "midcentury" and rng.random() < 0.6
    floors = {"villa": 1 if low else 2, "townhouse": int(rng.integers(3, 5)), "factory": int(rng.integers(3, 5))}.get(
        kind, max(4, min(home.floors, 12))
    )  # fmt: skip
    storey = {"factory": 4.0, "townhouse": 3.5, "villa": 3.0, "tower": 3.1}.get(kind, 2.85)
    storey += 0.4 if vibe == "classic" else 0
    step = {"factory": 3.6, "townhouse": 2.3, "villa": 3.0, "tower": 2.9}.get(kind, 3.0)
    step *= float(rng.uniform(0.9, 1.15))
    bays = {"villa": int(rng.integers(3, 5)) + low, "townhouse": int(rng.integers(4, 6)), "factory": 5, "tower": int(rng.integers(7, 10))}.get(
        kind, int(rng.integers(5, 8))
    )  # fmt: skip
    share, up = {"factory": (0.72, 0.68), "tower": (0.6, 0.56), "townhouse": (0.46, 0.6)}.get(
        kind, (0.48, 0.5)
    )
    share, up = {
        "midcentury": (0.9, 0.46), "minimalist": (0.8, 0.76), "designer": (0.72, 0.8), "classic": (0.4, 0.64),
        "loft": (0.74, 0.68), "rental_basic": (0.56, 0.46), "worn_out": (0.44, 0.5), "scandinavian": (0.5, 0.54),
        "boho": (0.38, 0.58),
    }[vibe] if kind != "factory" or vibe in ("midcentury", "boho", "classic") else (share, up)  # fmt: skip
    reveal = {"minimalist": 0.4, "designer": 0.35, "classic": 0.28, "midcentury": 0.3}.get(vibe, 0.2)
    sill = (storey - storey * up) * (0.7 if vibe == "midcentury" else 0.5)
    return Mass(
        kind, vibe, bays, floors, step, storey, step * share, storey * up, sill, reveal, int(rng.integers(bays))
    )  # fmt: skip


class Batch:
    """Parts by material; `flush` adds each material's parts as one mesh, which is far quicker than one by one."""

    def __init__(self, at: Point = (0, 0, 0)) -> None:
        self.at = at
        self._parts: dict[str, tuple[Skin, list[Shape], list[tuple[float, float]]]] = {}

    def add(self, shape: Shape, skin: Skin, uv: Sequence[tuple[float, float]] = ()) -> None:
        """A mesh, moved to the current place."""
        part = self._parts.setdefault(skin.name, (skin, [], []))
        part[1].append((shape[0] + np.array(self.at), shape[1]))
        part[2].extend(uv)

    def box(self, centre: Point, size: Point, skin: Skin) -> None:
        """A box with sharp edges."""
        self.add((shapes.box(size)[0] + np.array(centre), shapes.box(size)[1]), skin)

    def bar(self, start: Point, end: Point, radius: float, skin: Skin, around: int = 6) -> None:
        """A straight round bar."""
        self.add(shapes.tube([start, end], radius, around), skin)

    def wire(self, path: Sequence[Point], radius: float, skin: Skin) -> None:
        """A bent thin bar."""
        self.add(shapes.tube(path, radius, 5), skin)

    def pane(
        self, x: tuple[float, float], y: float, z: tuple[float, float], skin: Skin, cell: int, of: int
    ) -> None:
        """An upright quad facing the street with one cell of an atlas of `of` x `of` pictures on it."""
        row, column = divmod(cell % (of * of), of)
        corners = np.array([(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])])
        u, v, edge = (column + 0.02) / of, 1 - (row + 0.98) / of, 0.96 / of
        uv = [(u, v), (u + edge, v), (u + edge, v + edge), (u, v + edge)]
        self.add((corners, [(0, 1, 2, 3)]), skin, uv)

    def flush(self, kit: Kit) -> None:
        """Into the scene."""
        for skin, parts, uv in self._parts.values():
            kit.mesh(shapes.join(parts), skin, uv=uv or None)
        self._parts = {}
