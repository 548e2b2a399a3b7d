"""Features of some listings put beside, or in the place of, those of others, without making any anew."""

from dataclasses import replace

import numpy as np

from listing_vibes.features.featurizer import Features
from listing_vibes.features.tokens.tabular import Tokens, sizes_of
from listing_vibes.market.log import ranges


def joined(first: Features, second: Features) -> Features:
    """The listings of both, those of `second` behind those of `first`."""
    one, two = first.tokens, second.tokens
    photo = np.where(two.photo >= 0, two.photo + len(first.photo), -1).astype(two.photo.dtype)
    text = np.where(two.text >= 0, two.text + len(first.text), -1).astype(two.text.dtype)
    tokens = Tokens(
        offset=np.concatenate([one.offset, one.offset[-1] + two.offset[1:]]),
        photo=np.concatenate([one.photo, photo]),
        text=np.concatenate([one.text, text]),
        set_offset=np.concatenate([one.set_offset, one.set_offset[-1] + two.set_offset[1:]]),
        **{
            name: np.concatenate([getattr(one, name), getattr(two, name)])
            for name in ("key", "value", "bin", "fraction", "set_member")
        },
    )
    return Features(
        tokens, np.concatenate([first.photo, second.photo]), np.concatenate([first.text, second.text])
    )


def selected(features: Features, rows: np.ndarray) -> Features:
    """The listings `rows` (n,) in that order, with the photo and text vectors that they use."""
    tokens = features.tokens
    length = sizes_of(tokens.offset, rows)
    token = ranges(tokens.offset[rows], length)  # (T,) of the old tokens
    photo, photos = _used(tokens.photo[token], features.photo)
    text, texts = _used(tokens.text[token], features.text)
    chosen = replace(tokens.taken(token, length), photo=photo, text=text)
    return replace(features, tokens=chosen, photo=photos, text=texts)


def replaced(features: Features, others: Features, rows: np.ndarray) -> Features:
    """`features` with the listings of `others` in the places `rows` (n,), of which those beyond the end are added.

    Args:
        rows: ascending; the new ones follow the last listing of `features` without a gap.
    """
    count = features.tokens.listings
    order = np.arange(max(count, rows.max(initial=-1) + 1))
    order[rows] = count + np.arange(len(rows))
    return selected(joined(features, others), order)


def _used(rows: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (T,) renumbered over those of `vectors` that occur, -1 staying, and these vectors."""
    used = np.unique(rows[rows >= 0])
    place = np.searchsorted(used, rows)
    return np.where(rows >= 0, place, -1).astype(rows.dtype), vectors[used]
