"""A post-norm transformer layer without gradient, over packed rows (Vaswani et al. 2017, arXiv 1706.03762).

Shapes: B sequences, N packed tokens, L tokens of a padded row, d width, H heads, dh = d / H, m = ffn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.packed.linear import PackedLinear
from listing_vibes.packed.rows import Rows

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Parts:
    """The modules of a layer, whatever its model calls them."""

    heads: int
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    out: nn.Linear
    attention_norm: nn.LayerNorm
    up: nn.Linear
    down: nn.Linear
    ffn_norm: nn.LayerNorm


class PackedLayer:
    """The layer of `parts`, with GELU, from weights copied in one dtype."""

    def __init__(self, parts: Parts, dtype: torch.dtype, rows: int) -> None:
        """rows: about how many tokens a batch has."""
        self.heads, self.dtype = parts.heads, dtype
        self.scale = (parts.query.out_features // parts.heads) ** -0.5
        weights = [parts.query.weight * self.scale, parts.key.weight, parts.value.weight]
        biases = [parts.query.bias * self.scale, parts.key.bias, parts.value.bias]
        self.qkv = PackedLinear(torch.cat(weights), torch.cat(biases), dtype, rows)
        self.query = PackedLinear(weights[0], biases[0], dtype, rows)
        self.key_value = PackedLinear(torch.cat(weights[1:]), torch.cat(biases[1:]), dtype, rows)
        self.out = PackedLinear.of(parts.out, dtype, rows)
        self.up = PackedLinear.of(parts.up, dtype, rows)
        self.down = PackedLinear.of(parts.down, dtype, rows)
        self.norms = [
            (n.normalized_shape, n.weight.detach().to(dtype), n.bias.detach().to(dtype), n.eps)
            for n in (parts.attention_norm, parts.ffn_norm)
        ]

    def among(self, x: Tensor, rows: Rows, attend: Attend) -> Tensor:
        """x (N, d) to (N, d): `attend` says who sees whom."""
        q, k, v = rows.apart(self.qkv(x), 3, self.heads)  # each (B, H, L, dh)
        return self._rest(x, rows.together(attend(q, k, v)))

    def asked(self, x: Tensor, rows: Rows, asking: Tensor, attend: Attend) -> Tensor:
        """`among` for the tokens `asking` (B, Q) alone, numbered within their padded row: (B, Q, d)."""
        mine = rows.padded(x).gather(1, asking.unsqueeze(-1).expand(-1, -1, x.shape[1]))  # (B, Q, d)
        q = self.query(mine.flatten(0, 1)).view(*asking.shape, self.heads, -1).transpose(1, 2).contiguous()
        k, v = rows.apart(self.key_value(x), 2, self.heads)  # each (B, H, L, dh)
        seen = attend(q, k, v).transpose(1, 2).flatten(2)  # (B, Q, d)
        return self._rest(mine.flatten(0, 1), seen.flatten(0, 1)).view_as(mine)

    def _rest(self, x: Tensor, attended: Tensor) -> Tensor:
        x = F.layer_norm(self.out.plus(attended, x), *self.norms[0])
        return F.layer_norm(self.down.plus(self.up.gelu(x), x), *self.norms[1])
