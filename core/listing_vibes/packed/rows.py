"""Sequences as packed rows, and the way to padded rows and back that attention needs.

Shapes: B sequences, n tokens of all of them (N with those that fill up), L the longest, rounded up, H heads of width
dh, d = H * dh.
"""

import math

import torch
from torch import Tensor

from listing_vibes.packed.machine import has_kernel

#: Lengths and token counts are rounded up to these, so that oneDNN makes few kernels (about 1 ms each) and uses them
#: again; longer lengths are rounded to multiples, shorter ones to the power of two.
ROUND_LENGTH, ROUND_TOKENS = 16, 32


def rounded(size: int, step: int) -> int:
    """`size` up to a multiple of `step`, or to a power of two below it."""
    return -(-size // step) * step if size >= step else 1 << max(size - 1, 0).bit_length()


class Rows:
    """B sequences of `length` (B,) tokens that stand one after the other, and where each token is when padded."""

    def __init__(self, length: Tensor, dtype: torch.dtype = torch.bfloat16) -> None:
        """dtype: of the products; attention by torch's kernel is not oneDNN's, so that L is the longest as it is."""
        self.length, longest = length, int(length.max())
        self.kernel = has_kernel(dtype, longest)
        self.count = len(length)  # B
        self.size = longest if self.kernel else rounded(longest, ROUND_LENGTH)  # L
        self.start = length.cumsum(0) - length  # (B,) row of each sequence's first token
        tokens = int(length.sum())
        self.filled = rounded(tokens, ROUND_TOKENS)  # N
        at = torch.arange(self.size)
        self.real = at < length[:, None]  # (B, L)
        # A place without a token reads its sequence's first one: finite numbers, which the mask hides.
        self.into = torch.where(
            self.real, self.start[:, None] + at, self.start[:, None]
        ).flatten()  # (B * L,)
        self.back = self.real.flatten().nonzero().squeeze(1)  # (n,)
        if self.filled > tokens:
            self.back = torch.cat([self.back, self.back.new_zeros(self.filled - tokens)])  # (N,)
        self.even = tokens == self.count * self.size
        self.whole = self.even and tokens == self.filled
        self._apart: dict[tuple[int, int], Tensor] = {}
        self._together: dict[int, Tensor] = {}

    def fill(self, flat: Tensor) -> Tensor:
        """flat (n, d) to (N, d), the new rows zero."""
        return torch.nn.functional.pad(flat, (0, 0, 0, self.filled - len(flat)))

    def padded(self, flat: Tensor) -> Tensor:
        """flat (N, d) to (B, L, d)."""
        rows = flat[: len(self.into)] if self.even else flat.index_select(0, self.into)
        return rows.view(self.count, self.size, -1)

    def apart(self, flat: Tensor, parts: int, heads: int) -> Tensor:
        """flat (N, parts * d) to padded rows, head by head: (parts, B, H, L, dh).

        In one pass; for torch's kernel, which takes heads that are no blocks of memory, as a view of the padded rows.
        """
        if self.kernel:
            return self.padded(flat).view(self.count, self.size, parts, heads, -1).permute(2, 0, 3, 1, 4)
        index = self._apart.get((parts, heads))
        if index is None:
            column = torch.arange(parts * heads).view(parts, 1, heads, 1)
            index = self.into.view(1, self.count, 1, self.size) * (parts * heads) + column
            index = self._apart[parts, heads] = index.flatten()
        found = flat.view(len(flat) * parts * heads, -1).index_select(0, index)
        return found.view(parts, self.count, heads, self.size, -1)

    def together(self, padded: Tensor) -> Tensor:
        """padded (B, H, L, dh), newly made, to (N, d), which may be written, in one pass."""
        heads = padded.shape[1]
        if padded.stride(1) < padded.stride(2):  # in memory (B, L, H, dh)
            rows = padded.transpose(1, 2).reshape(self.count * self.size, -1)
            return rows if self.whole else rows.index_select(0, self.back)
        index = self._together.get(heads)
        if index is None:
            row = self.back // self.size * (heads * self.size) + self.back % self.size  # (N,)
            index = self._together[heads] = (row[:, None] + torch.arange(heads) * self.size).flatten()
        found = padded.reshape(self.count * heads * self.size, -1).index_select(0, index)
        return found.view(self.filled, -1)

    def hidden(self) -> Tensor | None:
        """What is added to scores so that padding is not seen: (B, 1, 1, L) float32 of 0 and -inf; None for nothing."""
        if bool(self.real.all()):
            return None
        return torch.zeros(self.real.shape).masked_fill_(~self.real, -math.inf)[:, None, None, :]
