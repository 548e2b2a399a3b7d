"""The box of a room in metres, its openings, and where a wall's own coordinates lie. Needs no bpy."""

from dataclasses import dataclass, field

WALLS = ("far", "left", "right", "near")


@dataclass(frozen=True)
class Opening:
    """A window or door in a wall; `centre` runs along the wall from its left end as seen from inside."""

    wall: str
    centre: float
    width: float
    sill: float
    top: float


@dataclass(frozen=True)
class Room:
    """x runs to the right over `width`, y away from the camera over `depth`."""

    kind: str
    width: float
    depth: float
    height: float
    windows: list[Opening] = field(default_factory=list)
    doors: list[Opening] = field(default_factory=list)

    def length(self, wall: str) -> float:
        """How long a wall is."""
        return self.width if wall in ("far", "near") else self.depth

    def frame(self, wall: str) -> tuple[float, float, float, float]:
        """(x, y, z, turn) of a wall's frame: its x runs along the wall, its -y points into the room."""
        return {
            "far": (0.0, self.depth, 0.0, 0.0), "left": (0.0, 0.0, 0.0, 90.0),
            "right": (self.width, self.depth, 0.0, -90.0), "near": (self.width, 0.0, 0.0, 180.0),
        }[wall]  # fmt: skip


@dataclass(frozen=True)
class View:
    """Where the camera stands and what it aims at; `lens` in mm on a 36 mm sensor."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    lens: float
    roll: float = 0.0
    level: bool = True  # straight verticals, as estate agents want them


def wall_pieces(
    length: float, height: float, openings: list[Opening]
) -> list[tuple[float, float, float, float]]:
    """Rectangles (x0, x1, z0, z1) that make up a wall around its openings, which must not overlap."""
    pieces: list[tuple[float, float, float, float]] = []
    left = 0.0
    for hole in sorted(openings, key=lambda opening: opening.centre):
        start, end = hole.centre - hole.width / 2, hole.centre + hole.width / 2
        pieces += [(left, start, 0, height), (start, end, 0, hole.sill), (start, end, hole.top, height)]
        left = end
    pieces.append((left, length, 0, height))
    return [p for p in pieces if p[1] - p[0] > 1e-3 and p[3] - p[2] > 1e-3]
