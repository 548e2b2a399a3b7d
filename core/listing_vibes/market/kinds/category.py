"""One of a few names: a district, a seller, a type."""

import hashlib

import numpy as np
import pandas as pd

from listing_vibes.market.kinds import AttributeVocabulary, Claim, Kind, Told, ids_of
from listing_vibes.market.kinds._told import frequent

#: A value outside the vocabulary falls into one of these, so that two listings of one new seller still match.
UNSEEN_BUCKETS = 32


class Category(Kind):
    """One token with the value's id; what no other kind claims, unless it looks like an identifier or a date."""

    written = True
    claims = (Claim(10, lambda cells: not cells.identifying and not cells.dated),)

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        code, values = pd.factorize(listings[name])
        counts = np.bincount(code[code >= 0], minlength=len(values)).tolist()
        kept = frequent(dict(zip(values, counts, strict=True)), min_count)
        return AttributeVocabulary(name=name, kind="category", values=kept, buckets=UNSEEN_BUCKETS)

    def tell(self, entry: AttributeVocabulary, listings: pd.DataFrame, use_words: bool = True) -> list[Told]:
        values = category_ids(entry, listings[entry.name])
        present = np.flatnonzero(values > 0)
        return [Told(present, value=values[present])]


def category_ids(entry: AttributeVocabulary, column: pd.Series) -> np.ndarray:
    """(L,) int32 ids of the values, 0 where missing; unseen values share hashed buckets."""
    known = ids_of(entry)

    def lookup(value: object) -> int:
        text = str(value)
        found = known.get(text)
        if found is None and entry.buckets:
            digest = hashlib.blake2b(f"{entry.name}={text}".encode(), digest_size=4).digest()
            return entry.first + len(entry.values) + int.from_bytes(digest) % entry.buckets
        return found or 0

    code, values = pd.factorize(column)  # (L,), -1 where missing; each value once
    ids = np.array([*map(lookup, values), 0], np.int32)
    return ids[code]
