"""Categories: a district, a seller, a color."""

import hashlib

import numpy as np
import pandas as pd

from listing_vibes.market.attribute_types import AttributeType, AttributeVocabulary, Tokens
from listing_vibes.market.attribute_types._vocabulary import frequent

#: Buckets of values outside the vocabulary, so that two listings of an unseen seller still match.
UNSEEN_BUCKETS = 32


class Category(AttributeType):
    """One token with the value's id; the default type, unless a column looks like an identifier or a date."""

    written = True

    def fit(self, listings: pd.DataFrame, name: str, bins: int, min_count: int) -> AttributeVocabulary:
        values = frequent(listings[name].dropna(), min_count)
        return AttributeVocabulary(name=name, kind="category", values=values, buckets=UNSEEN_BUCKETS)

    def tokenize(self, entry: AttributeVocabulary, listings: pd.DataFrame) -> list[Tokens]:
        available = entry.ids

        def lookup(value: object) -> int:
            text = str(value)
            if text in available or not entry.buckets:
                return available.get(text, 0)
            digest = hashlib.blake2b(f"{entry.name}={text}".encode(), digest_size=4).digest()
            return entry.first + len(entry.values) + int.from_bytes(digest) % entry.buckets

        code, values = pd.factorize(listings[entry.name])  # (L,), -1 where missing; distinct values
        ids = np.array([*map(lookup, values), 0], np.int32)
        return [Tokens.of_values(ids[code])]
