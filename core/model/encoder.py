"""The whole model: token embedder and Longformer, one for bare listings and for histories."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from core.features.featurizer import Features
from core.features.sequences import Meta, Sequences, history_sequences, listing_sequences
from core.features.vocabulary import Vocabulary
from core.model.config import EncoderConfig
from core.model.embeddings import TokenBatch, TokenEmbedder
from core.model.longformer import Longformer

#: Padded tokens of one inference batch: large enough for the matrix units, small enough for the cache.
TOKENS_PER_BATCH = 8192


class ListingModel(nn.Module):
    """Embeds bare listings and histories into one space, where cosine recommends."""

    def __init__(self, vocabulary: Vocabulary, config: EncoderConfig) -> None:
        super().__init__()
        self.embedder = TokenEmbedder(vocabulary, config.width)
        self.longformer = Longformer(config)

    def forward(self, batch: TokenBatch, photos: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """(B, width) float32, L2-normalised: the `[CLS]` row of each sequence."""
        tokens = batch.padded(self.embedder(batch, photos, texts))  # (B, S, d)
        mask, position, item, kind = batch.structure()
        return self.longformer.encode(tokens, mask, token_type=kind, item_position=item, positions=position)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What sequences are made of: the market's features, and the events that histories are cut from."""

    features: Features
    listing: np.ndarray  # (N,) listing row by event row
    meta: Meta | None
    max_listings: int
    max_tokens: int

    def listings(self, rows: np.ndarray) -> Sequences:
        """Bare listings `rows` (B,)."""
        return listing_sequences(self.features.tokens, rows)

    def histories(self, start: np.ndarray, end: np.ndarray) -> Sequences:
        """Histories `start[b] : end[b]` of the events."""
        return history_sequences(
            self.features.tokens, self.listing, start, end, self.meta, self.max_listings, self.max_tokens
        )

    def tensors(self, device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
        """Photo (P, width) and text (T, width) vectors on the device."""
        return torch.from_numpy(self.features.photo).to(device), torch.from_numpy(self.features.text).to(
            device
        )

    def listing_lengths(self, rows: np.ndarray) -> np.ndarray:
        """Tokens of each bare listing, `[CLS]` included."""
        return 1 + np.diff(self.features.tokens.offset)[rows]

    def history_lengths(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """About how many tokens each history has; exact but for the cut at `max_tokens`."""
        sizes = np.concatenate([[0], np.cumsum(np.diff(self.features.tokens.offset)[self.listing])])
        first = np.maximum(start, end - self.max_listings)
        return np.minimum(1 + sizes[end] - sizes[first] + 2 * (end - first), self.max_tokens)


def has_bf16() -> bool:
    """True where matrix products in bfloat16 are faster than in float32: instructions of this GPU or CPU."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def mixed_precision(bf16: bool | None, device: torch.device | str = "cpu") -> AbstractContextManager:
    """bfloat16 for the matrix products where asked, else nothing."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16) if bf16 else nullcontext()


def batches_by_length(lengths: np.ndarray, tokens: int = TOKENS_PER_BATCH) -> Iterator[np.ndarray]:
    """Row numbers in batches of similar length, each of at most about `tokens` padded tokens, longest first."""
    order = np.argsort(-lengths, kind="stable")
    first = 0
    while first < len(order):
        size = max(1, tokens // int(max(lengths[order[first]], 1)))
        yield order[first : first + size]
        first += size


@torch.inference_mode()
def encode(
    model: nn.Module,
    inputs: Inputs,
    sequences: Callable[[np.ndarray], Sequences],
    lengths: np.ndarray,
    width: int,
    bf16: bool | None = False,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """(n, width) float32 embeddings of n sequences, made by `sequences(rows)` batch by batch."""
    training = model.training
    model.eval()
    photos, texts = inputs.tensors(device)
    out, done = np.zeros((len(lengths), width), np.float32), 0
    for rows in batches_by_length(lengths):
        with mixed_precision(bf16, device):
            vectors = model(TokenBatch(sequences(rows), device), photos, texts)
        out[rows] = vectors.float().cpu().numpy()
        done += len(rows)
        if progress is not None:
            progress(done, len(lengths))
    model.train(training)
    return out


def encode_listings(model: nn.Module, inputs: Inputs, rows: np.ndarray, width: int, **options) -> np.ndarray:
    """(n, width) embeddings of the bare listings `rows` (n,)."""
    return encode(
        model,
        inputs,
        lambda chosen: inputs.listings(rows[chosen]),
        inputs.listing_lengths(rows),
        width,
        **options,
    )


def encode_histories(
    model: nn.Module, inputs: Inputs, start: np.ndarray, end: np.ndarray, width: int, **options
) -> np.ndarray:
    """(n, width) embeddings of the histories `start[q] : end[q]`."""
    lengths = inputs.history_lengths(start, end)
    return encode(
        model, inputs, lambda chosen: inputs.histories(start[chosen], end[chosen]), lengths, width, **options
    )
