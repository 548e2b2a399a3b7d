"""Hedges, bushes, trees, climbers and pots as many small leaves in a few tones of green."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.colour import Colour
from studio.kit import Kit
from studio.shapes import Point, Shape
from studio.skins import Skins

GREENS: list[Colour] = [
    (0.24, 0.36, 0.14),
    (0.3, 0.4, 0.18),
    (0.2, 0.33, 0.17),
    (0.36, 0.41, 0.2),
    (0.27, 0.34, 0.22),
]
BLOOMS: list[Colour] = [
    (0.85, 0.3, 0.45),
    (0.9, 0.75, 0.3),
    (0.75, 0.35, 0.7),
    (0.92, 0.9, 0.88),
    (0.85, 0.25, 0.2),
]


def cards(rng: Rng, centres: np.ndarray, size: float, upright: float = 0.0) -> Shape:
    """A small pointed leaf about each centre, turned anyhow; `upright` stretches the leaves upwards."""
    along = rng.normal(size=(len(centres), 3)) + np.array([0, 0, 3.0 * upright])
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, rng.normal(size=(len(centres), 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    grow = size * rng.uniform(0.6, 1.3, (len(centres), 1))
    a, b = along * grow, across * grow * 0.45
    corners = np.stack([centres - a, centres + b, centres + a, centres - b], 1).reshape(-1, 3)
    return corners, [(4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3) for i in range(len(centres))]


def foliage(
    kit: Kit, skins: Skins, rng: Rng, centres: np.ndarray, size: float, green: Colour, upright: float = 0.0
) -> None:  # fmt: skip
    """Leaves in three tones, the darker ones lower."""
    height = centres[:, 2] - centres[:, 2].min()
    rank = height / (height.max() + 1e-6) + rng.normal(0, 0.3, len(centres))
    tone = np.digitize(rank, (0.4, 0.8))
    for index, light in enumerate((0.7, 1.1, 1.5)):
        some = centres[tone == index]
        if len(some):
            red, grass, blue = (round(min(1.0, c * light), 3) for c in green)
            kit.mesh(cards(rng, some, size, upright), skins.make.plain((red, grass, blue), 0.6, uneven=0))


def _ball(rng: Rng, count: int, shell: float = 0.35) -> np.ndarray:
    points = rng.normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points * (1 - shell * rng.random((count, 1)) ** 1.5)


def _core(skins: Skins, green: Colour):
    red, grass, blue = (round(c * 0.4, 3) for c in green)
    return skins.make.plain((red, grass, blue), 0.95, uneven=0.1)


def hedge(
    kit: Kit, skins: Skins, rng: Rng, x0: float, x1: float, y: float, tall: float, green: Colour
) -> None:
    """A clipped hedge between two places along the street."""
    wide, deep = x1 - x0, 0.6
    kit.box(
        ((x0 + x1) / 2, y, tall / 2 - 0.05), (wide - 0.1, deep - 0.15, tall - 0.1), _core(skins, green), 0.05
    )
    count = int(wide * (tall + deep) * 110)
    points = np.column_stack([rng.uniform(x0, x1, count), np.full(count, y), rng.uniform(0, tall, count)])
    top = rng.random(count) < deep / (deep + tall)
    points[top, 2], points[top, 1] = tall, y + rng.uniform(-deep / 2, deep / 2, int(top.sum()))
    points[~top, 1] = y - deep / 2
    points += rng.normal(0, 0.045, points.shape)
    foliage(kit, skins, rng, points, 0.085, green)


def bush(
    kit: Kit, skins: Skins, rng: Rng, at: Point, size: float, green: Colour, bloom: Colour | None = None
) -> None:
    """A bush of several lobes, with flowers or without."""
    lobes = [np.array((at[0], at[1], at[2] + size * 0.4))]
    lobes += [
        np.array(at) + rng.normal(0, 0.3, 3) * size * (1, 0.7, 0.3) + (0, 0, size * 0.4) for _ in range(3)
    ]
    points = np.concatenate([_ball(rng, 130) * size * 0.45 + lobe for lobe in lobes])
    kit.soft((at[0], at[1], size * 0.35), (size * 0.8, size * 0.8, size * 0.7), _core(skins, green), 1)
    foliage(kit, skins, rng, points[points[:, 2] > 0], 0.075 + 0.05 * size, green)
    if bloom:
        flowers = points[rng.random(len(points)) < 0.2] + rng.normal(0, 0.05, 3)
        if len(flowers):
            kit.mesh(cards(rng, flowers, 0.08), skins.make.plain(bloom, 0.7, uneven=0))


def topiary(kit: Kit, skins: Skins, rng: Rng, at: Point, cone: bool) -> None:
    """A clipped cone or ball on a stem, in a square pot."""
    kit.box((at[0], at[1], 0.25 + at[2]), (0.5, 0.5, 0.5), skins.make.plain((0.32, 0.31, 0.3), 0.7))
    points = _ball(rng, 420, 0.15)
    if cone:
        height = rng.random(420)
        points = points * (1 - height)[:, None] * 0.36
        points[:, 2] = height * 1.3
        points += np.array((at[0], at[1], at[2] + 0.5))
    else:
        kit.rod(
            (at[0], at[1], at[2] + 0.5),
            (at[0], at[1], at[2] + 1.1),
            0.03,
            skins.make.plain((0.3, 0.22, 0.15), 0.8),
        )
        points = points * 0.36 + np.array(at) + (0, 0, 1.35)
    foliage(kit, skins, rng, points, 0.06, (0.18, 0.3, 0.13))


def tufts(
    kit: Kit, skins: Skins, rng: Rng, x0: float, x1: float, y: float, tall: float, green: Colour
) -> None:
    """Ornamental grass or weeds along a line."""
    count = int((x1 - x0) * 55)
    where = np.column_stack(
        [rng.uniform(x0, x1, count), y + rng.normal(0, 0.12, count), np.full(count, tall * 0.4)]
    )
    where[:, 0] = (
        x0 + (x1 - x0) * np.round((where[:, 0] - x0) / (x1 - x0) * 9) / 9 + rng.normal(0, 0.14, count)
    )
    foliage(kit, skins, rng, where + rng.normal(0, 0.06, where.shape), tall * 0.5, green, 1.0)


def climber(
    kit: Kit, skins: Skins, rng: Rng, x: float, tall: float, green: Colour, bloom: Colour | None
) -> None:
    """A plant against the wall, denser near its root."""
    z = tall * rng.random(1500) ** 1.3
    points = np.column_stack([x + rng.normal(0, 0.25 + 0.9 * z / tall), rng.uniform(-0.2, -0.03, 1500), z])
    foliage(kit, skins, rng, points, 0.1, green)
    if bloom:
        kit.mesh(
            cards(rng, points[rng.random(1500) < 0.4] - (0, 0.06, 0), 0.09),
            skins.make.plain(bloom, 0.7, uneven=0),
        )


def pot(
    kit: Kit, skins: Skins, rng: Rng, at: Point, size: float, glaze: Colour, bloom: Colour | None
) -> None:
    """A planted pot before the door."""
    profile = [(0.22 * size, 0.0), (0.3 * size, 0.5 * size), (0.26 * size, 0.5 * size)]
    kit.lathe(at, profile, skins.make.plain(glaze, 0.5), around=14)
    points = _ball(rng, 170) * 0.42 * size + np.array(at) + (0, 0, 0.8 * size)
    foliage(kit, skins, rng, points, 0.14 * size, pick(rng, GREENS), 0.5)
    if bloom:
        kit.mesh(cards(rng, points[:40], 0.09 * size), skins.make.plain(bloom, 0.7, uneven=0))


def tree(kit: Kit, skins: Skins, rng: Rng, at: Point, tall: float, kind: str) -> None:
    """`broad`, `birch`, `conifer`, `palm`, `cypress` or `bare`."""
    green = pick(rng, GREENS)
    base = np.array(at)
    bark = skins.make.plain((0.8, 0.79, 0.75) if kind == "birch" else (0.27, 0.21, 0.16), 0.9, uneven=0.15)
    if kind == "palm":
        lean = float(rng.normal(0, 0.3))
        top = base + np.array((lean, 0, tall))
        kit.wire([tuple(base), tuple(base + np.array((lean * 0.3, 0, tall * 0.5))), tuple(top)], 0.15, bark)
        fronds = [
            shapes.turned(shapes.leaf(0.42 * tall, 0.09 * tall, float(rng.uniform(0.6, 1.5))), 2.4 * i, -0.5, tuple(top))
            for i in range(24)
        ]  # fmt: skip
        kit.mesh(shapes.join(fronds), skins.make.plain(green, 0.5, uneven=0))
        return
    if kind in ("conifer", "cypress"):
        kit.rod(tuple(base), (at[0], at[1], at[2] + tall * 0.4), 0.03 * tall, bark)
        high = rng.random(2200) ** 1.2
        angle = rng.uniform(0, 6.3, 2200)
        swing = 1 + 0.25 * np.sin(high * 40) if kind == "conifer" else 1 - 0.3 * (high < 0.15)
        out = (
            (0.26 if kind == "conifer" else 0.11)
            * tall
            * (1 - high) ** 0.8
            * swing
            * rng.uniform(0.75, 1, 2200)
        )
        points = np.column_stack([out * np.cos(angle), out * np.sin(angle), tall * (0.1 + 0.9 * high)])
        foliage(kit, skins, rng, points + base, 0.03 * tall, (0.16, 0.27, 0.17))
        return
    slim = 0.7 if kind == "birch" else 1.0
    fork = base + np.array((float(rng.normal(0, 0.15)), 0, tall * 0.42))
    kit.rod(tuple(base), tuple(fork), 0.03 * tall * slim, bark, 0.018 * tall * slim)
    clumps, spread = [], 0.22 * tall * slim
    for i in range(13):
        a, reach = 2.4 * i, spread * float(rng.uniform(0.2, 1.0))
        tip = fork + np.array((reach * np.cos(a), reach * np.sin(a), tall * float(rng.uniform(0.06, 0.5))))
        kit.mesh(shapes.tube([tuple(fork), tuple(tip)], 0.012 * tall, 6, 0.003 * tall), bark)
        if kind == "bare":
            for _ in range(5):
                end = tip + rng.normal(0, 0.07, 3) * tall + (0, 0, 0.06 * tall)
                kit.mesh(
                    shapes.tube([tuple((fork + tip) / 2), tuple(end)], 0.005 * tall, 5, 0.001 * tall), bark
                )
        clumps.append(_ball(rng, 330, 0.5) * tall * float(rng.uniform(0.1, 0.15)) * (1, 1, 0.8) + tip)
    if kind != "bare":
        foliage(kit, skins, rng, np.concatenate(clumps), 0.0165 * tall, green)
