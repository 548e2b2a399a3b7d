"""What crowns and bands a front: pitched and flat roofs, dormers, cornices, joints, water tanks, fins."""

import numpy as np

from studio import shapes
from studio.chance import Rng, pick
from studio.kit import Kit
from studio.rooms.facade import Dress
from studio.rooms.massing import Batch, Mass
from studio.skins import Skins
from studio.textures import floors


def crown(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    """The roof that suits building and vibe."""
    kind, vibe, width, height, make = mass.kind, mass.vibe, mass.width, mass.height, skins.make
    pitched = kind == "villa" and vibe not in ("minimalist", "designer", "midcentury", "loft")
    pitched |= kind == "townhouse" and vibe in ("scandinavian", "boho", "worn_out", "classic")
    pitched |= kind == "block" and vibe in ("classic", "worn_out", "scandinavian") and rng.random() < 0.5
    if pitched:
        _pitched(kit, batch, skins, rng, mass, look)
    elif vibe == "midcentury":
        batch.box((0, 1.5, height + 0.12), (width + 2.0, 6.0, 0.26), skins.wood())
        batch.box((0, 1.5, height + 0.28), (width + 2.1, 6.1, 0.08), look.trim)
    elif vibe == "minimalist":
        batch.box((0, 0.2, height), (width + 0.02, 0.44, 0.1), make.plain((0.5, 0.5, 0.5), 0.4, uneven=0))
    else:
        batch.box(
            (0, -0.05, height + 0.1),
            (width + 0.2, 0.5, 0.3),
            look.trim if vibe != "loft" else make.metal("black"),
        )
    if vibe == "loft" and (kind != "villa" or rng.random() < 0.5):
        _tank(batch, skins, width * float(rng.uniform(-0.3, 0.3)), height + 0.2)
    if vibe in ("worn_out", "loft", "rental_basic") and not pitched:
        for _ in range(int(rng.integers(2, 6))):
            x = float(rng.uniform(-0.45, 0.45)) * width
            batch.bar((x, 0.6, height), (x, 0.6, height + 2.2), 0.03, make.metal("chrome_dull"))
            for k in range(4):
                batch.bar(
                    (x - 0.5, 0.6, height + 1.3 + 0.2 * k),
                    (x + 0.5, 0.6, height + 1.3 + 0.2 * k),
                    0.015,
                    make.metal("chrome_dull"),
                )
    if vibe == "designer" and kind in ("tower", "block", "villa"):
        batch.box((0, 1.4, height + 1.2), (width * 0.7, 0.05, 2.0), make.glass((0.75, 0.8, 0.82), 0.7))
        batch.box((0, 2.0, height + 2.3), (width * 0.8, 3.5, 0.18), look.frame)
        batch.box((0, 3.2, height + 1.2), (width * 0.7, 0.1, 2.0), make.glow((1, 0.75, 0.45), 0.9))


def _pitched(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    width, height, vibe, make = mass.width, mass.height, mass.vibe, skins.make
    mansard = vibe == "classic" and mass.kind != "villa"
    rise, deep = (2.6, 1.0) if mansard else (float(rng.uniform(2.9, 4.2)), 4.6)
    tones = {"worn_out": [(0.4, 0.27, 0.2), (0.36, 0.33, 0.29)], "classic": [(0.27, 0.29, 0.32), (0.33, 0.35, 0.36)],
             "scandinavian": [(0.16, 0.16, 0.17), (0.55, 0.27, 0.18)], "boho": [(0.66, 0.36, 0.22)]}.get(vibe, [(0.4, 0.29, 0.23), (0.3, 0.29, 0.29)])  # fmt: skip
    tone, spread = pick(rng, tones), 0.22 if vibe == "worn_out" else 0.12
    tile = make.surface(
        "roof", lambda: floors.tiles(rng, tone, side=0.3, bond=True, spread=spread, grout=(0.1, 0.09, 0.08), dirt=0.4), 0.8, 0.8
    )  # fmt: skip
    hip = 1.6 if mass.kind == "villa" and rng.random() < 0.5 else 0.0
    slope = shapes.sheet(
        lambda u, v: ((u - 0.5) * (width + 0.9 - 2 * hip * v), -0.5 + deep * v, height - 0.1 + rise * v), 2, 2
    )
    kit.mesh(slope, tile)
    batch.box((0, -0.5, height - 0.12), (width + 0.9, 0.14, 0.16), look.trim)
    batch.bar(
        (-width / 2 - 0.3, -0.1, 0.1),
        (-width / 2 - 0.3, -0.4, height - 0.2),
        0.06,
        make.metal("copper" if vibe == "classic" else "chrome_dull"),
    )
    gable = vibe in ("scandinavian", "rental_basic") and mass.kind in ("villa", "townhouse")
    if gable and rng.random() < 0.75:
        x, wide = float(rng.uniform(-0.25, 0.25)) * width, 3.2
        front = [(x - wide / 2, height - 0.1), (x + wide / 2, height - 0.1), (x, height + wide * 0.62)]
        kit.mesh(shapes.prism([(px, pz) for px, pz in front], 3.0), look.coat, (0, 1.3, 0))
        for side in (-1, 1):
            ends = [
                (x + side * (wide / 2 + 0.25), -0.3, height - 0.25),
                (x, -0.3, height + wide * 0.62 + 0.12),
            ]
            batch.add(shapes.tube(ends, 0.1, 4), look.trim)
            plane = [
                (ends[0][0], -0.4, ends[0][2]),
                (ends[1][0], -0.4, ends[1][2]),
                (x, 3.2, ends[1][2]),
                (ends[0][0], 3.2, ends[0][2]),
            ]
            kit.mesh((np.array(plane), [(0, 1, 2, 3)]), tile)
        batch.pane(
            (x - 0.45, x + 0.45), -0.22, (height + 0.2, height + 1.2), look.day, int(rng.integers(16)), 4
        )
    elif mansard or (mass.kind == "townhouse" and rng.random() < 0.7):
        for bay in range(mass.bays):
            x, z = mass.middle(bay), height + rise * 0.42
            batch.box((x, 0.3, z), (1.25, 1.6, 1.5), look.trim)
            batch.pane((x - 0.42, x + 0.42), -0.52, (z - 0.6, z + 0.6), look.day, int(rng.integers(16)), 4)
            batch.box((x, 0.3, z + 0.82), (1.5, 1.8, 0.14), tile)
    stack = make.surface("chimney", lambda: floors.bricks(rng, (0.5, 0.3, 0.24)), 0.9)
    for _ in range(int(rng.integers(1, 3))):
        kit.box((float(rng.uniform(-0.4, 0.4)) * width, min(3, deep), height + rise), (0.8, 0.7, 1.7), stack)


def bands(batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    """Plinth, string courses, cornices, panel joints, fins."""
    kind, vibe, width, height, make = mass.kind, mass.vibe, mass.width, mass.height, skins.make
    dark = make.plain((0.3, 0.29, 0.27), 0.8, uneven=0.06)
    if vibe not in ("minimalist", "designer"):
        batch.box((0, -0.02, 0.2), (width, 0.1, 0.42), dark)
    if vibe == "classic":
        for drop, out in ((0.0, 0.55), (0.2, 0.35), (0.45, 0.14)):
            batch.box((0, -out / 2, height - drop - 0.1), (width + out, out, 0.16), look.trim)
        for i in range(int(width / 0.6)):
            batch.box(((i + 0.5) * 0.6 - width / 2, -0.2, height - 0.36), (0.18, 0.34, 0.22), look.trim)
        for floor in range(1, mass.floors):
            batch.box((0, -0.06, mass.level(floor) - 0.05), (width, 0.2, 0.18), look.trim)
        w = mass.wide / 2
        for i in range(int(mass.storey / 0.42)):  # rustication between the ground floor's openings
            for bay in range(mass.bays + 1):
                left = (
                    mass.middle(bay - 1) + (w if bay - 1 != mass.entrance else 0.9) + 0.22
                    if bay
                    else -width / 2
                )
                right = (
                    mass.middle(bay) - (w if bay != mass.entrance else 0.9) - 0.22
                    if bay < mass.bays
                    else width / 2
                )
                if right - left > 0.1:
                    batch.box(
                        ((left + right) / 2, -0.02, 0.68 + 0.42 * i), (right - left, 0.08, 0.36), look.coat
                    )
        for i in range(int(height / 0.5)):
            for side in (-1, 1):
                long = 0.7 if i % 2 else 0.45
                batch.box((side * (width / 2 - long / 2), -0.03, 0.4 + 0.5 * i), (long, 0.1, 0.44), look.trim)
    elif vibe == "rental_basic" or (kind in ("block", "tower") and vibe == "worn_out"):
        panel = make.plain(
            pick(rng, [*skins.style.accents, (0.55, 0.66, 0.72), (0.85, 0.68, 0.4), (0.6, 0.7, 0.55)]),
            0.85,
            uneven=0.06,
        )
        stripe = int(rng.integers(3))
        for floor in range(mass.floors + 1):
            batch.box((0, -0.005, mass.level(floor) - 0.02), (width, 0.02, 0.05), dark)
            if floor < mass.floors and vibe == "rental_basic":
                for bay in range(mass.bays):
                    x = mass.middle(bay)
                    if stripe == 0 or (stripe == 1 and bay % 2) or (stripe == 2 and (bay + floor) % 3 == 0):
                        batch.box(
                            (x, -0.005, mass.level(floor) + mass.sill * 0.48),
                            (mass.step * 0.94, 0.025, mass.sill * 0.8),
                            panel,
                        )
        for bay in range(mass.bays + 1):
            batch.box((bay * mass.step - width / 2, -0.005, height / 2), (0.05, 0.02, height), dark)
    elif vibe == "midcentury":
        for floor in range(1, mass.floors):
            batch.box((0, -0.25, mass.level(floor) - 0.1), (width + 0.4, 0.6, 0.16), look.trim)
    elif vibe == "designer":
        for bay in range(mass.bays + 1):
            batch.box(
                (bay * mass.step - width / 2, -0.14, height / 2 + 0.4), (0.07, 0.34, height - 0.8), look.frame
            )
        for floor in range(1, mass.floors + 1):
            batch.box((0, -0.03, mass.level(floor) - 0.15), (width, 0.08, 0.1), look.frame)
    elif vibe == "loft":
        for floor in range(1, mass.floors + 1):
            batch.box(
                (0, -0.04, mass.level(floor) - 0.14),
                (width, 0.1, 0.22),
                make.plain((0.58, 0.52, 0.46), 0.9, uneven=0.06),
            )


def _tank(batch: Batch, skins: Skins, x: float, z: float) -> None:
    """A wooden water tank on legs."""
    wood, black = skins.make.plain((0.4, 0.3, 0.22), 0.9, uneven=0.15), skins.make.metal("black")
    for dx in (-0.9, 0.9):
        for y in (1.4, 3.2):
            batch.bar((x + dx, y, z), (x + dx, y, z + 1.8), 0.08, black)
    barrel = shapes.lathe([(1.25, 1.8), (1.2, 4.2), (1.35, 4.25), (0.05, 5.1)], 16)
    batch.add((barrel[0] + np.array((x, 2.3, z)), barrel[1]), wood)
    for k in range(4):
        ring = shapes.lathe([(1.27, 2.0 + 0.6 * k), (1.27, 2.06 + 0.6 * k)], 16)
        batch.add((ring[0] + np.array((x, 2.3, z)), ring[1]), black)
