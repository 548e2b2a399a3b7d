"""What a wall is covered with, from stained paint to marble."""

import bpy

from studio.chance import Rng, pick
from studio.colour import Colour, mix, vary
from studio.materials import Materials
from studio.style import Style
from studio.textures import floors, walls


def wall_covering(
    make: Materials, style: Style, rng: Rng, kind: str, colour: Colour, name: str
) -> bpy.types.Material:
    """The material called `name` for a covering of `vibes.Vibe`; plain paint where the kind is none of its own."""
    accent = style.accents[0]
    if kind in ("worn", "two_tone"):
        return make.surface(name, lambda: walls.worn(rng, colour, style.wear), 0.75, 0.35)
    if kind == "wallpaper_old":
        print_ = pick(
            rng,
            [
                mix(colour, accent, 0.45),
                mix(colour, (0.4, 0.3, 0.2), 0.4),
                mix(colour, (0.9, 0.88, 0.8), 0.6),
            ],
        )
        paper = pick(rng, ["flower", "damask", "stripe", "leaf", "flower"])
        return make.surface(name, lambda: walls.wallpaper(rng, colour, print_, paper, style.wear), 0.8, 0.15)
    if kind == "wallpaper_fine":
        print_ = mix(colour, (1, 0.97, 0.9), 0.55) if rng.random() < 0.6 else mix(colour, accent, 0.35)
        return make.surface(
            name,
            lambda: walls.wallpaper(rng, colour, print_, pick(rng, ["damask", "stripe", "damask"])),
            0.6,
            0.1,
        )
    if kind in ("leaf_paper", "leaf_dark", "wave_paper"):
        paper = "wave" if kind == "wave_paper" else pick(rng, ["leaf", "flower"])
        other = (
            mix(accent, (0.95, 0.9, 0.8), 0.25)
            if kind != "leaf_dark"
            else mix(style.accents[0], colour, 0.35)
        )
        return make.surface(name, lambda: walls.wallpaper(rng, colour, other, paper), 0.7, 0.1)
    if kind in ("brick", "white_brick"):
        base: Colour = (0.9, 0.89, 0.87) if kind == "white_brick" else vary(rng, (0.58, 0.31, 0.22), 1.6)
        return make.surface(name, lambda: floors.bricks(rng, base, kind == "white_brick"), 0.85, 0.9)
    if kind == "concrete":
        grey = vary(rng, (0.56, 0.55, 0.53))
        return make.surface(name, lambda: floors.concrete(rng, grey, True), 0.7, 0.35)
    if kind in ("limewash", "limewash_soft", "terracotta"):
        base = vary(rng, (0.76, 0.44, 0.32)) if kind == "terracotta" else colour
        strength = 0.035 if kind == "limewash_soft" else 0.08
        return make.surface(name, lambda: walls.limewash(rng, base, strength), 0.85, 0.2)
    if kind in ("wood_boards", "slats", "white_boards"):
        base = (0.93, 0.93, 0.91) if kind == "white_boards" else style.wood
        return make.surface(name, lambda: walls.boards(rng, base, 0.12, kind == "slats"), 0.4, 0.5)
    if kind == "marble":
        base, vein = pick(
            rng,
            [
                ((0.93, 0.92, 0.9), (0.5, 0.46, 0.42)),
                ((0.07, 0.08, 0.08), (0.75, 0.68, 0.55)),
                ((0.12, 0.22, 0.19), (0.8, 0.8, 0.75)),
            ],
        )
        return make.surface(name, lambda: floors.marble(rng, base, vein), 0.12, 0)
    if kind in ("red_paint", "paint_muted", "paint_bold"):
        return make.surface(name, lambda: walls.fresh(rng, accent), 0.7, 0.06)
    if kind == "gloss":
        return make.surface(name, lambda: walls.fresh(rng, accent), 0.15, 0.0)
    rough, bump = (0.85, 0.35) if kind == "woodchip" else (0.75, 0.06)
    return make.surface(name, lambda: walls.fresh(rng, colour), rough, bump)
