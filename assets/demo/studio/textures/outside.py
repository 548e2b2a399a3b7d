"""Outer walls and grounds: flaking plaster, pebble-dash panels, clapboard, lawn, asphalt, a mural."""

import numpy as np

from studio.chance import Rng, pick
from studio.colour import Colour, mix
from studio.textures.noise import SIZE, Texture, blend, grid, noise, paint, shade, unit


def flaking(rng: Rng, colour: Colour, wear: float) -> Texture:
    """Old plaster: soot under every ledge, rust, cracks, and bare brick where it has fallen off."""
    row, column = grid()
    rgb = shade(shade(paint(colour), noise(rng, 1.6), 0.09), noise(rng, 0.5), 0.05)
    streak = np.clip(noise(rng, 1.2, (0.08, 1.2)), 0, 2)
    rgb = blend(rgb, (0.22, 0.2, 0.18), streak * 0.4 * (0.4 + wear))
    rgb = blend(rgb, (0.46, 0.27, 0.15), np.clip(noise(rng, 1.3, (0.1, 1.3)) - 1.3, 0, 1) * 0.7)
    patch = mix(colour, pick(rng, [(0.75, 0.73, 0.7), (0.5, 0.48, 0.45)]), 0.6)
    rgb = blend(rgb, patch, (noise(rng, 2.2) > 1.1) * 0.75)
    crack = np.exp(-np.abs(noise(rng, 1.5)) / 0.02) * (noise(rng, 1.8) > 0.2)
    rgb = blend(rgb, (0.16, 0.14, 0.12), crack * 0.85)
    course = (row * 60).astype(int)
    joint = (row * 60 % 1 < 0.18) | ((column * 20 + 0.5 * (course % 2)) % 1 < 0.06)
    brick = shade(paint((0.5, 0.29, 0.21)), noise(rng, 0.6), 0.16)
    brick = blend(brick, (0.6, 0.56, 0.5), joint * 0.9)
    bare = np.clip((noise(rng, 1.7) - 1.7 + 0.7 * wear) * 12, 0, 1)
    rim = np.clip(1 - np.abs(bare - 0.5) * 2, 0, 1)
    rgb = blend(rgb + (brick - rgb) * bare[..., None], (0.85, 0.82, 0.75), rim * 0.5)
    return Texture(rgb.astype(np.float32), unit(-bare - crack + 0.1 * noise(rng, 0.6)), 6.0)


def pebbledash(rng: Rng, colour: Colour, dirt: float) -> Texture:
    """The washed gravel face of a prefabricated panel."""
    grain = noise(rng, 0.1)
    rgb = shade(shade(paint(colour), grain, 0.1), noise(rng, 1.7), 0.04)
    rgb = blend(rgb, (0.33, 0.31, 0.28), np.clip(noise(rng, 1.1, (0.08, 1.4)) - 0.7, 0, 1) * 0.5 * dirt)
    return Texture(rgb, unit(grain), 3.0)


def clapboard(rng: Rng, colour: Colour, wide: float = 0.16, upright: bool = False) -> Texture:
    """Wooden boards with a shadow under each lap; upright ones have battens."""
    row, column = grid()
    count = 16
    along = column if upright else row
    board = (along * count).astype(int) % count
    grain = noise(rng, 1.0, (0.06, 1.6) if upright else (1.6, 0.06))
    rgb = shade(shade(paint(colour), grain, 0.07), rng.normal(0, 1, count).astype(np.float32)[board], 0.05)
    inside = along * count % 1
    rgb = blend(rgb, mix(colour, (0, 0, 0), 0.75), (inside > 0.86) * 0.85)
    rgb = blend(rgb, mix(colour, (1, 1, 1), 0.3), (inside < 0.1) * 0.4)
    return Texture(rgb, unit(inside + 0.05 * grain), count * wide)


def ground(rng: Rng, colour: Colour, other: Colour, metres: float) -> Texture:
    """Lawn, earth or gravel with patches of another tone."""
    fine, coarse = noise(rng, 0.35), noise(rng, 1.5)
    rgb = blend(shade(paint(colour), fine, 0.2), other, np.clip(coarse * 0.5 + 0.1, 0, 0.8))
    return Texture(shade(rgb, noise(rng, 0.1), 0.12), unit(fine), metres)


def asphalt(rng: Rng, dirt: float) -> Texture:
    """A road with mended strips, cracks and oil."""
    row, column = grid()
    tone = float(rng.uniform(0.27, 0.42))
    rgb = shade(shade(paint((tone, tone, tone * 1.02)), noise(rng, 0.15), 0.13), noise(rng, 1.6), 0.1)
    for _ in range(3):
        x, y, w, h = rng.random(), rng.random(), rng.uniform(0.05, 0.3), rng.uniform(0.03, 0.12)
        rgb = shade(rgb, ((np.abs(column - x) < w) & (np.abs(row - y) < h)) * 1.0, -0.25 * dirt - 0.05)
    crack = np.exp(-np.abs(noise(rng, 1.5)) / 0.015)
    return Texture(blend(rgb, (0.1, 0.1, 0.1), crack * (0.25 + 0.5 * dirt)), unit(noise(rng, 0.2)), 9.0)


def mural(rng: Rng, colours: list[Colour]) -> np.ndarray:
    """A painted gable: sun, hills, leaves and flowers in flat colours, (512, 512, 3)."""
    row, column = grid()
    tones = [*colours, (0.9, 0.75, 0.4), (0.85, 0.45, 0.35), (0.3, 0.55, 0.55), (0.93, 0.88, 0.78)]
    rgb = paint(pick(rng, tones), SIZE)
    x, y = rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.4)
    turn = np.arctan2(row - y, column - x)
    for size in (0.34, 0.24, 0.16):
        rgb = blend(
            rgb, pick(rng, tones), (np.hypot(row - y, column - x) < size + 0.02 * np.cos(14 * turn)) * 1.0
        )
    for step in range(4):
        edge = 0.45 + 0.14 * step + 0.06 * np.sin(column * rng.uniform(5, 11) + rng.uniform(0, 6))
        rgb = blend(rgb, pick(rng, tones), (row > edge) * 1.0)
    for _ in range(14):
        x, y, size = rng.random(), rng.uniform(0.45, 1), rng.uniform(0.03, 0.09)
        turn = np.arctan2(row - y, column - x)
        bloom = np.hypot(row - y, column - x) < size * (0.6 + 0.4 * np.cos(int(rng.integers(4, 8)) * turn))
        rgb = blend(rgb, pick(rng, tones), bloom * 1.0)
    return rgb
