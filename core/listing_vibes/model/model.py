"""The model: listings and users as unit vectors in one space, ranked by cosine.

From top to bottom: `TokenEmbedder` embeds tokens; attention (`Attention`, `CLSAttention`) and a feed-forward layer form a
`Block`; blocks form the `ListingEncoder` (a Longformer, Beltagy, Peters and Cohan 2020) and the `UserEncoder`; both form the
`ListingModel`. Other ways are in `listing_vibes.variants`.

Shapes: B rows, S tokens of the longest row, n tokens of all rows, d width, H heads, dh = d / H, m = ffn.
"""

from collections.abc import Callable
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.device import place
from listing_vibes.errors import VibesError
from listing_vibes.features.tokens.tabular import bin_offsets, key_count, view_of_key
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.log import ranges
from listing_vibes.model.config import EncoderConfig
from listing_vibes.model.inputs import Inputs, Tables, TokenBatch, VectorBatch

#: Up to this number of keys, attention in bfloat16 on a CPU uses two matrix products instead of torch's fused kernel.
FEW_KEYS = 256


class TokenEmbedder(nn.Module):
    """Embed tokens: key + value + piecewise-linear part + mean of a set + photo or text vector.

    Numbers have a vector per quantile bin plus the piecewise-linear encoding (Gorishniy et al. 2022, section 3.2.1): lower bins
    count fully, and the number's bin by a fraction. Photos, texts and each precomputed vector ("views") pass a linear layer, which
    is initialized as the identity.
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
        self.photo_view: Tensor
        self.register_buffer("photo_view", torch.from_numpy(view_of_key(vocabulary)), persistent=False)
        # Values have the norm 1 of photo and text vectors; keys have a smaller norm.
        nn.init.normal_(self.key.weight, std=0.02)
        nn.init.normal_(self.value.weight, std=width**-0.5)
        nn.init.normal_(self.slope, std=0.5 * width**-0.5)
        for layer in (*self.photo_layers, self.text):
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)

    @property
    def photo_layers(self) -> list[nn.Linear]:
        """Return the linear layer of the photos and of each precomputed vector."""
        return cast(list[nn.Linear], [self.photo, *self.more_photos])

    def forward(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """Return vectors (n, d); `photos` (P, d) and `texts` (T, d) are indexed by the tokens' rows."""
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
        return _add_content(x, batch.text, texts, [self.text], torch.zeros_like(batch.text))


def _add_content(x: Tensor, rows: Tensor, vectors: Tensor, layers: list[nn.Linear], view: Tensor) -> Tensor:
    """Add to x (n, d) the `vectors` (P, d) at `rows` (n,), -1 for none, each through the layer of its `view` (n,)."""
    for number, layer in enumerate(layers):
        token = ((rows >= 0) & (view == number)).nonzero().squeeze(1)
        if len(token):
            x = x.index_add(0, token, layer(vectors[rows[token]]).to(x.dtype))
    return x


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


class ListingEncoder(nn.Module):
    """A Longformer over token embeddings; same weights, same output as `transformers.LongformerModel`.

    A token attends to the window around it and `[CLS]`; `[CLS]` attends to every token. All tokens of a row are compared under a
    mask, since listings are short; `listing_vibes.variants.sliding_window` is for long rows.
    """

    attention = CLSAttention

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.token_position = nn.Embedding(config.max_tokens, config.width)
        self.token_type = nn.Embedding(config.token_types, config.width)
        # Item position 0 (no item) stays zero, so that a listing has the same input as in a transformers model.
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
        """Return contextual vectors (B, S, d), or (B, 1, d) of `[CLS]` only; those of padding are finite.

        Args:
            tokens: (B, S, d) float.
            real: (B, S) bool, False at padding.
            position, kind, item: (B, S) long: token position, token type, item position.
            cls_only: compute only row 0 in the last layer.

        Raises:
            VibesError: a row is longer than `max_tokens`.
        """
        length = tokens.shape[1]
        if length > self.config.max_tokens:
            raise VibesError(
                f"A row of {length} tokens is longer than the encoder's max_tokens {self.config.max_tokens}; use fewer listings "
                f"of the history, or train with [encoder] max_tokens of at least {length}."
            )
        x = tokens + self.token_position(position) + self.token_type(kind) + self.item_position(item)
        x = self.drop(self.norm(x))  # (B, S, d)
        # [CLS] always attends to itself, so that an empty row of a batch is not NaN.
        sees = real | (torch.arange(length, device=real.device) == 0)  # (B, S)
        visible = {window: self.window_mask(real, window) for window in set(self.config.windows)}
        for number, (layer, window) in enumerate(zip(self.layers, self.config.windows, strict=True)):
            block = cast(Block, layer)
            attention = cast(CLSAttention, block.attention)
            if cls_only and number == self.config.layers - 1:
                return cast(Tensor, block(x[:, :1], attention.cls_only(x, sees)))  # (B, 1, d)
            x = block(x, attention.with_cls(x, visible[window], sees))  # (B, S, d)
        return cast(Tensor, x)

    def encode(self, *inputs: Tensor) -> Tensor:
        """Return the `[CLS]` row, L2-normalized, float32: (B, d). Arguments as in `forward`."""
        return F.normalize(self(*inputs, cls_only=True)[:, 0].float(), dim=-1)

    def window_mask(self, real: Tensor, window: int) -> Any:
        """Return the visible keys of each query, (B, 1, S, S) bool: real ones at most window // 2 away, `[CLS]`, and itself."""
        at = torch.arange(real.shape[1], device=real.device)
        distance = (at[:, None] - at[None, :]).abs()  # (S, S)
        neighbors = (distance <= window // 2) | (at == 0)
        return ((neighbors & real[:, None, :]) | (distance == 0)).unsqueeze(1)


class UserEncoder(nn.Module):
    """A causal transformer over the vectors of a user's listings, as SASRec (Kang and McAuley 2018) with vectors instead of ids.

    Each listing is one token: its vector + action + duration + item position. Before training, the vector of a user is near the mean
    of the listings (see `initialize`).
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
        """Return (R, d) float32, L2-normalized: for each event the history that ends with it, from vectors (U, d)."""
        x, visible = self.embed(vectors, batch)  # (B, K, d), (B, 1, K, K)
        for block in self.layers:
            x = block(x, cast(Block, block).attention(x, x, visible))
        return F.normalize(x[batch.real].float(), dim=-1)

    def newest(self, vectors: Tensor, batch: VectorBatch) -> Tensor:
        """Return (B, d): `forward` only for the last event of each window, from vectors (U, d)."""
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
        """Return the input of the layers (B, K, d), and the visible events of each event, (B, 1, K, K) bool."""
        size = batch.real.shape[1]
        at = torch.arange(size, device=vectors.device)
        x = vectors[batch.listing] + self.item_position(at + 1)  # (B, K, d)
        for ids in (batch.action, batch.duration):
            x = x + self.meta((ids - self.first_meta + 1).clamp(min=0))
        causal = at[:, None] >= at  # (K, K)
        itself = at[:, None] == at
        return self.drop(self.norm(x)), ((causal & batch.real[:, None, :]) | itself).unsqueeze(1)


class ListingModel(nn.Module):
    """The token embedder, the listing encoder and the user encoder, which reads the vectors of a history's listings."""

    #: Rows of `listing_vibes.model.export.graph` that a history is: "vectors" or "tokens".
    history_rows: ClassVar[str] = "vectors"
    #: Padded positions per batch of histories on a CPU. They have few tokens and very different lengths, so that padding costs more.
    history_batch: ClassVar[int] = 1024

    def __init__(
        self, vocabulary: Vocabulary, encoder: ListingEncoder, user_pass: UserEncoder | None
    ) -> None:
        super().__init__()
        self.embedder = TokenEmbedder(vocabulary, encoder.config.width)
        self.longformer = encoder
        self.user_pass = user_pass

    @property
    def width(self) -> int:
        """Return the width of a vector."""
        return self.longformer.config.width

    def hidden(self, batch: TokenBatch, photos: Tensor, texts: Tensor, cls_only: bool = False) -> Tensor:
        """Return contextual vectors (B, S, d) of the rows; row 0 is `[CLS]`, not normalized."""
        tokens = batch.padded(self.embedder(batch, photos, texts))  # (B, S, d)
        return cast(Tensor, self.longformer(tokens, *batch.structure(), cls_only=cls_only))

    def forward(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """Return (B, d) float32, L2-normalized: the `[CLS]` row of each listing or (with "cls") history."""
        return F.normalize(self.hidden(batch, photos, texts, cls_only=True)[:, 0].float(), dim=-1)

    def listings(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """Return embeddings (B, d) of listings."""
        return cast(Tensor, self(batch, photos, texts))

    @property
    def listing_part(self) -> "ListingModel":
        """Return the model that encodes bare listings."""
        return self

    def listings_read(self, events: np.ndarray) -> np.ndarray:
        """Return the listings (n,) of `events` (R,) whose vectors `encode_examples` reads."""
        return np.unique(events)

    def encode_examples(
        self,
        inputs: Inputs,
        first: np.ndarray,
        end: np.ndarray,
        place: np.ndarray,
        number: np.ndarray,
        vectors: Tensor,
        tables: Tables,
    ) -> Tensor:
        """Return the vectors (E, d) of E histories within the windows `first[b] : end[b]`, with gradient.

        Args:
            place: (E,) which event of all windows ends each history.
            vectors: (U, d) of listings, and `number` (L,) the row of each listing.
            tables: the vectors of photos and texts.
        """
        windows = VectorBatch.of(inputs, first, end, number, tables[0].device)
        users = cast(UserEncoder, self.user_pass)(vectors, windows)  # (R, d)
        return cast(Tensor, users[torch.from_numpy(place).to(tables[0].device)])

    def history_batches(
        self,
        inputs: Inputs,
        start: np.ndarray,
        end: np.ndarray,
        listings: np.ndarray | None,
        encode: Callable[[np.ndarray], np.ndarray],
    ) -> tuple[Callable[[np.ndarray], Tensor], np.ndarray]:
        """Return a function that encodes some of the histories `start[q] : end[q]`, and the length (n,) of each.

        Args:
            listings: the vectors (L, d) of all listings; None: `encode` returns those (m, d) of some.
        """
        user_pass, device = self.user_pass, self.embedder.key.weight.device
        assert user_pass is not None
        first, number = inputs.newest(start, end), None
        if listings is not None and device.type == "cpu":
            table = torch.from_numpy(listings)
        else:  # Each listing is encoded or copied once, even if several histories have it.
            rows = np.unique(inputs.listing[ranges(first, end - first)])
            number = np.zeros(
                inputs.features.tokens.listings, np.int32
            )  # (L,) row of each listing in the table
            number[rows] = np.arange(len(rows), dtype=np.int32)
            table = place(encode(rows) if listings is None else listings[rows], device)

        def embed(chosen: np.ndarray) -> Tensor:
            return user_pass.newest(table, VectorBatch.of(inputs, first[chosen], end[chosen], number, device))

        return embed, end - first


def initialize(module: nn.Module) -> None:
    """Initialize tables as BERT (standard deviation 0.02), matrices as Glorot & Bengio (2010), biases with 0.

    Then each layer is set to a mean: values and outputs to the identity, the feed-forward part to 0. So `[CLS]` is the
    mean of its tokens before training, and the mean of the listings of a history is near similar listings. With BERT's
    initialization the `[CLS]` of a narrow model hardly depends on its tokens (cosine of any two listings 0.9999 at
    width 128), and training from scratch has to learn this first.
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
