"""The encoder's layer without gradient, over packed rows.

Shapes: B sequences, N packed tokens, L tokens of a padded row, d width, H heads, dh = d / H, m = ffn.
"""

import torch
from torch import Tensor

from listing_vibes.model.longformer import Layer
from listing_vibes.packed.layer import Attend, PackedLayer, Parts
from listing_vibes.packed.linear import PackedLinear
from listing_vibes.packed.rows import Rows


class FastLayer(PackedLayer):
    """What `listing_vibes.model.longformer.Layer` gives, from weights copied in one dtype."""

    def __init__(self, layer: Layer, dtype: torch.dtype, rows: int) -> None:
        """rows: about how many tokens a batch has."""
        own = layer.attention
        super().__init__(
            Parts(
                own.heads,
                own.query,
                own.key,
                own.value,
                own.out,
                layer.attention_norm,
                layer.up,
                layer.down,
                layer.ffn_norm,
            ),
            dtype,
            rows,
        )
        if hasattr(own, "query_global"):
            self.query_global = PackedLinear(
                own.query_global.weight * self.scale, own.query_global.bias * self.scale, dtype, rows
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

    def _global(self, x: Tensor, rows: Rows, hidden: Tensor | None) -> Tensor:
        """What `[CLS]` gathers, (B, d); its projections absorbed as in `listing_vibes.model.longformer.Attention`."""
        keys = rows.padded(x)  # (B, L, d)
        q = self.query_global(x.index_select(0, rows.start)).unflatten(-1, (self.heads, -1))  # (B, H, dh)
        q = (q.transpose(0, 1) @ self.key_global).transpose(0, 1).contiguous()  # (B, H, d)
        scores = (q @ keys.transpose(1, 2)).float()  # (B, H, L)
        if hidden is not None:
            scores = scores + hidden.squeeze(1)
        seen = torch.softmax(scores, -1).to(self.dtype) @ keys  # (B, H, d)
        found = (seen.transpose(0, 1) @ self.value_global.transpose(1, 2)).transpose(0, 1)  # (B, H, dh)
        return found.flatten(1) + self.value_global_bias
