"""Values as people read them: numbers with their unit, dates, durations; a missing value is "—"."""

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
from listing_vibes.words import count as count

#: Of a number in a field, with all that was typed: Streamlit's own has two decimals, by which 0.0005 reads 0.00.
FIELD = "%.12g"
#: Where an address would become a link by itself, escaped or not; an invisible sign that joins words stands between.
_ADDRESS = re.compile(r"(?<=http)(?=s?://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)


def place(latitude: float, longitude: float) -> str:
    """Coordinates with two decimals (about a kilometre) and hemispheres instead of signs."""
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return MISSING
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.2f}° {north}, {abs(longitude):.2f}° {east}"


def distance_km(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Great-circle distance of two (latitude, longitude) points in kilometres; NaN where one is unknown."""
    lat1, lon1, lat2, lon2 = map(math.radians, (*one, *two))
    half = (
        math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    )
    return 2 * 6371.0 * math.asin(min(1.0, math.sqrt(half)))


def distance(kilometres: float) -> str:
    """A distance: metres below one kilometre."""
    if not math.isfinite(kilometres):
        return MISSING
    if kilometres < 0.995:
        return f"{round(kilometres * 1000, -1):.0f} m"
    return f"{kilometres:.1f} km" if kilometres < 10 else f"{kilometres:,.0f} km"


def duration(seconds: float) -> str:
    """A duration: `45 s`, `3 min`, `1 h 5 min`."""
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
    """What stands behind the progress of long work: `, about 45 s left`; nothing where nobody can say."""
    return f", about {duration(seconds)} left" if seconds else ""


def ordinal(number: int) -> str:
    """`1st`, `22nd`, `113th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def moment(nanoseconds: int, clock: bool = False) -> str:
    """A UTC moment as a day, with the time of day where `clock`."""
    when = pd.Timestamp(nanoseconds, unit="ns", tz="UTC")
    day = f"{when.day} {when:%b %Y}"
    return f"{day}, {when:%H:%M}" if clock else day


def words(name: str) -> str:
    """A word of the data as a word of the screen: `add_to_cart` reads `Add to cart`."""
    text = printable(name.replace("_", " "))
    return text[:1].upper() + text[1:]


def numbered(names: Iterable[str], between: str) -> list[str]:
    """The names, each once: the second and later ones of a name have a number, with `between` before it."""
    values: dict[str, None] = {}
    for stem in names:
        name, number = stem, 2
        while name in values:
            name, number = f"{stem}{between}{number}", number + 1
        values[name] = None
    return list(values)


def shorten(text: str, length: int) -> str:
    """The first `length` characters as a screen may show them, cut at a word, with an ellipsis."""
    text = printable(text[: 8 * length])
    if len(text) <= length:
        return text
    cut = text[: length - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[length // 2 :] else cut).rstrip(" ,;.–-") + "…"


def plain(text: str) -> str:
    """`text` so that markdown shows it as it is: no format, picture or link comes of it, nor does a mark turn what follows.

    Round brackets stay as they are: they make a link only behind square ones, and labels are read aloud with what stands in them.
    """
    parted = _ADDRESS.sub("\u2060", printable(text))
    escaped = re.sub(r"([\\`*_{}\[\]#+!|<>~$:&=-])", r"\\\1", parted)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", escaped)
