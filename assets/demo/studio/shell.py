"""The room itself: walls around their openings, floor, ceiling, skirting, mouldings, windows with their view, doors."""

import math

from studio.chance import Rng
from studio.colour import mix
from studio.furniture import soft
from studio.kit import Kit
from studio.plan import WALLS, Opening, Room, wall_pieces
from studio.skins import Skin, Skins

THICK = 0.22


def build_shell(
    kit: Kit, skins: Skins, rng: Rng, room: Room, backdrop: Skin, feature: str, tiled: float = 0.0
) -> None:
    """Everything that is fixed; `feature` names the wall with the other covering, `tiled` how high tiles reach."""
    wet = room.kind == "bathroom"
    kit.box(
        (room.width / 2, room.depth / 2, -0.05),
        (room.width, room.depth, 0.1),
        skins.wet("floor") if wet else skins.floor(),
        0,
    )
    _ceiling(kit, skins, rng, room)
    for wall in WALLS:
        x, y, z, turn = room.frame(wall)
        length = room.length(wall)
        holes = [o for o in [*room.windows, *room.doors] if o.wall == wall]
        skin = skins.wall(wall == feature and not wet)
        with kit.at(x, y, z, turn):
            for x0, x1, z0, z1 in wall_pieces(length, room.height, holes):
                _piece(kit, skins, skin, (x0, x1, z0, z1), tiled)
            _trim(kit, skins, room, wall, length, holes, tiled)
            for opening in holes:
                if opening in room.doors:
                    _door(kit, skins, opening)
                else:
                    _window(kit, skins, rng, opening, backdrop, wet)


def _piece(kit: Kit, skins: Skins, skin: Skin, span: tuple[float, float, float, float], tiled: float) -> None:
    x0, x1, z0, z1 = span
    if tiled > z0:
        top = min(tiled, z1)
        kit.box(
            ((x0 + x1) / 2, THICK / 2 - 0.005, (z0 + top) / 2),
            (x1 - x0, THICK + 0.01, top - z0),
            skins.wet(),
            0,
        )
        z0 = top
    if skins.style.covering == "two_tone" and z0 < 1.3 < z1 and not tiled:
        lower = skins.make.plain(mix(skins.style.accents[2], (0.4, 0.5, 0.5), 0.4), 0.4, uneven=0.1)
        kit.box(
            ((x0 + x1) / 2, THICK / 2 - 0.002, (z0 + 1.3) / 2), (x1 - x0, THICK + 0.004, 1.3 - z0), lower, 0
        )
        z0 = 1.3
    if z1 - z0 > 1e-3:
        kit.box(((x0 + x1) / 2, THICK / 2, (z0 + z1) / 2), (x1 - x0, THICK, z1 - z0), skin, 0)


def _ceiling(kit: Kit, skins: Skins, rng: Rng, room: Room) -> None:
    style, width, depth, height = skins.style, room.width, room.depth, room.height
    skin = (
        skins.covered("worn", style.ceiling, "ceiling")
        if style.vibe == "worn_out"
        else skins.make.plain(style.ceiling, 0.85, uneven=0.01)
    )
    kit.box((width / 2, depth / 2, height + 0.05), (width + 0.4, depth + 0.4, 0.1), skin, 0)
    if style.vibe == "loft" and room.kind != "bathroom":
        beam = skins.wood() if rng.random() < 0.5 else skins.make.metal("black")
        for step in range(int(rng.integers(2, 5))):
            y = depth * (0.25 + 0.22 * step)
            kit.box((width / 2, y, height - 0.1), (width, 0.14, 0.2), beam)
        pipe = skins.make.metal(str(rng.choice(["black", "steel", "copper"])))
        for offset in (0.35, 0.5):
            kit.rod(
                (0, depth - offset, height - 0.35),
                (width, depth - offset, height - 0.35),
                0.09 if offset < 0.4 else 0.03,
                pipe,
            )
    if style.vibe == "classic":
        plaster = skins.make.plain(style.ceiling, 0.7, uneven=0)
        for inset, drop in ((0.06, 0.12), (0.13, 0.05)):
            kit.box((width / 2, depth - inset / 2, height - drop / 2), (width, inset, drop), plaster, 0.02)
            for x in (inset / 2, width - inset / 2):
                kit.box((x, depth / 2, height - drop / 2), (inset, depth, drop), plaster, 0.02)
        kit.lathe(
            (width / 2, depth * 0.55, height - 0.05),
            [(0, 0), (0.2, 0), (0.26, 0.02), (0.42, 0.03), (0.45, 0.05)],
            plaster,
        )
    if style.vibe in ("designer", "minimalist") and rng.random() < 0.55:
        strip = skins.make.glow((1, 0.86, 0.68), 5 + 5 * style.warmth)
        kit.box((width / 2, depth - 0.06, height - 0.03), (width - 0.1, 0.03, 0.015), strip, 0)
        kit.box((0.06, depth / 2, height - 0.03), (0.03, depth - 0.1, 0.015), strip, 0)


def _trim(
    kit: Kit, skins: Skins, room: Room, wall: str, length: float, holes: list[Opening], tiled: float
) -> None:
    style = skins.style
    tall = {"classic": 0.17, "worn_out": 0.07, "rental_basic": 0.06, "minimalist": 0.0, "loft": 0.05}.get(
        style.vibe, 0.09
    )
    paint = (
        skins.wood()
        if style.vibe in ("midcentury", "worn_out") and not tiled
        else skins.make.plain(style.trim, 0.45)
    )
    doors = [hole for hole in holes if hole.sill < 0.05]
    if tall and not tiled:
        for x0, x1, _, _ in wall_pieces(length, 1.0, doors):
            kit.box(((x0 + x1) / 2, -0.008, tall / 2), (x1 - x0, 0.016, tall), paint, 0.004)
    if style.covering in ("panels", "panels_dark") and room.kind in ("living", "bedroom", "kitchen"):
        for x0, x1, z0, _ in wall_pieces(length, room.height, holes):
            if x1 - x0 < 0.5 or z0 > 0.1:
                continue
            count = max(1, round((x1 - x0) / 0.95))
            step = (x1 - x0) / count
            for index in range(count):
                middle = x0 + step * (index + 0.5)
                for low, high in ((0.25, 0.85), (1.0, room.height - 0.3)):
                    _frame(
                        kit,
                        skins.wall()
                        if style.covering == "panels_dark"
                        else skins.make.plain(mix(style.wall[room.kind], (1, 1, 1), 0.25), 0.5),
                        middle,
                        (low + high) / 2,
                        step - 0.18,
                        high - low,
                    )


def _frame(kit: Kit, skin: Skin, x: float, z: float, width: float, height: float) -> None:
    for side in (-1, 1):
        kit.box((x + side * width / 2, -0.012, z), (0.035, 0.024, height), skin, 0.008)
        kit.box((x, -0.012, z + side * height / 2), (width + 0.035, 0.024, 0.035), skin, 0.008)


def _door(kit: Kit, skins: Skins, hole: Opening) -> None:
    style = skins.style
    skin = (
        skins.wood()
        if style.vibe in ("midcentury", "worn_out", "loft")
        else skins.make.plain(style.trim, 0.4)
    )
    kit.box((hole.centre, 0.06, hole.top / 2), (hole.width, 0.05, hole.top), skin, 0.003)
    for side in (-1, 1):
        kit.box(
            (hole.centre + side * (hole.width / 2 + 0.03), -0.01, hole.top / 2),
            (0.08, 0.03, hole.top + 0.06),
            skin,
        )
    kit.box((hole.centre, -0.01, hole.top + 0.03), (hole.width + 0.14, 0.03, 0.08), skin)
    if style.vibe not in ("minimalist", "designer"):
        with kit.at(hole.centre, 0.045):
            for z0, z1 in ((0.2, 0.85), (1.0, hole.top - 0.2)):
                _frame(kit, skin, 0, (z0 + z1) / 2, hole.width - 0.28, z1 - z0)
    kit.rod(
        (hole.centre + hole.width * 0.4, 0.0, 1.02),
        (hole.centre + hole.width * 0.26, 0.0, 1.02),
        0.011,
        skins.metal(),
    )


def _window(kit: Kit, skins: Skins, rng: Rng, hole: Opening, backdrop: Skin, wet: bool) -> None:
    style, kind = skins.style, skins.style.choice["window"]
    width, tall, middle = hole.width, hole.top - hole.sill, (hole.top + hole.sill) / 2
    skin = {
        "steel": skins.make.metal("black"), "black": skins.make.metal("black"), "wood": skins.wood(),
        "old": skins.make.plain((0.82, 0.79, 0.7), 0.5, uneven=0.12), "pvc": skins.make.plain((0.95, 0.95, 0.95), 0.25, uneven=0),
    }.get(kind) or skins.make.plain((0.93, 0.92, 0.9), 0.4)  # fmt: skip
    bar = {"steel": 0.03, "black": 0.035, "slim": 0.025, "pvc": 0.08, "old": 0.07}.get(kind, 0.055)
    columns, rows = {
        "steel": (max(3, round(width / 0.45)), max(3, round(tall / 0.45))),
        "tall": (2, 3),
        "slim": (1, 1),
        "old": (3 if width > 1.5 else 2, 1),
        "white": (2, 2),
    }.get(kind, (2, 1))
    with kit.at(hole.centre, 0.1, middle):
        for index in range(columns + 1):
            edge = index in (0, columns)
            kit.box((width * (index / columns - 0.5), 0, 0), (bar * (1.3 if edge else 1), 0.05, tall), skin)
        for index in range(rows + 1):
            z = (
                tall * (index / rows - 0.5)
                if kind != "tall" or index in (0, rows)
                else tall * (0.02 + 0.22 * index - 0.1)
            )
            kit.box((0, 0, z), (width, 0.048, bar * (1.3 if index in (0, rows) else 0.8)), skin)
        if kind == "old":
            kit.box((-width / 6, 0, tall * 0.2), (width / 3, 0.045, bar), skin)
    if hole.sill > 0.3:
        kit.box(
            (hole.centre, 0.0, hole.sill - 0.02),
            (width + 0.14, 0.3, 0.04),
            skin if style.vibe != "loft" else skins.make.metal("black"),
        )
    if wet:
        kit.picture((hole.centre, 0.15, middle), width, tall, skins.make.sheer((0.9, 0.93, 0.95), 0.15))
    outside = kit.picture((hole.centre, 6.0, middle + 0.3), 15.0, 11.0, backdrop)
    outside.visible_shadow = outside.visible_diffuse = False
    if style.vibe not in ("minimalist", "designer") and hole.sill > 0.5 and not wet:
        _radiator(kit, skins, hole)
    soft.curtain(kit, skins, rng, hole, wet)


def _radiator(kit: Kit, skins: Skins, hole: Opening) -> None:
    style = skins.style
    white = skins.make.plain(
        (0.85, 0.83, 0.76) if style.vibe == "worn_out" else (0.93, 0.93, 0.93), 0.35, uneven=0.1 * style.wear
    )
    width = min(hole.width * 0.8, 1.3)
    tall = min(0.5, hole.sill - 0.25)
    if style.vibe in ("worn_out", "classic", "loft", "boho"):
        if style.vibe == "loft":
            white = skins.make.metal("black")
        for index in range(max(6, math.floor(width / 0.075))):
            x = hole.centre - width / 2 + 0.075 * index
            kit.soft((x, -0.1, 0.12 + tall / 2), (0.06, 0.14, tall), white, 0.5)
    else:
        kit.box((hole.centre, -0.08, 0.14 + tall / 2), (width, 0.08, tall), white, 0.012)
        for index in range(int(width / 0.05)):
            kit.box(
                (hole.centre - width / 2 + 0.05 * (index + 0.5), -0.123, 0.14 + tall / 2),
                (0.018, 0.008, tall - 0.06),
                white,
            )
