"""Listings as one picture (PNG), for a slide: their cover photos in rows, with a title and a line below each."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from listing_vibes.errors import VibesError
from listing_vibes.market.called import identity
from listing_vibes.market.market import Market
from listing_vibes.run.thumbs import thumbnail
from listing_vibes.words import cut

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

WIDTH, GAP, MARGIN = 320, 24, 40  # pixels: of a photo, between two, and around all
MOST = 120  # listings of a picture
ROW = 6  # listings beside each other, at most
#: Width to height of a photo's room, by its name in a style sheet; a market's own is the nearest, see `usual_box`.
BOXES = {"2 / 3": 2 / 3, "1 / 1": 1.0, "4 / 3": 4 / 3, "3 / 2": 3 / 2}
HEADING, TITLE, LINE = 34, 22, 19  # pixels of letters
LETTERS = 60  # of a title
LINES = 2  # of a listing's title
GROUND, PANEL, INK, SOFT = "#ffffff", "#eef1f0", "#1c2326", "#55606a"


def photo_sheet(run: Run, listings: Sequence[str], lines: Sequence[str] = (), title: str = "") -> bytes:
    """A PNG of listings in their order, with each one's photo, title, and a line.

    >>> png = photo_sheet(run, ["home-0003", "home-0007"], ["similarity 0.91", "similarity 0.88"], "Alike")
    >>> png[1:4]
    b'PNG'

    Args:
        listings: ids, up to 120 of them.
        lines: a line below each listing's title, or none.
        title: above all.

    Raises:
        VibesError: no listing, too many, one that the market does not have, or another number of lines than of listings.
    """
    market = run.market
    if not 0 < len(listings) <= MOST:
        raise VibesError(
            f"A picture holds 1 to {MOST} listings, and {len(listings):,} were given; give some of them."
        )
    if lines and len(lines) != len(listings):
        raise VibesError(
            f"{len(lines)} lines were given for {len(listings)} listings; give one for each, or none."
        )
    for one in listings:
        if one not in market.listing_row:
            raise VibesError(f"There is no listing '{one}' in {market.path}; give ids of its listings.")
    covers = [_cover(run, one) for one in listings]
    shapes = [one.width / one.height for one in covers if one is not None]
    box = BOXES[usual_box(shapes)] if market.cover else 0.0  # a market without photos has no room for any
    high = round(WIDTH / box) if box else 0
    across = min(ROW, len(listings), 4 if len(listings) <= 12 else ROW)
    below = 12 + LINES * (TITLE + 6) + (LINE + 8) * bool(lines)
    top = MARGIN + (HEADING + 24) * bool(title)
    rows = -(-len(listings) // across)
    sheet = Image.new(
        "RGB",
        (2 * MARGIN + across * WIDTH + (across - 1) * GAP, top + rows * (high + below + GAP) - GAP + MARGIN),
        GROUND,
    )
    draw = ImageDraw.Draw(sheet)
    if title:
        _line(draw, (MARGIN, MARGIN), title, HEADING, INK, sheet.width - 2 * MARGIN)
    for number, (one, cover) in enumerate(zip(listings, covers, strict=True)):
        down, right = divmod(number, across)
        x, y = MARGIN + right * (WIDTH + GAP), top + down * (high + below + GAP)
        if box:
            _photo(sheet, draw, cover, (x, y, WIDTH, high))
        y += high + 10 * bool(box)
        for told in _wrapped(draw, title_of(market, one)):
            _line(draw, (x, y), told, TITLE, INK, WIDTH)
            y += TITLE + 6
        if lines:
            _line(draw, (x, y), lines[number], LINE, SOFT, WIDTH)
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=len(listings) <= 24)
    return stream.getvalue()


def title_of(market: Market, listing: str) -> str:
    """What a listing is called, as on a page, cut to a line."""
    row = market.listing_row.get(listing)
    if row is None:
        return "Listing"
    text = market.called(row)
    return identity(listing, "Listing", row) if text is None else cut(text, LETTERS)


def _cover(run: Run, listing: str) -> Image.Image | None:
    path = run.market.cover.get(listing)
    small = thumbnail(run.market, path) if path else None
    if small is None:
        return None
    with Image.open(small) as image:
        return image.convert("RGB")


def usual_box(shapes: Sequence[float]) -> str:
    """The name of the room that is nearest to most photos of these shapes, width to height."""
    middle = statistics.median(shapes) if shapes else 4 / 3
    return min(BOXES, key=lambda box: abs(BOXES[box] - middle))


def _photo(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, photo: Image.Image | None, room: tuple[int, int, int, int]
) -> None:
    """A photo in its room: it fills it where their shapes are near, and is shown whole otherwise, as on a page."""
    x, y, width, height = room
    draw.rectangle((x, y, x + width - 1, y + height - 1), PANEL)
    if photo is None:
        draw.text((x + width / 2, y + height / 2), "No photo", SOFT, _font(LINE), anchor="mm")
        return
    shape = (photo.width / photo.height) / (width / height)
    choose = max if 0.8 < shape < 1.25 else min
    scale = choose(width / photo.width, height / photo.height)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    photo = photo.resize(size, Image.Resampling.LANCZOS)
    left, upper = max(0, (photo.width - width) // 2), max(0, (photo.height - height) // 2)
    photo = photo.crop((left, upper, left + min(width, photo.width), upper + min(height, photo.height)))
    sheet.paste(photo, (x + (width - photo.width) // 2, y + (height - photo.height) // 2))


def _wrapped(draw: ImageDraw.ImageDraw, text: str) -> list[str]:
    """A title on at most two lines."""
    lines, font = [""], _font(TITLE)
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(lines) < LINES and draw.textlength(longer, font) > WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _line(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, colour: str, room: float
) -> None:
    """One line that is cut where its room ends."""
    text, font = " ".join(text.split()), _font(size)
    while text and draw.textlength(text, font) > room:
        text = text[:-2].rstrip("… ") + "…" if len(text) > 2 else ""
    draw.text(at, text, colour, font)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans where matplotlib, which carries it, is installed: Pillow's own font has the letters of English alone."""
    found = find_spec("matplotlib")
    if found is not None and found.origin is not None:
        file = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)
