"""Cloth: weaves for upholstery, printed bedding and curtains, rugs with fields, borders and motifs."""

import numpy as np

from studio.chance import Rng
from studio.colour import Colour
from studio.textures.noise import SIZE, Texture, blend, grid, noise, paint, shade, unit


def weave(rng: Rng, colour: Colour, coarse: float = 1.0) -> Texture:
    """Upholstery: threads, slubs and folds of tone."""
    row, column = grid()
    threads = 96 / coarse
    thread = np.sin(2 * np.pi * row * round(threads)) * np.sin(2 * np.pi * column * round(threads))
    slub = noise(rng, 0.6, (0.4, 1.4)) + noise(rng, 0.6, (1.4, 0.4))
    rgb = shade(shade(paint(colour), thread.astype(np.float32), 0.05), slub, 0.07)
    return Texture(rgb, unit(thread + 0.5 * slub), 0.5)


def printed(rng: Rng, colour: Colour, others: list[Colour], kind: str) -> Texture:
    """Cloth with a print: `stripe`, `check`, `dots`, `zigzag`, `flower`, `triangle` or `plain`."""
    row, column = grid()
    rgb = paint(colour)
    for index, other in enumerate(others[:3]):
        n = (6, 4, 3)[index]
        x, y = column * n * 2 % 1 - 0.5, row * n * 2 % 1 - 0.5
        if kind == "stripe":
            mask = (column * n + index * 0.3) % 1 < 0.22
        elif kind == "check":
            mask = 0.5 * (column * n % 1 < 0.4) + 0.5 * (row * n % 1 < 0.4)
        elif kind == "dots":
            mask = np.hypot(x, y) < 0.2
        elif kind == "zigzag":
            mask = (row * n * 2 + np.abs(column * n * 2 % 2 - 1) + index / 3) % 1 < 0.25
        elif kind == "flower":
            mask = np.hypot(x, y) < 0.22 + 0.12 * np.cos(5 * np.arctan2(y, x) + index)
            mask &= noise(rng, 1.5) > -0.4
        elif kind == "triangle":
            mask = (np.abs(x) * 2 < y + 0.5) & ((column * n * 2).astype(int) % 2 == index % 2)
        else:
            break
        rgb = blend(rgb, other, np.asarray(mask, np.float32) * 0.85)
    slub = noise(rng, 0.6)
    return Texture(shade(rgb, slub, 0.04), unit(slub), 0.9)


def rug(rng: Rng, colours: list[Colour], kind: str) -> np.ndarray:
    """A whole rug as a picture (S, S, 3): `persian`, `kilim`, `berber`, `stripe`, `abstract`, `plain` or `shag`."""
    row, column = grid()
    y, x = np.abs(row - 0.5) * 2, np.abs(column - 0.5) * 2
    edge = np.maximum(x, y)
    base, second, third = colours[0], colours[1 % len(colours)], colours[2 % len(colours)]
    rgb = paint(base)
    if kind == "persian":
        vine = np.sin(23 * x + 5 * np.sin(9 * y)) * np.sin(19 * y + 5 * np.sin(11 * x))
        rgb = blend(rgb, second, (vine > 0.35).astype(np.float32) * 0.8)
        rgb = blend(rgb, third, (vine < -0.45).astype(np.float32) * 0.8)
        medal = np.hypot(x * 1.5, y) + 0.05 * np.cos(8 * np.arctan2(y, x))
        rgb = blend(rgb, second, ((medal < 0.5) & (medal > 0.42)).astype(np.float32))
        rgb = blend(rgb, third, (medal < 0.2).astype(np.float32) * 0.8)
        border = (edge > 0.76) & (edge < 0.95)
        rgb = blend(rgb, third, border.astype(np.float32))
        rgb = blend(rgb, base, (border & (np.sin(40 * x) * np.sin(40 * y) > 0.2)).astype(np.float32))
        rgb = blend(rgb, second, ((edge > 0.95) | ((edge > 0.72) & (edge < 0.76))).astype(np.float32))
    elif kind == "kilim":
        bands = int(rng.integers(5, 9))
        for band in range(bands):
            inside = (row * bands).astype(int) == band
            colour = colours[int(rng.integers(len(colours)))]
            rgb = blend(rgb, colour, inside.astype(np.float32))
            teeth = (
                np.abs(row * bands % 1 - 0.5) * 2 < np.abs(column * int(rng.integers(5, 14)) % 1 - 0.5) * 2
            )
            other = colours[int(rng.integers(len(colours)))]
            rgb = blend(rgb, other, (inside & teeth).astype(np.float32))
    elif kind == "berber":
        line = (np.abs((column * 3 + row * 4) % 1 - 0.5) < 0.035) | (
            np.abs((column * 3 - row * 4) % 1 - 0.5) < 0.035
        )
        rgb = blend(rgb, second, line.astype(np.float32) * 0.9)
    elif kind == "stripe":
        rgb = blend(rgb, second, (row * 9 % 1 < 0.4).astype(np.float32))
        rgb = blend(rgb, third, (row * 9 % 1 < 0.08).astype(np.float32))
    elif kind == "abstract":
        for colour in colours[1:]:
            rgb = blend(rgb, colour, (noise(rng, 2.3) > 0.5).astype(np.float32) * 0.9)
    elif kind == "plain":
        rgb = blend(rgb, second, (edge > 0.93).astype(np.float32))
    pile = noise(rng, 0.2 if kind != "shag" else 0.7)
    return shade(rgb, pile, 0.12 if kind == "shag" else 0.07)


def crumple(rng: Rng) -> Texture:
    """White folds for bed linen; only its height is of use."""
    fold = np.abs(noise(rng, 1.7)) + 0.5 * np.abs(noise(rng, 1.4))
    return Texture(np.ones((SIZE, SIZE, 3), np.float32), unit(-fold), 0.9)
