"""Meshes as plain lists of corners and faces, made with numpy alone."""

from collections.abc import Callable, Sequence

import numpy as np

Point = tuple[float, float, float]
Shape = tuple[np.ndarray, list[tuple[int, ...]]]  # corners (V, 3), faces as corner indices


def box(size: Point) -> Shape:
    """A box of this size about the origin."""
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * size
    return corners, [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def _ring_faces(rings: int, around: int, closed: bool = True) -> list[tuple[int, ...]]:
    """Quads between neighbouring rings of `around` corners."""
    last = around if closed else around - 1
    return [
        (
            r * around + a,
            r * around + (a + 1) % around,
            (r + 1) * around + (a + 1) % around,
            (r + 1) * around + a,
        )
        for r in range(rings - 1)
        for a in range(last)
    ]


def cushion(size: Point, power: float = 0.35, around: int = 28, rings: int = 18) -> Shape:
    """A soft box (superellipsoid); a smaller power is boxier."""
    bend = lambda v: np.sign(v) * np.abs(v) ** power  # noqa: E731
    polar = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)[None, :]
    x, y = bend(np.cos(polar)) * bend(np.cos(turn)), bend(np.cos(polar)) * bend(np.sin(turn))
    z = bend(np.sin(polar)) * np.ones_like(turn)
    corners = np.stack([x, y, z], -1).reshape(-1, 3) * np.array(size) / 2
    return corners, _ring_faces(rings, around)


def lathe(profile: Sequence[tuple[float, float]], around: int = 24) -> Shape:
    """A body of revolution about z through (radius, z) pairs."""
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    corners = [(r * np.cos(a), r * np.sin(a), z) for r, z in profile for a in turn]
    faces = _ring_faces(len(profile), around)
    faces.append(tuple(range(around))[::-1])
    faces.append(tuple((len(profile) - 1) * around + a for a in range(around)))
    return np.array(corners), faces


def tube(path: Sequence[Point], radius: float, around: int = 10, end_radius: float | None = None) -> Shape:
    """A round bar along a path, tapering to `end_radius`."""
    points = np.array(path, float)
    ahead = np.gradient(points, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-12
    corners: list[np.ndarray] = []
    for step, (point, direction) in enumerate(zip(points, ahead, strict=True)):
        helper = np.array([0, 0, 1.0]) if abs(direction[2]) < 0.9 else np.array([1.0, 0, 0])
        side = np.cross(direction, helper)
        side /= np.linalg.norm(side)
        up = np.cross(side, direction)
        share = step / max(1, len(points) - 1)
        thick = radius + ((end_radius if end_radius is not None else radius) - radius) * share
        turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
        corners.extend(point + thick * (np.cos(a) * side + np.sin(a) * up) for a in turn)
    faces = _ring_faces(len(points), around)
    faces += [tuple(range(around))[::-1], tuple((len(points) - 1) * around + a for a in range(around))]
    return np.array(corners), faces


def sheet(place: Callable[[np.ndarray, np.ndarray], tuple], columns: int, rows: int) -> Shape:
    """A surface `place(u, v) -> (x, y, z)` over the unit square."""
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    parts = [np.broadcast_to(part, u.shape) for part in place(u, v)]
    return np.stack(parts, -1).reshape(-1, 3), _ring_faces(rows, columns, closed=False)


def prism(outline: Sequence[tuple[float, float]], depth: float) -> Shape:
    """A flat outline (x, z) drawn out along y by `depth`, about y = 0."""
    count = len(outline)
    corners = [(x, y, z) for y in (-depth / 2, depth / 2) for x, z in outline]
    faces: list[tuple[int, ...]] = [tuple(range(count)), tuple(range(count, 2 * count))[::-1]]
    faces += [(i, i + count, (i + 1) % count + count, (i + 1) % count) for i in range(count)]
    return np.array(corners), faces


def join(shapes: Sequence[Shape]) -> Shape:
    """Several meshes as one."""
    corners, faces, start = [], [], 0
    for points, sides in shapes:
        corners.append(points)
        faces += [tuple(start + i for i in side) for side in sides]
        start += len(points)
    return np.concatenate(corners), faces


def turned(shape: Shape, yaw: float, tilt: float = 0.0, at: Point = (0, 0, 0)) -> Shape:
    """The mesh tilted about y, then turned about z (radians), then moved."""
    ct, st, cy, sy = np.cos(tilt), np.sin(tilt), np.cos(yaw), np.sin(yaw)
    lean = np.array([[ct, 0, st], [0, 1, 0], [-st, 0, ct]])
    spin = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return shape[0] @ (spin @ lean).T + np.array(at), shape[1]


def leaf(length: float, width: float, droop: float) -> Shape:
    """A pointed leaf from the origin along x, bending down."""
    u = np.linspace(0, 1, 6)
    half = width / 2 * np.sin(np.pi * np.clip(u, 0.03, 0.98)) ** 0.8
    x, z = u * length, 0.25 * length * u - droop * length * u**2
    corners = [(x[i], s * half[i], z[i] + (0.12 * half[i] if s else 0)) for i in range(6) for s in (-1, 0, 1)]
    return np.array(corners), _ring_faces(6, 3, closed=False)
