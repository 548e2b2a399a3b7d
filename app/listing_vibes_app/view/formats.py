"""Display formats of values: numbers with their unit, dates and durations; a missing value is "—"."""

import math
import re
from collections.abc import Iterable

import pandas as pd

from listing_vibes.errors import printable
from listing_vibes.market.amounts import MISSING as MISSING
from listing_vibes.market.amounts import is_currency as is_currency
from listing_vibes.market.amounts import number as number
from listing_vibes.market.amounts import with_unit as with_unit
from listing_vibes.market.titles import identity as identity
from listing_vibes.words import capitalize
from listing_vibes.words import count as count

#: Format of a number in a field, with all digits: Streamlit's default has two decimals and shows 0.0005 as 0.00.
FIELD = "%.12g"
#: Where markdown would turn a URL into a link, even if it is escaped; a word joiner is inserted there.
_ADDRESS = re.compile(r"(?<=http)(?=s?://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)


def place(latitude: float, longitude: float) -> str:
    """Format coordinates with two decimals (about a kilometer) and hemispheres instead of signs."""
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return MISSING
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.2f}° {north}, {abs(longitude):.2f}° {east}"


def distance(kilometers: float) -> str:
    """Format a distance, in meters below one kilometer."""
    if not math.isfinite(kilometers):
        return MISSING
    if kilometers < 0.995:
        return f"{round(kilometers * 1000, -1):.0f} m"
    return f"{kilometers:.1f} km" if kilometers < 10 else f"{kilometers:,.0f} km"


def duration(seconds: float) -> str:
    """Format a duration: `45 s`, `3 min`, `1 h 5 min`."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours:,} h {rest} min" if rest else f"{hours:,} h"


def time_left(seconds: float | None) -> str:
    """Format the estimated time left, `, about 45 s left`; empty if there is no estimate."""
    return f", about {duration(seconds)} left" if seconds else ""


def ordinal(number: int) -> str:
    """Format an ordinal: `1st`, `22nd`, `113th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def moment(nanoseconds: int, clock: bool = False) -> str:
    """Format a UTC moment as a day, with the time of day if `clock`."""
    when = pd.Timestamp(nanoseconds, unit="ns", tz="UTC")
    day = f"{when.day} {when:%b %Y}"
    return f"{day}, {when:%H:%M}" if clock else day


def words(name: str) -> str:
    """Format a name in the data for display: `add_to_cart` becomes `Add to cart`."""
    return capitalize(printable(name.replace("_", " ")))


def numbered(names: Iterable[str], between: str) -> list[str]:
    """Return distinct names: repeated ones get a number after `between`."""
    values: dict[str, None] = {}
    for stem in names:
        name, number = stem, 2
        while name in values:
            name, number = f"{stem}{between}{number}", number + 1
        values[name] = None
    return list(values)


def shorten(text: str, length: int) -> str:
    """Return the first `length` characters for display, cut at a word, with an ellipsis."""
    text = printable(text[: 8 * length])
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[length // 2 :] else cut).rstrip(" ,;.–-") + "…"


def plain(text: str) -> str:
    """Return `text` escaped for markdown, without formats, images, links and bidirectional marks.

    Parentheses are not escaped: they form a link only after square brackets, and screen readers would read the escapes in labels.
    """
    parted = _ADDRESS.sub("\u2060", printable(text))
    escaped = re.sub(r"([\\`*_{}\[\]#+!|<>~$:&=-])", r"\\\1", parted)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", escaped)
