"""The street front of the building, finished and kept as the home's vibe has it."""

import math

import numpy as np

from core.demo.render import shapes
from core.demo.render.chance import Rng, pick
from core.demo.render.colour import Colour, mix, parse, vary
from core.demo.render.furniture.plants import tree
from core.demo.render.homefile import Home
from core.demo.render.kit import Kit
from core.demo.render.plan import View
from core.demo.render.rooms.facade import bay
from core.demo.render.rooms.street import street
from core.demo.render.skins import Skin, Skins
from core.demo.render.textures import floors, walls

COATS = {
    "worn_out": "#a79f8c #b8a98a #8f9088 #a58f7c", "rental_basic": "#cfcabb #d9d2bf #bfc4c4 #d6c7a6", "scandinavian": "#e9e6df #d9dfe0 #b9c4c0 #d8b59c",
    "loft": "#8a4a36 #7a4436 #6f6a66 #54504c", "classic": "#e6d9b8 #d9c9a8 #cfc2a4 #c9b0a0 #dfe0d4", "boho": "#d99a6a #cf7f5f #e3c07f #8fb0a0 #e9d9c0",
    "midcentury": "#d9c9a3 #b98a5a #c9c4b4 #8fa39a", "minimalist": "#f0efec #e3e1dc #c9c7c3", "designer": "#33363a #4a4540 #25282b #6a5a4a",
}  # fmt: skip


def _coat(skins: Skins, rng: Rng, home: Home, colour: Colour) -> Skin:
    dirt = min(1.0, 0.15 + 0.85 * skins.style.wear + 0.3 * (0.5 - home.quality))
    vibe = home.vibe
    if home.building == "factory" or (vibe == "loft" and home.building != "tower"):
        return skins.make.surface("coat", lambda: floors.bricks(rng, vary(rng, (0.53, 0.27, 0.2))), 0.85, 0.6)
    if (
        vibe in ("midcentury", "scandinavian")
        and home.building in ("villa", "townhouse")
        and rng.random() < 0.5
    ):
        return skins.make.surface(
            "coat",
            lambda: walls.boards(rng, colour if vibe == "scandinavian" else skins.style.wood, 0.14),
            0.7,
            0.4,
        )
    if vibe in ("minimalist", "designer") and rng.random() < 0.4:
        return skins.make.surface("coat", lambda: floors.concrete(rng, colour, True), 0.6, 0.2)
    return skins.make.surface("coat", lambda: walls.render_coat(rng, colour, dirt), 0.85, 0.3)


def furnish(kit: Kit, skins: Skins, rng: Rng, home: Home) -> View:
    """Builds the front with its street and returns the view of it."""
    style = skins.style
    colour = vary(rng, parse(pick(rng, COATS[home.vibe].split())))
    coat = _coat(skins, rng, home, colour)
    kind = home.building
    floors_ = {"villa": 2, "townhouse": int(rng.integers(3, 5)), "factory": int(rng.integers(3, 5))}.get(
        kind, max(4, min(home.floors, 12))
    )
    storey = {"factory": 4.0, "townhouse": 3.5, "villa": 3.0, "tower": 3.1}.get(kind, 2.85) + (
        0.4 if home.vibe == "classic" else 0
    )
    step = {"factory": 3.6, "townhouse": 2.3, "villa": 3.0, "tower": 2.6}.get(kind, 3.0) * float(
        rng.uniform(0.9, 1.15)
    )
    bays = {
        "villa": int(rng.integers(3, 5)),
        "townhouse": int(rng.integers(4, 7)),
        "factory": 5,
        "tower": 5,
    }.get(kind, int(rng.integers(6, 10)))
    width, height = step * bays, storey * floors_ + 0.6
    kit.box((0, 5, height / 2), (width, 10, height), coat, 0)
    trim = skins.make.plain(
        mix(colour, (0.95, 0.94, 0.9), 0.7) if home.vibe != "designer" else (0.1, 0.1, 0.11),
        0.6,
        uneven=0.03 + 0.06 * style.wear,
    )
    entrance = int(rng.integers(bays))
    for floor in range(floors_):
        for index in range(bays):
            with kit.at((index + 0.5 - bays / 2) * step, 0, 0.5 + floor * storey):
                bay(
                    kit,
                    skins,
                    rng,
                    home,
                    floor,
                    floors_,
                    storey,
                    step,
                    trim,
                    index == entrance and floor == 0,
                )
    _dress(kit, skins, rng, home, width, height, storey, floors_, trim)
    street(kit, skins, rng, home, width, height)
    high = kind in ("tower", "block")
    far = float(rng.uniform(9, 11.5)) if kind == "villa" else float(rng.uniform(14, 18)) + (4 if high else 0)
    side = float(rng.uniform(0.05, 0.42)) * width * (1 if rng.random() < 0.5 else -1)
    look = min(height * 0.5, 4.5 + 0.22 * height)
    return View(
        (side, -far, 1.65),
        (side * 0.15, 0, look if style.agent else look * 0.9),
        float(rng.uniform(20, 25)),
        float(rng.normal(0, 0.8)),
        style.agent,
    )


def _dress(
    kit: Kit,
    skins: Skins,
    rng: Rng,
    home: Home,
    width: float,
    height: float,
    storey: float,
    floors_: int,
    trim: Skin,
) -> None:
    """Cornices, bands, joints, roof and plinth."""
    kind, vibe = home.building, home.vibe
    dark = skins.make.plain((0.2, 0.19, 0.18), 0.8, uneven=0.06)
    kit.box((0, -0.03, 0.3), (width, 0.1, 0.6), dark if vibe != "minimalist" else trim)
    if (kind == "villa" and vibe not in ("minimalist", "designer")) or (
        kind == "townhouse" and vibe in ("scandinavian", "boho", "worn_out") and rng.random() < 0.6
    ):
        rise = float(rng.uniform(1.8, 3.2))
        tile = skins.make.surface(
            "roof",
            lambda: floors.tiles(
                rng,
                pick(rng, [(0.5, 0.25, 0.18), (0.3, 0.29, 0.29), (0.42, 0.3, 0.24)]),
                side=0.3,
                bond=True,
                spread=0.1,
                grout=(0.15, 0.12, 0.1),
            ),
            0.8,
            0.7,
        )
        slope = shapes.sheet(
            lambda u, v: ((u - 0.5) * (width + 0.9), -0.5 + 5.5 * v, height - 0.1 + rise * v), 2, 2
        )
        kit.mesh(slope, tile)
        kit.box((0, -0.5, height - 0.12), (width + 0.9, 0.12, 0.14), trim)
        kit.box(
            (width * 0.2, 3, height + rise),
            (0.7, 0.7, 1.6),
            skins.make.surface("chimney", lambda: floors.bricks(rng, (0.5, 0.3, 0.24)), 0.9),
        )
    else:
        kit.box((0, -0.1 if kind != "tower" else 0, height + 0.1), (width + 0.2, 0.5, 0.3), trim)
    if vibe == "classic" or (kind == "townhouse" and vibe in ("boho", "worn_out")):
        for drop, out in ((0.0, 0.45), (0.2, 0.3), (0.45, 0.12)):
            kit.box((0, -out / 2, height - drop - 0.1), (width + out, out, 0.16), trim, 0.02)
        for i in range(int(width / 0.6)):
            kit.box(((i + 0.5) * 0.6 - width / 2, -0.17, height - 0.32), (0.16, 0.3, 0.2), trim)
        kit.box((0, -0.05, storey + 0.45), (width, 0.16, 0.22), trim, 0.02)
        for i in range(int(storey / 0.4)):
            kit.box((0, -0.02, 0.7 + 0.4 * i), (width, 0.06, 0.34), trim, 0.02)
    elif kind == "block":
        for floor in range(floors_ + 1):
            kit.box((0, -0.01, 0.45 + floor * storey), (width, 0.03, 0.05), dark, 0)
    if vibe == "midcentury":
        for floor in range(1, floors_ + 1):
            kit.box((0, -0.12, 0.4 + floor * storey), (width, 0.28, 0.24), trim, 0.01)
        kit.box(
            (width * 0.38, -0.25, height / 2),
            (1.8, 0.5, height),
            skins.make.surface("stone", lambda: floors.bricks(rng, (0.55, 0.45, 0.36)), 0.9),
        )
    if vibe in ("boho", "classic", "scandinavian") and rng.random() < 0.5:
        ivy = []
        for _ in range(900):
            x, z = float(rng.normal(-width * 0.35, 1.0)), float(rng.uniform(0.3, height * 0.6))
            ivy.append(
                shapes.turned(shapes.leaf(0.26, 0.22, 0.5), float(rng.uniform(3.4, 6.0)), 0.2, (x, -0.08, z))
            )
        kit.mesh(shapes.join(ivy), skins.make.plain((0.17, 0.32, 0.12), 0.6, uneven=0.1))
    if home.view == "park" or kind == "villa":
        with kit.at((0.55 if rng.random() < 0.5 else -0.55) * width, -3.0):
            tree(kit, skins, rng, float(rng.uniform(3.0, 5.0)))
    if vibe == "loft" or kind == "factory":
        steps = np.linspace(0, 1, 2)
        for floor in range(1, floors_):
            z = 0.5 + floor * storey
            kit.box((-width * 0.3, -0.6, z), (3.2, 1.1, 0.05), skins.make.metal("black"))
            for x in np.linspace(-1.6, 1.6, 14):
                kit.rod(
                    (-width * 0.3 + x, -1.13, z),
                    (-width * 0.3 + x, -1.13, z + 1.0),
                    0.015,
                    skins.make.metal("black"),
                )
            kit.rod(
                (-width * 0.3 - 1.6, -1.13, z + 1.0),
                (-width * 0.3 + 1.6, -1.13, z + 1.0),
                0.025,
                skins.make.metal("black"),
            )
            turn = math.copysign(1.0, 1 if floor % 2 else -1)
            for s in steps:
                kit.rod(
                    (-width * 0.3 - 1.3 * turn, -0.4 - 0.6 * s, z),
                    (-width * 0.3 + 1.3 * turn, -0.4 - 0.6 * s, z - storey),
                    0.03,
                    skins.make.metal("black"),
                )
