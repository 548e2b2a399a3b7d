"""What a listing is called: its title, or where no column has that the values that tell it from most others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from listing_vibes.errors import printable
from listing_vibes.market.codes import is_code
from listing_vibes.words import cut

if TYPE_CHECKING:
    from listing_vibes.market.attribute import Attribute
    from listing_vibes.market.market import Market

#: What a column that names listings is called where market.toml does not say, the surest first. Words that say "name" as well may
#: say whose: they count where they tell listings apart.
NAMES = ("name",)
TITLES = (
    "title", *NAMES, "headline", "listing_title", "listing_name", "product_title", "product_name", "item_title", "item_name",
)  # fmt: skip
LETTERS = 60  # of a title on one line
LOOKED_AT = 20_000  # listings
#: Of the letters and digits of a column's values, the share that are letters from which on they are words.
WORDS = 0.8
KNOWN = 0.5  # share of the listings that a first part has to be known of
LEAST = (2.0, 0.5)  # bits that each part has to tell
#: An id that says nothing to anybody.
_OPAQUE = re.compile(r"^[0-9a-f]{8}-?[0-9a-f]{4}-|^[0-9a-f]{16,}$|.{25,}", re.IGNORECASE)


def telling(listings: pd.DataFrame, attributes: Sequence[Attribute]) -> list[Attribute]:
    """The categories that name a listing: that of words whose value says most of which listing it is, as bits of entropy, and the
    one that says most beside it. Nothing where no category holds words.

    Args:
        listings: the market's table, with a column for each attribute of a category.
    """
    some = listings.iloc[:: max(1, len(listings) // LOOKED_AT)]
    if some.empty:
        return []
    codes: dict[str, np.ndarray] = {}
    letters: dict[str, float] = {}
    for item in attributes:
        if item.shown_as == "category" and not is_code(some[item.name]):
            values = some[item.name].astype("string")
            codes[item.name] = pd.factorize(values)[0]  # (n,), -1 where it is missing
            letters[item.name] = _letters(values.dropna().unique())
    found: list[Attribute] = []
    together = np.zeros(len(some), np.int64)  # which of the values chosen so far a listing has
    while len(found) < len(LEAST):
        told = {
            item: letters[item.name] * (_bits(_both(together, codes[item.name])) - _bits(together))
            for item in attributes
            if item.name in codes and item not in found
            and (found or (letters[item.name] >= WORDS and (codes[item.name] >= 0).mean() >= KNOWN))
        }  # fmt: skip
        best = max(told, key=lambda item: told[item], default=None)
        if best is None or told[best] < LEAST[len(found)]:
            break
        found.append(best)
        together = _both(together, codes[best.name])
    return found


def _letters(values: Sequence[str]) -> float:
    """Which share of the letters and digits of some values are letters."""
    signs = [sign for value in values for sign in value if sign.isalnum()]
    return sum(map(str.isalpha, signs)) / max(1, len(signs))


def _both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n,) codes from 0 on of what two columns of codes (n,) say together; -1 of the other counts as a value."""
    return pd.factorize(one * (other.max(initial=-1) + 2) + other + 1)[0]


def _bits(codes: np.ndarray) -> float:
    """The entropy of a column of codes (n,), in bits."""
    shares = np.bincount(codes) / len(codes)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def name_of(values: Sequence[object]) -> str | None:
    """A listing's name by its title, or by the values of `telling`; None where none is known."""
    known = [value.strip() for value in values if isinstance(value, str) and value.strip()]
    return ", ".join(dict.fromkeys(known)) or None


def identity(identifier: str, kind: str, row: int) -> str:
    """What to call a thing known only by its id: the id where a person can read it, else its number in the market."""
    if _OPAQUE.search(identifier):
        return f"{kind} no. {row + 1:,}"
    identifier = printable(identifier)
    return identifier if identifier.lower().startswith(kind.lower()) else f"{kind} {identifier}"


def title_of(market: Market, listing: str) -> str:
    """Return what a listing is called on a page, cut to one line."""
    row = market.listing_row.get(listing)
    if row is None:
        return "Listing"
    text = market.called(row)
    return identity(listing, "Listing", row) if text is None else cut(text, LETTERS)
