"""What stands before and beside the front: road, pavement, cars, trees, lamp posts, hedges, fences, neighbours."""

from functools import partial

import numpy as np

from listing_vibes.demo.homes import Home
from studio import shapes
from studio.chance import Rng, pick, stream
from studio.colour import Colour
from studio.kit import Kit
from studio.rooms.cars import car
from studio.rooms.greenery import BLOOMS, GREENS, bush, hedge, tree, tufts
from studio.rooms.massing import Batch, Mass
from studio.skins import Skin, Skins
from studio.textures import floors, outside, walls
from studio.textures.noise import Texture
from studio.textures.panes import SIDE, panes

TREES = {
    "worn_out": "bare broad broad", "rental_basic": "broad birch broad", "scandinavian": "birch birch conifer", "loft": "broad bare birch",
    "classic": "cypress broad conifer", "boho": "broad palm broad", "midcentury": "palm broad conifer", "minimalist": "birch broad cypress",
    "designer": "cypress broad birch",
}  # fmt: skip
LAWNS: dict[str, tuple[Colour, Colour]] = {
    "worn_out": ((0.4, 0.39, 0.22), (0.46, 0.38, 0.26)), "minimalist": ((0.62, 0.6, 0.57), (0.7, 0.68, 0.64)),
    "designer": ((0.24, 0.36, 0.15), (0.28, 0.4, 0.17)), "midcentury": ((0.36, 0.42, 0.2), (0.62, 0.55, 0.44)),
}  # fmt: skip


def street(kit: Kit, skins: Skins, rng: Rng, home: Home, mass: Mass) -> None:
    """Ground, neighbours and what is parked and planted."""
    vibe, width, near = home.vibe, mass.width, home.building == "villa"
    garden = near or (home.view in ("park", "courtyard", "water") and rng.random() < 0.7)
    batch = Batch()
    _ground(kit, batch, skins, rng, mass, garden)
    if garden:
        _garden(kit, batch, skins, rng, mass)
    _sides(kit, batch, skins, rng, home, mass)
    if near:
        with kit.at(width * 0.5 + float(rng.uniform(1.6, 2.6)), -3.2, 0.0, 90 + float(rng.normal(0, 4))):
            car(kit, skins, rng)
    elif vibe not in ("minimalist",) or rng.random() < 0.5:
        x = float(rng.uniform(-0.75, -0.35)) * width
        while x < width * 0.75:
            if rng.random() < 0.55:
                with kit.at(x, -8.6, -0.2, 180 if rng.random() < 0.3 else 0):
                    car(kit, skins, rng)
            x += float(rng.uniform(5.2, 7.0))
    kinds = TREES[vibe].split()
    for side in (-1, 1):
        for _ in range(int(rng.integers(1, 3))):
            reach = float(rng.uniform(0.62, 0.95) if near else rng.uniform(0.4, 0.7)) * width
            at = (side * reach, float(rng.uniform(-3, 3)) if near else -6.2, 0)
            tree(kit, skins, rng, at, float(rng.uniform(4.5, 8.0)), pick(rng, kinds))
    if rng.random() < 0.35:  # a bough that hangs into the picture
        tree(
            kit,
            skins,
            rng,
            (float(pick(rng, [-0.62, 0.62])) * width, -9.5, 0),
            float(rng.uniform(7, 10)),
            "broad",
        )
    for index in range(
        int(rng.integers(2, 5)) if vibe in ("worn_out", "rental_basic") else int(rng.integers(0, 3))
    ):
        tone = pick(rng, [(0.12, 0.25, 0.14), (0.15, 0.17, 0.2), (0.45, 0.32, 0.1), (0.15, 0.25, 0.42)])
        bin_, x = skins.make.plain(tone, 0.5, uneven=0), (0.53 if near else -0.38) * width + 0.8 * index
        y = 0.6 if near else -5.4
        kit.box((x, y, 0.52), (0.55, 0.6, 0.95), bin_, 0.04)
        kit.box((x, y - 0.05, 1.03), (0.6, 0.68, 0.08), bin_, 0.03)
    _post(
        batch,
        skins,
        width * float(rng.uniform(0.35, 0.55)) * float(pick(rng, [-1, 1])) * (1.3 if near else 1),
        vibe,
    )
    batch.flush(kit)


def _ground(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass, garden: bool) -> None:
    make, vibe = skins.make, mass.vibe
    wear = 1.0 if vibe == "worn_out" else 0.3
    road = make.surface("asphalt", lambda: outside.asphalt(rng, wear), 0.9, 0.3)
    stone: Colour = pick(rng, [(0.58, 0.56, 0.53), (0.66, 0.62, 0.56), (0.5, 0.49, 0.48), (0.6, 0.5, 0.44)])
    side = float(pick(rng, [0.3, 0.4, 0.6]))
    paving = make.surface(
        "paving", lambda: floors.tiles(rng, stone, side=side, spread=0.09, dirt=0.3 + 0.5 * wear), 0.85, 0.4
    )
    kit.box((0, -25, -0.25), (200, 70, 0.1), road, 0)
    soil = paving
    if garden:
        one, other = LAWNS.get(vibe, ((0.3, 0.41, 0.17), (0.38, 0.44, 0.22)))
        soil = make.surface("lawn", lambda: outside.ground(rng, one, other, 5.0), 1.0, 0.8)
    kit.box((0, -2.6, -0.14), (200, 5.2, 0.16), soil, 0)
    kit.box((0, 14, -0.14), (200, 28, 0.12), soil, 0)
    kit.box((0, -6.2, -0.14), (200, 2.2, 0.17), paving, 0)
    kit.box((0, -7.4, -0.15), (200, 0.16, 0.22), make.plain((0.6, 0.59, 0.57), 0.9, uneven=0.05), 0)
    if garden:
        batch.box((mass.middle(mass.entrance), -2.6, -0.05), (1.7, 5.2, 0.02), paving)
    if mass.kind == "villa":
        batch.box(
            (mass.width / 2 + 2.1, -2.6, -0.05),
            (3.4, 5.4, 0.02),
            make.plain((0.62, 0.6, 0.57), 0.9, uneven=0.06),
        )
    line = make.plain((0.8, 0.8, 0.78), 0.8, uneven=0.08)
    for index in range(-12, 12):
        batch.box((index * 3.2, -10.8, -0.195), (1.7, 0.12, 0.01), line)
    for x in rng.uniform(-12, 12, 2):
        batch.bar(
            (float(x), -10.0, -0.2),
            (float(x), -10.0, -0.19),
            0.36,
            make.plain((0.2, 0.19, 0.19), 0.7, uneven=0),
            14,
        )
    if vibe == "worn_out":  # litter and puddled dirt
        for _ in range(26):
            x, y = float(rng.uniform(-0.7, 0.7)) * mass.width, float(rng.uniform(-7, -0.4))
            what = make.plain(
                pick(rng, [(0.8, 0.8, 0.78), (0.3, 0.25, 0.2), (0.6, 0.5, 0.35), (0.2, 0.35, 0.5)]),
                0.9,
                uneven=0,
            )
            batch.box((x, y, 0.03), (float(rng.uniform(0.08, 0.35)), 0.14, 0.1), what)


def _garden(kit: Kit, batch: Batch, skins: Skins, rng: Rng, mass: Mass) -> None:
    """Hedges and beds as the vibe keeps them, with the path left free."""
    vibe, width, path, green = mass.vibe, mass.width, mass.middle(mass.entrance), pick(rng, GREENS)
    if vibe in ("classic", "designer", "rental_basic", "minimalist", "scandinavian") and rng.random() < 0.75:
        tall = float(rng.uniform(0.5, 1.0))
        for x0, x1 in ((-width * 0.6, path - 1.1), (path + 1.1, width * 0.5)):
            if x1 - x0 > 0.6:
                hedge(kit, skins, rng, x0, x1, -4.7, tall, green)
    elif vibe in ("boho", "scandinavian", "worn_out"):
        tone = (
            pick(rng, [(0.9, 0.89, 0.86), skins.style.accents[0]])
            if vibe != "worn_out"
            else (0.4, 0.34, 0.28)
        )
        picket = skins.make.plain(tone, 0.8, uneven=0.1)
        for x in np.arange(-width * 0.6, width * 0.5, 0.2):
            if abs(x - path) > 1.0 and (vibe != "worn_out" or rng.random() < 0.85):
                batch.box((float(x), -4.8, 0.5), (0.1, 0.03, 0.95 + 0.1 * float(rng.normal())), picket)
    count = {"boho": 9, "classic": 5, "midcentury": 4, "minimalist": 2, "designer": 4}.get(vibe, 5)
    for _ in range(count):
        x = float(rng.uniform(-0.55, 0.52)) * width
        if abs(x - path) > 1.3:
            bloom = pick(rng, BLOOMS) if rng.random() < {"boho": 0.8, "classic": 0.5}.get(vibe, 0.2) else None
            bush(
                kit,
                skins,
                rng,
                (x, -float(rng.uniform(0.7, 3.8)), 0),
                float(rng.uniform(0.5, 1.2)),
                pick(rng, GREENS),
                bloom,
            )
    if vibe in ("worn_out", "boho", "midcentury"):
        tufts(kit, skins, rng, -width * 0.6, width * 0.5, -4.5, 0.5, pick(rng, GREENS))


def _sides(kit: Kit, batch: Batch, skins: Skins, rng: Rng, home: Home, mass: Mass) -> None:
    """Neighbouring houses; beside a villa, smaller ones further off behind a fence."""
    tones: list[Colour] = [
        (0.7, 0.62, 0.5),
        (0.55, 0.36, 0.29),
        (0.75, 0.72, 0.66),
        (0.5, 0.49, 0.47),
        (0.62, 0.55, 0.42),
    ]
    frame = skins.make.plain((0.85, 0.83, 0.78), 0.6, uneven=0)
    pictures = stream(home.seed, "neighbours")
    glass = skins.make.image(
        "far panes", panes(pictures, "rental_basic", tones, skins.style.overcast, False), 0.15, coat=0.5
    )
    villa = mass.kind == "villa"
    for side in (-1, 1):
        joined = mass.kind in ("townhouse", "factory")
        gap = float(rng.uniform(6, 9) if villa else rng.uniform(0.0, 0.2) if joined else rng.uniform(3, 9))
        tall = (
            5.6 if villa else mass.height * float(rng.uniform(0.6, 1.0) if joined else rng.uniform(0.35, 0.8))
        )
        wide, back = float(rng.uniform(9, 15)), 7.0 if villa else 0.0
        coat = walls.render_coat(rng, pick(rng, tones), 0.4)
        skin = skins.make.surface(f"neighbour {side}", partial(_same, coat), 0.9, 0.2)
        x = side * (mass.width / 2 + gap + wide / 2)
        _neighbour(
            kit, batch, skins, rng, (x, back, wide, tall), (skin, frame, glass), villa or rng.random() < 0.4
        )
        if villa:
            plank = skins.make.plain((0.42, 0.33, 0.25), 0.9, uneven=0.12)
            for i in range(40):
                batch.box((side * (mass.width / 2 + 0.4 + 0.22 * i), 4.0, 0.9), (0.2, 0.04, 1.8), plank)


def _same(texture: Texture) -> Texture:
    return texture


def _neighbour(
    kit: Kit, batch: Batch, skins: Skins, rng: Rng, place: tuple[float, float, float, float],
    looks: tuple[Skin, Skin, Skin], pitched: bool,
) -> None:  # fmt: skip
    x, y, wide, tall = place
    skin, frame, glass = looks
    kit.box((x, y + 5, tall / 2), (wide, 10, tall), skin, 0)
    for row in range(int(tall / 3)):
        for column in range(int(wide / 2.6)):
            at, z = x - wide / 2 + 2.6 * (column + 0.5) + 0.2, 3 * row + 1.9
            batch.box((at, y - 0.01, z), (1.4, 0.08, 1.7), frame)
            batch.pane(
                (at - 0.6, at + 0.6), y - 0.06, (z - 0.75, z + 0.75), glass, int(rng.integers(16)), SIDE
            )
            batch.box((at, y - 0.06, z), (0.06, 0.04, 1.5), frame)
    batch.box((x, y - 0.02, tall), (wide + 0.3, 0.5, 0.3), frame)
    if pitched:
        roof = skins.make.plain(
            pick(rng, [(0.42, 0.24, 0.18), (0.28, 0.27, 0.27), (0.36, 0.28, 0.22)]), 0.8, uneven=0.08
        )
        kit.mesh(
            shapes.sheet(
                lambda u, v: (x + (u - 0.5) * (wide + 0.6), y - 0.4 + 5.4 * v, tall + 2.6 * v), 2, 2
            ),
            roof,
        )


def _post(batch: Batch, skins: Skins, x: float, vibe: str) -> None:
    """A street lamp, old or new."""
    black = skins.make.metal("black" if vibe in ("classic", "loft", "boho") else "chrome_dull")
    if vibe in ("classic", "boho"):
        batch.bar((x, -7.0, 0), (x, -7.0, 3.4), 0.06, black, 10)
        batch.box((x, -7.0, 3.65), (0.3, 0.3, 0.45), skins.make.plain((0.9, 0.87, 0.75), 0.2, uneven=0))
        batch.box((x, -7.0, 3.93), (0.4, 0.4, 0.1), black)
        return
    batch.bar((x, -7.0, -0.1), (x, -7.0, 5.2), 0.06, black, 10)
    batch.bar((x, -7.0, 5.2), (x, -8.2, 5.4), 0.04, black)
    batch.box((x, -8.3, 5.38), (0.24, 0.6, 0.1), black)
