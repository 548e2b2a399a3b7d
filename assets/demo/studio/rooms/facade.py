"""The front wall with its openings: windows set deep in reveals, doors, balconies, what hangs beneath a sill."""

from dataclasses import dataclass

import numpy as np

from listing_vibes.demo.homes import Home
from studio.chance import Rng, pick, stream
from studio.colour import Colour, mix
from studio.kit import Kit
from studio.plan import Opening, wall_pieces
from studio.rooms.massing import BASE, Batch, Mass
from studio.shapes import Shape
from studio.skins import Skin, Skins
from studio.textures.panes import SIDE, panes

BRONZE: Colour = (0.42, 0.28, 0.15)
# Columns, rows and thickness of a window's bars.
BARS = {
    "worn_out": (2, 1, 0.07), "rental_basic": (2, 1, 0.08), "scandinavian": (2, 2, 0.075), "loft": (4, 4, 0.045), "classic": (2, 3, 0.055),
    "boho": (2, 2, 0.07), "midcentury": (4, 1, 0.08), "minimalist": (2, 1, 0.05), "designer": (3, 1, 0.07),
}  # fmt: skip


@dataclass(frozen=True)
class Dress:
    """The materials that every opening of a front shares."""

    coat: Skin
    trim: Skin
    frame: Skin
    day: Skin
    night: Skin
    lit: float  # share of lit windows


def dress(skins: Skins, rng: Rng, home: Home, coat: Skin, trim: Skin) -> Dress:
    """Frames and panes as the vibe has them."""
    vibe, make, style = home.vibe, skins.make, skins.style
    white: Colour = (0.93, 0.93, 0.92)
    paints: dict[str, list[Colour]] = {
        "worn_out": [(0.62, 0.56, 0.45), (0.4, 0.3, 0.22), (0.7, 0.68, 0.62)], "rental_basic": [white],
        "scandinavian": [white, white, (0.12, 0.12, 0.13)], "classic": [white, (0.9, 0.88, 0.8), (0.2, 0.27, 0.22)],
        "boho": [style.accents[0], style.accents[1], (0.25, 0.5, 0.52), (0.6, 0.2, 0.2)], "loft": [(0.05, 0.05, 0.055)],
        "minimalist": [(0.08, 0.08, 0.085), (0.55, 0.56, 0.57)], "designer": [BRONZE],
    }  # fmt: skip
    if vibe == "midcentury":
        frame = skins.wood()
    else:
        bronze = vibe == "designer"
        frame = make.plain(
            pick(rng, paints[vibe]),
            0.32 if bronze else 0.5,
            0.8 if bronze else 0.0,
            uneven=0.1 if vibe == "worn_out" else 0,
        )
    seen = stream(home.seed, "panes")
    atlases = [panes(seen, vibe, style.fabrics + style.accents, style.overcast, lit) for lit in (False, True)]
    share = 0.45 if home.hour > 17.5 else 0.1 if style.overcast else 0.04
    return Dress(
        coat, trim, frame, make.image("panes", atlases[0], 0.12, coat=0.6),
        make.image("lit panes", atlases[1], glow=1.5), share + (0.25 if vibe == "designer" else 0),
    )  # fmt: skip


def wall(kit: Kit, mass: Mass, coat: Skin) -> None:
    """The face of the building as one mesh with holes and their reveals, and the body behind it."""
    rectangles: list[tuple[float, float, float, float]] = []
    holes: list[tuple[float, float, float, float]] = []
    w = mass.width / 2
    for floor in range(mass.floors):
        openings = []
        for bay in range(mass.bays):
            x0, x1, z0, z1 = hole(mass, floor, bay)
            openings.append(Opening("far", (x0 + x1) / 2 + w, x1 - x0, z0, z1))
            holes.append((x0, x1, z0 + mass.level(floor), z1 + mass.level(floor)))
        for x0, x1, z0, z1 in wall_pieces(mass.width, mass.storey, openings):
            rectangles.append((x0 - w, x1 - w, z0 + mass.level(floor), z1 + mass.level(floor)))
    rectangles += [(-w, w, 0, mass.level(0)), (-w, w, mass.level(mass.floors), mass.height)]
    corners: list[tuple[float, float, float]] = []
    d = mass.reveal
    for x0, x1, z0, z1 in rectangles:
        corners += [(x0, 0, z0), (x1, 0, z0), (x1, 0, z1), (x0, 0, z1)]
    for x0, x1, z0, z1 in holes:
        corners += [
            (x0, 0, z0),
            (x0, 0, z1),
            (x0, d, z1),
            (x0, d, z0),
            (x1, 0, z0),
            (x1, d, z0),
            (x1, d, z1),
            (x1, 0, z1),
        ]
        corners += [
            (x0, 0, z0),
            (x0, d, z0),
            (x1, d, z0),
            (x1, 0, z0),
            (x0, 0, z1),
            (x1, 0, z1),
            (x1, d, z1),
            (x0, d, z1),
        ]
    for x in (-w, w):
        corners += [(x, 0, 0), (x, d, 0), (x, d, mass.height), (x, 0, mass.height)]
    faces: list[tuple[int, ...]] = [(i, i + 1, i + 2, i + 3) for i in range(0, len(corners), 4)]
    face: Shape = np.array(corners), faces
    kit.mesh(face, coat)
    kit.box((0, 5 + d / 2, mass.height / 2), (mass.width, 10 - d, mass.height - 0.02), coat, 0)


def hole(mass: Mass, floor: int, bay: int) -> tuple[float, float, float, float]:
    """(x0, x1, z0, z1) of an opening, z from its floor."""
    x = mass.middle(bay)
    if floor == 0 and bay == mass.entrance:
        wide = min(1.5, mass.step * 0.6) if mass.vibe != "designer" else min(2.0, mass.step * 0.75)
        return x - wide / 2, x + wide / 2, 0.0, min(2.45, mass.storey - 0.3)
    return x - mass.wide / 2, x + mass.wide / 2, mass.sill, mass.sill + mass.tall


def window(batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress, floor: int, bay: int) -> None:
    """Pane, bars, sill and surround of one window."""
    x0, x1, z0, z1 = hole(mass, floor, bay)
    z0, z1 = z0 + mass.level(floor), z1 + mass.level(floor)
    x, z, wide, tall, d = (x0 + x1) / 2, (z0 + z1) / 2, x1 - x0, z1 - z0, mass.reveal
    vibe, frame, trim, make = mass.vibe, look.frame, look.trim, skins.make
    if vibe == "worn_out" and rng.random() < 0.4:
        frame = make.plain(pick(rng, [(0.9, 0.9, 0.89), (0.38, 0.26, 0.18)]), 0.5, uneven=0)
    columns, rows, thin = BARS[vibe]
    if mass.kind == "factory":
        columns, rows, thin = max(columns, 3), max(rows, 3), 0.045
    if mass.kind in ("block", "tower") and vibe in ("scandinavian", "boho"):
        rows = 1
    glass = look.night if rng.random() < look.lit else look.day
    parts = columns if vibe in ("midcentury", "worn_out", "designer") and wide > 1.2 else 1
    for part in range(parts):
        left, right = x0 + wide * part / parts, x0 + wide * (part + 1) / parts
        batch.pane((left, right), d - 0.03, (z0, z1), glass, int(rng.integers(SIDE * SIDE)), SIDE)
    if vibe == "worn_out" and rng.random() < 0.1:
        batch.box((x, d - 0.1, z), (wide, 0.03, tall), make.plain((0.5, 0.38, 0.24), 0.9, uneven=0.15))
        return
    for i in range(columns + 1):
        lean = 0.12 * wide if vibe == "rental_basic" and i == 1 else 0.0
        batch.box(
            (x0 + wide * i / columns + lean, d - 0.07, z),
            (thin * (1.4 if i in (0, columns) else 1), 0.07, tall),
            frame,
        )
    marks = [0.0, 0.68, 1.0] if vibe == "classic" else [i / rows for i in range(rows + 1)]
    for mark in marks:
        batch.box((x, d - 0.07, z0 + tall * mark), (wide, 0.07, thin * 1.2), frame)
    if vibe == "minimalist":
        return
    batch.box((x, d / 2 - 0.08, z0 - 0.03), (wide + 0.16, d + 0.16, 0.06), trim)
    if vibe == "scandinavian":
        for side in (-1, 1):
            batch.box((x + side * (wide / 2 + 0.06), -0.02, z), (0.13, 0.06, tall + 0.24), trim)
        batch.box((x, -0.02, z1 + 0.07), (wide + 0.28, 0.07, 0.14), trim)
    elif vibe == "classic":
        for side in (-1, 1):
            batch.box((x + side * (wide / 2 + 0.09), -0.03, z), (0.18, 0.12, tall + 0.2), trim)
        batch.box((x, -0.08, z1 + 0.18), (wide + 0.55, 0.28, 0.14), trim)
        if floor == 1 and wide > 0.6:
            peak = [(x - wide / 2 - 0.28, z1 + 0.25), (x + wide / 2 + 0.28, z1 + 0.25), (x, z1 + 0.62)]
            corners = [(px, y, pz) for y in (-0.2, 0.0) for px, pz in peak]
            batch.add((np.array(corners), [(0, 1, 2), (5, 4, 3), (0, 2, 5, 3), (1, 4, 5, 2)]), trim)
        else:
            batch.box((x, -0.05, z1 + 0.08), (0.24, 0.16, 0.3), trim)
    elif vibe == "loft":
        batch.box((x, -0.02, z1 + 0.1), (wide + 0.4, 0.06, 0.2), make.metal("black"))
    elif vibe == "designer":
        for side in (-1, 1):
            batch.box((x + side * wide / 2, -0.08, z), (0.06, 0.3, tall + 0.1), look.frame)
        batch.box((x, -0.08, z1 + 0.03), (wide, 0.3, 0.06), look.frame)
    elif vibe == "midcentury" and mass.sill > 0.5:
        tone = skins.style.accents[(floor + bay) % 2] if rng.random() < 0.75 else (0.9, 0.88, 0.82)
        batch.box(
            (x, -0.01, z0 - mass.sill * 0.45), (wide, 0.05, mass.sill * 0.75), make.plain(tone, 0.5, uneven=0)
        )
    elif vibe == "boho":
        shutter = make.plain(skins.style.accents[2], 0.6, uneven=0)
        dark = make.plain(mix(skins.style.accents[2], (0, 0, 0), 0.45), 0.7, uneven=0)
        for side in (-1, 1):
            at = x + side * (wide / 2 + min(wide * 0.25, (mass.step - wide) * 0.24))
            broad = min(wide * 0.46, (mass.step - wide) * 0.46)
            batch.box((at, -0.03, z), (broad, 0.05, tall), shutter)
            for k in range(9):
                batch.box((at, -0.06, z0 + tall * (k + 0.5) / 9), (broad * 0.8, 0.02, 0.04), dark)
    elif vibe == "rental_basic" and rng.random() < 0.3:
        batch.box((x, 0.02, z1 - 0.1), (wide, 0.18, 0.2), make.plain((0.88, 0.88, 0.87), 0.6, uneven=0))


def balcony(batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress, floor: int, bay: int) -> None:
    """A slab with the railing of its vibe and what people keep there."""
    x, z, wide, vibe, make = mass.middle(bay), mass.level(floor), mass.step * 0.9, mass.vibe, skins.make
    black = make.metal("black")
    slab = make.plain(
        (0.7, 0.69, 0.66) if vibe != "designer" else (0.12, 0.12, 0.12), 0.8, uneven=0.08 * skins.style.wear
    )
    batch.box((x, -0.6, z + 0.02), (wide, 1.25, 0.16), slab)
    if vibe in ("worn_out", "rental_basic"):
        tones = [*skins.style.accents, (0.62, 0.6, 0.55)] if vibe == "worn_out" else [skins.style.accents[0]]
        batch.box((x, -1.2, z + 0.55), (wide, 0.04, 0.9), make.plain(pick(rng, tones), 0.7, uneven=0.1))
        if vibe == "worn_out" and rng.random() < 0.45:  # glazed in by its owner
            batch.pane(
                (x - wide / 2, x + wide / 2),
                -1.19,
                (z + 1, z + mass.storey - 0.15),
                look.day,
                int(rng.integers(16)),
                SIDE,
            )
            for i in range(4):
                batch.box(
                    (x - wide / 2 + wide * i / 3, -1.2, z + mass.storey * 0.6),
                    (0.06, 0.06, mass.storey * 0.75),
                    make.plain((0.72, 0.7, 0.64), 0.6, uneven=0),
                )
    elif vibe in ("minimalist", "designer"):
        batch.box((x, -1.2, z + 0.6), (wide, 0.02, 1.0), make.glass((0.8, 0.88, 0.9), 0.75))
    elif vibe in ("scandinavian", "midcentury"):
        rail = skins.wood() if vibe == "midcentury" else make.plain((0.82, 0.72, 0.56), 0.7)
        for i in range(int(wide / 0.13)):
            batch.box((x + (i + 0.5) * 0.13 - wide / 2, -1.2, z + 0.57), (0.08, 0.03, 0.98), rail)
    else:
        count = int(wide / 0.15)
        for i in range(count):
            at = x + (i + 0.5) * wide / count - wide / 2
            swell = 0.14 if vibe == "classic" else 0.0
            batch.wire(
                [(at, -1.2, z + 0.08), (at, -1.2 - swell, z + 0.4), (at, -1.2, z + 1.05)], 0.016, black
            )
            if vibe == "classic" and i % 2:
                ring = [
                    (at + 0.09 * np.cos(a), -1.22, z + 0.75 + 0.09 * np.sin(a))
                    for a in np.linspace(0, 6.28, 9)
                ]
                batch.wire(ring, 0.012, black)
    batch.bar((x - wide / 2, -1.2, z + 1.07), (x + wide / 2, -1.2, z + 1.07), 0.028, black)
    if vibe in ("worn_out", "boho"):  # washing
        for i in range(int(rng.integers(0, 6))):
            cloth = make.plain(pick(rng, [*skins.style.fabrics, (0.9, 0.9, 0.9)]), 0.9, uneven=0.1)
            batch.box(
                (x - wide * 0.4 + i * 0.4, -1.27, z + 0.75),
                (0.32, 0.02, float(rng.uniform(0.35, 0.7))),
                cloth,
            )
    for _ in range(int(rng.integers(0, 3))):
        what = make.plain(pick(rng, [(0.75, 0.7, 0.6), skins.style.accents[0], (0.5, 0.35, 0.25)]), 0.8)
        batch.box(
            (x + float(rng.uniform(-0.35, 0.35)) * wide, -0.8, z + 0.5),
            (0.4, 0.35, float(rng.uniform(0.5, 1))),
            what,
        )


def door(batch: Batch, skins: Skins, rng: Rng, mass: Mass, look: Dress) -> None:
    """The entrance with its surround, canopy, steps and light."""
    x0, x1, z0, z1 = hole(mass, 0, mass.entrance)
    z0, z1 = z0 + BASE, z1 + BASE
    x, wide, vibe, make, d = (x0 + x1) / 2, x1 - x0, mass.vibe, skins.make, mass.reveal
    tone: Colour = {
        "worn_out": (0.36, 0.3, 0.24), "rental_basic": (0.55, 0.57, 0.58), "loft": (0.12, 0.13, 0.13), "designer": BRONZE,
        "classic": pick(rng, [(0.12, 0.22, 0.17), (0.3, 0.1, 0.09), (0.1, 0.13, 0.22)]), "minimalist": (0.5, 0.4, 0.3),
    }.get(vibe, pick(rng, skins.style.accents))  # fmt: skip
    leaf = make.plain(
        tone, 0.4, 0.7 if vibe == "designer" else 0.0, uneven=0.12 if vibe == "worn_out" else 0.0
    )
    batch.box((x, d - 0.03, (z0 + z1) / 2), (wide, 0.06, z1 - z0), leaf)
    glazed = vibe in ("rental_basic", "designer", "loft", "midcentury", "scandinavian")
    night = look.night if vibe == "designer" or rng.random() < look.lit else look.day
    for side in (-1, 1):
        at = x + side * wide * 0.24
        if glazed:
            batch.pane(
                (at - wide * 0.17, at + wide * 0.17),
                d - 0.08,
                (z0 + 0.7, z1 - 0.2),
                night,
                int(rng.integers(16)),
                SIDE,
            )
        else:
            for low, high in ((0.12, 0.42), (0.52, 0.9)):
                batch.box(
                    (at, d - 0.07, z0 + (z1 - z0) * (low + high) / 2),
                    (wide * 0.34, 0.04, (z1 - z0) * (high - low)),
                    leaf,
                )
        batch.box(
            (x + side * 0.06, d - 0.12, z0 + 1.05),
            (0.03, 0.06, 0.3),
            make.metal("brass" if vibe in ("classic", "designer") else "steel"),
        )
    for side in (-1, 1):
        if vibe not in ("minimalist", "worn_out"):
            batch.box(
                (x + side * (wide / 2 + 0.1), -0.06, (z0 + z1) / 2),
                (0.2, 0.2, z1 - z0),
                look.trim if vibe != "designer" else look.frame,
            )
    canopy = {"designer": 1.8, "minimalist": 1.4, "midcentury": 1.6, "classic": 0.7}.get(vibe, 1.2)
    batch.box(
        (x, -canopy / 2, z1 + 0.16),
        (wide + 0.7, canopy, 0.14),
        look.frame if vibe in ("designer", "loft") else look.trim,
    )
    if vibe == "classic":
        for side in (-1, 1):
            batch.bar(
                (x + side * (wide / 2 + 0.2), -0.5, 0.1),
                (x + side * (wide / 2 + 0.2), -0.5, z1 + 0.1),
                0.13,
                look.trim,
                12,
            )
    if vibe in ("designer", "minimalist", "midcentury", "scandinavian"):
        batch.box(
            (x, -canopy / 2, z1 + 0.08), (wide * 0.8, canopy * 0.6, 0.02), make.glow((1, 0.78, 0.45), 6.0)
        )
    stone = make.plain((0.55, 0.54, 0.52), 0.9, uneven=0.05)
    for i in range(3):
        batch.box((x, -0.3 - 0.28 * i, 0.4 - 0.16 * i), (wide + 0.5, 0.6, 0.16), stone)
