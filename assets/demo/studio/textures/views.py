"""What lies outside a window: street, park, water, roofs or courtyard, seen from some floor at some hour."""

import numpy as np

from studio.chance import Rng, pick
from studio.colour import Colour, mix, parse
from studio.textures.noise import blend, grid, noise, paint, shade

FACADES = [
    parse(c) for c in ("#c9b79a", "#a86b52", "#d9d2c3", "#8f8a83", "#b98d6b", "#cfc7b0", "#7d6a5a", "#dcdcd8")
]


def sky(rng: Rng, hour: float, overcast: bool, size: int = 512) -> np.ndarray:
    """Sky from zenith (top) to horizon, (size, size, 3)."""
    row, _ = grid(size)
    low = 1 - min(1.0, abs(hour - 13) / 7)  # 1 at noon, 0 at dusk
    top, bottom = (
        ((0.62, 0.66, 0.7), (0.86, 0.87, 0.88)) if overcast else ((0.16, 0.4, 0.78), (0.6, 0.78, 0.93))
    )
    warm: Colour = (0.97, 0.7, 0.48)
    rgb = blend(paint(top, size), mix(warm, bottom, 0.25 + 0.75 * min(1.0, low * 2.2)), row**0.8)
    cloud = np.clip(noise(rng, 1.7, (1.6, 0.7), size) - (0.2 if overcast else 0.6), 0, 1) * (1 - 0.4 * row)
    return blend(rgb, (0.95, 0.95, 0.95), cloud * 0.8)


def _house(rng: Rng, rgb: np.ndarray, left: float, right: float, top: float) -> np.ndarray:
    """A facade with rows of windows drawn over the picture from `top` to the ground."""
    row, column = grid(len(rgb))
    inside = (column >= left) & (column < right) & (row > top)
    wall = shade(paint(pick(rng, FACADES), len(rgb)), noise(rng, 1.2, size=len(rgb)), 0.05)
    storey, bay = rng.uniform(0.09, 0.13), rng.uniform(0.06, 0.1)
    y, x = (row - top) / storey, (column - left) / bay
    window = (y % 1 > 0.25) & (y % 1 < 0.78) & (x % 1 > 0.28) & (x % 1 < 0.72)
    pane = mix((0.12, 0.15, 0.19), (0.55, 0.65, 0.72), float(rng.random()))
    wall = blend(wall, pane, window.astype(np.float32))
    wall = blend(
        wall, (0.9, 0.89, 0.86), ((y % 1 > 0.78) & (y % 1 < 0.84) & (x % 1 > 0.22) & (x % 1 < 0.78)) * 0.7
    )
    rgb = np.where(inside[..., None], wall, rgb)
    roof = (column >= left - 0.005) & (column < right + 0.005) & (np.abs(row - top) < 0.012)
    return blend(rgb, (0.3, 0.22, 0.2), roof.astype(np.float32))


def _trees(rng: Rng, rgb: np.ndarray, line: float, count: int, big: float) -> np.ndarray:
    """Crowns in front of what is there already."""
    row, column = grid(len(rgb))
    for _ in range(count):
        x, y, radius = rng.random(), line + rng.normal(0, 0.04), big * rng.uniform(0.6, 1.3)
        ragged = np.hypot(row - y, column - x) + 0.22 * radius * noise(rng, 1.0, size=len(rgb))
        green: Colour = (
            float(rng.uniform(0.2, 0.34)),
            float(rng.uniform(0.27, 0.38)),
            float(rng.uniform(0.14, 0.24)),
        )
        trunk = (np.abs(column - x) < 0.008) & (row > y)
        rgb = blend(rgb, (0.2, 0.15, 0.11), trunk.astype(np.float32))
        leaf = shade(paint(green, len(rgb)), noise(rng, 0.6, size=len(rgb)), 0.22)
        rgb = np.where((ragged < radius)[..., None], leaf, rgb)
    return rgb


def view(rng: Rng, kind: str, height: float, hour: float, overcast: bool) -> np.ndarray:
    """The backdrop (512, 512, 3); `height` 0..1 is how far up the window is, so the horizon sinks with it."""
    rgb = sky(rng, hour, overcast)
    row, _ = grid(len(rgb))
    horizon = 0.52 + 0.12 * height
    if kind == "water":
        water = shade(paint((0.32, 0.46, 0.56), 512), noise(rng, 1.0, (2.5, 0.25)), 0.1)
        rgb = np.where((row > horizon)[..., None], water, rgb)
        shore = horizon - 0.02 - 0.02 * np.clip(noise(rng, 1.6)[0], -0.5, 2)
        return blend(rgb, (0.3, 0.38, 0.36), ((row > shore[None, :]) & (row < horizon)).astype(np.float32))
    if kind == "park":
        lawn = shade(paint((0.33, 0.42, 0.24), 512), noise(rng, 0.8), 0.1)
        rgb = np.where((row > horizon + 0.08)[..., None], lawn, rgb)
        rgb = _trees(rng, rgb, horizon - 0.02, 12, 0.1)
        return _trees(rng, rgb, horizon + 0.1 + 0.2 * height, 5, 0.16)
    if kind == "roofs":
        for depth in range(3):
            left = -0.1
            while left < 1:
                wide = rng.uniform(0.12, 0.26)
                rgb = _house(
                    rng, rgb, left, left + wide, horizon - 0.06 + 0.12 * depth + rng.uniform(0, 0.08)
                )
                left += wide
        return rgb
    top = 0.3 + 0.25 * height if kind == "street" else 0.12 + 0.1 * height
    left = -0.1
    while left < 1:
        wide = rng.uniform(0.22, 0.5)
        rgb = _house(rng, rgb, left, left + wide, top + rng.uniform(-0.1, 0.1))
        left += wide
    return _trees(rng, rgb, 0.75, 4, 0.13) if rng.random() < 0.6 else rgb
