"""Digests of listings' content: equal digests mean equal vectors, so that no content is encoded twice."""

from hashlib import blake2b

import numpy as np

from listing_vibes.features.featurizer import Features

SIZE = 16  # bytes; the probability of a collision among 10^9 listings is 10^-21


def content_digests(features: Features) -> np.ndarray:
    """Return (L,) of dtype S16: a digest of everything the model reads of each listing, with its photo and text vectors."""
    tokens = features.tokens
    columns = [
        np.ascontiguousarray(getattr(tokens, name)) for name in ("key", "value", "bin", "fraction")
    ]  # each (T,)
    sizes = np.diff(tokens.set_offset)  # (T,)
    result = np.empty(tokens.listings, f"S{SIZE}")
    for row, (start, end) in enumerate(zip(tokens.offset[:-1], tokens.offset[1:], strict=True)):
        digest = blake2b(digest_size=SIZE)
        for column in (*columns, sizes):
            digest.update(column[start:end].tobytes())
        digest.update(tokens.set_member[tokens.set_offset[start] : tokens.set_offset[end]].tobytes())
        for place, vectors in ((tokens.photo, features.photo), (tokens.text, features.text)):
            mine = place[start:end]
            digest.update((mine >= 0).tobytes())
            digest.update(vectors[mine[mine >= 0]].tobytes())
        result[row] = digest.digest()
    return result
