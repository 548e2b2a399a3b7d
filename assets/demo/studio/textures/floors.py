"""Floors and other laid patterns: boards, herringbone, tiles, bricks, concrete, linoleum, carpet, marble."""

import numpy as np

from studio.chance import Rng
from studio.colour import Colour, mix
from studio.textures.noise import SIZE, Texture, blend, grid, noise, paint, shade, unit


def _lay(rng: Rng, cell: np.ndarray, base: np.ndarray, spread: float) -> np.ndarray:
    """Each cell of a laid pattern a little lighter or darker than its neighbours."""
    tone = rng.normal(0, 1, int(cell.max()) + 1).astype(np.float32)
    return shade(base, tone[cell], spread)


def planks(rng: Rng, colour: Colour, width: float = 0.16, spread: float = 0.1, wear: float = 0.0) -> Texture:
    """Boards along the rows' direction with staggered ends and grain."""
    count = max(4, round(2.4 / width))
    metres = count * width
    row, column = grid()
    board = np.minimum((column * count).astype(int), count - 1)
    along = row + rng.random(count)[board]
    piece = board * 3 + (along * 2).astype(int) % 2
    grain = noise(rng, 1.1, (0.06, 1.6)) + 0.4 * noise(rng, 1.6, (0.1, 1))
    rgb = _lay(rng, piece, shade(paint(colour), grain, 0.07), spread)
    edge = np.minimum(column * count % 1, 1 - column * count % 1) < 0.5 * 0.004 / width + 0.008
    ends = (along * 2 % 1) < 0.004
    gap = (edge | ends).astype(np.float32)
    rgb = blend(rgb, mix(colour, (0, 0, 0), 0.75), gap * 0.8)
    if wear > 0:
        scuff = np.clip(noise(rng, 1.3) - 1.4 + wear, 0, 1) + np.clip(
            noise(rng, 1.0, (0.3, 2)) - 1.9 + wear, 0, 1
        )
        rgb = blend(rgb, mix(colour, (0.42, 0.38, 0.33), 0.7), 0.75 * scuff)
    return Texture(rgb, unit(grain * 0.15 - 3 * gap), metres)


def herringbone(rng: Rng, colour: Colour, ratio: int = 4, spread: float = 0.12, wear: float = 0.0) -> Texture:
    """Parquet blocks at right angles; `ratio` is a block's length over its width."""
    cells = 4 * ratio
    row, column = grid()
    x, y = column * cells, row * cells
    i, j = x.astype(int), y.astype(int)
    # Herringbone on a unit grid: along each diagonal the first `ratio` cells lie flat, the next stand.
    phase = (i - j) % (2 * ratio)
    flat = phase < ratio
    start = np.where(flat, i - phase, i)
    top = np.where(flat, j, j - (2 * ratio - 1 - phase))
    cell = ((start % cells) * cells + top % cells) * 2 + flat
    across = np.where(flat, y % 1, x % 1)
    along = np.where(flat, (phase + x % 1) / ratio, ((2 * ratio - 1 - phase) + y % 1) / ratio)
    grain = np.where(flat, noise(rng, 1.1, (1.8, 0.2)), noise(rng, 1.1, (0.2, 1.8)))
    rgb = _lay(rng, cell.astype(int), shade(paint(colour), grain, 0.06), spread)
    rgb = shade(rgb, np.where(flat, 1.0, -1.0).astype(np.float32), 0.035)
    gap = ((across < 0.05) | (across > 0.95) | (along < 0.015) | (along > 0.985)).astype(np.float32)
    rgb = blend(rgb, mix(colour, (0, 0, 0), 0.7), gap * 0.75)
    if wear > 0:
        rgb = blend(
            rgb, mix(colour, (0.45, 0.42, 0.38), 0.8), np.clip(noise(rng, 1.4) - 1.3 + wear, 0, 1) * 0.7
        )
    return Texture(rgb, unit(-gap + 0.05 * grain), cells * 0.085)


def tiles(
    rng: Rng, colour: Colour, other: Colour | None = None, side: float = 0.3, aspect: float = 1.0,
    bond: bool = False, grout: Colour = (0.75, 0.74, 0.71), spread: float = 0.04, cloud: float = 0.03,
    joint: float = 0.004, dirt: float = 0.0,
) -> Texture:  # fmt: skip
    """Tiles or bricks of height `side` and width `side * aspect`; with `other` a checkerboard, with `bond` staggered."""
    rows = max(2, 2 * round(0.6 / side)) if side < 0.5 else 2
    columns = max(2, round(rows / aspect))
    metres = rows * side
    row, column = grid()
    y = row * rows
    x = column * columns + (0.5 * (y.astype(int) % 2) if bond else 0)
    cell = y.astype(int) * (columns + 1) + x.astype(int) % columns
    rgb = paint(colour)
    if other is not None:
        rgb = blend(rgb, other, ((y.astype(int) + x.astype(int)) % 2).astype(np.float32))
    surface = noise(rng, 1.7)
    rgb = _lay(rng, cell, shade(rgb, surface, cloud), spread)
    wide = max(joint / side, 0.9 / SIZE * rows)
    gap = ((y % 1 < wide) | (x % 1 < wide / (metres / columns / side))).astype(np.float32)
    line = mix(grout, (0.25, 0.2, 0.14), 0.5 * dirt)
    rgb = blend(rgb, line, gap)
    if dirt > 0:
        rgb = blend(rgb, (0.42, 0.36, 0.25), np.clip(noise(rng, 1.8) - 0.9 + 0.5 * dirt, 0, 0.45) * dirt)
    return Texture(rgb, unit(-2.5 * gap + 0.12 * surface), metres)


def bricks(rng: Rng, colour: Colour, painted: bool = False) -> Texture:
    """A brick wall, bare or whitewashed."""
    mortar = (0.86, 0.85, 0.83) if painted else (0.62, 0.58, 0.53)
    wall = tiles(rng, colour, side=0.075, aspect=3.2, bond=True, grout=mortar, spread=0.05 if painted else 0.24,
                 cloud=0.06, joint=0.012)  # fmt: skip
    rough = noise(rng, 0.9)
    rgb = shade(wall.rgb, rough, 0.05 if painted else 0.12)
    if not painted:
        rgb = blend(rgb, (0.75, 0.68, 0.62), np.clip(noise(rng, 1.5) - 1.2, 0, 0.5))
    return Texture(rgb, unit(wall.height + 0.12 * rough), wall.metres)


def concrete(rng: Rng, colour: Colour, joints: bool = False) -> Texture:
    """Poured concrete with clouds, pores and, where cast against boards, form joints and tie holes."""
    cloud, pore = noise(rng, 1.6), noise(rng, 0.4)
    rgb = shade(shade(paint(colour), cloud, 0.07), pore, 0.025)
    spots = np.clip(-pore - 2.4, 0, 1)
    rgb = blend(rgb, mix(colour, (0, 0, 0), 0.5), spots)
    if joints:
        row, column = grid()
        line = ((row * 2 % 1 < 0.006) | (column * 2 % 1 < 0.006)).astype(np.float32)
        hole = np.hypot(row * 4 % 1 - 0.5, column * 4 % 1 - 0.5) < 0.035
        rgb = blend(rgb, mix(colour, (0, 0, 0), 0.6), 0.6 * np.maximum(line, hole))
    return Texture(rgb, unit(cloud * 0.3 - spots), 2.4)


def marble(rng: Rng, colour: Colour, vein: Colour, amount: float = 1.0) -> Texture:
    """Polished stone with bent veins."""
    bend = noise(rng, 2.0)
    rgb = shade(paint(colour), noise(rng, 1.8), 0.035)
    for width, strength in ((0.07, 0.85), (0.035, 0.5), (0.25, 0.22)):
        line = np.abs(noise(rng, 1.9, (0.8, 1.5)) + 0.3 * bend)
        rgb = blend(rgb, vein, np.exp(-line / width) * strength * amount)
    return Texture(rgb, np.zeros((SIZE, SIZE), np.float32), 1.9)


def terrazzo(rng: Rng, colour: Colour, chips: list[Colour]) -> Texture:
    """Stone chips in cement."""
    rgb = paint(colour)
    for chip in chips:
        rgb = blend(rgb, chip, (noise(rng, 0.9) + noise(rng, 1.1) > 2.6).astype(np.float32))
    return Texture(rgb, np.zeros((SIZE, SIZE), np.float32), 0.55)


def linoleum(rng: Rng, colour: Colour, other: Colour, wear: float = 0.5) -> Texture:
    """The sheet floor of old kitchens: a printed pattern, worn where people stand."""
    row, column = grid()
    kind = int(rng.integers(3))
    x, y = column * 8 % 1 - 0.5, row * 8 % 1 - 0.5
    mask = (np.abs(x) + np.abs(y) < 0.28, np.hypot(x, y) < 0.3, (np.abs(x) < 0.08) | (np.abs(y) < 0.08))[kind]
    rgb = blend(paint(colour), other, mask.astype(np.float32) * 0.8)
    rgb = shade(rgb, noise(rng, 0.5), 0.05)
    rgb = blend(rgb, (0.35, 0.29, 0.22), np.clip(noise(rng, 1.5) - 1.1 + wear * 0.4, 0, 0.6) * wear)
    return Texture(rgb, unit(noise(rng, 1.0)), 1.6)


def carpet(rng: Rng, colour: Colour) -> Texture:
    """Wall-to-wall carpet."""
    pile = noise(rng, 0.25)
    rgb = shade(shade(paint(colour), pile, 0.1), noise(rng, 1.5), 0.04)
    return Texture(rgb, unit(pile), 1.2)
