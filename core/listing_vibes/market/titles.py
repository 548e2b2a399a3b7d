"""What people read in the place of a listing's id: its title, or the id where it can be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from listing_vibes.errors import printable
from listing_vibes.words import cut

if TYPE_CHECKING:
    from listing_vibes.market.market import Market

#: What a column that titles listings is called where market.toml does not say, the surest first.
TITLES = ("title", "name", "headline", "listing_title", "listing_name", "product_title", "product_name", "item_title", "item_name")  # fmt: skip
_LETTERS = 60  # of a title on one line
_SOME = 1_000  # values by which codes are recognized
_MANY = 100  # different whole numbers that are codes, however short: nobody reads "69" as a manufacturer
_CODE = re.compile(r"\d{5,}|[0-9a-f-]{16,}", re.IGNORECASE)  # a year or a number of rooms is shorter
#: An id that means nothing to a reader.
_OPAQUE = re.compile(r"^[0-9a-f]{8}-?[0-9a-f]{4}-|^[0-9a-f]{16,}$|.{25,}", re.IGNORECASE)


def find_title(market: Market) -> str | None:
    """Return the attribute that is called a title, and is a text or a category that differs between most listings; None: none is."""
    by_name = {item.name.strip().lower().replace(" ", "_"): item for item in market.attributes}
    for item in (by_name[name] for name in TITLES if name in by_name):
        is_varied = item.kind == "category" and 2 * market.column(item.name).nunique() > len(market.plain)
        if item.kind == "text" or is_varied:
            return item.name
    return None


def is_code(values: pd.Series) -> bool:
    """Return whether most values of a column are codes, in which a person reads nothing: numbers of products, postcodes, ids."""
    texts = {value for value in values.head(_SOME) if isinstance(value, str)}
    has_numbers = len(texts) >= _MANY
    codes = [text for text in texts if _CODE.fullmatch(text) or (has_numbers and text.isdecimal())]
    return bool(texts) and 2 * len(codes) >= len(texts)


def identity(identifier: str, kind: str, row: int) -> str:
    """Return what to call a thing known only by its id: the id where a person can read it, else its number in the market."""
    if _OPAQUE.search(identifier):
        return f"{kind} no. {row + 1:,}"
    identifier = printable(identifier)
    return identifier if identifier.lower().startswith(kind.lower()) else f"{kind} {identifier}"


def title_of(market: Market, listing: str) -> str:
    """Return what a listing is called on a page, cut to one line."""
    row = market.listing_row.get(listing)
    if row is None:
        return "Listing"
    title = market.title_text(row)
    return identity(listing, "Listing", row) if title is None else cut(title, _LETTERS)
