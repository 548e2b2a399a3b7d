"""Bathroom fixtures: toilet, washbasins, tubs, showers, towel rails, washing machine."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.furniture import decor
from studio.kit import Kit
from studio.skins import Skin, Skins


def china(skins: Skins) -> Skin:
    """Sanitary ware; yellowed or coloured in old homes."""
    if skins.style.vibe == "worn_out":
        return skins.make.plain((0.85, 0.81, 0.7), 0.25, uneven=0.06)
    if skins.style.vibe == "midcentury":
        return skins.make.plain((0.9, 0.88, 0.82), 0.12, coat=0.5)
    return skins.make.plain((0.94, 0.94, 0.94), 0.1, uneven=0, coat=0.5)


def toilet(kit: Kit, skins: Skins, rng: Rng) -> None:
    """A toilet with its back to +y; hung from the wall in newer homes."""
    skin = china(skins)
    hung = skins.style.vibe in ("minimalist", "designer", "scandinavian", "loft")
    kit.mesh(
        shapes.lathe(
            [
                (0.11, 0.15 if hung else 0.0),
                (0.12, 0.16),
                (0.14, 0.28),
                (0.19, 0.4),
                (0.18, 0.41),
                (0.12, 0.36),
                (0, 0.3),
            ]
        ),
        skin,
        (0, -0.28, 0),
        smooth=True,
    ).scale[1] = 1.25
    kit.soft(
        (0, -0.29, 0.43),
        (0.38, 0.48, 0.035),
        skins.wood() if skins.style.vibe in ("worn_out", "classic") else skin,
        0.7,
    )
    if hung:
        kit.soft((0, -0.08, 0.3), (0.3, 0.28, 0.24), skin, 0.4)
        kit.box((0, -0.01, 1.0), (0.24, 0.02, 0.16), skins.metal())
    else:
        kit.soft((0, -0.1, 0.62), (0.38, 0.18, 0.38), skin, 0.25)
        kit.box((0, -0.1, 0.82), (0.4, 0.2, 0.03), skin, 0.01)
    kit.mesh(
        shapes.tube([(0, -0.05, 0), (0, 0.05, 0)], 0.055, 16),
        skins.make.plain((0.93, 0.93, 0.92), 0.9),
        (0.34, -0.09, 0.7),
    )


def basin(kit: Kit, skins: Skins, rng: Rng, width: float) -> None:
    """A washbasin with what is under and above it, in a wall's frame about x = 0."""
    vibe, skin, metal = skins.style.vibe, china(skins), skins.metal()
    if vibe in ("worn_out", "rental_basic") and rng.random() < 0.6:
        kit.lathe((0, -0.24, 0), [(0.1, 0), (0.07, 0.1), (0.08, 0.65), (0.12, 0.72)], skin)
        kit.soft((0, -0.25, 0.78), (0.58, 0.46, 0.18), skin, 0.35)
        kit.soft((0, -0.27, 0.86), (0.42, 0.3, 0.04), skins.make.plain((0.7, 0.68, 0.63), 0.2), 0.6)
    else:
        body = (
            skins.wood()
            if vibe in ("scandinavian", "midcentury", "loft", "boho", "classic") and rng.random() < 0.75
            else skins.fronts()
        )
        low = 0.08 if vibe in ("classic", "rental_basic", "boho") else 0.38
        if vibe == "loft":
            for side in (-1, 1):
                kit.box((side * width / 2, -0.42, 0.4), (0.03, 0.03, 0.8), metal)
            kit.box((0, -0.24, 0.3), (width, 0.44, 0.04), body)
            for i in range(3):
                kit.soft((-width / 4 + 0.2 * i, -0.24, 0.37), (0.18, 0.34, 0.1), skins.print(1), 0.4)
        else:
            kit.box((0, -0.24, (low + 0.8) / 2), (width, 0.46, 0.8 - low), body)
            doors = max(1, round(width / 0.45))
            for i in range(doors):
                x = (i + 0.5) * width / doors - width / 2
                kit.box((x, -0.475, (low + 0.8) / 2), (width / doors - 0.012, 0.018, 0.78 - low), body, 0.004)
                if vibe != "minimalist":
                    kit.rod((x - 0.06, -0.5, 0.66), (x + 0.06, -0.5, 0.66), 0.007, metal)
        kit.box(
            (0, -0.24, 0.82), (width + 0.03, 0.49, 0.035), skins.top() if vibe != "rental_basic" else skin
        )
        if vibe in ("designer", "boho", "loft", "minimalist", "scandinavian"):
            bowl = skin if vibe != "boho" else skins.make.plain(pick(rng, skins.style.accents), 0.2, coat=0.5)
            kit.lathe(
                (0, -0.25, 0.84),
                [(0.1, 0), (0.19, 0.06), (0.21, 0.13), (0.195, 0.13), (0.09, 0.02), (0, 0.015)],
                bowl,
                around=36,
            )
        else:
            kit.soft((0, -0.27, 0.84), (0.46, 0.34, 0.05), skin, 0.5)
    kit.wire(
        [(0, -0.06, 0.84), (0, -0.06, 1.02), (0, -0.1, 1.07), (0, -0.18, 1.06), (0, -0.2, 1.0)], 0.012, metal
    )
    round_ = vibe in ("scandinavian", "boho", "designer", "midcentury", "loft") and rng.random() < 0.65
    size = min(width, 0.7) if round_ else max(0.5, width * 0.9)
    decor.mirror(kit, skins, 0, 1.55, size, 0.75, round_)
    lit = skins.make.glow((1, 0.9, 0.75), 9.0)
    if vibe in ("classic", "midcentury", "designer", "loft"):
        for side in (-1, 1):
            kit.soft((side * (size / 2 + 0.14), -0.09, 1.6), (0.11, 0.11, 0.16), lit, 1)
            kit.rod((side * (size / 2 + 0.14), 0, 1.5), (side * (size / 2 + 0.14), -0.09, 1.52), 0.012, metal)
    else:
        kit.box((0, -0.05, 2.0), (size * 0.7, 0.05, 0.04), lit)
    for _ in range(int(rng.poisson(0.6 + 3.5 * skins.style.dense))):
        x = float(rng.uniform(-0.45, 0.45)) * width
        if abs(x) > 0.2 or vibe in ("worn_out",):
            kit.lathe(
                (x, -0.12, 0.84),
                pick(
                    rng,
                    [
                        [(0.03, 0), (0.03, 0.12), (0.01, 0.14), (0.01, 0.18)],
                        [(0.035, 0), (0.04, 0.1), (0.035, 0.1)],
                    ],
                ),
                skins.make.plain(pick(rng, [*skins.style.accents, (0.93, 0.93, 0.9)]), 0.3),
            )


def tub(kit: Kit, skins: Skins, rng: Rng, length: float) -> None:
    """A bathtub along x about the origin: built in behind tiles, or free-standing."""
    vibe, skin = skins.style.vibe, china(skins)
    free = vibe in ("designer", "classic", "boho") and rng.random() < 0.75
    inside = shapes.lathe([(0.5, 0.56), (0.47, 0.57), (0.44, 0.5), (0.36, 0.22), (0, 0.2)], 40)
    if free:
        foot = 0.12 if vibe == "classic" else 0.0
        shell = shapes.lathe([(0.3, foot), (0.4, foot + 0.06), (0.48, 0.4), (0.52, 0.57), (0.5, 0.57)], 40)
        outer = (
            skins.make.plain(pick(rng, [*skins.style.accents[:2], (0.94, 0.94, 0.94)]), 0.15, coat=0.6)
            if vibe != "boho"
            else skin
        )
        for mesh, paint in ((shell, outer), (inside, skin)):
            kit.mesh((mesh[0] * (length * 0.98, 0.78, 1), mesh[1]), paint, smooth=True)
        kit.wire(
            [
                (length * 0.3, 0.45, 0),
                (length * 0.3, 0.45, 0.9),
                (length * 0.3, 0.35, 0.95),
                (length * 0.3, 0.28, 0.86),
            ],
            0.018,
            skins.metal(),
        )
        return
    side = skins.wet() if vibe != "worn_out" or rng.random() < 0.5 else skin
    kit.box((0, -0.36, 0.27), (length, 0.04, 0.54), side, 0)
    for y in (-0.35, 0.35):
        kit.box((0, y, 0.55), (length, 0.07, 0.035), skin, 0.015)
    for x in (-1, 1):
        kit.box((x * (length / 2 - 0.05), 0, 0.55), (0.1, 0.75, 0.035), skin, 0.015)
        kit.box((x * (length / 2 - 0.05), 0, 0.4), (0.03, 0.7, 0.3), skin, 0.01)
    kit.box((0, 0, 0.2), (length - 0.1, 0.68, 0.03), skin, 0.01)
    kit.box((0, 0.33, 0.4), (length, 0.03, 0.3), skin, 0.01)
    _shower_head(kit, skins, -length / 2 + 0.08, 0.0, turn=-90)
    if (
        vibe in ("worn_out", "rental_basic", "boho", "scandinavian", "midcentury", "classic")
        and rng.random() < 0.75
    ):
        kit.rod((-length / 2, -0.37, 2.0), (length / 2, -0.37, 2.0), 0.012, skins.metal())
        cloth = skins.print(3) if vibe != "rental_basic" else skins.make.sheer((0.9, 0.91, 0.93), 0.15)
        x0 = -length / 2 + 0.05 if rng.random() < 0.5 else length / 2 - 0.7
        phase = float(rng.uniform(0, 6))
        kit.mesh(
            shapes.sheet(
                lambda u, v: (
                    x0 + 0.65 * u,
                    -0.37 + 0.045 * np.sin(2 * np.pi * 7 * u + phase),
                    2.0 - 1.75 * v,
                ),
                57,
                6,
            ),
            cloth,
            smooth=True,
        )


def shower(kit: Kit, skins: Skins, rng: Rng, width: float, depth: float) -> None:
    """A walk-in shower in a corner: its back along +y, its side along -x; glass in front."""
    kit.box(
        (0, 0, 0.03),
        (width, depth, 0.06),
        skins.wet("floor") if skins.style.vibe in ("minimalist", "designer", "loft") else china(skins),
    )
    frame, glass = skins.metal(), skins.make.glass((0.93, 0.97, 0.96), 0.9)
    kit.box((width / 2, 0, 1.03), (0.012, depth, 1.95), glass, 0)
    kit.box((-width * 0.15, -depth / 2, 1.03), (width * 0.7, 0.012, 1.95), glass, 0)
    bars = 4 if skins.style.vibe == "loft" else 1
    for k in range(bars + 1):
        kit.box((width / 2, 0, 0.06 + 1.95 * k / bars), (0.025, depth, 0.025), frame)
        kit.box((-width * 0.15, -depth / 2, 0.06 + 1.95 * k / bars), (width * 0.7, 0.025, 0.025), frame)
    for x, y in (
        (width / 2, -depth / 2),
        (width / 2, depth / 2),
        (-width / 2, -depth / 2),
        (width * 0.2, -depth / 2),
    ):
        kit.box((x, y, 1.03), (0.025, 0.025, 1.95), frame)
    _shower_head(kit, skins, 0, depth / 2, 0)


def _shower_head(kit: Kit, skins: Skins, x: float, y: float, turn: float) -> None:
    metal = skins.metal()
    with kit.at(x, y, 0, turn):
        kit.wire([(0, -0.03, 1.0), (0, -0.03, 2.1), (0, -0.1, 2.16), (0, -0.35, 2.14)], 0.011, metal)
        kit.lathe((0, -0.35, 2.08), [(0.11, 0), (0.11, 0.012), (0.02, 0.05)], metal)
        kit.box((0, -0.03, 1.05), (0.26, 0.05, 0.05), metal, 0.02)
        kit.wire(
            [(0.08, -0.04, 1.05), (0.14, -0.06, 0.75), (0.1, -0.06, 0.9), (0.06, -0.05, 1.5)], 0.008, metal
        )


def towels(kit: Kit, skins: Skins, rng: Rng) -> None:
    """A rail with towels, in a wall's frame about x = 0."""
    kit.rod((-0.3, -0.06, 1.25), (0.3, -0.06, 1.25), 0.01, skins.metal())
    for i in range(int(rng.integers(1, 3))):
        x, low = -0.15 + 0.28 * i, float(rng.uniform(0.6, 0.85))
        skin = (
            skins.print(i)
            if skins.style.vibe not in ("minimalist", "scandinavian")
            else skins.linen(skins.style.fabrics[i])
        )
        kit.mesh(_towel(x, low), skin, smooth=True)


def _towel(x: float, low: float) -> shapes.Shape:
    return shapes.sheet(
        lambda u, v: (x + 0.24 * (u - 0.5), -0.085 - 0.012 * np.sin(9 * u), 1.27 - (1.27 - low) * v), 10, 6
    )


def washer(kit: Kit, skins: Skins) -> None:
    """A washing machine with its back to +y."""
    white = skins.make.plain((0.92, 0.92, 0.91), 0.3)
    kit.box((0, -0.28, 0.42), (0.6, 0.55, 0.84), white, 0.015)
    kit.mesh(
        shapes.tube([(0, -0.6, 0), (0, -0.54, 0)], 0.17, 28),
        skins.make.plain((0.7, 0.7, 0.7), 0.3),
        (0, 0, 0.42),
        smooth=True,
    )
    kit.mesh(
        shapes.tube([(0, -0.61, 0), (0, -0.55, 0)], 0.13, 28),
        skins.make.plain((0.05, 0.05, 0.06), 0.1, uneven=0),
        (0, 0, 0.42),
        smooth=True,
    )
    kit.box((0, -0.56, 0.77), (0.56, 0.012, 0.09), skins.make.plain((0.8, 0.8, 0.8), 0.3))
