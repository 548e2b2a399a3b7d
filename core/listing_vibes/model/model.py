"""The model: listings and users as unit vectors in one space, ranked by cosine.

From top to bottom: `TokenEmbedder` embeds tokens; blocks of attention and a feed-forward layer (`listing_vibes.model.attention`) form
the `ListingEncoder` (a Longformer, Beltagy, Peters and Cohan 2020) and the `UserEncoder`; both form the `ListingModel`. Other ways are in `listing_vibes.variants`.

Shapes: B rows, S tokens of the longest row, n tokens of all rows, d width.
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
from listing_vibes.model.attention import Attention, Block, CLSAttention, Dropout
from listing_vibes.model.encoder_config import EncoderConfig
from listing_vibes.model.inputs import Inputs, Tables, TokenBatch, VectorBatch


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
