"""The inputs of the model: features of listings and events, in batches of tensors."""

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from listing_vibes.device import place
from listing_vibes.features.featurizer import Features
from listing_vibes.features.sequences import Meta, Sequences, history_sequences, listing_sequences
from listing_vibes.features.tokens.tabular import sizes_of
from listing_vibes.market.log import ranges

Tables = tuple[Tensor, Tensor]  # photo and text vectors on the device
#: Feature vectors by device, since transferring them for each request would take longer than the model.
_ON_DEVICE: WeakKeyDictionary[Features, dict[str, tuple[Tensor, Tensor]]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Inputs:
    """The features of a market's listings, and the events of histories."""

    features: Features
    listing: np.ndarray  # (N,) the listing of each event
    meta: Meta | None
    max_listings: int
    max_tokens: int  # of a history that is one row; a model of listing vectors has no such limit

    def listings(self, rows: np.ndarray) -> Sequences:
        """Return the tokens of the listings `rows` (B,)."""
        return listing_sequences(self.features.tokens, rows)

    def histories(self, start: np.ndarray, end: np.ndarray) -> Sequences:
        """Return the tokens of the histories `start[b] : end[b]` of the events."""
        return history_sequences(
            self.features.tokens, self.listing, start, end, self.meta, self.max_listings, self.max_tokens
        )

    def tensors(self, device: torch.device | str) -> tuple[Tensor, Tensor]:
        """Return photo (P, d) and text (T, d) vectors on the device; copied once as long as the features exist."""
        copies = _ON_DEVICE.setdefault(self.features, {})
        if str(device) not in copies:
            copies[str(device)] = place(self.features.photo, device), place(self.features.text, device)
        return copies[str(device)]

    def listing_lengths(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of tokens of each listing, with `[CLS]`."""
        return 1 + sizes_of(self.features.tokens.offset, rows)

    def history_lengths(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return approximately the number of tokens of each history, with `[CLS]`."""
        lengths = 1 + self.event_tokens(np.maximum(start, end - self.max_listings), end)
        return np.asarray(np.minimum(lengths, self.max_tokens))

    def newest(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return (B,) the first event that a model of listing vectors reads of the histories `start[b] : end[b]`."""
        return np.asarray(np.maximum(start, end - self.max_listings))

    def event_tokens(self, first: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return (B,) the number of tokens of the events `first[b] : end[b]`, with action and duration."""
        before = self._tokens_before
        return np.asarray(before[end] - before[first])

    @cached_property
    def _tokens_before(self) -> np.ndarray:
        """Return the cumulative numbers of tokens (N + 1,), as int32 if they fit."""
        size = np.diff(self.features.tokens.offset).astype(np.int32)[self.listing]
        size += 1
        if self.meta is not None:
            size += self.meta.action > 0
            size += self.meta.duration > 0
        fits = int(size.sum(dtype=np.int64)) < np.iinfo(np.int32).max
        before = np.zeros(len(size) + 1, np.int32 if fits else np.int64)
        np.cumsum(size, out=before[1:], dtype=before.dtype)
        return before


class TokenBatch:
    """`listing_vibes.features.sequences.Sequences` as tensors on one device: B rows of n tokens in total, at most S per row."""

    def __init__(self, sequences: Sequences, device: torch.device | str = "cpu") -> None:
        def tensor(array: np.ndarray, dtype: torch.dtype | None = None) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device, dtype)

        self.device, self.length = device, tensor(sequences.length)  # (B,)
        self.key, self.value, self.bin = map(tensor, (sequences.key, sequences.value, sequences.bin))  # (n,)
        self.fraction, self.photo, self.text = map(
            tensor, (sequences.fraction, sequences.photo, sequences.text)
        )
        self.set_offset = tensor(sequences.set_offset)  # (n + 1,)
        self.set_member = tensor(sequences.set_member, torch.int64)  # (m,)
        self.shape = (len(sequences.length), int(sequences.length.max(initial=1)))  # B, S
        row = np.repeat(np.arange(self.shape[0]), sequences.length)
        column = ranges(np.zeros_like(sequences.length), sequences.length)
        self.place = tensor(row * self.shape[1] + column)  # (n,) position of each token in the padded batch
        self._structure = [
            tensor(part, torch.int64) for part in (sequences.position, sequences.type, sequences.item)
        ]

    def padded(self, flat: Tensor) -> Tensor:
        """Pad (n, ...) to (B, S, ...) with zeros."""
        empty = flat.new_zeros((self.shape[0] * self.shape[1], *flat.shape[1:]))
        return empty.index_copy(0, self.place, flat).view(*self.shape, *flat.shape[1:])

    def structure(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the mask, token positions, token types and item positions, each (B, S)."""
        real = torch.arange(self.shape[1], device=self.device)[None, :] < self.length[:, None]
        position, kind, item = (self.padded(part) for part in self._structure)
        return real, position, kind, item


@dataclass(frozen=True, eq=False)
class VectorBatch:
    """B histories as rows of listing numbers, oldest first, with the value ids of action and duration (0 if missing).

    K is the number of listings of the longest history, R the number of events of all.
    """

    listing: Tensor  # (B, K) int64, row in the table of listing vectors, 0 at padding
    action: Tensor  # (B, K) int64
    duration: Tensor  # (B, K) int64
    real: Tensor  # (B, K) bool

    @classmethod
    def of(
        cls,
        inputs: Inputs,
        first: np.ndarray,
        end: np.ndarray,
        number: np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> "VectorBatch":
        """Return the events `first[b] : end[b]`, with the `number` (L,) of each listing in the table (None: its row)."""
        count = end - first
        real = np.arange(count.max())[None, :] < count[:, None]  # (B, K)
        event = ranges(first, count)  # (R,)
        listing = inputs.listing[event] if number is None else number[inputs.listing[event]]
        none = np.zeros(len(event), np.int64)
        action = none if inputs.meta is None else inputs.meta.action[event]
        duration = none if inputs.meta is None else inputs.meta.duration[event]

        def padded(values: np.ndarray) -> Tensor:
            table = np.zeros(real.shape, np.int64)
            table[real] = values
            return torch.from_numpy(table).to(device)

        return cls(padded(listing), padded(action), padded(duration), torch.from_numpy(real).to(device))
