"""Window panes as pictures: what stands behind the glass and what the glass reflects, sixteen to one atlas."""

import numpy as np

from studio.chance import Rng, pick
from studio.colour import Colour, mix
from studio.textures.noise import blend, grid, noise, paint, shade

CELL, SIDE = 128, 4  # pixels of a pane, panes along the atlas
DRESS = {
    "worn_out": "net net sheet paper blind broken", "rental_basic": "blind blind net roller roller bare",
    "scandinavian": "bare sheer lamp plant roller", "loft": "bare bare lamp plant roller", "classic": "drape drape swag net",
    "boho": "colour colour plant plant lamp", "midcentury": "drape colour slats plant lamp", "minimalist": "bare bare sheer sheer",
    "designer": "drape lamp bare sheer",
}  # fmt: skip


def panes(rng: Rng, vibe: str, colours: list[Colour], overcast: bool, lit: bool) -> np.ndarray:
    """(512, 512, 3): sixteen panes, seen by day or lit from within."""
    atlas = np.zeros((CELL * SIDE, CELL * SIDE, 3), np.float32)
    for index in range(SIDE * SIDE):
        row, column = divmod(index, SIDE)
        cell = _pane(rng, pick(rng, DRESS[vibe].split()), colours, overcast, lit)
        atlas[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = cell
    return atlas


def _pane(rng: Rng, dress: str, colours: list[Colour], overcast: bool, lit: bool) -> np.ndarray:
    row, column = grid(CELL)
    room: Colour = pick(rng, [(0.98, 0.76, 0.44), (0.95, 0.83, 0.6), (0.9, 0.66, 0.38)]) if lit else mix(
        (0.07, 0.08, 0.1), pick(rng, colours), float(rng.uniform(0, 0.22))
    )  # fmt: skip
    rgb = shade(paint(room, CELL), 0.5 - row, 0.5)
    for _ in range(2):  # furniture, doorways and pictures in the depth of the room
        x, wide, top = rng.random(), rng.uniform(0.1, 0.3), rng.uniform(0.35, 0.7)
        thing = (np.abs(column - x) < wide / 2) & (row > top) & (row < top + rng.uniform(0.15, 0.6))
        rgb = blend(rgb, mix(room, pick(rng, [(0.03, 0.03, 0.04), *colours]), 0.5), thing * 0.7)
    if dress == "lamp":
        bulb = np.exp(-(((column - rng.uniform(0.3, 0.7)) / 0.1) ** 2) - ((row - 0.35) / 0.08) ** 2)
        rgb = blend(rgb, (1, 0.85, 0.55), bulb)
    rgb = _dress(rng, rgb, dress, colours, lit)
    if lit:
        return rgb
    # The mirror image of the sky and of what stands across the street.
    sky: Colour = (
        (0.72, 0.75, 0.78)
        if overcast
        else pick(rng, [(0.45, 0.62, 0.82), (0.55, 0.7, 0.86), (0.35, 0.5, 0.72)])
    )
    ridge = (
        rng.uniform(0.35, 0.8) + 0.07 * noise(rng, 1.2, size=CELL)[0] + 0.3 * (column[0] - 0.5) * rng.normal()
    )
    slant = row + 0.2 * column * rng.normal()
    share = np.where(row < ridge[None, :], np.clip(0.62 - 0.45 * slant, 0.1, 0.75), 0.06) * rng.uniform(
        0.35, 1.0
    )
    cloud = np.clip(noise(rng, 1.6, size=CELL), 0, 1)[..., None] * 0.25
    return rgb + (np.array(sky, np.float32) + cloud - rgb) * share[..., None].astype(np.float32)


def _dress(rng: Rng, rgb: np.ndarray, dress: str, colours: list[Colour], lit: bool) -> np.ndarray:
    row, column = grid(CELL)
    dim = 1.0 if lit else 0.8
    fold = 0.5 + 0.5 * np.sin(column * rng.uniform(50, 90) + noise(rng, 1.5, size=CELL)[0])
    side = np.minimum(column, 1 - column)
    cloth: Colour = pick(rng, [(0.85, 0.8, 0.7), (0.78, 0.74, 0.68), (0.6, 0.5, 0.4)])
    if dress == "colour" or (dress == "drape" and rng.random() < 0.3):
        cloth = pick(rng, colours)
    cloth = mix((0, 0, 0), cloth, dim)
    white = mix((0, 0, 0), (0.93, 0.92, 0.89), dim)
    if dress in ("drape", "colour", "swag"):
        edge = rng.uniform(0.14, 0.32) - (0.1 * row if dress == "swag" else 0)
        rgb = blend(rgb, mix(cloth, (0, 0, 0), 0.35), (side < edge) * 1.0)
        rgb = blend(rgb, cloth, (side < edge) * fold)
        if dress == "swag":
            rgb = blend(rgb, cloth, (row < 0.1 + 0.06 * np.abs(np.sin(9 * column))) * 1.0)
    elif dress in ("net", "sheer", "sheet"):
        thick = {"net": 0.55, "sheer": 0.4, "sheet": 0.95}[dress]
        reach = rng.uniform(0.5, 1.0) if dress == "net" else 1.0
        slip = column < rng.uniform(0.45, 1.1)
        rgb = blend(
            rgb, cloth if dress == "sheet" else white, (row < reach) * slip * thick * (0.6 + 0.4 * fold)
        )
    elif dress in ("blind", "roller", "slats"):
        drop = rng.uniform(0.2, 1.0)
        slat = (row * (22 if dress != "slats" else 12) % 1 > 0.3) if dress != "roller" else 1.0
        tone = mix(white, cloth, 0.2 if dress == "blind" else 0.6)
        rgb = blend(rgb, tone, (row < drop) * slat * 0.92)
    elif dress in ("paper", "broken"):
        if dress == "paper":
            rgb = blend(
                rgb, mix((0, 0, 0), (0.62, 0.55, 0.4), dim), (noise(rng, 1.2, size=CELL) > -0.6) * 0.85
            )
        else:
            crack = np.abs(np.sin(3 * np.arctan2(row - 0.4, column - 0.6))) < 0.04
            rgb = blend(rgb, (0.75, 0.77, 0.78), crack * 0.7)
    elif dress == "plant":
        where = rng.uniform(0.2, 0.8)
        bushy = (
            np.hypot((column - where) / 0.28, (row - 0.75) / 0.3) + 0.35 * noise(rng, 0.9, size=CELL) < 0.9
        )
        rgb = blend(rgb, (0.22, 0.38, 0.16), bushy * 0.9)
        rgb = blend(rgb, pick(rng, colours), ((np.abs(column - where) < 0.1) & (row > 0.88)) * 1.0)
    return rgb
