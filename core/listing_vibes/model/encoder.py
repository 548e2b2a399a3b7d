"""Embeddings of many listings or histories in batches, without gradient."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from listing_vibes.device import device_of, half, mixed_precision, multiplies_bf16
from listing_vibes.model.inputs import Inputs, TokenBatch
from listing_vibes.model.model import ListingModel
from listing_vibes.progress import Counted, Report, silent

logger = logging.getLogger(__name__)

#: Padded tokens per batch on a CPU: enough for the matrix units, and few enough for the cache.
TOKENS_PER_BATCH = 4096
#: The factor of larger batches on other devices, which wait for the transfer of each batch.
ELSEWHERE = 16

_NAMES = {torch.float32: "float32", torch.bfloat16: "bf16", torch.float16: "fp16"}


def inference_dtype(precision: str, model: ListingModel) -> torch.dtype:
    """Return the type of matrix products for `precision` on the device of `model`.

    "auto" is a 16-bit type if the device multiplies it faster than float32; "bf16" is used on any device with instructions for
    it, so that different workers have equal results.
    """
    device = device_of(model)
    if precision == "bf16" and device.type == "cpu" and multiplies_bf16():
        return torch.bfloat16
    dtype = half(device) if precision in ("auto", "bf16") else None
    if dtype is None and precision == "bf16":
        logger.info("encoder: float32, since %s has no fast 16-bit products", device)
    return dtype or torch.float32


def precision_name(dtype: torch.dtype, model: ListingModel) -> str:
    """Return the name of this precision for stored vectors: "float32", "bf16", or with the device ("cuda-bf16")."""
    device = device_of(model)
    return _NAMES[dtype] if device.type == "cpu" else f"{device.type}-{_NAMES[dtype]}"


def batches_by_length(lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Yield row numbers in batches of similar length, each of at most about `tokens` padded tokens, longest first."""
    order = np.argsort(-lengths, kind="stable")
    first = 0
    while first < len(order):
        size = max(1, tokens // int(max(lengths[order[first]], 1)))
        yield order[first : first + size]
        first += size


@torch.inference_mode()
def encode(
    model: ListingModel,
    embed: Callable[[np.ndarray], Tensor],
    lengths: np.ndarray,
    dtype: torch.dtype | None = None,
    report: Report = silent,
    tokens: int = TOKENS_PER_BATCH,
) -> np.ndarray:
    """Return embeddings (n, d) float32 of n sequences of `lengths` (n,), by `embed(rows)` for each batch, with matrix products of the
    type `dtype` (None: that of the weights).
    """
    device = device_of(model)
    tokens *= 1 if device.type == "cpu" else ELSEWHERE
    was_training = model.training
    model.eval()
    out, done = np.zeros((len(lengths), model.width), np.float32), 0
    for rows in batches_by_length(lengths, tokens):
        with mixed_precision(None if dtype is torch.float32 else dtype, device):
            out[rows] = embed(rows).float().cpu().numpy()
        done += len(rows)
        report(Counted("listings", done, len(lengths)))
    model.train(was_training)
    return out


def encode_listings(model: ListingModel, inputs: Inputs, rows: np.ndarray, **options: Any) -> np.ndarray:
    """Return embeddings (n, d) of the listings `rows` (n,); `options` are those of `encode`."""
    device = device_of(model)
    photos, texts = inputs.tensors(device)

    def embed(chosen: np.ndarray) -> Tensor:
        return model.listings(TokenBatch(inputs.listings(rows[chosen]), device), photos, texts)

    return encode(model, embed, inputs.listing_lengths(rows), **options)


def encode_histories(
    model: ListingModel,
    inputs: Inputs,
    start: np.ndarray,
    end: np.ndarray,
    listings: np.ndarray | None = None,
    **options: Any,
) -> np.ndarray:
    """Return embeddings (n, d) of the histories `start[q] : end[q]`; 0 for an empty history.

    Args:
        listings: the embeddings (L, d) of all listings, if the user encoder reads them; None to encode them.
    """
    result = np.zeros((len(start), model.width), np.float32)
    filled = np.flatnonzero(end > start)
    start, end = start[filled], end[filled]
    if not len(filled):
        return result
    embed, lengths = model.history_batches(
        inputs,
        start,
        end,
        listings,
        lambda rows: encode_listings(model, inputs, rows, dtype=options.get("dtype")),
    )
    result[filled] = encode(model, embed, lengths, tokens=model.history_batch, **options)
    return result
