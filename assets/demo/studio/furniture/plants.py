"""House plants, cut stems and trees of the street."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.kit import Kit
from studio.skins import Skins

KINDS = ("fig", "palm", "sword", "fern", "rubber", "trailing")


def _green(skins: Skins, rng: Rng):
    return skins.make.plain(
        (float(rng.uniform(0.12, 0.28)), float(rng.uniform(0.3, 0.45)), float(rng.uniform(0.1, 0.2))),
        0.45,
        uneven=0.08,
    )


def plant(kit: Kit, skins: Skins, rng: Rng, tall: float) -> None:
    """A plant in a pot at the origin, `tall` metres with its pot."""
    kind = pick(rng, KINDS)
    pot = 0.28 * tall
    basket = skins.style.vibe == "boho" and rng.random() < 0.5
    paint = (
        skins.make.plain((0.68, 0.52, 0.34), 0.9, uneven=0.15)
        if basket
        else skins.make.plain(
            pick(rng, [(0.9, 0.89, 0.86), (0.72, 0.42, 0.3), (0.25, 0.25, 0.25), *skins.style.accents[:2]]),
            0.55,
        )
    )
    kit.lathe(
        (0, 0, 0),
        [(0.1 * tall, 0), (0.15 * tall, pot), (0.13 * tall, pot), (0.13 * tall, pot * 0.9), (0, pot * 0.9)],
        paint,
    )
    leaves = []
    if kind == "sword":
        for _ in range(11):
            leaves.append(
                shapes.turned(
                    shapes.leaf(0.75 * tall, 0.07 * tall, 0.05),
                    float(rng.uniform(0, 6.3)),
                    -float(rng.uniform(1.1, 1.45)),
                    (float(rng.normal(0, 0.03)), float(rng.normal(0, 0.03)), pot),
                )
            )
    elif kind in ("palm", "fern"):
        for i in range(14):
            yaw, lift = 2.4 * i, float(rng.uniform(0.4, 1.2))
            frond = [
                shapes.turned(
                    shapes.leaf(0.2 * tall, 0.035 * tall, 0.3),
                    s * 0.9,
                    0,
                    (0.6 * tall * u, 0, 0.1 * tall * u - 0.25 * tall * u * u),
                )
                for u in np.linspace(0.15, 1, 9)
                for s in (-1, 1)
            ]
            leaves.append(
                shapes.turned(
                    shapes.join(frond),
                    yaw,
                    -lift * (0.6 if kind == "fern" else 1),
                    (0, 0, pot + (0.15 * tall if kind == "palm" else 0)),
                )
            )
    elif kind == "trailing":
        for i in range(60):
            down = float(rng.uniform(-0.25, 0.25)) * tall
            a = 2.4 * i
            leaves.append(
                shapes.turned(
                    shapes.leaf(0.11 * tall, 0.1 * tall, 0.5),
                    a,
                    -0.3,
                    (0.17 * tall * np.cos(a), 0.17 * tall * np.sin(a), max(0.02, pot + down)),
                )
            )
    else:
        kit.rod(
            (0, 0, pot * 0.8),
            (0.02, 0.01, tall * 0.8),
            0.012 * tall + 0.004,
            skins.make.plain((0.3, 0.22, 0.15), 0.8),
        )
        big = 0.24 if kind == "fig" else 0.2
        for i in range(26):
            z = pot + (tall - pot) * float(rng.uniform(0.2, 0.9))
            leaves.append(
                shapes.turned(
                    shapes.leaf(big * tall, big * 0.6 * tall, 0.45),
                    2.4 * i,
                    -float(rng.uniform(0.1, 0.8)),
                    (0.02, 0, z),
                )
            )
    kit.mesh(shapes.join(leaves), _green(skins, rng), smooth=True)


def stems(kit: Kit, skins: Skins, rng: Rng) -> None:
    """Cut flowers, dry grass or twigs out of a vase."""
    kind = pick(rng, ["grass", "flowers", "twigs"])
    stalk = skins.make.plain((0.55, 0.47, 0.3) if kind != "flowers" else (0.2, 0.4, 0.15), 0.8)
    bloom = skins.make.plain(pick(rng, [(0.85, 0.75, 0.58), *skins.style.accents]), 0.9)
    for _ in range(9):
        x, y, z = float(rng.normal(0, 0.09)), float(rng.normal(0, 0.09)), float(rng.uniform(0.25, 0.45))
        kit.wire([(0, 0, 0), (x * 0.4, y * 0.4, z * 0.6), (x, y, z)], 0.003, stalk)
        if kind == "flowers":
            kit.soft((x, y, z), (0.07, 0.07, 0.05), bloom, 1)
        elif kind == "grass":
            kit.soft((x, y, z), (0.035, 0.035, 0.16), bloom, 1)


def tree(kit: Kit, skins: Skins, rng: Rng, tall: float, bare: bool = False) -> None:
    """A street tree: trunk, boughs and a ragged crown of leaves."""
    bark = skins.make.plain((0.24, 0.19, 0.15), 0.9, uneven=0.12)
    kit.rod((0, 0, 0), (0.1, 0, tall * 0.55), 0.035 * tall, bark, 0.02 * tall)
    tips = []
    for i in range(9):
        a, reach = 2.4 * i, float(rng.uniform(0.14, 0.3)) * tall
        tip = (reach * np.cos(a), reach * np.sin(a), tall * float(rng.uniform(0.6, 0.95)))
        kit.rod((0.1, 0, tall * float(rng.uniform(0.35, 0.55))), tip, 0.012 * tall, bark, 0.003 * tall)
        tips.append(tip)
    if bare:
        return
    leaves = []
    for tip in tips:
        for _ in range(190):
            x, y, z = (float(c + rng.normal(0, 0.085 * tall)) for c in tip)
            at = (x, y, z)
            leaves.append(
                shapes.turned(
                    shapes.leaf(0.05 * tall, 0.03 * tall, 0.3),
                    float(rng.uniform(0, 6.3)),
                    float(rng.uniform(-1, 1)),
                    at,
                )
            )
    kit.mesh(shapes.join(leaves), _green(skins, rng), smooth=True)
