"""Attention, and blocks of it with a feed-forward layer.

Shapes: B rows, S tokens of the longest row, d width, H heads, dh = d / H, m = ffn.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.model.encoder_config import EncoderConfig

#: Up to this number of keys, attention in bfloat16 on a CPU uses two matrix products instead of torch's fused kernel.
FEW_KEYS = 256


def attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, dropout: float, scale: float) -> Tensor:
    """Return softmax(q k^T * scale, where `visible`) v: (B, H, Q, dh).

    q (B, H, Q, dh), k and v (B, H, S, dh), visible (B, 1, Q, S) bool; every query needs a visible key. bfloat16 on a CPU uses
    two matrix products, since torch's fused kernel is slow for short rows (on one core, forward and backward: 2.9 times slower
    for rows of 25 tokens, 1.2 times for 250, where storing all weights starts to need much memory).
    """
    if q.dtype != torch.bfloat16 or q.device.type != "cpu" or dropout or k.shape[-2] > FEW_KEYS:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout, scale=scale)
    hidden = torch.zeros_like(visible, dtype=q.dtype).masked_fill_(~visible, torch.finfo(q.dtype).min)
    return ((q * scale) @ k.transpose(-1, -2) + hidden).softmax(-1) @ v


class Attention(nn.Module):
    """Multi-head attention under a mask."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.attention_dropout
        self.scale = (config.width // config.heads) ** -0.5
        self.query, self.key, self.value = (nn.Linear(config.width, config.width) for _ in range(3))
        self.out = nn.Linear(config.width, config.width)

    def forward(self, queries: Tensor, x: Tensor, visible: Tensor) -> Tensor:
        """Return (B, Q, d): attention of queries (B, Q, d) to x (B, S, d) where visible (B, 1, Q, S)."""
        return cast(Tensor, self.out(self.gather(self.split(self.query(queries)), x, visible)))

    def gather(self, q: Tensor, x: Tensor, visible: Tensor) -> Tensor:
        """Return (B, Q, d): attention of q (B, H, Q, dh) to x, with the heads joined."""
        k, v = self.split(self.key(x)), self.split(self.value(x))  # (B, H, S, dh)
        return attend(q, k, v, visible, self.dropout_now, self.scale).transpose(1, 2).flatten(2)

    def split(self, x: Tensor) -> Tensor:
        """Split (B, S, d) into heads (B, H, S, dh)."""
        return cast(Tensor, x.unflatten(-1, (self.heads, -1)).transpose(1, 2))

    @property
    def dropout_now(self) -> float:
        """Return the dropout of attention weights: 0 unless training."""
        return self.dropout if self.training else 0.0


class CLSAttention(Attention):
    """Attention of a listing's tokens with global attention of `[CLS]` (token 0), which has separate projections."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.query_global, self.key_global, self.value_global = (
            nn.Linear(config.width, config.width) for _ in range(3)
        )
        # The output does not depend on this parameter (see `gather_cls`); it exists for conversions.
        self.key_global.bias.requires_grad_(False)

    def with_cls(self, x: Tensor, visible: Tensor, real: Tensor) -> Tensor:
        """Return (B, S, d): local attention of x (B, S, d) where visible (B, 1, S, S), and of `[CLS]` to all real (B, S) tokens."""
        local = self.gather(self.split(self.query(x)), x, visible)  # (B, S, d)
        cls = self.gather_cls(x, real).to(local.dtype)  # (B, 1, d)
        return cast(Tensor, self.out(torch.cat([cls, local[:, 1:]], dim=1)))

    def cls_only(self, x: Tensor, real: Tensor) -> Tensor:
        """Return only row 0 of `with_cls`, (B, 1, d)."""
        return cast(Tensor, self.out(self.gather_cls(x, real)))

    def gather_cls(self, x: Tensor, real: Tensor) -> Tensor:
        """Return the attention of `[CLS]`, (B, 1, d).

        It is softmax(q K^T / sqrt(dh)) V with K = x Wk^T + bk, V = x Wv^T + bv, without computing K and V for all S tokens:
        q K^T = (q Wk) x^T + q bk, whose last term is the same for every key and cancels in the softmax P, and
        P V = (P x) Wv^T + bv. So each head is one query of width d over x.
        """
        q = self.query_global(x[:, 0]).unflatten(-1, (self.heads, -1))  # (B, H, dh)
        w_key = self.key_global.weight.unflatten(0, (self.heads, -1))  # (H, dh, d)
        w_value = self.value_global.weight.unflatten(0, (self.heads, -1))  # (H, dh, d)
        q = torch.einsum("bhe,hed->bhd", q, w_key).unsqueeze(1)  # (B, 1, H, d)
        keys, visible = x.to(q.dtype).unsqueeze(1), real[:, None, None, :]  # (B, 1, S, d), (B, 1, 1, S)
        seen = attend(q, keys, keys, visible, self.dropout_now, self.scale).squeeze(1)  # (B, H, d)
        gathered = torch.einsum("bhd,hed->bhe", seen, w_value).flatten(1)  # (B, d)
        return (gathered + self.value_global.bias).unsqueeze(1)


class Block(nn.Module):
    """Attention and feed-forward, each followed by dropout, residual and LayerNorm (post-norm, as BERT)."""

    def __init__(self, config: EncoderConfig, attention: Attention) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.up = nn.Linear(config.width, config.ffn)
        self.down = nn.Linear(config.ffn, config.width)
        self.ffn_norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.drop = Dropout(config.dropout)

    def forward(self, x: Tensor, attended: Tensor) -> Tensor:
        """Return (B, S, d) for x (B, S, d) and its attention output (B, S, d)."""
        x = self.attention_norm(x + self.drop(attended))
        hidden = F.gelu(self.up(x))  # (B, S, m)
        return cast(Tensor, self.ffn_norm(x + self.drop(self.down(hidden))))


class Dropout(nn.Dropout):
    """`nn.Dropout`, several times as fast on a CPU, since each random number gives the mask of four values."""

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share `p` of x, of any shape, in training."""
        if not self.training or not self.p or x.device.type != "cpu":
            return super().forward(x)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        lowest = round(self.p * 65536) - 32768  # the lowest 16-bit number that is not dropped
        keep = (bits[: x.numel()].view(x.shape).clamp(lowest - 1, lowest) - (lowest - 1)).to(x.dtype)
        return x * (keep * (1 / (1 - self.p)))
