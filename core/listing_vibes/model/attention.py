"""Sliding-window attention in two ways that give the same output.

Beltagy, Peters and Cohan, "Longformer: The Long-Document Transformer" (2020). The rule, for query i and
key j: i sees j when |i - j| <= window // 2 or j is 0 (`[CLS]`), and j is a real token, and `allowed` does
not forbid it. Every token sees itself whatever the rule says, so that no row of the softmax is empty
(padding would be NaN).

`dense_attention` does S x S work under a mask: best for short rows. `banded_attention` cuts the row into
blocks of window // 2 queries; a block sees the block before, itself, the block after, and `[CLS]`:
O(S * window) memory. The masks are made once a forward pass and shared by all layers of the same window.

Shapes: B rows, S tokens, H heads, dh width of a head, c = window // 2, n = ceil(S / c) blocks.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def band_is_faster(length: int, window: int) -> bool:
    """Whether `banded_attention` beats `dense_attention` for rows of this length, both in tokens.

    Measured forward and backward on one core, windows 16 to 512: they meet near 256 tokens for window 64,
    310 for 128, 500 for 256 and 1,000 for 512.
    """
    return length > 2 * window + 128


#: Longest row of keys for which training in bfloat16 on a CPU keeps the attention weights, in tokens.
KEPT_WEIGHTS = 256


def attend(
    q: Tensor, k: Tensor, v: Tensor, visible: Tensor, dropout: float = 0.0, scale: float | None = None
) -> Tensor:
    """softmax(q k^T * scale, where `visible`) v: q (B, H, Q, dh), k and v (B, H, S, dh), visible (B, 1, Q, S) bool.

    Every query must see a key. Gives (B, H, Q, dh). Training in bfloat16 on a CPU goes by two plain matrix products:
    there the fused kernel spends most of its time in its backward pass (measured on one core, forward and backward:
    2.9 times slower for rows of 25 tokens, 2.2 for 120, 1.2 for 250, where keeping all weights begins to cost memory).
    """
    training = q.requires_grad and torch.is_grad_enabled()
    cpu_bf16 = q.dtype == torch.bfloat16 and q.device.type == "cpu"
    if dropout or not (training and cpu_bf16) or k.shape[-2] > KEPT_WEIGHTS:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout, scale=scale)
    hidden = torch.zeros_like(visible, dtype=q.dtype).masked_fill_(~visible, torch.finfo(q.dtype).min)
    scores = (q * (scale or q.shape[-1] ** -0.5)) @ k.transpose(-1, -2) + hidden  # (B, H, Q, S)
    return scores.softmax(-1) @ v


def dense_visible(mask: Tensor, window: int, allowed: Tensor | None = None) -> Tensor:
    """Which key each query sees, for `dense_attention`.

    mask (B, S) bool, True at real tokens; window in tokens; allowed (B, S, S) bool [query, key] or None.
    Returns (B, 1, S, S) bool.
    """
    at = torch.arange(mask.shape[1], device=mask.device)
    distance = (at[:, None] - at[None, :]).abs()  # (S, S)
    near = (distance <= window // 2) | (at == 0)  # (S, S)
    visible = near & mask[:, None, :]  # (B, S, S)
    if allowed is not None:
        visible = visible & allowed
    return (visible | (distance == 0)).unsqueeze(1)  # (B, 1, S, S)


def block_causal(mask: Tensor, block: Tensor) -> Tensor:
    """Which key each query sees where a row is a run of blocks: all of its own block and of the earlier ones.

    mask (B, S) bool, True at real tokens; block (B, S) long, the number of each token's block. Every token sees
    itself. Returns (B, 1, S, S) bool [query, key].
    """
    visible = (block[:, :, None] >= block[:, None, :]) & mask[:, None, :]  # (B, S, S)
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
    return (visible | itself).unsqueeze(1)


def dense_attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, dropout: float = 0.0) -> Tensor:
    """q, k, v (B, H, S, dh) and `dense_visible`'s mask to (B, H, S, dh). Row 0 is local attention, too."""
    return attend(q, k, v, visible, dropout)


def banded_visible(mask: Tensor, window: int, allowed: Tensor | None = None) -> Tensor:
    """Which key each query sees, for `banded_attention`; arguments as in `dense_visible`.

    Returns (B * n, 1, c, 1 + 3c) bool. Key 0 is `[CLS]`, key 1 + r of block b is token (b - 1) * c + r of the
    row.
    """
    batch, length = mask.shape
    c = window // 2
    n = -(-length // c)
    query = torch.arange(n * c, device=mask.device).view(n, c)
    key = (torch.arange(n, device=mask.device) * c - c)[:, None] + torch.arange(
        3 * c, device=mask.device
    )  # (n, 3c)
    distance = (query[:, :, None] - key[:, None, :]).abs()  # (n, c, 3c)
    inside = (key > 0) & (key < length)  # (n, 3c); [CLS] is a column of its own and must not count twice
    real = mask[:, key.clamp(0, length - 1)] & inside  # (B, n, 3c)
    visible = (distance <= c) & real[:, :, None, :]  # (B, n, c, 3c)
    cls_visible = mask[:, :1, None].expand(batch, n, c)  # (B, n, c)
    if allowed is not None:
        row = query.clamp(max=length - 1)  # (n, c)
        visible = visible & allowed[:, row[:, :, None], key.clamp(0, length - 1)[:, None, :]]
        cls_visible = cls_visible & allowed[:, row, 0]
    visible = visible | ((distance == 0) & (key > 0)[:, None, :])
    cls_visible = cls_visible | (query == 0)
    return torch.cat([cls_visible.unsqueeze(-1), visible], dim=-1).view(batch * n, 1, c, 1 + 3 * c)


def banded_attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, dropout: float = 0.0) -> Tensor:
    """q, k, v (B, H, S, dh) and `banded_visible`'s mask to (B, H, S, dh): what `dense_attention` gives."""
    batch, heads, length, dh = q.shape
    c = visible.shape[2]
    n = visible.shape[0] // batch

    q = F.pad(q.transpose(1, 2), (0, 0, 0, 0, 0, n * c - length))  # (B, n * c, H, dh)
    q = q.reshape(batch * n, c, heads, dh).transpose(1, 2)  # (B * n, H, c, dh)
    k, v = _neighbourhood(k, n, c), _neighbourhood(v, n, c)  # (B * n, H, 1 + 3c, dh)
    out = attend(q, k, v, visible, dropout)  # (B * n, H, c, dh)
    out = out.transpose(1, 2).reshape(batch, n * c, heads, dh)[:, :length]  # (B, S, H, dh)
    return out.transpose(1, 2)  # (B, H, S, dh)


def _neighbourhood(x: Tensor, n: int, c: int) -> Tensor:
    """x (B, H, S, dh) to what each block of c tokens sees: (B * n, H, 1 + 3c, dh)."""
    batch, heads, length, dh = x.shape
    x = x.transpose(1, 2)  # (B, S, H, dh)
    cls = x[:, None, :1].expand(batch, n, 1, heads, dh)  # (B, n, 1, H, dh)
    blocks = F.pad(x, (0, 0, 0, 0, c, (n + 1) * c - length)).view(batch, n + 2, c, heads, dh)
    seen = torch.cat([cls, blocks[:, :-2], blocks[:, 1:-1], blocks[:, 2:]], dim=2)  # (B, n, 1 + 3c, H, dh)
    return seen.view(batch * n, 1 + 3 * c, heads, dh).transpose(1, 2)
