"""The encoder's layer without gradient, over packed rows.

Shapes: B sequences, N packed tokens, L tokens of a padded row, d width, H heads, dh = d / H, m = ffn.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from core.model.fast.linear import PackedLinear
from core.model.fast.rows import Rows
from core.model.longformer import Layer

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


class FastLayer:
    """What `core.model.longformer.Layer` gives, from weights copied in one dtype."""

    def __init__(self, layer: Layer, dtype: torch.dtype, rows: int) -> None:
        """rows: about how many tokens a batch has."""
        own = layer.attention
        self.heads, self.dtype = own.heads, dtype
        scale = (own.query.out_features // own.heads) ** -0.5
        weights = [own.query.weight * scale, own.key.weight, own.value.weight]
        biases = [own.query.bias * scale, own.key.bias, own.value.bias]
        self.qkv = PackedLinear(torch.cat(weights), torch.cat(biases), dtype, rows)
        self.query = PackedLinear(weights[0], biases[0], dtype, rows)
        self.key_value = PackedLinear(torch.cat(weights[1:]), torch.cat(biases[1:]), dtype, rows)
        self.out = PackedLinear.of(own.out, dtype, rows)
        self.up = PackedLinear.of(layer.up, dtype, rows)
        self.down = PackedLinear.of(layer.down, dtype, rows)
        self.norms = [
            (n.normalized_shape, n.weight.detach().to(dtype), n.bias.detach().to(dtype), n.eps)
            for n in (layer.attention_norm, layer.ffn_norm)
        ]
        if hasattr(own, "query_global"):
            self.query_global = PackedLinear(
                own.query_global.weight * scale, own.query_global.bias * scale, dtype, rows
            )
            self.key_global, self.value_global = (
                m.weight.detach().to(dtype).unflatten(0, (self.heads, -1)).contiguous()  # (H, dh, d)
                for m in (own.key_global, own.value_global)
            )
            self.value_global_bias = own.value_global.bias.detach().to(dtype)

    def windowed(self, x: Tensor, rows: Rows, attend: Attend, hidden: Tensor | None) -> Tensor:
        """x (N, d) to (N, d): local attention by `attend`, the global one for the first token of each sequence."""
        q, k, v = rows.apart(self.qkv(x), 3, self.heads)  # each (B, H, L, dh)
        local = rows.together(attend(q, k, v))  # (N, d)
        return self._rest(x, local.index_copy_(0, rows.start, self._global(x, rows, hidden)))

    def cls_alone(self, x: Tensor, rows: Rows, hidden: Tensor | None) -> Tensor:
        """x (N, d) to the rows of the first tokens, (B, d)."""
        return self._rest(x.index_select(0, rows.start), self._global(x, rows, hidden))

    def among(self, x: Tensor, rows: Rows, attend: Attend) -> Tensor:
        """x (N, d) to (N, d): no token is global, `attend` alone says who sees whom."""
        q, k, v = rows.apart(self.qkv(x), 3, self.heads)  # each (B, H, L, dh)
        return self._rest(x, rows.together(attend(q, k, v)))

    def asked(self, x: Tensor, rows: Rows, asking: Tensor, attend: Attend) -> Tensor:
        """`among` for the tokens `asking` (B, Q) alone, numbered within their padded row: (B, Q, d)."""
        mine = rows.padded(x).gather(1, asking.unsqueeze(-1).expand(-1, -1, x.shape[1]))  # (B, Q, d)
        q = self.query(mine.flatten(0, 1)).view(*asking.shape, self.heads, -1).transpose(1, 2).contiguous()
        k, v = rows.apart(self.key_value(x), 2, self.heads)  # each (B, H, L, dh)
        seen = attend(q, k, v).transpose(1, 2).flatten(2)  # (B, Q, d)
        return self._rest(mine.flatten(0, 1), seen.flatten(0, 1)).view_as(mine)

    def _global(self, x: Tensor, rows: Rows, hidden: Tensor | None) -> Tensor:
        """What `[CLS]` gathers, (B, d); its projections absorbed as in `core.model.longformer.Attention`."""
        keys = rows.padded(x)  # (B, L, d)
        q = self.query_global(x.index_select(0, rows.start)).unflatten(-1, (self.heads, -1))  # (B, H, dh)
        q = (q.transpose(0, 1) @ self.key_global).transpose(0, 1).contiguous()  # (B, H, d)
        scores = (q @ keys.transpose(1, 2)).float()  # (B, H, L)
        if hidden is not None:
            scores = scores + hidden.squeeze(1)
        seen = torch.softmax(scores, -1).to(self.dtype) @ keys  # (B, H, d)
        found = (seen.transpose(0, 1) @ self.value_global.transpose(1, 2)).transpose(0, 1)  # (B, H, dh)
        return found.flatten(1) + self.value_global_bias

    def _rest(self, x: Tensor, attended: Tensor) -> Tensor:
        x = F.layer_norm(self.out.plus(attended, x), *self.norms[0])
        return F.layer_norm(self.down.plus(self.up.gelu(x), x), *self.norms[1])
