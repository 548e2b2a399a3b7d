"""The map of a space over the days of its market, as a moving picture (GIF or WebP) for a slide."""

from __future__ import annotations

import io
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from listing_vibes.errors import VibesError
from listing_vibes.insight.days import MarketDays
from listing_vibes.insight.map.vibe_map import LEAST, read_map, save_map
from listing_vibes.market.columns import Columns as C
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.run.run import Run
from listing_vibes.words import count

Kind = Literal["gif", "webp"]
WIDTH, HEIGHT, FOOT, MARGIN = 960, 640, 56, 24  # pixels; the foot has the date
FRAMES = 120  # at most: a longer time goes in steps of several days
PACE = 120  # milliseconds a frame
REST = 1500  # and of the last one
RADIUS = 3.0  # of a listing in pixels
TOUCHED = (
    4.0,
    4.6,
    5.4,
    6.5,
)  # of one that was touched, which has a rim: once, twice, four times, eight times
#: Ground, ink, and what is gone; then a colour for each of the seven largest groups, as on the page, and one for the others.
GROUND, INK, GONE, FIRST = 0, 1, 2, 3
COLOURS = (
    "#ffffff", "#0b1214", "#e9eceb",
    "#0072b2", "#c4500a", "#00795a", "#8e44ad", "#7a5c00", "#c2185b", "#3d4a50", "#858f94",
)  # fmt: skip


def film(run: Run, space: str | None = None, kind: Kind = "gif", report: Report | None = None) -> bytes:
    """A moving picture: on each day the listings that were live in the colour of their group, those touched that day larger and with a rim.

    The map is drawn first where it is not yet.

    Args:
        space: whose map; None: "photos" where the run has it, else its first.
        kind: "gif", which every program shows, or "webp", which is smaller.
        report: called as the work goes on.

    Raises:
        VibesError: no such map, or the events have no times.
    """
    days = MarketDays.of(run.log, run.catalogue)
    if days is None:
        raise VibesError(f"The events of {run.market.path} have no days to go through, so there is no film.")
    frame = read_map(run)
    if frame is None:
        save_map(run, report=report)
        frame = read_map(run)
    spaces = [name for name in run.spaces if frame is not None and (frame["space"] == name).any()]
    if not spaces:
        raise VibesError(
            f"{run.path} has no map, as no space of it knows {LEAST} listings; a film needs a larger market."
        )
    space = space or ("photos" if "photos" in spaces else spaces[0])
    if frame is None or space not in spaces:
        raise VibesError(
            f"There is no map of the space '{space}' of {run.path}; it has: {', '.join(spaces)}."
        )
    mine = frame[(frame["space"] == space) & frame[C.LISTING].isin(run.market.listing_row)]
    rows = mine[C.LISTING].map(run.market.listing_row).to_numpy(np.int64)
    where = _pixels(mine[["x", "y"]].to_numpy(float))
    group = mine["cluster"].to_numpy(int)
    colour = FIRST + np.where(
        group < 0, len(COLOURS) - FIRST - 1, np.minimum(group, len(COLOURS) - FIRST - 1)
    )
    font = ImageFont.load_default(22)
    step = -(-len(days) // FRAMES)
    shown = [*range(0, len(days) - 1, step), len(days) - 1]
    pictures = []
    for number, day in enumerate(shown, 1):
        pictures.append(_picture(days, day, rows, where, colour, font))
        (report or silent)(Counted("pictures", number, len(shown)))
    options: dict[str, Any] = {"optimize": False}
    if kind == "webp":
        pictures = [one.convert("RGB") for one in pictures]
        options = {"lossless": True, "method": 0, "quality": 20}  # slower ways save little on plain discs
    stream = io.BytesIO()
    pictures[0].save(
        stream,
        kind.upper(),
        save_all=True,
        append_images=pictures[1:],
        duration=[PACE] * (len(pictures) - 1) + [REST],
        loop=0,
        **options,
    )
    return stream.getvalue()


def _pixels(places: np.ndarray) -> np.ndarray:
    """(n, 2) int64, column and row of each place, both axes at one scale."""
    low, high = places.min(axis=0), places.max(axis=0)
    room = np.array([WIDTH - 2 * MARGIN, HEIGHT - FOOT - 2 * MARGIN])
    scale = float((room / np.maximum(high - low, 1e-9)).min())
    middle = np.array([WIDTH / 2, (HEIGHT - FOOT) / 2])
    found: np.ndarray = np.rint(middle + (places - (low + high) / 2) * scale * np.array([1, -1])).astype(
        np.int64
    )
    return found


def _picture(
    days: MarketDays, day: int, rows: np.ndarray, where: np.ndarray, colour: np.ndarray, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> Image.Image:  # fmt: skip
    live, events = days.live(day)[rows], days.touched(day)[rows]
    size = np.where(events > 0, np.minimum(np.log2(np.maximum(events, 1)).astype(int), len(TOUCHED) - 1), -1)
    pixels = np.full((HEIGHT, WIDTH), GROUND, np.uint8)
    _discs(pixels, where[~live], np.full(int((~live).sum()), GONE, np.uint8), RADIUS)
    _discs(pixels, where[live], colour[live].astype(np.uint8), RADIUS)
    for number, radius in enumerate(TOUCHED):
        mine = size == number
        _discs(pixels, where[mine], np.full(int(mine.sum()), INK, np.uint8), radius)
        _discs(pixels, where[mine], colour[mine].astype(np.uint8), radius - 1)
    done = round(WIDTH * (day + 1) / len(days))
    pixels[HEIGHT - 4 :, :done] = INK
    picture = Image.fromarray(pixels, "P")
    picture.putpalette([part for one in COLOURS for part in bytes.fromhex(one[1:])])
    told = f"{days.date(day)}   {int(live.sum()):,} of {count(len(rows), 'listing')} live, {int((events > 0).sum()):,} touched that day"
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1"  # a palette has no shades between ink and ground
    draw.text((MARGIN, HEIGHT - FOOT + 12), told, fill=INK, font=font)
    return picture


def _discs(pixels: np.ndarray, where: np.ndarray, colour: np.ndarray, radius: float) -> None:
    """Paint a disc at each of `where` (m, 2), in order, onto `pixels` (H, W)."""
    whole = int(np.ceil(radius))
    down, right = np.mgrid[-whole : whole + 1, -whole : whole + 1]
    for dy, dx in zip(*(part[down**2 + right**2 <= radius**2] for part in (down, right)), strict=True):
        pixels[np.clip(where[:, 1] + dy, 0, HEIGHT - 1), np.clip(where[:, 0] + dx, 0, WIDTH - 1)] = colour
