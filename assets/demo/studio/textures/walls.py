"""Wall coverings: paint from fresh to stained, plaster, limewash, wallpapers, boards, slats, a painted block."""

import numpy as np

from studio.chance import Rng
from studio.colour import Colour, mix
from studio.textures.noise import Texture, blend, grid, noise, paint, shade, unit


def fresh(rng: Rng, colour: Colour, roller: float = 0.012) -> Texture:
    """Rolled paint in good order."""
    orange_peel = noise(rng, 0.5)
    rgb = shade(shade(paint(colour), noise(rng, 1.8), 0.012), orange_peel, roller)
    return Texture(rgb, unit(orange_peel), 2.5)


def worn(rng: Rng, colour: Colour, wear: float) -> Texture:
    """Old paint: yellow clouds, dark stains, hairline cracks, flakes down to the plaster."""
    rgb = shade(paint(colour), noise(rng, 1.6), 0.05)
    rgb = blend(rgb, (0.62, 0.5, 0.28), np.clip(noise(rng, 1.9) - 0.6, 0, 1) * 0.4 * wear)
    rgb = blend(rgb, (0.3, 0.25, 0.19), np.clip(noise(rng, 1.7) - 1.5, 0, 1) * 0.7 * wear)
    crack = np.exp(-np.abs(noise(rng, 1.4)) / 0.012) * (noise(rng, 1.8) > 0.6)
    rgb = blend(rgb, (0.25, 0.22, 0.18), crack * 0.8 * wear)
    flake = np.clip((noise(rng, 1.35) - 2.35 + 0.6 * wear) * 9, 0, 1)
    rgb = blend(rgb, (0.66, 0.64, 0.6), flake)
    return Texture(rgb, unit(-flake - crack + 0.1 * noise(rng, 1)), 3.2)


def limewash(rng: Rng, colour: Colour, strength: float = 0.09) -> Texture:
    """Brushed lime paint or fine plaster: cloudy, soft."""
    cloud = noise(rng, 1.35) + 0.5 * noise(rng, 1.0, (0.5, 1.4))
    return Texture(shade(paint(colour), cloud, strength), unit(cloud), 2.8)


def wallpaper(rng: Rng, colour: Colour, print_: Colour, kind: str, wear: float = 0.0) -> Texture:
    """Printed paper: `damask`, `stripe`, `flower`, `wave` or `leaf`; the older, the yellower and with open seams."""
    row, column = grid()
    repeat = 5
    x, y = column * repeat, row * repeat
    x = x % 1 - 0.5
    y = (y + 0.5 * ((column * repeat).astype(int) % 2)) % 1 - 0.5
    radius, angle = np.hypot(x, y * 0.8), np.arctan2(y, x)
    mask: np.ndarray
    if kind == "stripe":
        mask = (np.abs(x) < 0.22).astype(np.float32)
    elif kind == "flower":
        mask = (radius < 0.22 + 0.08 * np.cos(5 * angle)) * (0.4 + 0.6 * (radius > 0.1))
    elif kind == "damask":
        body = (np.abs(x) < 0.3 * np.cos(np.pi * y) * (0.6 + 0.4 * np.cos(6 * np.pi * y))).astype(np.float32)
        mask = body * (0.55 + 0.45 * (np.cos(22 * radius + 3 * np.cos(2 * angle)) > 0))
    elif kind == "leaf":
        sway = x + 0.12 * np.sin(2 * np.pi * y)
        mask = (np.abs(sway) < 0.02) | (np.abs(np.sin(6 * np.pi * (y + np.abs(sway)))) < 0.45) & (
            np.abs(sway) < 0.3
        )
    else:
        mask = (np.sin(2 * np.pi * (column * 8 + 0.35 * np.sin(2 * np.pi * row * 4))) > 0.3).astype(
            np.float32
        )
    rgb = blend(paint(colour), print_, np.asarray(mask, np.float32) * 0.75)
    rgb = shade(rgb, noise(rng, 0.7), 0.02)
    seam = (column * 5 % 1 < 0.006).astype(np.float32)
    if wear > 0:
        rgb = blend(rgb, (0.6, 0.47, 0.27), np.clip(noise(rng, 1.8) - 0.2, 0, 1) * 0.35 * wear)
        rgb = blend(rgb, (0.3, 0.24, 0.17), np.clip(noise(rng, 1.7) - 1.6, 0, 1) * 0.6 * wear)
        rgb = blend(rgb, (0.35, 0.3, 0.22), seam * 0.6 * wear)
    return Texture(rgb, unit(np.asarray(mask, np.float32) - seam), 1.5)


def boards(rng: Rng, colour: Colour, width: float = 0.12, slats: bool = False) -> Texture:
    """Vertical wooden cladding, or narrow slats with shadow between them."""
    count = 10 if not slats else 16
    _row, column = grid()
    board = (column * count).astype(int)
    grain = noise(rng, 1.1, (0.08, 1.7))
    rgb = shade(shade(paint(colour), grain, 0.1), rng.normal(0, 1, count + 1).astype(np.float32)[board], 0.1)
    inside = column * count % 1
    gap = ((inside < 0.38) if slats else (inside < 0.035)).astype(np.float32)
    rgb = blend(rgb, mix(colour, (0, 0, 0), 0.85), gap)
    return Texture(rgb, unit(0.1 * grain - gap), count * (0.045 if slats else width))


def render_coat(rng: Rng, colour: Colour, dirt: float = 0.0) -> Texture:
    """Outdoor render with rain streaks and soot."""
    grain = noise(rng, 0.5)
    rgb = shade(shade(paint(colour), grain, 0.05), noise(rng, 1.7), 0.03)
    if dirt > 0:
        streak = np.clip(noise(rng, 1.2, (0.08, 1.2)) - 0.5, 0, 1)
        rgb = blend(
            rgb, (0.27, 0.25, 0.22), (streak * 0.55 + np.clip(noise(rng, 1.7) - 1, 0, 1) * 0.6) * dirt
        )
    return Texture(rgb, unit(grain), 4.0)
