"""What sequences are made of, and how many tokens they have."""

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import torch

from listing_vibes.device import place
from listing_vibes.features.featurizer import Features
from listing_vibes.features.sequences import Meta, Sequences, history_sequences, listing_sequences
from listing_vibes.features.tokens.tabular import sizes_of

#: Features' vectors by device. A request reads a few rows of them: handing them over anew would take longer than the model.
_PLACED: WeakKeyDictionary[Features, dict[str, tuple[torch.Tensor, torch.Tensor]]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Inputs:
    """What sequences are made of: the market's features, and the events that histories are cut from."""

    features: Features
    listing: np.ndarray  # (N,) listing row by event row
    meta: Meta | None
    max_listings: int
    max_tokens: int
    whole: bool = False  # no history is cut at `max_tokens`: who reads vectors has one place for a listing of any length

    def listings(self, rows: np.ndarray) -> Sequences:
        """Bare listings `rows` (B,)."""
        return listing_sequences(self.features.tokens, rows)

    def histories(self, start: np.ndarray, end: np.ndarray) -> Sequences:
        """Histories `start[b] : end[b]` of the events."""
        return history_sequences(
            self.features.tokens, self.listing, start, end, self.meta, self.max_listings, self.max_tokens
        )

    def tensors(self, device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
        """Photo (P, width) and text (T, width) vectors on the device; handed over once, while the features live."""
        kept = _PLACED.setdefault(self.features, {})
        key = str(device)
        if key not in kept:
            kept[key] = place(self.features.photo, device), place(self.features.text, device)
        return kept[key]

    def listing_lengths(self, rows: np.ndarray) -> np.ndarray:
        """Tokens of each bare listing, `[CLS]` included."""
        return 1 + sizes_of(self.features.tokens.offset, rows)

    def history_lengths(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """About how many tokens each history has; exact but for the cut at `max_tokens`."""
        sizes = self._token_ends
        first = np.maximum(start, end - self.max_listings)
        lengths = 1 + sizes[end] - sizes[first] + 2 * (end - first)
        return lengths if self.whole else np.minimum(lengths, self.max_tokens)

    def newest(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """(B,) first event of what is told of the events `start[b] : end[b]` where each is a block of its own.

        At most the newest `max_listings`, and, but where they are read `whole`, no more than fit into `max_tokens`; always the
        newest one.
        """
        if self.whole:
            return np.maximum(start, end - self.max_listings)
        sizes = self._block_ends
        fitting = np.searchsorted(sizes, sizes[end] - self.max_tokens)  # sizes[end] - sizes[fitting] fits
        first = np.maximum(np.maximum(start, end - self.max_listings), fitting)
        return np.maximum(np.minimum(first, end - 1), start)

    def block_lengths(self, first: np.ndarray, end: np.ndarray) -> np.ndarray:
        """(B,) tokens of the events `first[b] : end[b]` where each is a block of its own."""
        sizes = self._block_ends
        return sizes[end] - sizes[first]

    @cached_property
    def _token_ends(self) -> np.ndarray:
        """(N + 1,) tokens of the listings of all events before each; made once, since it is a pass over the whole log."""
        return _ends(self._sizes())

    @cached_property
    def _block_ends(self) -> np.ndarray:
        """(N + 1,) tokens of all events before each, where each is a block of its own."""
        size = self._sizes()
        size += 1
        if self.meta is not None:
            size += self.meta.action > 0
            size += self.meta.duration > 0
        return _ends(size)

    def _sizes(self) -> np.ndarray:
        """(N,) int32 tokens of the listing of each event."""
        return np.diff(self.features.tokens.offset).astype(np.int32)[self.listing]


def _ends(size: np.ndarray) -> np.ndarray:
    """(N + 1,) what lies before each of `size` (N,) int32; four bytes each where all together fit into them."""
    whole = int(size.sum(dtype=np.int64))
    ends = np.zeros(len(size) + 1, np.int32 if whole < np.iinfo(np.int32).max else np.int64)
    np.cumsum(size, out=ends[1:], dtype=ends.dtype)
    return ends
