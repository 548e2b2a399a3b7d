"""Token dropout: a listing without some of its attributes, so that no single one carries it."""

from dataclasses import fields, replace

import numpy as np

from core.features.sequences import Sequences
from core.features.tokens import TYPE_ATTRIBUTE
from core.market.log import ranges


def thinned(sequences: Sequences, share: float, rng: np.random.Generator) -> Sequences:
    """`sequences` without a `share` of its attribute tokens, each drawn on its own; photos, texts, meta and `[CLS]` stay.

    Nothing is drawn where `share` is 0.
    """
    if not share:
        return sequences
    n = len(sequences.key)
    kept = (sequences.type != TYPE_ATTRIBUTE) | (rng.random(n) >= share)  # (n,)
    owner = np.repeat(np.arange(len(sequences.length)), sequences.length)
    size = np.diff(sequences.set_offset)
    changed = {
        field.name: getattr(sequences, field.name)[kept]
        for field in fields(sequences)
        if field.name not in ("length", "set_offset", "set_member")
    }
    return replace(
        sequences,
        length=np.bincount(owner[kept], minlength=len(sequences.length)),
        set_offset=np.concatenate([[0], np.cumsum(size[kept])]),
        set_member=sequences.set_member[ranges(sequences.set_offset[:-1][kept], size[kept])],
        **changed,
    )
