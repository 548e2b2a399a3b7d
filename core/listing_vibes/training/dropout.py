"""Token dropout: a listing without some of its attributes, so that no single one carries it."""

from dataclasses import fields, replace

import numpy as np
import torch

from listing_vibes.features.sequences import Sequences
from listing_vibes.features.tokens.tabular import TYPE_ATTRIBUTE
from listing_vibes.market.log import ranges
from listing_vibes.model.dropout import GOLDEN, hash32


def token_uniforms(sequences: Sequences, rows: np.ndarray, seed: int) -> np.ndarray:
    """(n,) float32 in [0, 1) for every token: a hash of `seed` (31 bits), its sequence's number `rows` (B,) and its place."""
    place = torch.from_numpy(ranges(np.zeros_like(sequences.length), sequences.length).astype(np.int32))
    own = hash32(torch.from_numpy(rows.astype(np.int32)) * GOLDEN + seed)  # (B,)
    owner = np.repeat(np.arange(len(sequences.length)), sequences.length)
    found = hash32(own[torch.from_numpy(owner)] + place * GOLDEN)  # (n,)
    return ((found.numpy().view(np.uint32) >> 8) / np.float32(1 << 24)).astype(np.float32)


def drop_tokens(sequences: Sequences, share: float, rows: np.ndarray, seed: int) -> Sequences:
    """`sequences` without a `share` of its attribute tokens, each by its own chance; photos, texts, meta and `[CLS]` stay.

    Which ones go follows from `seed` and the sequences' numbers `rows` (B,), not from who else is in the batch.
    """
    if not share:
        return sequences
    kept = (sequences.type != TYPE_ATTRIBUTE) | (token_uniforms(sequences, rows, seed) >= share)  # (n,)
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
