"""What stands before and beside the front: road, pavement, cars, trees, lamp posts, hedges, neighbours."""

from functools import partial

from core.demo.render.chance import Rng, pick
from core.demo.render.colour import Colour
from core.demo.render.furniture.plants import tree
from core.demo.render.homefile import Home
from core.demo.render.kit import Kit
from core.demo.render.skins import Skin, Skins
from core.demo.render.textures import floors, walls
from core.demo.render.textures.noise import Texture


def street(kit: Kit, skins: Skins, rng: Rng, home: Home, width: float, height: float) -> None:
    """Ground, neighbours and what is parked and planted."""
    asphalt = skins.make.surface("asphalt", lambda: floors.carpet(rng, (0.3, 0.3, 0.31)), 0.9, 0.3)
    paving = skins.make.surface(
        "paving", lambda: floors.tiles(rng, (0.58, 0.56, 0.53), side=0.4, spread=0.07, dirt=0.4), 0.85, 0.3
    )
    lawn = skins.make.surface("lawn", lambda: floors.carpet(rng, (0.27, 0.39, 0.16)), 1.0, 0.8)
    kit.box((0, -20, -0.25), (160, 60, 0.1), asphalt, 0)
    garden = home.building == "villa" or (home.view in ("park", "courtyard", "water") and rng.random() < 0.7)
    kit.box((0, -2.6, -0.14), (160, 5.2, 0.16), lawn if garden else paving, 0)
    kit.box((0, -6.2, -0.14), (160, 2.2, 0.17), paving, 0)
    kit.box((0, -7.4, -0.15), (160, 0.16, 0.22), skins.make.plain((0.6, 0.59, 0.57), 0.9, uneven=0.05), 0)
    if garden:
        kit.box((0, -2.6, -0.05), (1.6, 5.2, 0.02), paving, 0)
        for side in (-1, 1):
            _hedge(kit, skins, rng, side * width * 0.28, width * 0.36)
    for side in (-1, 1):
        if home.building in ("villa",):
            continue
        gap = (
            float(rng.uniform(0.0, 0.2))
            if home.building in ("townhouse", "factory")
            else float(rng.uniform(4, 9))
        )
        tall, wide = height * float(rng.uniform(0.7, 1.15)), float(rng.uniform(9, 15))
        tone: Colour = pick(
            rng, [(0.7, 0.62, 0.5), (0.55, 0.36, 0.29), (0.75, 0.72, 0.66), (0.5, 0.49, 0.47)]
        )
        coat = walls.render_coat(rng, tone, 0.4)
        skin = skins.make.surface(f"neighbour {side}", partial(_same, coat), 0.9, 0.2)
        _neighbour(kit, skins, side * (width / 2 + gap + wide / 2), wide, tall, skin)
    # Villas are seen from near: their cars stand in the drive, their trees beside the house.
    near = home.building == "villa"
    if near:
        with kit.at(width * 0.62, -2.5, 0.1, 90 + float(rng.normal(0, 4))):
            _car(kit, skins, rng)
    for index in range(0 if near else int(rng.integers(0, 4))):
        with kit.at((float(rng.uniform(0, 0.25)) + 0.42 * index - 0.6) * width, -8.6, -0.2):
            _car(kit, skins, rng)
    for side in (-1, 1):
        for _ in range(int(rng.integers(0, 3))):
            reach = float(rng.uniform(0.55, 0.9) if near else rng.uniform(0.42, 0.95))
            with kit.at(side * reach * width, 1.0 if near else -6.2, 0):
                tree(kit, skins, rng, float(rng.uniform(4, 7.5)), rng.random() < 0.15)
    line = skins.make.plain((0.8, 0.8, 0.78), 0.8, uneven=0.08)
    for index in range(-12, 12):
        kit.box((index * 3.2, -10.6, -0.195), (1.7, 0.12, 0.01), line, 0)
    for index in range(int(rng.integers(0, 4))):
        bin_ = skins.make.plain(pick(rng, [(0.12, 0.25, 0.14), (0.15, 0.17, 0.2), (0.45, 0.32, 0.1)]), 0.5)
        kit.box((-0.35 * width + 0.75 * index, -5.4, 0.5), (0.55, 0.6, 1.0), bin_, 0.04)
        kit.box((-0.35 * width + 0.75 * index, -5.45, 1.03), (0.6, 0.68, 0.08), bin_, 0.03)
    post = skins.make.metal("black")
    with kit.at(width * float(rng.uniform(0.3, 0.5)) * (2 if near else 1), -7.0):
        kit.rod((0, 0, -0.1), (0, 0, 5.2), 0.05, post)
        kit.rod((0, 0, 5.2), (0, -1.2, 5.4), 0.04, post)
        kit.soft((0, -1.3, 5.36), (0.2, 0.5, 0.12), post, 0.5)


def _same(texture: Texture) -> Texture:
    return texture


def _neighbour(kit: Kit, skins: Skins, x: float, wide: float, tall: float, skin: Skin) -> None:
    kit.box((x, 5, tall / 2), (wide, 10, tall), skin, 0)
    glass, frame = (
        skins.make.plain((0.12, 0.14, 0.17), 0.1, uneven=0),
        skins.make.plain((0.85, 0.83, 0.78), 0.6),
    )
    for row in range(int(tall / 3)):
        for column in range(int(wide / 2.6)):
            at = x - wide / 2 + 2.6 * (column + 0.5) + 0.2
            kit.box((at, -0.02, 3 * row + 1.9), (1.4, 0.06, 1.7), frame, 0)
            kit.box((at, -0.05, 3 * row + 1.9), (1.2, 0.04, 1.5), glass, 0)
    kit.box((x, 0, tall), (wide + 0.3, 0.5, 0.3), frame, 0)


def _hedge(kit: Kit, skins: Skins, rng: Rng, x: float, wide: float) -> None:
    for _ in range(int(wide * 9)):
        size = float(rng.uniform(0.35, 0.65))
        # Rounded, so that a hedge has a handful of materials and not hundreds.
        green = (
            round(float(rng.uniform(0.14, 0.26)), 1),
            round(float(rng.uniform(0.28, 0.42)), 1),
            round(float(rng.uniform(0.1, 0.18)), 1),
        )
        at = (
            x + float(rng.uniform(-0.5, 0.5)) * wide,
            -4.6 + float(rng.normal(0, 0.15)),
            float(rng.uniform(0.1, 0.8)),
        )
        kit.soft(at, (size, size, size), skins.make.plain(green, 0.9, uneven=0.15), 1)


def _car(kit: Kit, skins: Skins, rng: Rng) -> None:
    """A parked car along x."""
    paint = skins.make.plain(
        pick(
            rng,
            [
                (0.75, 0.75, 0.76),
                (0.08, 0.08, 0.09),
                (0.45, 0.06, 0.06),
                (0.12, 0.2, 0.35),
                (0.9, 0.9, 0.9),
                (0.35, 0.36, 0.37),
            ],
        ),
        0.25,
        0.2,
        coat=1,
    )
    dark, rubber = (
        skins.make.plain((0.04, 0.05, 0.06), 0.05, uneven=0),
        skins.make.plain((0.03, 0.03, 0.03), 0.8),
    )
    long, tall = float(rng.uniform(3.8, 4.6)), float(rng.uniform(1.4, 1.7))
    kit.soft((0, 0, 0.58), (long, 1.75, 0.72), paint, 0.25)
    kit.soft((-0.15, 0, tall - 0.45), (long * 0.6, 1.5, 0.95), dark, 0.4)
    kit.soft((-0.15, 0, tall - 0.04), (long * 0.42, 1.42, 0.12), paint, 0.4)
    for x in (-long * 0.31, long * 0.31):
        for y in (-0.82, 0.82):
            kit.rod((x, y - 0.1, 0.31), (x, y + 0.1, 0.31), 0.31, rubber)
            kit.rod((x, y - 0.105, 0.31), (x, y + 0.105, 0.31), 0.19, skins.make.metal("steel"))
    for x, tone in ((long * 0.49, (0.95, 0.95, 0.9)), (-long * 0.49, (0.6, 0.05, 0.04))):
        for y in (-0.6, 0.6):
            kit.soft((x, y, 0.66), (0.1, 0.3, 0.14), skins.make.plain(tone, 0.1), 0.6)
