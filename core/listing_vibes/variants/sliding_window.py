"""Sliding-window attention in blocks, for long rows: O(S * window) memory instead of S x S.

A row is cut into n = ceil(S / c) blocks of c = window // 2 queries; a block attends to the block before, itself, the block after
and `[CLS]`. The output is that of the masked form in `listing_vibes.model.model`.
"""

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from listing_vibes.model.attention import CLSAttention, attend
from listing_vibes.model.model import ListingEncoder


class SlidingWindowAttention(CLSAttention):
    """Local attention in blocks, if the mask has the form of blocks."""

    def gather(self, q: Tensor, x: Tensor, visible: Tensor) -> Tensor:
        """Return (B, S, d): attention of q (B, H, S, dh) to x, with the heads joined."""
        if visible.ndim == 4:  # a short row
            return super().gather(q, x, visible)
        batch, heads, length, dh = q.shape
        blocks, c = visible.shape[1], visible.shape[3]
        k, v = self.split(self.key(x)), self.split(self.value(x))  # (B, H, S, dh)
        q = F.pad(q.transpose(1, 2), (0, 0, 0, 0, 0, blocks * c - length))  # (B, n * c, H, dh)
        q = q.reshape(batch * blocks, c, heads, dh).transpose(1, 2)  # (B * n, H, c, dh)
        k, v = _neighborhood(k, blocks, c), _neighborhood(v, blocks, c)  # (B * n, H, 1 + 3c, dh)
        out = attend(q, k, v, visible.flatten(0, 1), self.dropout_now, self.scale)
        return out.transpose(1, 2).reshape(batch, blocks * c, heads * dh)[:, :length]


class SlidingWindowEncoder(ListingEncoder):
    """A `ListingEncoder` with attention in blocks for long rows."""

    attention = SlidingWindowAttention

    def window_mask(self, real: Tensor, window: int) -> Tensor:
        """Return the visible keys of each query: (B, 1, S, S) bool of short rows, (B, n, 1, c, 1 + 3c) of long ones.

        In the latter key 0 is `[CLS]`, key 1 + r of block b is token (b - 1) * c + r of the row.
        """
        length = real.shape[1]
        # At about this length both forms are equally fast (forward and backward on one core, windows 16 to 512).
        if length <= 2 * window + 128:
            return cast(Tensor, super().window_mask(real, window))
        c = window // 2
        n = -(-length // c)
        query = torch.arange(n * c, device=real.device).view(n, c)
        first = torch.arange(n, device=real.device)[:, None] * c - c
        key = first + torch.arange(3 * c, device=real.device)  # (n, 3c)
        distance = (query[:, :, None] - key[:, None, :]).abs()  # (n, c, 3c)
        inside = (key > 0) & (key < length)  # [CLS] has a separate column and must not count twice.
        seen = real[:, key.clamp(0, length - 1)] & inside  # (B, n, 3c)
        visible = (distance <= c) & seen[:, :, None, :]  # (B, n, c, 3c)
        visible = visible | ((distance == 0) & (key > 0)[:, None, :])
        cls = real[:, :1, None] | (query == 0)  # (B, n, c)
        return torch.cat([cls.unsqueeze(-1), visible], dim=-1).unsqueeze(2)


def _neighborhood(x: Tensor, n: int, c: int) -> Tensor:
    """Return the keys or values of each block of c tokens, (B * n, H, 1 + 3c, dh), from x (B, H, S, dh)."""
    batch, heads, length, dh = x.shape
    x = x.transpose(1, 2)  # (B, S, H, dh)
    cls = x[:, None, :1].expand(batch, n, 1, heads, dh)
    blocks = F.pad(x, (0, 0, 0, 0, c, (n + 1) * c - length)).view(batch, n + 2, c, heads, dh)
    seen = torch.cat([cls, blocks[:, :-2], blocks[:, 1:-1], blocks[:, 2:]], dim=2)  # (B, n, 1 + 3c, H, dh)
    return seen.view(batch * n, 1 + 3 * c, heads, dh).transpose(1, 2)
