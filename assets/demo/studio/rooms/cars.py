"""Parked cars: a drawn-out profile with wheel arches, a tapered glasshouse with pillars, wheels, lamps and plates."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.colour import Colour
from studio.kit import Kit
from studio.rooms.massing import Batch
from studio.shapes import Shape
from studio.skins import Skins

PAINTS: dict[str, list[Colour]] = {
    "old": [(0.5, 0.42, 0.3), (0.45, 0.2, 0.16), (0.62, 0.61, 0.55), (0.25, 0.34, 0.36), (0.7, 0.67, 0.58)],
    "plain": [
        (0.72, 0.72, 0.73),
        (0.3, 0.31, 0.33),
        (0.85, 0.85, 0.84),
        (0.14, 0.2, 0.34),
        (0.42, 0.07, 0.07),
    ],
    "gay": [(0.75, 0.45, 0.1), (0.35, 0.55, 0.55), (0.7, 0.25, 0.2), (0.85, 0.8, 0.65), (0.4, 0.5, 0.3)],
    "dark": [(0.04, 0.04, 0.05), (0.1, 0.1, 0.12), (0.16, 0.17, 0.18), (0.05, 0.07, 0.13)],
}
KIND = {"worn_out": "old", "boho": "gay", "midcentury": "gay", "designer": "dark", "loft": "dark"}
# Share of the length where the glass starts and ends at the belt and at the roof, and the roof's height.
CABINS = {
    "saloon": (-0.36, 0.24, -0.2, 0.06, 1.4), "hatch": (-0.46, 0.26, -0.38, 0.08, 1.5), "estate": (-0.48, 0.24, -0.44, 0.08, 1.48),
    "van": (-0.49, 0.36, -0.48, 0.24, 1.9),
}  # fmt: skip


def car(kit: Kit, skins: Skins, rng: Rng) -> None:
    """A car along x, its nose to +x, on z = 0."""
    taste = KIND.get(skins.style.vibe, "plain")
    make = skins.make
    paint = make.plain(
        pick(rng, PAINTS[taste]), 0.5 if taste == "old" else 0.3, 0.15, 1 if taste != "old" else 0.2, 0.0
    )
    glass, black = (
        make.plain((0.05, 0.06, 0.07), 0.03, 0.1, 1, 0),
        make.plain((0.03, 0.03, 0.03), 0.7, uneven=0),
    )
    kind = pick(rng, ["saloon", "hatch", "hatch", "estate", "van"])
    long = {"saloon": 4.5, "hatch": 3.95, "estate": 4.6, "van": 4.7}[kind] * float(rng.uniform(0.97, 1.04))
    back, front, roof_back, roof_front, top = (*(s * long for s in CABINS[kind][:4]), CABINS[kind][4])
    half, belt = long / 2, 0.92
    arch = [(0.36 * np.cos(a), 0.32 + 0.36 * np.sin(a)) for a in np.linspace(np.pi + 0.25, -0.25, 9)]
    outline = [
        (-half + 0.05, 0.24),
        *[(x - 0.31 * long, z) for x, z in arch],
        *[(x + 0.31 * long, z) for x, z in arch],
    ]
    outline += [
        (half - 0.06, 0.24),
        (half, 0.4),
        (half - 0.03, 0.62),
        (half - 0.14, 0.75),
        (front + 0.05, belt),
    ]
    outline += [(back, belt + 0.02), (-half + 0.06, belt - 0.02), (-half, 0.6), (-half + 0.02, 0.4)]
    kit.mesh(shapes.prism(outline, 1.74), paint, bevel=0.05)
    batch = Batch()
    batch.box((0, 0, 0.5), (long * 0.9, 1.5, 0.55), black)
    low, high = 0.8, 0.62
    corners = [(x, s * y, z) for s in (-1, 1) for x, y, z in
               ((back, low, belt - 0.03), (front, low, belt - 0.03), (roof_front, high, top), (roof_back, high, top))]  # fmt: skip
    cabin: Shape = (
        np.array(corners),
        [(0, 1, 2, 3), (7, 6, 5, 4), (0, 4, 5, 1), (1, 5, 6, 2), (2, 6, 7, 3), (3, 7, 4, 0)],
    )
    batch.add(cabin, glass)
    kit.box(
        ((roof_back + roof_front) / 2, 0, top),
        (roof_front - roof_back + 0.08, 2 * high + 0.05, 0.07),
        paint,
        0.03,
    )
    for side in (-1, 1):
        for x, up in ((back, roof_back), (front, roof_front), (0.02 * long, -0.02 * long)):
            batch.bar((x, side * (low + 0.01), belt - 0.03), (up, side * (high + 0.01), top), 0.045, paint)
        if kind in ("van", "estate"):
            batch.bar(
                (back * 0.62, side * (low + 0.01), belt),
                (roof_back * 0.62, side * (high + 0.01), top),
                0.05,
                paint,
            )
        for x in (0.02 * long, -0.19 * long, 0.22 * long):
            batch.box((x, side * 0.872, 0.62), (0.015, 0.01, 0.5), black)
        batch.box((0, side * 0.875, 0.28), (long * 0.46, 0.03, 0.1), black)
        batch.box((front - 0.12, side * 0.95, belt + 0.06), (0.14, 0.2, 0.13), paint)
        for x in (-0.31 * long, 0.31 * long):
            y = side * 0.78
            batch.bar((x, y - 0.1, 0.31), (x, y + 0.1, 0.31), 0.31, black, 18)
            batch.bar((x, side * 0.8, 0.31), (x, side * 0.885, 0.31), 0.2, make.metal("steel"), 12)
            for spoke in range(5):
                a = 1.257 * spoke
                batch.bar(
                    (x, side * 0.89, 0.31),
                    (x + 0.17 * np.cos(a), side * 0.89, 0.31 + 0.17 * np.sin(a)),
                    0.03,
                    black,
                )
    for x, lamp in ((half - 0.05, (0.93, 0.93, 0.9)), (-half + 0.01, (0.5, 0.03, 0.03))):
        for y in (-0.62, 0.62):
            batch.box((x, y, 0.68), (0.12, 0.36, 0.13), make.plain(lamp, 0.1, uneven=0))
            batch.box(
                (x * 0.97, np.sign(y) * 0.868, 0.69), (0.22, 0.02, 0.11), make.plain(lamp, 0.1, uneven=0)
            )
        batch.box(
            (x + np.sign(x) * 0.05, 0, 0.42), (0.03, 0.5, 0.11), make.plain((0.9, 0.9, 0.86), 0.5, uneven=0)
        )
        batch.box((x + np.sign(x) * 0.03, 0, 0.34), (0.06, 1.5, 0.12), black)
    batch.flush(kit)
