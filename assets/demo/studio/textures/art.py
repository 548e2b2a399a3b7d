"""Pictures for the walls, book spines and screens."""

import numpy as np

from studio.chance import Rng, pick
from studio.colour import Colour
from studio.textures.noise import blend, grid, noise, paint, shade

ART = (
    "abstract",
    "landscape",
    "lines",
    "portrait",
    "botanical",
    "geometric",
    "photo",
    "poster",
    "sun",
    "icon",
)


def art(rng: Rng, kind: str, colours: list[Colour]) -> np.ndarray:
    """One picture of a kind of `ART`, (256, 256, 3)."""
    size = 256
    row, column = grid(size)
    colour = lambda: pick(rng, colours)  # noqa: E731
    paper: Colour = (0.93, 0.91, 0.86)
    if kind == "abstract":
        rgb = paint(colour(), size)
        for _ in range(5):
            rgb = blend(
                rgb, colour(), (noise(rng, 2.2, size=size) > rng.uniform(0.2, 1.2)).astype(np.float32)
            )
        return shade(rgb, noise(rng, 1, (0.3, 1.5), size), 0.1)
    if kind in ("landscape", "photo"):
        grey = kind == "photo"
        rgb = blend(paint((0.85, 0.85, 0.84) if grey else (0.55, 0.7, 0.85), size), (0.95, 0.85, 0.7), row)
        line = 0.45 + 0.12 * noise(rng, 2.0, size=size)[0]
        for step in range(4):
            line = line + 0.07 + 0.04 * noise(rng, 1.8, size=size)[0]
            tone = 0.6 - 0.14 * step
            ridge: Colour = (tone, tone, tone) if grey else (0.35 * tone, 0.75 * tone, 0.55 * tone)
            rgb = blend(rgb, ridge, (row > line[None, :]).astype(np.float32))
        return shade(rgb, noise(rng, 0.7, size=size), 0.07)
    if kind == "lines":
        rgb = paint(paper, size)
        for _ in range(4):
            path = 0.5 + 0.2 * noise(rng, 2.2, size=size)[0]
            rgb = blend(rgb, (0.1, 0.1, 0.1), (np.abs(row - path[None, :]) < 0.009).astype(np.float32))
        return rgb
    if kind in ("portrait", "icon"):
        rgb = shade(paint((0.2, 0.15, 0.1), size), noise(rng, 1.5, size=size), 0.25)
        head = np.hypot((column - 0.5) * 1.25, row - 0.38) < 0.17
        body = np.hypot((column - 0.5) * 0.9, row - 1.05) < 0.5
        rgb = blend(rgb, colour(), body.astype(np.float32) * 0.8)
        return shade(blend(rgb, (0.78, 0.6, 0.45), head.astype(np.float32)), noise(rng, 1.2, size=size), 0.15)
    if kind == "botanical":
        rgb, green = paint(paper, size), (0.2, 0.36, 0.22)
        stem = 0.5 + 0.05 * np.sin(4 * row)
        leaf = np.abs(np.sin(9 * np.pi * (row + np.abs(column - stem)))) < 0.5
        inside = (
            (np.abs(column - stem) < 0.3 * np.sin(np.pi * np.clip(row, 0.1, 0.9)))
            & (row > 0.15)
            & (row < 0.85)
        )
        rgb = blend(rgb, green, (leaf & inside).astype(np.float32) * 0.85)
        return blend(rgb, green, ((np.abs(column - stem) < 0.008) & (row > 0.15)).astype(np.float32))
    if kind == "geometric":
        rgb = paint(colour(), size)
        for _ in range(int(rng.integers(4, 9))):
            cy, cx, radius = rng.random(), rng.random(), rng.uniform(0.1, 0.35)
            shapes = (np.hypot(row - cy, column - cx) < radius,
                      (np.abs(row - cy) < radius) & (np.abs(column - cx) < radius * 0.5),
                      (np.abs(column - cx) < row - cy) & (row - cy < radius))  # fmt: skip
            rgb = blend(rgb, colour(), pick(rng, shapes).astype(np.float32))
        return rgb
    if kind == "sun":
        rgb = paint(colour(), size)
        ring = np.hypot(row - 0.62, column - 0.5)
        for index in range(5, 0, -1):
            rgb = blend(
                rgb, colors_cycle(colours, index), ((ring < index * 0.08) & (row < 0.62)).astype(np.float32)
            )
        return rgb
    rgb = paint(colour(), size)  # poster: a block of colour and lines of "type"
    rgb = blend(rgb, colour(), (row > 0.62).astype(np.float32))
    rgb = blend(rgb, colour(), (np.hypot(row - 0.36, column - 0.5) < 0.2).astype(np.float32))
    text = (
        (row > 0.7)
        & (row < 0.92)
        & (row * 24 % 1 < 0.45)
        & (np.abs(column - 0.5) < 0.35)
        & (column * 40 % 1 < 0.7)
    )
    return blend(rgb, (0.08, 0.08, 0.09), text.astype(np.float32))


def colors_cycle(colours: list[Colour], index: int) -> Colour:
    """The colour at a place of the palette, counted round."""
    return colours[index % len(colours)]


def book_row(rng: Rng, colours: list[Colour], muted: bool) -> list[tuple[float, float, Colour]]:
    """(thickness, height, colour) of books that fill about a metre."""
    books: list[tuple[float, float, Colour]] = []
    while sum(book[0] for book in books) < 1:
        base = pick(rng, colours) if rng.random() < 0.5 else tuple(rng.uniform(0.1, 0.85, 3))
        tone = float(rng.uniform(0.5, 0.95))
        colour = (tone, tone * 0.96, tone * 0.9) if muted and rng.random() < 0.7 else base
        books.append((float(rng.uniform(0.015, 0.05)), float(rng.uniform(0.16, 0.27)), colour))
    return books
