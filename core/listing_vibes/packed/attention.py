"""Attention without gradient: torch's own kernel, or in bfloat16 without AMX two batched matrix products and a softmax.

In bfloat16 these are two to three times as fast on a CPU with AVX-512 alone as `scaled_dot_product_attention`, whose kernel
multiplies small tiles there; in float32, and in bfloat16 by AMX, the kernel is quicker, by 1.4 to 3 with the passes that it
saves: it takes heads as they lie in the rows and keeps no scores. Shapes: B sequences, H heads, Q queries, K keys, L tokens,
dh width of a head.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from listing_vibes.packed.machine import has_kernel

#: Queries that a long row's attention takes at once: large enough for the matrix units, small beside the row.
BLOCK = 64


def attend(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None) -> Tensor:
    """q (B, H, Q, dh), already divided by sqrt(dh), and k, v (B, H, K, dh) to (B, H, Q, dh).

    `hidden` is added to the scores: float32, of a shape that broadcasts to (B, H, Q, K).
    """
    if has_kernel(q.dtype, k.shape[2]):
        mask = None if hidden is None else hidden.to(q.dtype)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)
    scores = (q.flatten(0, 1) @ k.flatten(0, 1).transpose(1, 2)).unflatten(0, q.shape[:2])  # (B, H, Q, K)
    scores = scores.float()  # a softmax in bfloat16 is slower below rows of 256, and less exact
    if hidden is not None:
        scores.add_(hidden)
    seen = torch.softmax(scores, -1).to(v.dtype).flatten(0, 1)  # (B * H, Q, K)
    return (seen @ v.flatten(0, 1)).unflatten(0, q.shape[:2])


class Whole:
    """Every query sees every key that the mask leaves."""

    def __init__(self, hidden: Tensor | None) -> None:
        self.hidden = hidden

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `attend`."""
        return attend(q, k, v, self.hidden)


class Bands:
    """A window over long rows: BLOCK queries at a time, which see `[CLS]` and the keys near them.

    O(L * window) time and memory. The masks are made once and serve every layer of the window.
    """

    def __init__(self, size: int, window: int, hidden: Tensor | None) -> None:
        self.blocks = []
        for first in range(0, size, BLOCK):
            end = min(first + BLOCK, size)
            near = slice(max(first - window // 2, 0), min(end + window // 2, size))
            cls = [slice(0, 1)] if near.start else []
            mask = band(torch.arange(first, end), _keys(torch.arange(size), 0, [*cls, near]), window)
            if hidden is not None:
                mask = mask + _keys(hidden, 3, [*cls, near])
            self.blocks.append((slice(first, end), [*cls, near], mask))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `attend`; q, k and v of all L tokens."""
        found = [
            attend(q[:, :, at], _keys(k, 2, parts), _keys(v, 2, parts), m).transpose(1, 2)
            for at, parts, m in self.blocks
        ]
        return torch.cat(found, 1).transpose(1, 2)  # in memory (B, L, H, dh)


def over_window(size: int, window: int, hidden: Tensor | None) -> Whole | Bands:
    """The attention of rows of `size` tokens in a window, `hidden` (B, 1, 1, L) of `listing_vibes.packed.rows.Rows`."""
    if size > 2 * BLOCK + window:
        return Bands(size, window, hidden)
    if size <= window // 2 + 1:
        return Whole(hidden)
    at = torch.arange(size)
    mask = band(at, at, window)
    return Whole(mask if hidden is None else mask + hidden)


def band(queries: Tensor, keys: Tensor, window: int) -> Tensor:
    """Added to the scores of tokens `queries` (Q,) and `keys` (K,) of a row: (Q, K) float32 of 0 and -inf."""
    far = ((queries[:, None] - keys).abs() > window // 2) & (keys != 0)
    return torch.zeros(far.shape).masked_fill_(far, -math.inf)


def _keys(x: Tensor, axis: int, parts: list[slice]) -> Tensor:
    found = [x.narrow(axis, part.start, part.stop - part.start) for part in parts]
    return torch.cat(found, axis) if len(found) > 1 else found[0]
