"""Display formats of values: numbers with their unit, dates and durations; a missing value is "—"."""

import re
from collections.abc import Iterable

from listing_vibes.errors import printable
from listing_vibes.insight.market_view import distance as distance
from listing_vibes.insight.market_view import duration as duration
from listing_vibes.insight.market_view import moment as moment
from listing_vibes.insight.market_view import ordinal as ordinal
from listing_vibes.insight.market_view import place as place
from listing_vibes.insight.market_view import shorten as shorten
from listing_vibes.insight.market_view import words as words
from listing_vibes.market.amounts import MISSING as MISSING
from listing_vibes.market.amounts import is_currency as is_currency
from listing_vibes.market.amounts import number as number
from listing_vibes.market.amounts import with_unit as with_unit
from listing_vibes.market.display_names import identity as identity
from listing_vibes.words import count as count

#: Format of a number in a field, with all digits: Streamlit's default has two decimals and shows 0.0005 as 0.00.
FIELD = "%.12g"
#: Where markdown would turn a URL into a link, even if it is escaped; a word joiner is inserted there.
_ADDRESS = re.compile(r"(?<=http)(?=s?://)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)


def time_left(seconds: float | None) -> str:
    """Format the estimated time left, `, about 45 s left`; empty if there is no estimate."""
    return f", about {duration(seconds)} left" if seconds else ""


def numbered(names: Iterable[str], between: str) -> list[str]:
    """Return distinct names: repeated ones get a number after `between`."""
    values: dict[str, None] = {}
    for stem in names:
        name, number = stem, 2
        while name in values:
            name, number = f"{stem}{between}{number}", number + 1
        values[name] = None
    return list(values)


def plain(text: str) -> str:
    """Return `text` escaped for markdown, without formats, images, links and bidirectional marks.

    Parentheses are not escaped: they form a link only after square brackets, and screen readers would read the escapes in labels.
    """
    parted = _ADDRESS.sub("\u2060", printable(text))
    escaped = re.sub(r"([\\`*_{}\[\]#+!|<>~$:&=-])", r"\\\1", parted)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", escaped)
