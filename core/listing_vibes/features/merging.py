"""Concatenate features of listings without computing them again."""

import numpy as np

from listing_vibes.features.featurizer import Features
from listing_vibes.features.tokens.tabular import Tokens


def join_features(first: Features, second: Features) -> Features:
    """Return the features of the listings of both, those of `first` first."""
    item, two = first.tokens, second.tokens
    photo = np.where(two.photo >= 0, two.photo + len(first.photo), -1).astype(two.photo.dtype)
    text = np.where(two.text >= 0, two.text + len(first.text), -1).astype(two.text.dtype)
    tokens = Tokens(
        offset=np.concatenate([item.offset, item.offset[-1] + two.offset[1:]]),
        photo=np.concatenate([item.photo, photo]),
        text=np.concatenate([item.text, text]),
        set_offset=np.concatenate([item.set_offset, item.set_offset[-1] + two.set_offset[1:]]),
        **{
            name: np.concatenate([getattr(item, name), getattr(two, name)])
            for name in ("key", "value", "bin", "fraction", "set_member")
        },
    )
    return Features(
        tokens, np.concatenate([first.photo, second.photo]), np.concatenate([first.text, second.text])
    )
