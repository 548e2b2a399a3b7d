"""What tells one way of living from another on a front: wires and dishes, planters, murals, racks, screens, fire escapes."""

import math
from collections.abc import Callable

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.kit import Kit
from studio.rooms import greenery, lived
from studio.rooms.facade import BRONZE, Dress
from studio.rooms.massing import Batch, Mass
from studio.skins import Skins
from studio.textures import floors

Accent = Callable[[Kit, Batch, Skins, Rng, Mass, Dress], None]


def accents(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    """Adds what the vibe is known by."""
    KNOWN[mass.vibe](kit, batch, skins, rng, mass, look)


def _scandinavian(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    make, door = skins.make, mass.middle(mass.entrance)
    for side in (-1, 1):
        batch.box(
            (side * (mass.width / 2 - 0.08), -0.03, mass.height / 2), (0.2, 0.08, mass.height), look.trim
        )
        greenery.pot(
            kit,
            skins,
            rng,
            (door + side * 1.35, -0.7, 0.0),
            0.9,
            (0.3, 0.31, 0.32),
            pick(rng, [None, (0.92, 0.9, 0.88)]),
        )
    bench = make.plain((0.78, 0.64, 0.46), 0.7, uneven=0.08)
    at = door + (2.8 if mass.entrance < mass.bays / 2 else -2.8)
    batch.box((at, -0.6, 0.45), (1.6, 0.45, 0.06), bench)
    for dx in (-0.65, 0.65):
        batch.box((at + dx, -0.6, 0.22), (0.06, 0.4, 0.44), bench)
    batch.bar((door + 1.1, -0.15, 2.2), (door + 1.1, -0.25, 2.2), 0.12, make.glow((1, 0.85, 0.6), 3.0), 12)
    if mass.kind in ("block", "tower", "factory"):  # timber between the windows
        timber = make.plain(
            pick(rng, [(0.74, 0.58, 0.38), (0.62, 0.5, 0.38), (0.82, 0.7, 0.52)]), 0.75, uneven=0.08
        )
        for floor in range(1, mass.floors):
            for bay in range(mass.bays - 1):
                x = (mass.middle(bay) + mass.middle(bay + 1)) / 2
                gap = mass.step - mass.wide - 0.3
                for k in range(5):
                    batch.box(
                        (
                            x + gap * ((k + 0.5) / 5 - 0.5),
                            -0.02,
                            mass.level(floor) + mass.sill + mass.tall / 2,
                        ),
                        (gap * 0.16, 0.05, mass.tall),
                        timber,
                    )


def _loft(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    black, w = skins.make.metal("black"), mass.width
    x = w * float(rng.uniform(-0.32, 0.32))
    for floor in range(1, mass.floors):
        z, turn = mass.level(floor), 1 if floor % 2 else -1
        batch.box((x, -0.7, z), (3.4, 1.2, 0.06), black)
        for dx in np.linspace(-1.7, 1.7, 15):
            batch.bar((x + dx, -1.28, z), (x + dx, -1.28, z + 1.0), 0.018, black, 4)
        batch.bar((x - 1.7, -1.28, z + 1.0), (x + 1.7, -1.28, z + 1.0), 0.03, black)
        for y in (-0.5, -1.1):
            batch.bar((x - 1.4 * turn, y, z), (x + 1.4 * turn, y, z - mass.storey), 0.05, black)
        for t in np.linspace(0, 1, 12):
            batch.box((x - 1.4 * turn + 2.8 * turn * t, -0.8, z - mass.storey * t), (0.24, 0.6, 0.03), black)
    for bay in range(mass.bays):  # goose-neck lamps
        at = mass.middle(bay)
        batch.wire([(at, 0, 3.6), (at, -0.4, 3.9), (at, -0.6, 3.6)], 0.025, black)
        shade = shapes.lathe([(0.28, 0), (0.06, 0.16)], 12)
        batch.add((shade[0] + np.array((at, -0.6, 3.45)), shade[1]), black)
        batch.bar((at, -0.6, 3.42), (at, -0.6, 3.46), 0.12, skins.make.glow((1, 0.75, 0.4), 4.0), 10)
    batch.bar(
        (w * 0.46, -0.15, 0), (w * 0.46, -0.15, mass.height), 0.09, skins.make.plain((0.3, 0.2, 0.15), 0.8)
    )
    if rng.random() < 0.6:  # the painted sign of the works that once was here
        faded = skins.make.plain((0.8, 0.77, 0.7), 0.95, uneven=0.14)
        z = mass.height - 0.45
        for i in range(int(w * 0.6 / 0.8)):
            at = -w * 0.3 + 0.8 * i
            batch.box((at, -0.02, z), (0.12, 0.02, 0.6), faded)
            batch.box((at + 0.22, -0.02, z + float(pick(rng, [-0.26, 0, 0.26]))), (0.36, 0.02, 0.1), faded)
            if rng.random() < 0.6:
                batch.box((at + 0.4, -0.02, z), (0.1, 0.02, 0.6), faded)


def _classic(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    black, door, w = skins.make.metal("black"), mass.middle(mass.entrance), mass.width
    for side in (-1, 1):
        greenery.topiary(kit, skins, rng, (door + side * 1.6, -1.0, 0.0), rng.random() < 0.5)
        batch.box((door + side * 1.2, -0.25, 2.2), (0.2, 0.24, 0.4), skins.make.glow((1, 0.8, 0.5), 3.0))
        batch.box((door + side * 1.2, -0.25, 2.44), (0.28, 0.3, 0.06), black)
    if mass.kind in ("villa", "townhouse") or rng.random() < 0.5:
        reach = w * 0.6
        for x in np.arange(-reach, reach, 0.17):
            if abs(x - door) > 1.3:
                batch.bar((x, -4.4, 0.1), (x, -4.4, 1.25), 0.02, black, 4)
                batch.bar((x, -4.4, 1.25), (x, -4.4, 1.4), 0.035, black, 4)
        for z in (0.3, 1.1):
            batch.bar((-reach, -4.4, z), (door - 1.3, -4.4, z), 0.025, black)
            batch.bar((door + 1.3, -4.4, z), (reach, -4.4, z), 0.025, black)
        for side in (-1, 1):
            batch.box((door + side * 1.45, -4.4, 0.8), (0.45, 0.45, 1.7), look.coat)
            batch.box((door + side * 1.45, -4.4, 1.7), (0.56, 0.56, 0.12), look.trim)


def _midcentury(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    w, door, make = mass.width, mass.middle(mass.entrance), skins.make
    side = -1 if mass.entrance < mass.bays / 2 else 1
    stone = make.surface(
        "stone",
        lambda: floors.bricks(rng, pick(rng, [(0.55, 0.45, 0.36), (0.6, 0.36, 0.27), (0.5, 0.49, 0.46)])),
        0.9,
        0.8,
    )
    batch.box((side * (w / 2 - 0.6), -0.35, mass.height / 2 + 0.4), (1.5, 0.7, mass.height + 0.8), stone)
    block, at = make.plain((0.88, 0.85, 0.78), 0.85, uneven=0.05), -side * (w / 2 + 0.3)
    rows = 6 if mass.kind == "villa" else 8
    for row in range(rows):  # a screen of breeze blocks
        for column in range(8):
            x, z = at + side * 0.42 * column, 0.25 + 0.42 * row
            ring = [(x + 0.2 * math.cos(a), -1.6, z + 0.2 * math.sin(a)) for a in np.linspace(0, 6.29, 9)]
            batch.wire(ring, 0.045, block)
            batch.box((x, -1.6, z + 0.2), (0.42, 0.16, 0.04), block)
            batch.box((x + 0.2, -1.6, z), (0.04, 0.16, 0.42), block)
    wood = skins.wood()
    for k in range(12):  # a timber screen by the door
        batch.box(
            (door - side * (0.95 + 0.13 * k), -0.3, mass.storey * 0.5 + 0.4),
            (0.06, 0.18, mass.storey - 0.1),
            wood,
        )
    batch.bar(
        (door + side * 1.4, -1.2, 1.9),
        (door + side * 1.4, -1.2, 2.3),
        0.22,
        make.glow((1, 0.86, 0.6), 2.5),
        14,
    )
    for _ in range(4):  # agaves
        x = float(rng.uniform(-0.5, 0.5)) * w
        leaves = [
            shapes.turned(shapes.leaf(0.85, 0.13, 0.2), 2.4 * i, -float(rng.uniform(0.4, 1.2)), (x, -2.2, 0))
            for i in range(18)
        ]
        kit.mesh(shapes.join(leaves), make.plain((0.42, 0.52, 0.42), 0.5, uneven=0))


def _minimalist(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    w, make = mass.width, skins.make
    grey = make.surface("cast", lambda: floors.concrete(rng, (0.6, 0.59, 0.57), True), 0.8, 0.3)
    side = 1 if rng.random() < 0.5 else -1
    batch.box((side * w * 0.5, -0.5, mass.height * 0.5), (0.35, 1.8, mass.height + 0.3), look.coat)
    if mass.kind in ("villa", "townhouse"):  # a box that juts out
        z0, z1 = mass.level(1) - 0.12 if mass.floors > 1 else 2.6, mass.height + 0.15
        x0, x1 = -side * w * 0.5, side * w * 0.12
        for z in (z0, z1):
            batch.box(((x0 + x1) / 2, -0.7, z), (abs(x1 - x0), 1.7, 0.24), look.coat)
        batch.box((x1, -0.7, (z0 + z1) / 2), (0.24, 1.7, z1 - z0), look.coat)
        batch.box((x0, -0.7, (z0 + z1) / 2), (0.24, 1.7, z1 - z0), look.coat)
    batch.box((side * w * 0.34, -3.9, 0.45), (w * 0.34, 0.25, 1.0), grey)
    greenery.tufts(kit, skins, rng, -w * 0.45, w * 0.1, -1.4, 0.9, (0.5, 0.5, 0.33))


def _designer(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    w, door, make = mass.width, mass.middle(mass.entrance), skins.make
    bronze, warm = make.plain(BRONZE, 0.32, 0.8, uneven=0), make.glow((1, 0.7, 0.36), 7.0)
    for i in range(4):
        for side in (-1, 1):
            x = door + side * (1.7 + 1.5 * i)
            if abs(x) < w * 0.55 and i < 3:
                kit.box(
                    (x, -1.3, 0.4),
                    (0.7, 0.7, 0.8),
                    bronze if i % 2 else make.plain((0.08, 0.08, 0.09), 0.3),
                    0.02,
                )
                greenery.pot(
                    kit,
                    skins,
                    rng,
                    (x, -1.3, 0.35),
                    1.0,
                    (0.1, 0.1, 0.1),
                    pick(rng, [None, (0.93, 0.9, 0.88)]),
                )
    for bay in range(mass.bays + 1):  # wall washers
        x = bay * mass.step - w / 2
        batch.box((x, -0.34, 2.5), (0.1, 0.1, 0.4), warm)
        quad = np.array(
            [(x - 0.05, -0.33, 2.7), (x + 0.05, -0.33, 2.7), (x + 0.28, -0.33, 4.0), (x - 0.28, -0.33, 4.0)]
        )
        batch.add((quad, [(0, 1, 2, 3)]), make.glow((0.62, 0.42, 0.24), 0.45))
    marble = make.surface("base", lambda: floors.marble(rng, (0.09, 0.1, 0.1), (0.7, 0.62, 0.5)), 0.15, 0)
    batch.box((0, -0.02, 0.4), (w, 0.06, 0.8), marble)
    carpet = make.plain(pick(rng, [(0.4, 0.06, 0.08), (0.1, 0.1, 0.12), (0.12, 0.2, 0.17)]), 1.0, uneven=0)
    batch.box((door, -3.2, 0.0), (1.7, 4.5, 0.03), carpet)
    for side in (-1, 1):
        batch.bar((door + side * 1.1, -2.2, 0), (door + side * 1.1, -2.2, 0.95), 0.04, make.metal("brass"))


KNOWN: dict[str, Accent] = {
    "worn_out": lived.worn_out, "rental_basic": lived.rental_basic, "scandinavian": _scandinavian, "loft": _loft, "classic": _classic,
    "boho": lived.boho, "midcentury": _midcentury, "minimalist": _minimalist, "designer": _designer,
}  # fmt: skip
