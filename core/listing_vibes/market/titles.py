"""Display names of listings: the title, or the id where it is readable."""

import re
from typing import TYPE_CHECKING

import pandas as pd

from listing_vibes.errors import printable
from listing_vibes.words import capitalize, cut

if TYPE_CHECKING:
    from listing_vibes.market.market import Market

#: Names of title columns where market.toml does not name one, the most reliable first.
TITLES = ("title", "name", "headline", "listing_title", "listing_name", "product_title", "product_name", "item_title", "item_name")  # fmt: skip
_LETTERS = 60  # maximum length of a title on one line
_SOME = 1_000  # values that are checked for codes
_MANY = 100  # distinct integers, from which on they count as codes, however short: "69" names no manufacturer
_CODE = re.compile(r"\d{5,}|[0-9a-f-]{16,}", re.IGNORECASE)  # a year or a number of rooms is shorter
#: An id without meaning for a reader.
_OPAQUE = re.compile(r"^[0-9a-f]{8}-?[0-9a-f]{4}-|^[0-9a-f]{16,}$|.{25,}", re.IGNORECASE)


def find_title(market: "Market") -> str | None:
    """Return the attribute with the name of a title whose values, text or categories, differ between most listings; None: there is none."""
    by_name = {item.name.strip().lower().replace(" ", "_"): item for item in market.attributes}
    for item in (by_name[name] for name in TITLES if name in by_name):
        is_varied = item.kind == "category" and 2 * market.listings[item.name].nunique() > len(
            market.listings
        )
        if item.kind == "text" or is_varied:
            return item.name
    return None


def is_code(values: pd.Series) -> bool:
    """Return whether most values of a column are unreadable codes: product numbers, postcodes, ids."""
    texts = {value for value in values.head(_SOME) if isinstance(value, str)}
    has_numbers = len(texts) >= _MANY
    codes = [text for text in texts if _CODE.fullmatch(text) or (has_numbers and text.isdecimal())]
    return bool(texts) and 2 * len(codes) >= len(texts)


def identity(identifier: str, kind: str, row: int) -> str:
    """Return the display name of an object with only an id: the id where it is readable, else its number in the market."""
    if _OPAQUE.search(identifier):
        return f"{kind} no. {row + 1:,}"
    identifier = printable(identifier)
    return identifier if identifier.lower().startswith(kind.lower()) else f"{kind} {identifier}"


def market_title(market: "Market") -> str:
    """Return the name of a market for display: the configured one, or that of its folder in words."""
    return market.name if market.config.name else capitalize(market.name.replace("-", " ").replace("_", " "))


def title_of(market: "Market", listing: str) -> str:
    """Return a listing's display name, cut to one line."""
    row = market.listing_row.get(listing)
    if row is None:
        return "Listing"
    title = market.title_text(row)
    return identity(listing, "Listing", row) if title is None else cut(title, _LETTERS)
