"""The street front of the building, finished and kept as the home's vibe has it."""

from listing_vibes.demo.homes import Home
from studio.chance import Rng, pick
from studio.colour import Colour, mix, parse, vary
from studio.kit import Kit
from studio.plan import View
from studio.rooms.accents import accents
from studio.rooms.facade import balcony, door, dress, wall, window
from studio.rooms.massing import Batch, Mass, draw_mass
from studio.rooms.roofs import bands, crown
from studio.rooms.street import street
from studio.skins import Skin, Skins
from studio.textures import floors, outside, walls

COATS = {
    "worn_out": "#a79f8c #b8a98a #8f9088 #a58f7c #9a8f70", "rental_basic": "#cfcabb #d9d2bf #bfc4c4 #d6c7a6 #c9c3b4",
    "scandinavian": "#8f2f22 #2e3033 #e3e2dc #b9c4c0 #d3a04e #6f8794", "loft": "#8a4a36 #7a4436 #6b3a2e #54403a",
    "classic": "#e6d9b8 #d9c9a8 #e3d3a0 #d8b8a0 #dfe0d4 #c8ccb8", "boho": "#d98c55 #cf6f5f #d8b878 #6fb0a8 #d987a0 #7f9fd0",
    "midcentury": "#d9c9a3 #b98a5a #c9c4b4 #8fa39a #a8593c", "minimalist": "#f4f3f0 #eeece8 #f0f0f0 #b9b7b3", "designer": "#222427 #2f2b28 #1b1d20 #3a332d",
}  # fmt: skip
FACTORY = {
    "scandinavian": (0.85, 0.83, 0.79), "minimalist": (0.9, 0.9, 0.88), "designer": (0.13, 0.12, 0.12), "rental_basic": (0.72, 0.62, 0.44),
    "classic": (0.7, 0.5, 0.36), "midcentury": (0.66, 0.42, 0.28),
}  # fmt: skip
BALCONIES = {"block": 0.45, "tower": 0.4, "villa": 0.35, "townhouse": 0.25, "factory": 0.1}


def _coat(skins: Skins, rng: Rng, home: Home, colour: Colour) -> Skin:
    """What the wall is made of."""
    surface, vibe = skins.make.surface, home.vibe
    dirt = min(1.0, 0.1 + 0.85 * skins.style.wear + 0.3 * (0.5 - home.quality))
    if vibe == "worn_out":
        if home.building == "factory":
            return surface("coat", lambda: outside.flaking(rng, (0.5, 0.3, 0.22), 0.8), 0.9, 0.6)
        return surface("coat", lambda: outside.flaking(rng, colour, 0.6 + 0.4 * dirt), 0.9, 0.6)
    if vibe == "loft":
        return surface("coat", lambda: floors.bricks(rng, colour), 0.85, 0.7)
    if vibe == "scandinavian" and home.building != "factory":
        upright = bool(rng.random() < 0.4)
        return surface("coat", lambda: outside.clapboard(rng, colour, 0.17, upright), 0.75, 0.6)
    if home.building == "factory" and vibe != "boho":
        return surface(
            "coat", lambda: floors.bricks(rng, vary(rng, FACTORY[vibe]), FACTORY[vibe][2] > 0.75), 0.85, 0.6
        )
    if vibe == "rental_basic":
        return surface("coat", lambda: outside.pebbledash(rng, colour, dirt), 0.95, 0.4)
    if vibe == "midcentury" and home.building in ("villa", "townhouse") and rng.random() < 0.5:
        return surface("coat", lambda: outside.clapboard(rng, skins.style.wood, 0.15, True), 0.7, 0.5)
    if vibe == "designer":
        if rng.random() < 0.5:
            return surface(
                "coat", lambda: walls.boards(rng, mix(colour, skins.style.wood, 0.25), 0.06, True), 0.6, 0.5
            )
        return surface("coat", lambda: floors.concrete(rng, colour, True), 0.35, 0.2)
    if vibe == "minimalist" and colour[0] < 0.8:
        return surface("coat", lambda: floors.concrete(rng, colour, True), 0.7, 0.3)
    return surface("coat", lambda: walls.render_coat(rng, colour, 0.6 * dirt), 0.9, 0.3)


def furnish(kit: Kit, skins: Skins, rng: Rng, home: Home) -> View:
    """Builds the front with its street and returns the view of it."""
    mass = draw_mass(rng, home)
    colour = vary(rng, parse(pick(rng, COATS[home.vibe].split())), 0.8)
    coat = _coat(skins, rng, home, colour)
    tone = {
        "designer": (0.09, 0.09, 0.1), "minimalist": mix(colour, (1, 1, 1), 0.2), "worn_out": mix(colour, (0.5, 0.46, 0.4), 0.5),
        "midcentury": (0.93, 0.91, 0.85), "loft": (0.42, 0.38, 0.35),
    }.get(home.vibe, mix(colour, (0.96, 0.95, 0.92), 0.85))  # fmt: skip
    trim = skins.make.plain(tone, 0.6, uneven=0.1 if home.vibe == "worn_out" else 0.0)
    look = dress(skins, rng, home, coat, trim)
    wall(kit, mass, coat)
    batch = Batch()
    columns = rng.random(mass.bays) < BALCONIES[home.building] * (0.7 if home.vibe == "loft" else 1.2)
    for floor in range(mass.floors):
        for bay in range(mass.bays):
            if floor == 0 and bay == mass.entrance:
                door(batch, skins, rng, mass, look)
                continue
            window(batch, skins, rng, mass, look, floor, bay)
            if floor > 0 and columns[bay] and (home.building in ("block", "tower") or home.balcony):
                balcony(batch, skins, rng, mass, look, floor, bay)
    crown(kit, batch, skins, rng, mass, look)
    bands(batch, skins, rng, mass, look)
    accents(kit, batch, skins, rng, mass, look)
    batch.flush(kit)
    street(kit, skins, rng, home, mass)
    return _view(rng, mass, skins.style.agent)


def _view(rng: Rng, mass: Mass, agent: bool) -> View:
    """From across the street, far enough back that most of the front is in the picture."""
    lens = float(rng.uniform(21, 27))
    need = max(mass.width * 0.62, mass.height * 0.93) * lens / 24
    far = _within(need * float(rng.uniform(0.85, 1.15)), 11.0, 46.0)
    side = float(rng.uniform(0.05, 0.5)) * mass.width * (1 if rng.random() < 0.5 else -1)
    look = mass.height * float(rng.uniform(0.38, 0.48)) + 0.3
    eye = float(rng.uniform(1.5, 2.2 if mass.kind != "villa" else 4.0)) + 0.06 * mass.height
    return View(
        (side, -far, eye), (side * float(rng.uniform(0.0, 0.3)), 0, look if agent else look * 0.95), lens,
        float(rng.normal(0, 0.8)), agent or mass.height > 12,
    )  # fmt: skip


def _within(value: float, low: float, high: float) -> float:
    """The value held between two bounds."""
    return max(low, min(high, value))
