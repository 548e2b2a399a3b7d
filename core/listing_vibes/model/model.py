"""The model: bare listings and users as unit vectors in one space, where cosine recommends.

Read from top to bottom: a token becomes a vector (`TokenEmbedder`), attention (`Attention`, `CLSAttention`) and a
feed-forward layer make a `Block`, blocks make the `ListingEncoder` (a Longformer, Beltagy, Peters and Cohan 2020) and
the `UserEncoder`, both together the `ListingModel`. The other ways of the method lie in `listing_vibes.model.variants`.

Shapes: B rows, S tokens of the longest row, n tokens of all rows, d width, H heads, dh = d / H, m = ffn.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.errors import VibesError
from listing_vibes.features.tokens.tabular import bin_offsets, key_count, view_of_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.config import EncoderConfig
from listing_vibes.model.inputs import TokenBatch, VectorBatch

#: Longest row of keys for which bfloat16 on a CPU goes by two matrix products instead of torch's fused kernel, in tokens.
FEW_KEYS = 256


class TokenEmbedder(nn.Module):
    """Embed tokens: key + value + piecewise-linear part + mean of a set + photo or text vector.

    Numbers have a vector per quantile bin plus the piecewise-linear encoding (Gorishniy et al. 2022, section 3.2.1): all
    bins below count whole, the number's own bin by its fraction. Photos and texts pass one linear layer per encoder ("view")
    that starts as the identity; a token's key says which one.
    """

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        super().__init__()
        self.key = nn.Embedding(key_count(vocabulary), width)
        self.value = nn.Embedding(vocabulary.total, width)
        offsets = bin_offsets(vocabulary)
        sizes = {entry.name: entry.size for entry in vocabulary.attributes if entry.name in offsets}
        first = [0] + [offsets[name] for name, size in sizes.items() for _ in range(size)]
        self.first_bin: Tensor
        self.register_buffer("first_bin", torch.tensor(first), persistent=False)
        self.slope = nn.Parameter(torch.empty(len(first), width))
        self.photo, self.text = nn.Linear(width, width), nn.Linear(width, width)
        self.more_photos = nn.ModuleList(nn.Linear(width, width) for _ in range(vocabulary.photo_views - 1))
        self.more_texts = nn.ModuleList(nn.Linear(width, width) for _ in range(vocabulary.text_views - 1))
        self.photo_view: Tensor
        self.text_view: Tensor
        for name, view in zip(("photo_view", "text_view"), view_of_key(vocabulary), strict=True):
            self.register_buffer(name, torch.from_numpy(view), persistent=False)
        # A value is as loud as a photo or a text, whose vectors have length 1; its key is quieter.
        nn.init.normal_(self.key.weight, std=0.02)
        nn.init.normal_(self.value.weight, std=width**-0.5)
        nn.init.normal_(self.slope, std=0.5 * width**-0.5)
        for layer in (*self.photo_layers, *self.text_layers):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def photo_layers(self) -> list[nn.Linear]:
        """The linear layer of each photo encoder."""
        return cast(list[nn.Linear], [self.photo, *self.more_photos])

    @property
    def text_layers(self) -> list[nn.Linear]:
        """The linear layer of each text encoder."""
        return cast(list[nn.Linear], [self.text, *self.more_texts])

    def forward(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """Return (n, d) vectors; `photos` (P, d) and `texts` (T, d) are looked up by the tokens' rows."""
        x = self.key(batch.key)  # (n, d)
        x = x + self.value(batch.value) * (batch.value > 0).unsqueeze(1)
        below = F.pad(self.slope.cumsum(0), (0, 0, 1, 0))  # (bins + 1, d), row b = sum of slopes before b
        reached = below[batch.bin] - below[self.first_bin[batch.bin]]  # (n, d)
        reached = reached + batch.fraction.unsqueeze(1) * self.slope[batch.bin]
        x = x + reached * (batch.bin > 0).unsqueeze(1)
        if len(batch.set_member):
            x = x + F.embedding_bag(
                batch.set_member, self.value.weight, batch.set_offset, mode="mean", include_last_offset=True
            )
        x = _add_content(x, batch.photo, photos, self.photo_layers, self.photo_view[batch.key])
        return _add_content(x, batch.text, texts, self.text_layers, self.text_view[batch.key])


def _add_content(x: Tensor, rows: Tensor, vectors: Tensor, layers: list[nn.Linear], view: Tensor) -> Tensor:
    """Add to x (n, d) the `vectors` (P, d) of `rows` (n,), -1 for none, each through the layer of its `view` (n,)."""
    for number, layer in enumerate(layers):
        token = ((rows >= 0) & (view == number)).nonzero().squeeze(1)
        if len(token):
            x = x.index_add(0, token, layer(vectors[rows[token]]).to(x.dtype))
    return x


def attend(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, dropout: float, scale: float) -> Tensor:
    """Return softmax(q k^T * scale, where `visible`) v: (B, H, Q, dh).

    q (B, H, Q, dh), k and v (B, H, S, dh), visible (B, 1, Q, S) bool; every query must see a key. bfloat16 on a CPU goes by
    two matrix products: there torch's fused kernel is slow for short rows (measured on one core, forward and backward: 2.9
    times slower for rows of 25 tokens, 1.2 for 250, where keeping all weights begins to cost memory).
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
        """queries (B, Q, d) attend to x (B, S, d) where visible (B, 1, Q, S): (B, Q, d)."""
        return self.out(self.gather(self.split(self.query(queries)), x, visible))

    def gather(self, q: Tensor, x: Tensor, visible: Tensor) -> Tensor:
        """q (B, H, Q, dh) to (B, Q, d)."""
        k, v = self.split(self.key(x)), self.split(self.value(x))  # (B, H, S, dh)
        return attend(q, k, v, visible, self.dropout_now, self.scale).transpose(1, 2).flatten(2)

    def split(self, x: Tensor) -> Tensor:
        """(B, S, d) to (B, H, S, dh)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    @property
    def dropout_now(self) -> float:
        """The dropout of attention weights in this mode."""
        return self.dropout if self.training else 0.0


class CLSAttention(Attention):
    """Attention of a listing's tokens, in which `[CLS]` (token 0) is global: it sees all by projections of its own."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.query_global, self.key_global, self.value_global = (
            nn.Linear(config.width, config.width) for _ in range(3)
        )
        # The one parameter that no output depends on (see `gather_cls`); kept for conversions.
        self.key_global.bias.requires_grad_(False)

    def with_cls(self, x: Tensor, visible: Tensor, real: Tensor) -> Tensor:
        """x (B, S, d) to (B, S, d): local attention where visible (B, 1, S, S), `[CLS]` to all real (B, S) tokens."""
        local = self.gather(self.split(self.query(x)), x, visible)  # (B, S, d)
        cls = self.gather_cls(x, real).to(local.dtype)  # (B, 1, d)
        return self.out(torch.cat([cls, local[:, 1:]], dim=1))

    def cls_only(self, x: Tensor, real: Tensor) -> Tensor:
        """Row 0 of `with_cls` for less: (B, 1, d)."""
        return self.out(self.gather_cls(x, real))

    def gather_cls(self, x: Tensor, real: Tensor) -> Tensor:
        """What `[CLS]` gathers: (B, 1, d).

        Exactly softmax(q K^T / sqrt(dh)) V with K = x Wk^T + bk, V = x Wv^T + bv, but K and V are never made for all S
        tokens: q K^T = (q Wk) x^T + q bk, whose last term is the same for every key and leaves the softmax P as it was, and
        P V = (P x) Wv^T + bv. So each head is one query of width d over x itself.
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
        """x (B, S, d) and what its attention gathered, (B, S, d), to (B, S, d)."""
        x = self.attention_norm(x + self.drop(attended))
        hidden = F.gelu(self.up(x))  # (B, S, m)
        return self.ffn_norm(x + self.drop(self.down(hidden)))


class Dropout(nn.Dropout):
    """`nn.Dropout`, on a CPU with four numbers for each one that is drawn, which makes it several times as fast."""

    def forward(self, x: Tensor) -> Tensor:
        """Zero a share `p` of x, any shape, in training."""
        if not self.training or not self.p or x.device.type != "cpu":
            return super().forward(x)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
        lowest = round(self.p * 65536) - 32768  # of the 16-bit numbers that stay
        keep = (bits[: x.numel()].view(x.shape).clamp(lowest - 1, lowest) - (lowest - 1)).to(x.dtype)
        return x * (keep * (1 / (1 - self.p)))


class ListingEncoder(nn.Module):
    """A Longformer over token embeddings; same weights, same output as `transformers.LongformerModel`.

    A token sees the window around it and `[CLS]`, `[CLS]` sees every token. All tokens of a row are compared under a mask: a
    listing is short. `listing_vibes.model.variants.sliding_window` has the form for long rows.
    """

    attention = CLSAttention

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.token_position = nn.Embedding(config.max_tokens, config.width)
        self.token_type = nn.Embedding(config.token_types, config.width)
        # Item position 0 (no item) stays zero, so that a bare listing is what a transformers model would see.
        self.item_position = nn.Embedding(config.max_items, config.width, padding_idx=0)
        self.norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.drop = Dropout(config.dropout)
        self.layers = nn.ModuleList(Block(config, self.attention(config)) for _ in range(config.layers))
        self.apply(initialize)

    def forward(
        self,
        tokens: Tensor,
        real: Tensor,
        position: Tensor,
        kind: Tensor,
        item: Tensor,
        cls_only: bool = False,
    ) -> Tensor:
        """Return contextual vectors (B, S, d), or (B, 1, d) of `[CLS]` alone; rows of padding hold finite numbers.

        Args:
            tokens: (B, S, d) float.
            real: (B, S) bool, False at padding.
            position, kind, item: (B, S) long: token position, token type, item position.
            cls_only: compute row 0 alone in the last layer.

        Raises:
            VibesError: a row is longer than `max_tokens`.
        """
        length = tokens.shape[1]
        if length > self.config.max_tokens:
            raise VibesError(
                f"A row of {length} tokens is longer than the encoder's max_tokens {self.config.max_tokens}; keep fewer listings "
                f"of the history, or train with [encoder] max_tokens of at least {length}."
            )
        x = tokens + self.token_position(position) + self.token_type(kind) + self.item_position(item)
        x = self.drop(self.norm(x))  # (B, S, d)
        # [CLS] sees itself whatever the masks say: an empty row of a batch must not be NaN.
        sees = real | (torch.arange(length, device=real.device) == 0)  # (B, S)
        visible = {window: self.window_mask(real, window) for window in set(self.config.windows)}
        for number, (layer, window) in enumerate(zip(self.layers, self.config.windows, strict=True)):
            block = cast(Block, layer)
            attention = cast(CLSAttention, block.attention)
            if cls_only and number == self.config.layers - 1:
                return block(x[:, :1], attention.cls_only(x, sees))  # (B, 1, d)
            x = block(x, attention.with_cls(x, visible[window], sees))  # (B, S, d)
        return x

    def encode(self, *inputs: Tensor) -> Tensor:
        """Return the `[CLS]` row, L2-normalized, float32: (B, d). Arguments as in `forward`."""
        return F.normalize(self(*inputs, cls_only=True)[:, 0].float(), dim=-1)

    def window_mask(self, real: Tensor, window: int) -> Any:
        """Return which key each query sees, (B, 1, S, S) bool: real ones at most window // 2 away, `[CLS]`, and itself."""
        at = torch.arange(real.shape[1], device=real.device)
        distance = (at[:, None] - at[None, :]).abs()  # (S, S)
        neighbors = (distance <= window // 2) | (at == 0)
        return ((neighbors & real[:, None, :]) | (distance == 0)).unsqueeze(1)


class UserEncoder(nn.Module):
    """A causal pass over the vectors of a user's listings: in the order of SASRec (Kang and McAuley 2018), on vectors instead of ids.

    One token a listing: its vector + action + duration + item position. Untrained, the vector of a user is near the mean of the
    listings (see `initialize`).
    """

    def __init__(self, vocabulary: Vocabulary, config: EncoderConfig) -> None:
        super().__init__()
        self.first_meta = vocabulary.size
        self.meta = nn.Embedding(1 + vocabulary.total - vocabulary.size, config.width, padding_idx=0)
        self.item_position = nn.Embedding(config.max_items, config.width, padding_idx=0)
        self.norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.drop = Dropout(config.dropout)
        self.layers = nn.ModuleList(Block(config, Attention(config)) for _ in range(config.layers))
        self.apply(initialize)

    def forward(self, vectors: Tensor, batch: VectorBatch) -> Tensor:
        """vectors (U, d) to (R, d) float32, L2-normalized: for each event the history that ends with it."""
        x, visible = self.embed(vectors, batch)  # (B, K, d), (B, 1, K, K)
        for block in self.layers:
            x = block(x, cast(Block, block).attention(x, x, visible))
        return F.normalize(x[batch.real].float(), dim=-1)

    def newest(self, vectors: Tensor, batch: VectorBatch) -> Tensor:
        """vectors (U, d) to (B, d): `forward` for the last event of each window; the last layer computes nothing else."""
        x, visible = self.embed(vectors, batch)
        *earlier, last = self.layers
        for block in earlier:
            x = block(x, cast(Block, block).attention(x, x, visible))
        end = batch.real.sum(dim=1, keepdim=True) - 1  # (B, 1)
        newest = x.gather(1, end.unsqueeze(-1).expand(-1, -1, x.shape[2]))  # (B, 1, d)
        seen = batch.real[:, None, None, :]  # (B, 1, 1, K)
        newest = last(newest, cast(Block, last).attention(newest, x, seen))
        return F.normalize(newest[:, 0].float(), dim=-1)

    def embed(self, vectors: Tensor, batch: VectorBatch) -> tuple[Tensor, Tensor]:
        """Return what the layers begin with, (B, K, d), and which event sees which, (B, 1, K, K) bool."""
        size = batch.real.shape[1]
        at = torch.arange(size, device=vectors.device)
        x = vectors[batch.listing] + self.item_position(at + 1)  # (B, K, d)
        for ids in (batch.action, batch.duration):
            x = x + self.meta((ids - self.first_meta + 1).clamp(min=0))
        causal = at[:, None] >= at  # (K, K)
        itself = at[:, None] == at
        return self.drop(self.norm(x)), ((causal & batch.real[:, None, :]) | itself).unsqueeze(1)


class ListingModel(nn.Module):
    """Token embedder, listing encoder and user encoder.

    With the user encoder "cls" there is no `user_pass`: a history is one row of tokens for the listing encoder, too.
    """

    #: Whether the embeddings of listings stay as they are; only in the second stage of a two-stage training.
    frozen = False

    def __init__(
        self, vocabulary: Vocabulary, encoder: ListingEncoder, user_pass: UserEncoder | None
    ) -> None:
        super().__init__()
        self.embedder = TokenEmbedder(vocabulary, encoder.config.width)
        self.longformer = encoder
        self.user_pass = user_pass

    @property
    def width(self) -> int:
        """The length of a vector."""
        return self.longformer.config.width

    def hidden(self, batch: TokenBatch, photos: Tensor, texts: Tensor, cls_only: bool = False) -> Tensor:
        """Return contextual vectors of the rows, (B, S, d); row 0 is `[CLS]`, not normalized."""
        tokens = batch.padded(self.embedder(batch, photos, texts))  # (B, S, d)
        return self.longformer(tokens, *batch.structure(), cls_only=cls_only)

    def forward(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """Return (B, d) float32, L2-normalized: the `[CLS]` row of each bare listing or (with "cls") history."""
        return F.normalize(self.hidden(batch, photos, texts, cls_only=True)[:, 0].float(), dim=-1)

    def listings(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """Return (B, d) embeddings of bare listings."""
        return self(batch, photos, texts)


def initialize(module: nn.Module) -> None:
    """Start tables as BERT (deviation 0.02), matrices by Glorot & Bengio (2010), biases at 0.

    Then each layer starts as a mean: values and outputs as the identity, the feed-forward part silent. So an untrained
    `[CLS]` is already the mean of its tokens, and the mean of the listings of a history is near those it resembles.
    From BERT's start a narrow model's `[CLS]` hears next to nothing of its tokens (cosine of any two listings 0.9999
    at width 128), and training from scratch first has to find what is given here.
    """
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
        if module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])
    if isinstance(module, Attention):
        nn.init.eye_(module.value.weight)
        nn.init.eye_(module.out.weight)
    if isinstance(module, CLSAttention):
        nn.init.eye_(module.value_global.weight)
    if isinstance(module, Block):
        nn.init.zeros_(module.down.weight)
