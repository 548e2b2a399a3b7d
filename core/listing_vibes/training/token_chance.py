"""The chance of each token, by which pre-training masks values."""

import numpy as np
import torch

from listing_vibes.features.sequences import Sequences
from listing_vibes.market.log import ranges
from listing_vibes.model.dropout import GOLDEN, hash32


def token_uniforms(sequences: Sequences, rows: np.ndarray, seed: int) -> np.ndarray:
    """(n,) float32 in [0, 1) for every token: a hash of `seed` (31 bits), its sequence's number `rows` (B,) and its place."""
    place = torch.from_numpy(ranges(np.zeros_like(sequences.length), sequences.length).astype(np.int32))
    own = hash32(torch.from_numpy(rows.astype(np.int32)) * GOLDEN + seed)  # (B,)
    owner = np.repeat(np.arange(len(sequences.length)), sequences.length)
    found = hash32(own[torch.from_numpy(owner)] + place * GOLDEN)  # (n,)
    return ((found.numpy().view(np.uint32) >> 8) / np.float32(1 << 24)).astype(np.float32)
