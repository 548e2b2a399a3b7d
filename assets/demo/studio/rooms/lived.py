"""Fronts that show how people live: wires, dishes and graffiti; letter boxes and bicycles; murals, pots and bunting."""

import math

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.colour import mix
from studio.kit import Kit
from studio.rooms import greenery
from studio.rooms.facade import Dress
from studio.rooms.massing import Batch, Mass
from studio.skins import Skins
from studio.textures.outside import mural


def worn_out(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    """Wires, dishes, air conditioners, graffiti, weeds."""
    make, w = skins.make, mass.width
    black, pale = (
        make.plain((0.05, 0.05, 0.05), 0.8, uneven=0),
        make.plain((0.78, 0.77, 0.73), 0.5, uneven=0.08),
    )
    top = min(mass.height - 0.6, 11.0)
    for _ in range(9):  # wires along and across the wall
        z0, z1 = float(rng.uniform(2.8, top)), float(rng.uniform(2.8, top))
        a, b = float(rng.uniform(-0.5, 0.1)) * w, float(rng.uniform(0.0, 0.5)) * w
        sag = [(a + (b - a) * t, -0.1, z0 + (z1 - z0) * t - 1.6 * t * (1 - t)) for t in np.linspace(0, 1, 7)]
        batch.wire(sag, 0.022, black)
    for _ in range(4):  # and over to a pole across the pavement
        a, z = float(rng.uniform(-0.5, 0.5)) * w, float(rng.uniform(3.5, top))
        batch.wire([(a, 0, z), (w * 0.2, -3, z - 0.4), (w * 0.42, -6.5, 6.6)], 0.025, black)
    batch.bar(
        (w * 0.42, -6.5, 0), (w * 0.42, -6.5, 6.9), 0.11, make.plain((0.35, 0.28, 0.21), 0.9, uneven=0.1)
    )
    for floor in range(mass.floors):
        for bay in range(mass.bays):
            x, z, roll = mass.middle(bay) + mass.wide * 0.62, mass.level(floor) + mass.sill, rng.random()
            if roll < 0.22:
                batch.box((x, -0.22, z + 0.1), (0.8, 0.36, 0.55), pale)
                batch.bar((x, -0.42, z + 0.1), (x, -0.4, z + 0.1), 0.2, black, 12)
                batch.box(
                    (x, -0.012, z - 0.7), (0.3, 0.01, 1.1), make.plain((0.35, 0.24, 0.16), 0.9, uneven=0.15)
                )
            elif roll < 0.48:
                plate = shapes.lathe([(0.02, 0.1), (0.22, 0.05), (0.36, -0.05)], 14)
                lean = (plate[0] * (1, 1, 1)) @ np.array([[1, 0, 0], [0, 0.4, -0.9], [0, 0.9, 0.4]])
                batch.add((lean + np.array((x, -0.4, z + 0.7)), plate[1]), pale)
                batch.bar((x, 0, z + 0.5), (x, -0.4, z + 0.7), 0.025, black)
    for _ in range(3):
        _tag(batch, skins, rng, float(rng.uniform(-0.45, 0.3)) * w, float(rng.uniform(0.8, 1.5)))
    greenery.tufts(kit, skins, rng, -w / 2, w / 2, -0.3, 0.5, (0.4, 0.4, 0.2))


def _tag(batch: Batch, skins: Skins, rng: Rng, x: float, z: float) -> None:
    """A few letters sprayed on the wall: filled bubbles with a dark outline."""
    colour = pick(
        rng, [(0.85, 0.2, 0.35), (0.2, 0.5, 0.85), (0.95, 0.8, 0.15), (0.3, 0.7, 0.35), (0.85, 0.85, 0.88)]
    )
    fill, line = (
        skins.make.plain(colour, 0.8, uneven=0),
        skins.make.plain(mix(colour, (0.02, 0.02, 0.05), 0.9), 0.8, uneven=0),
    )
    size = float(rng.uniform(0.35, 0.7))
    for letter in range(int(rng.integers(3, 6))):
        angles = np.linspace(0, 2 * np.pi, 13)[:-1]
        radius = size * rng.uniform(0.55, 1.1, 12)
        at = x + letter * size * 1.15
        ring = [
            (at + 0.75 * r * np.cos(a), -0.015, z + r * np.sin(a))
            for r, a in zip(radius, angles, strict=True)
        ]
        batch.add((np.array(ring), [tuple(range(12))]), fill)
        batch.wire([*ring, ring[0]], 0.035, line)
        batch.wire([ring[int(i)] for i in rng.permutation(12)[:3]], 0.035, line)


def rental_basic(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    """Letter boxes, bicycle racks, a plain canopy, a number."""
    make, door = skins.make, mass.middle(mass.entrance)
    grey, side = make.metal("chrome_dull"), 1 if mass.entrance < mass.bays / 2 else -1
    x = door + side * 1.7
    for row in range(3):
        for column in range(5):
            batch.box((x + side * 0.33 * column, -0.12, 0.8 + 0.3 * row), (0.3, 0.2, 0.26), grey)
            batch.box(
                (x + side * 0.33 * column, -0.23, 0.86 + 0.3 * row),
                (0.2, 0.01, 0.03),
                make.plain((0.08, 0.08, 0.08), 0.8, uneven=0),
            )
    rack = door - side * 3.2
    for i in range(7):
        at = rack + 0.45 * i
        batch.wire(
            [(at, -3.4, 0), (at, -3.4, 0.75), (at, -4.1, 0.75), (at, -4.1, 0)], 0.03, make.metal("steel")
        )
        if i % 2 and rng.random() < 0.8:
            _bicycle(batch, skins, rng, at + 0.15, -3.7)
    batch.box((door, -0.7, 2.95), (2.6, 1.5, 0.08), make.plain((0.7, 0.78, 0.8), 0.3, uneven=0))
    for dx in (-1.2, 1.2):
        batch.bar((door + dx, -1.35, 0), (door + dx, -1.35, 2.9), 0.04, grey)
    number = make.plain(skins.style.accents[0], 0.5, uneven=0)
    batch.box((door + side * 1.2, -0.02, 2.3), (0.4, 0.03, 0.4), number)


def _bicycle(batch: Batch, skins: Skins, rng: Rng, x: float, y: float) -> None:
    """Leaning in a rack, seen from its side at an angle."""
    paint, black = skins.make.plain(pick(rng, skins.style.accents), 0.4, uneven=0), skins.make.metal("black")
    turn = np.linspace(0, 6.29, 13)
    for dx in (-0.5, 0.5):
        batch.wire(
            [(x + dx + 0.33 * math.cos(a), y + 0.3 * dx, 0.34 + 0.33 * math.sin(a)) for a in turn],
            0.025,
            black,
        )
    points = {
        "a": (x - 0.5, y - 0.15, 0.34),
        "b": (x, y, 0.32),
        "c": (x - 0.12, y, 0.85),
        "d": (x + 0.4, y + 0.1, 0.9),
        "e": (x + 0.5, y + 0.15, 0.34),
    }
    for one, other in ("ab", "bc", "cd", "db", "ac", "de"):
        batch.bar(points[one], points[other], 0.025, paint)


def boho(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    """Murals, pots, awnings, lamps on strings, bunting, a climber."""
    make, style, w, door = skins.make, skins.style, mass.width, mass.middle(mass.entrance)
    side = 1 if mass.entrance < mass.bays / 2 else -1
    wide = max(0.8, (mass.step - mass.wide) * 0.9)
    picture = make.image("mural", mural(rng, style.accents), 0.9)
    if mass.kind in ("block", "tower", "factory"):
        bay = pick(rng, [0, mass.bays - 1])
        x = mass.middle(bay)
        batch.pane(
            (x - mass.step * 0.48, x + mass.step * 0.48),
            -0.012,
            (0.7, mass.level(0) + mass.sill - 0.08),
            picture,
            0,
            1,
        )
        x = side * (w / 2 - wide / 2)
        batch.pane((x - wide / 2, x + wide / 2), -0.012, (0.7, mass.height - 0.5), picture, 0, 1)
    batch.pane(
        (-side * w / 2 - wide * 0.5, -side * w / 2 + wide * 0.5),
        -0.012,
        (0.7, mass.storey * 1.4),
        picture,
        0,
        1,
    )
    for _ in range(9):
        at = door + float(rng.normal(0, 1.9))
        if abs(at - door) > 0.7:
            glaze = pick(rng, [*style.accents, (0.7, 0.4, 0.28), (0.72, 0.42, 0.3)])
            greenery.pot(
                kit,
                skins,
                rng,
                (at, -float(rng.uniform(0.4, 1.3)), 0),
                float(rng.uniform(0.5, 1.1)),
                glaze,
                pick(rng, [None, *greenery.BLOOMS]),
            )
    striped = [make.plain(style.accents[1], 0.8, uneven=0), make.plain((0.93, 0.9, 0.83), 0.8, uneven=0)]
    for bay in range(mass.bays):
        if rng.random() < 0.5:
            x, top = mass.middle(bay), mass.level(0) + mass.sill + mass.tall + 0.25
            for k in range(6):
                left = x - mass.wide * 0.65 + mass.wide * 1.3 * k / 6
                right = left + mass.wide * 1.3 / 6
                quad = np.array(
                    [
                        (left, -0.05, top),
                        (right, -0.05, top),
                        (right, -0.9, top - 0.5),
                        (left, -0.9, top - 0.5),
                    ]
                )
                batch.add((quad, [(0, 1, 2, 3)]), striped[k % 2])
    z, bulb = mass.level(1) + 0.1, make.glow((1, 0.8, 0.45), 5.0)
    for t in np.linspace(0, 1, 26):
        x, y, low = (t - 0.5) * w * 1.1, -1.6, z - 0.5 * math.sin(math.pi * (t * 3 % 1))
        batch.box((x, y, low), (0.09, 0.09, 0.12), bulb)
    flags = [make.plain(c, 0.9, uneven=0) for c in (*style.accents, *style.fabrics[:2])]
    for i in range(22):
        x, low = (i / 21 - 0.5) * w, z + 0.5 - 0.35 * math.sin(math.pi * (i / 21 * 2 % 1))
        batch.add(
            (np.array([(x, -1.3, low), (x + 0.3, -1.3, low), (x + 0.15, -1.3, low - 0.35)]), [(0, 1, 2)]),
            flags[i % len(flags)],
        )
    if rng.random() < 0.7:
        greenery.climber(
            kit,
            skins,
            rng,
            -side * w * 0.36,
            min(7.0, mass.height * 0.9),
            pick(rng, greenery.GREENS),
            pick(rng, greenery.BLOOMS),
        )
