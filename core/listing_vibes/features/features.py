"""The model's input for the listings of one market."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from listing_vibes.features.tokens.tabular import Tokens

DIGEST_SIZE = 16  # bytes; the probability of a collision among 10^9 listings is 10^-21


@dataclass(frozen=True, eq=False)
class Features:
    """The tokens of listings, with the vectors of their photos and texts."""

    tokens: Tokens
    photo: np.ndarray  # (P, width) float32, reduced
    text: np.ndarray  # (T, width) float32, reduced

    def join(self, other: Features) -> Features:
        """Return the features of the listings of both, without computing them again."""
        first, second = self.tokens, other.tokens
        columns = {
            name: np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("key", "value", "bin", "fraction", "set_member")
        }
        for name, vectors in (("photo", self.photo), ("text", self.text)):
            rows = getattr(second, name)
            shifted = np.where(rows >= 0, rows + len(vectors), -1).astype(rows.dtype)
            columns[name] = np.concatenate([getattr(first, name), shifted])
        for name in ("offset", "set_offset"):
            before, after = getattr(first, name), getattr(second, name)
            columns[name] = np.concatenate([before, before[-1] + after[1:]])
        photo, text = np.concatenate([self.photo, other.photo]), np.concatenate([self.text, other.text])
        return Features(Tokens(**columns), photo, text)

    def digests(self) -> np.ndarray:
        """Return (L,) of dtype S16: equal digests of listings mean equal vectors, so that no content is encoded twice."""
        tokens = self.tokens
        sizes = np.diff(tokens.set_offset)  # (T,)
        columns = [*map(np.ascontiguousarray, (tokens.key, tokens.value, tokens.bin, tokens.fraction)), sizes]
        result = np.empty(tokens.listings, f"S{DIGEST_SIZE}")
        for row, (start, end) in enumerate(zip(tokens.offset[:-1], tokens.offset[1:], strict=True)):
            digest = blake2b(digest_size=DIGEST_SIZE)
            for column in columns:
                digest.update(column[start:end].tobytes())
            digest.update(tokens.set_member[tokens.set_offset[start] : tokens.set_offset[end]].tobytes())
            for rows, vectors in ((tokens.photo, self.photo), (tokens.text, self.text)):
                mine = rows[start:end]
                digest.update((mine >= 0).tobytes())
                digest.update(vectors[mine[mine >= 0]].tobytes())
            result[row] = digest.digest()
        return result
