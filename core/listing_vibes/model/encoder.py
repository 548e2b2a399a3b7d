"""Embeddings of many bare listings or histories, batch by batch, without gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from listing_vibes.device import device_of, mixed_precision, place
from listing_vibes.market.log import ranges
from listing_vibes.model.embeddings import TokenBatch
from listing_vibes.model.fast.model import FastModel
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.windows import VectorBatch
from listing_vibes.packed.batches import TOKENS, batches_by_length
from listing_vibes.progress import Counted, Report

#: Padded tokens of one inference batch: large enough for the matrix units, small enough for the cache.
TOKENS_PER_BATCH = 8192
#: So many times more on other devices, which have no such cache and wait for each batch to be handed over.
ELSEWHERE = 8
#: The same where a token is a whole listing: few tokens a history, of very different numbers, so that padding weighs more.
VECTORS_PER_BATCH = 1024


@torch.inference_mode()
def encode(
    model: nn.Module,
    embed: Callable[[np.ndarray], torch.Tensor],
    lengths: np.ndarray,
    width: int,
    dtype: torch.dtype | None = None,
    report: Report | None = None,
    tokens: int = TOKENS_PER_BATCH,
) -> np.ndarray:
    """(n, width) float32 embeddings of n sequences of `lengths` (n,), by `embed(rows)` batch by batch.

    `dtype` is that of the matrix products, None the weights' own. A `FastModel` has its type and its batch size already:
    `dtype` and `tokens` are the readable model's.
    """
    device = device_of(model)
    if isinstance(model, FastModel):
        dtype, tokens = None, TOKENS
    elif device.type != "cpu":
        tokens *= ELSEWHERE
    training = model.training
    model.eval()
    out, done = np.zeros((len(lengths), width), np.float32), 0
    for rows in batches_by_length(lengths, tokens):
        with mixed_precision(dtype, device):
            vectors = embed(rows)
        out[rows] = vectors.float().cpu().numpy()
        done += len(rows)
        if report is not None:
            report(Counted("listings", done, len(lengths)))
    model.train(training)
    return out


def encode_listings(
    model: ListingModel | FastModel,
    inputs: Inputs,
    rows: np.ndarray,
    width: int,
    **options: Any,
) -> np.ndarray:
    """(n, width) embeddings of the bare listings `rows` (n,), by what `encode` is told in `options`."""
    device = device_of(model)
    photos, texts = inputs.tensors(device)

    def embed(chosen: np.ndarray) -> torch.Tensor:
        return model.listings(TokenBatch(inputs.listings(rows[chosen]), device), photos, texts)

    return encode(model, embed, inputs.listing_lengths(rows), width, **options)


def encode_histories(
    model: ListingModel | FastModel,
    inputs: Inputs,
    start: np.ndarray,
    end: np.ndarray,
    width: int,
    listings: np.ndarray | Callable[[np.ndarray], np.ndarray] | None = None,
    **options: Any,
) -> np.ndarray:
    """(n, width) embeddings of the histories `start[q] : end[q]`; 0 of one without any event.

    A "listing-vectors" model reads `listings` (L, width), the embeddings of all listings, where they are at hand, or asks for
    those (n, width) of rows (n,) that the histories hold, and encodes them otherwise; other models need none.
    """
    told = np.flatnonzero(end > start)
    if len(told) < len(start):
        found = np.zeros((len(start), width), np.float32)
        if len(told):
            found[told] = encode_histories(
                model, inputs, start[told], end[told], width, listings=listings, **options
            )
        return found
    device = device_of(model)
    if model.reads != "vectors":
        photos, texts = inputs.tensors(device)
    if model.reads == "sequence":
        lengths = inputs.history_lengths(start, end)
    else:
        first = inputs.newest(start, end)
        lengths = end - first
    if model.reads == "vectors" and isinstance(listings, np.ndarray) and device.type == "cpu":
        number, table = None, torch.from_numpy(listings)
    elif model.reads == "vectors":
        # Each listing of the histories is encoded once, however many of them have it, and no others are handed over.
        rows = np.unique(inputs.listing[ranges(first, end - first)])
        number = np.zeros(inputs.features.tokens.listings, np.int32)  # (L,) of listings that are read
        number[rows] = np.arange(len(rows), dtype=np.int32)
        if listings is None:
            found = encode_listings(model, inputs, rows, width, dtype=options.get("dtype"))
        else:
            found = listings(rows) if callable(listings) else listings[rows]
        table = place(found, device)

    def embed(chosen: np.ndarray) -> torch.Tensor:
        if model.reads == "sequence":
            return model(TokenBatch(inputs.histories(start[chosen], end[chosen]), device), photos, texts)
        assert model.user_pass is not None  # "listing-vectors" is what is left
        return model.user_pass.newest(
            table, VectorBatch.of(inputs, first[chosen], end[chosen], number, device)
        )

    tokens = VECTORS_PER_BATCH if model.reads == "vectors" else TOKENS_PER_BATCH
    return encode(model, embed, lengths, width, tokens=tokens, **options)
