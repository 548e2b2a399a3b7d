"""The sky behind a front: fair, scattered, streaked, overcast or at sunset, with hills and roofs on the horizon."""

import numpy as np

from studio.chance import Rng, pick
from studio.colour import Colour, mix
from studio.textures.noise import blend, grid, noise, paint, shade

SIZE = 512


def front_sky(rng: Rng, hour: float, overcast: bool) -> np.ndarray:
    """(512, 512, 3) from high up (top) to the horizon, which lies a fifth above the lower edge."""
    row, column = grid(SIZE)
    up = np.clip(1 - row / 0.8, 0, 1)
    late = min(1.0, abs(hour - 13) / 6.5)
    if overcast:
        top: Colour = pick(rng, [(0.52, 0.57, 0.63), (0.66, 0.69, 0.72), (0.44, 0.48, 0.54)])
        low: Colour = (0.86, 0.87, 0.88)
    else:
        top = pick(rng, [(0.13, 0.33, 0.7), (0.2, 0.42, 0.76), (0.28, 0.5, 0.8), (0.1, 0.25, 0.58)])
        low = pick(rng, [(0.68, 0.82, 0.94), (0.78, 0.86, 0.92), (0.58, 0.74, 0.9)])
    warm = pick(rng, [(0.98, 0.72, 0.5), (0.95, 0.62, 0.55), (0.97, 0.8, 0.58)])
    glow = max(0.0, late - 0.45) * (0.6 if overcast else 1.5)
    rgb = blend(
        paint(mix(top, (0.3, 0.3, 0.45), 0.35 * late), SIZE), mix(low, warm, min(1.0, glow)), (1 - up) ** 1.6
    )
    kind = pick(rng, ["clear", "cumulus", "cumulus", "streaks", "mackerel"])
    if overcast:
        heavy = noise(rng, 1.5, (2.2, 0.8), SIZE)
        rgb = shade(rgb, heavy, 0.1)
        rgb = blend(rgb, (0.93, 0.93, 0.93), np.clip(heavy - 0.5, 0, 1) * 0.5)
    elif kind != "clear":
        stretch = {"cumulus": (1.7, 0.9), "streaks": (5.0, 0.5), "mackerel": (2.5, 1.6)}[kind]
        field = noise(rng, 1.35 if kind == "cumulus" else 1.15, stretch, SIZE)
        body = np.clip((field - float(rng.uniform(0.1, 0.8))) * (1.6 if kind == "cumulus" else 0.7), 0, 1)
        shadow = np.clip(np.roll(field, -9, 0) - field + 0.3, 0, 1)
        light = mix((0.97, 0.97, 0.97), warm, min(0.9, glow))
        rgb = blend(rgb, light, body * (0.35 + 0.6 * up))
        rgb = blend(rgb, (0.62, 0.64, 0.7), body * shadow * 0.55)
    return _horizon(rng, rgb, row, column)


def _horizon(rng: Rng, rgb: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Far hills, then roofs, then tree tops."""
    far = 0.8 - float(rng.uniform(0, 0.09)) * np.clip(noise(rng, 1.9, size=SIZE)[0] + 0.4, 0, 3)
    rgb = blend(rgb, (0.45, 0.52, 0.6), (row > far[None, :]) * 0.75)
    step = (
        rng.uniform(0.0, 1.0, 24).repeat(SIZE // 24 + 1)[:SIZE]
        * (rng.random(24) < 0.6).repeat(SIZE // 24 + 1)[:SIZE]
    )
    roofs = row > (0.79 - 0.07 * step)[None, :]
    wall = paint(pick(rng, [(0.6, 0.54, 0.47), (0.55, 0.4, 0.34), (0.62, 0.61, 0.6)]), SIZE)
    dots = ((row * 90 % 1 > 0.45) & (column * 110 % 1 > 0.5)).astype(np.float32)
    rgb = np.where(roofs[..., None], shade(wall, dots - 0.5, -0.25), rgb)
    crowns = (
        0.785 - 0.02 * noise(rng, 0.9, size=SIZE)[0] - 0.03 * np.clip(noise(rng, 1.4, size=SIZE)[0], 0, 2)
    )
    leaf = shade(paint((0.24, 0.31, 0.19), SIZE), noise(rng, 0.7, size=SIZE), 0.28)
    return np.where((row > crowns[None, :])[..., None], leaf, rgb)
