"""Small things that make a home lived in: pictures, vases, books, bottles, boxes, macrame, clocks, clutter."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick, weighted
from studio.furniture.plants import plant, stems
from studio.kit import Kit
from studio.skins import Skins
from studio.textures.art import art, book_row
from studio.vibes import VIBES

POTS = [
    [(0.05, 0), (0.08, 0.08), (0.06, 0.2), (0.03, 0.25)],
    [(0.06, 0), (0.1, 0.07), (0.03, 0.14), (0.035, 0.22)],
    [(0.07, 0), (0.07, 0.24), (0.06, 0.24)],
    [(0.04, 0), (0.11, 0.1), (0.09, 0.16)],
]


def _paint(skins: Skins, rng: Rng):
    neutral = [(0.9, 0.88, 0.84), (0.2, 0.2, 0.2), (0.7, 0.62, 0.52)]
    colour = pick(rng, neutral if skins.style.vibe == "minimalist" else [*skins.style.accents, *neutral[:2]])
    return skins.make.plain(colour, float(rng.uniform(0.2, 0.7)), uneven=0.04)


def framed(kit: Kit, skins: Skins, rng: Rng, x: float, z: float, width: float, height: float) -> None:
    """One picture in its frame on a wall, in the wall's frame."""
    kind = skins.style.choice["art"]
    if rng.random() < 0.4:
        kind = weighted(rng, VIBES[skins.style.vibe].art)
    if kind == "none":
        return
    if kind == "macrame":
        return macrame(kit, skins, rng, x, z)
    pixels = art(rng, kind, [*skins.style.accents, *skins.style.fabrics[:2], (0.93, 0.9, 0.84)])
    frame = {
        "classic": skins.make.metal("gold"),
        "worn_out": skins.wood(),
        "loft": skins.make.metal("black"),
        "designer": skins.metal(),
        "midcentury": skins.wood(),
    }.get(skins.style.vibe)
    frame = frame or pick(rng, [skins.wood(), skins.make.metal("black"), skins.make.plain((0.92, 0.92, 0.9))])
    thick = {"classic": 0.06, "worn_out": 0.045}.get(skins.style.vibe, 0.022)
    matted = rng.random() < 0.5 and kind not in ("abstract",)
    edge = 0.16 * min(width, height) if matted else 0.0
    kit.box((x, -0.015, z), (width, 0.02, height), skins.make.plain((0.93, 0.92, 0.9)), 0)
    kit.picture(
        (x, -0.027, z),
        width - 2 * edge,
        height - 2 * edge,
        skins.make.image(f"art {kit.count}", pixels, 0.4, coat=0.3),
    )
    for side in (-1, 1):
        kit.box((x + side * width / 2, -0.02, z), (thick, 0.04, height + thick), frame)
        kit.box((x, -0.02, z + side * height / 2), (width + thick, 0.04, thick), frame)


def gallery(kit: Kit, skins: Skins, rng: Rng, start: float, end: float, z: float, count: int) -> None:
    """Pictures along a piece of wall, from one big to a wall full."""
    if count <= 0 or end - start < 0.4:
        return
    if count <= 2 or skins.style.vibe in ("designer", "minimalist"):
        width = float(min(end - start, rng.uniform(0.7, 1.5)))
        return framed(
            kit,
            skins,
            rng,
            (start + end) / 2,
            z,
            width,
            width * float(rng.uniform(0.6, 1.1)) if width < 1 else width * 0.65,
        )
    x = start
    while x < end - 0.25 and count > 0:
        width = float(rng.uniform(0.28, 0.6))
        framed(
            kit,
            skins,
            rng,
            x + width / 2,
            z + float(rng.normal(0, 0.07)),
            width,
            width * pick(rng, [0.75, 1.0, 1.35]),
        )
        if width < 0.42 and rng.random() < 0.6:
            framed(kit, skins, rng, x + width / 2, z + 0.55, width, width * 0.8)
        x += width + 0.12
        count -= 1
    return None


def macrame(kit: Kit, skins: Skins, rng: Rng, x: float, z: float) -> None:
    """Knotted strings on a stick."""
    thread = skins.make.plain((0.88, 0.82, 0.7), 1.0)
    kit.rod((x - 0.35, -0.03, z + 0.4), (x + 0.35, -0.03, z + 0.4), 0.014, skins.wood())
    for i in range(25):
        u = i / 24 - 0.5
        kit.wire(
            [
                (x + 0.6 * u + 0.02 * np.sin(5 * t + i), -0.03, z + 0.4 - t * (0.75 - 0.8 * abs(u)))
                for t in np.linspace(0, 1, 8)
            ],
            0.008,
            thread,
        )


def clock(kit: Kit, skins: Skins, x: float, z: float) -> None:
    """A sunburst clock."""
    for i in range(16):
        a = 2 * np.pi * i / 16
        far = 0.36 if i % 2 else 0.26
        kit.rod(
            (x + 0.1 * np.cos(a), -0.03, z + 0.1 * np.sin(a)),
            (x + far * np.cos(a), -0.03, z + far * np.sin(a)),
            0.008,
            skins.make.metal("brass"),
            0.004,
        )
    kit.mesh(
        shapes.tube([(0, -0.05, 0), (0, -0.01, 0)], 0.12, 24),
        skins.make.plain((0.93, 0.91, 0.85)),
        (x, 0, z),
        smooth=True,
    )


def mirror(kit: Kit, skins: Skins, x: float, z: float, width: float, height: float, round_: bool) -> None:
    """A mirror on a wall."""
    glass = skins.make.plain((0.92, 0.93, 0.93), 0.02, 1.0, uneven=0)
    frame = (
        skins.wood()
        if skins.style.vibe in ("worn_out", "midcentury")
        else skins.make.metal("gold")
        if skins.style.vibe == "classic"
        else skins.metal()
    )
    if round_:
        kit.mesh(
            shapes.tube([(0, -0.025, 0), (0, 0, 0)], width / 2 + 0.025, 40), frame, (x, 0, z), smooth=True
        )
        kit.mesh(shapes.tube([(0, -0.03, 0), (0, 0, 0)], width / 2, 40), glass, (x, 0, z))
    else:
        kit.box((x, -0.012, z), (width + 0.05, 0.024, height + 0.05), frame)
        kit.box((x, -0.016, z), (width, 0.024, height), glass, 0)


def books(kit: Kit, skins: Skins, rng: Rng, x0: float, x1: float, z: float, depth: float) -> None:
    """A row of standing books, with a gap and something leaning."""
    x = x0
    for thick, tall, colour in book_row(
        rng, skins.style.accents, skins.style.vibe in ("minimalist", "scandinavian")
    ):
        if x + thick > x1:
            break
        kit.box(
            (x + thick / 2, float(rng.uniform(0, 0.03)), z + tall / 2),
            (thick - 0.002, depth * 0.8, tall),
            skins.make.plain(colour, 0.6, uneven=0),
            0,
        )
        x += thick


def small(kit: Kit, skins: Skins, rng: Rng, at: tuple[float, float, float]) -> None:
    """One small thing standing at a point: vase, plant, candle, box, stack of books, bowl, bottle, frame."""
    x, y, z = at
    kind = pick(rng, ["vase", "vase", "stack", "bowl", "candle", "box", "bottle", "stems", "mug", "plant"])
    if kind in ("vase", "stems"):
        size = float(rng.uniform(0.7, 1.3))
        kit.lathe(at, [(r * size, h * size) for r, h in pick(rng, POTS)], _paint(skins, rng))
        if kind == "stems":
            with kit.at(x, y, z + 0.15 * size):
                stems(kit, skins, rng)
    elif kind == "stack":
        for i in range(int(rng.integers(2, 5))):
            kit.box(
                (x, y, z + 0.03 * i + 0.015),
                (0.22, 0.16, 0.028),
                _paint(skins, rng),
                0.002,
                (0, 0, float(rng.normal(0, 12))),
            )
    elif kind == "bowl":
        kit.lathe(
            at,
            [(0.05, 0), (0.12, 0.05), (0.14, 0.08), (0.13, 0.08), (0.05, 0.015), (0, 0.01)],
            _paint(skins, rng),
        )
        for _ in range(4):
            kit.soft(
                (x + float(rng.normal(0, 0.04)), y + float(rng.normal(0, 0.04)), z + 0.06),
                (0.07, 0.07, 0.07),
                skins.make.plain(pick(rng, [(0.75, 0.2, 0.12), (0.85, 0.55, 0.1), (0.45, 0.6, 0.15)]), 0.4),
                1,
            )
    elif kind == "candle":
        for i in range(3):
            kit.lathe(
                (x + 0.08 * (i - 1), y, z),
                [(0.03, 0), (0.03, 0.08 + 0.05 * i), (0, 0.08 + 0.05 * i)],
                skins.make.plain((0.92, 0.88, 0.8)),
            )
    elif kind == "box":
        kit.box(
            (x, y, z + 0.07), (0.2, 0.15, 0.14), _paint(skins, rng), 0.005, (0, 0, float(rng.normal(0, 15)))
        )
    elif kind == "bottle":
        for i in range(int(rng.integers(1, 4))):
            green = skins.make.plain(
                pick(rng, [(0.1, 0.25, 0.12), (0.35, 0.18, 0.06), (0.85, 0.88, 0.86)]), 0.08, coat=0.8
            )
            kit.lathe((x + 0.08 * i, y, z), [(0.035, 0), (0.035, 0.17), (0.013, 0.22), (0.013, 0.29)], green)
    elif kind == "mug":
        for i in range(2):
            kit.lathe(
                (x + 0.11 * i, y, z),
                [(0.035, 0), (0.04, 0.09), (0.036, 0.09), (0.03, 0.01), (0, 0.01)],
                _paint(skins, rng),
            )
    else:
        with kit.at(x, y, z):
            plant(kit, skins, rng, 0.35)


def table_things(kit: Kit, skins: Skins, rng: Rng, half_x: float, half_y: float) -> None:
    """A few things on a table about the origin, as many as this home keeps about."""
    for _ in range(int(rng.poisson(0.4 + 3.2 * skins.style.dense))):
        small(kit, skins, rng, (float(rng.uniform(-half_x, half_x)), float(rng.uniform(-half_y, half_y)), 0))


def clutter(kit: Kit, skins: Skins, rng: Rng, spots: list[tuple[float, float]], amount: float) -> None:
    """Things left on the floor: bags, boxes, shoes, magazines, toys."""
    for x, y in spots:
        if rng.random() > amount:
            continue
        turn, kind = float(rng.uniform(0, 360)), pick(rng, ["box", "bag", "shoes", "pile", "basket"])
        with kit.at(x, y, 0, turn):
            if kind == "box":
                card = skins.make.plain((0.6, 0.45, 0.29), 0.8, uneven=0.08)
                kit.box((0, 0, 0.15), (0.42, 0.32, 0.3), card)
                kit.box((0.26, 0, 0.3), (0.14, 0.32, 0.005), card, 0, (0, 35, 0))
            elif kind == "bag":
                kit.soft((0, 0, 0.17), (0.34, 0.2, 0.34), skins.print(2), 0.5)
                kit.wire(
                    [(0.09 * np.cos(a), 0, 0.3 + 0.16 * np.sin(a)) for a in np.linspace(0, np.pi, 9)],
                    0.01,
                    _paint(skins, rng),
                )
            elif kind == "shoes":
                for side in (-0.07, 0.07):
                    kit.soft(
                        (side, 0, 0.05),
                        (0.1, 0.28, 0.1),
                        _paint(skins, rng),
                        0.6,
                        (0, 0, float(rng.normal(0, 8))),
                    )
            elif kind == "basket":
                kit.lathe(
                    (0, 0, 0),
                    [(0.16, 0), (0.21, 0.3), (0.19, 0.3), (0.15, 0.03), (0, 0.03)],
                    skins.make.plain((0.66, 0.5, 0.32), 0.9, uneven=0.15),
                )
                kit.soft((0, 0, 0.27), (0.32, 0.3, 0.16), skins.print(0), 0.6)
            else:
                for i in range(4):
                    kit.box(
                        (0, 0, 0.012 + 0.02 * i),
                        (0.22, 0.3, 0.018),
                        _paint(skins, rng),
                        0,
                        (0, 0, float(rng.normal(0, 12))),
                    )
