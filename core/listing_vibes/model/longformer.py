"""The Longformer encoder (Beltagy, Peters and Cohan 2020): post-norm BERT layers, windowed attention.

Token 0 of a row is `[CLS]` and the only global token: it sees every real token through projections of its
own, and every token sees it. Same weights, same output as `transformers.LongformerModel`;
`listing_vibes.model.convert` translates.

Shapes: B rows, S tokens, d width, H heads, dh = d / H, m = ffn.
"""

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.errors import VibesError
from listing_vibes.model import attention, convert
from listing_vibes.model.config import EncoderConfig
from listing_vibes.model.dropout import Dropout

if TYPE_CHECKING:
    import transformers

Path = Literal["auto", "dense", "banded"]


class Attention(nn.Module):
    """Windowed attention for the row, global attention for `[CLS]`; without `global_token` only `among` works."""

    def __init__(self, config: EncoderConfig, global_token: bool = True) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.attention_dropout
        self.query, self.key, self.value = (nn.Linear(config.width, config.width) for _ in range(3))
        if global_token:
            self.query_global, self.key_global, self.value_global = (
                nn.Linear(config.width, config.width) for _ in range(3)
            )
            # The one parameter that no output depends on (see `_global`); kept for conversions.
            self.key_global.bias.requires_grad_(False)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, visible: Tensor | None, cls_visible: Tensor, banded: bool) -> Tensor:
        """x (B, S, d) to (B, S, d); visible as `listing_vibes.model.attention` makes it, cls_visible (B, S) bool.

        Without `visible`, row 0 alone: (B, 1, d).
        """
        cls = self._global(x, cls_visible)  # (B, 1, d)
        if visible is None:
            return self.out(cls)
        attend = attention.banded_attention if banded else attention.dense_attention
        q, k, v = (self._split(project(x)) for project in (self.query, self.key, self.value))  # (B, H, S, dh)
        local = attend(q, k, v, visible, self._dropout_now()).transpose(1, 2).flatten(2)  # (B, S, d)
        return self.out(torch.cat([cls.to(local.dtype), local[:, 1:]], dim=1))

    def among(self, x: Tensor, visible: Tensor, asking: Tensor) -> Tensor:
        """No token is global: asking (B, Q, d) attends to x (B, S, d) as visible (B, 1, Q, S) says: (B, Q, d)."""
        q = self._split(self.query(asking))  # (B, H, Q, dh)
        k, v = self._split(self.key(x)), self._split(self.value(x))  # (B, H, S, dh)
        seen = attention.dense_attention(q, k, v, visible, self._dropout_now())
        return self.out(seen.transpose(1, 2).flatten(2))

    def _global(self, x: Tensor, cls_visible: Tensor) -> Tensor:
        """What `[CLS]` gathers: (B, 1, d).

        Exactly softmax(q K^T / sqrt(dh)) V with K = x Wk^T + bk, V = x Wv^T + bv, but K and V are never
        made for all S tokens: q K^T = (q Wk) x^T + q bk, whose last term is the same for every key and
        leaves the softmax P as it was, and P V = (P x) Wv^T + bv. So each head is one query of width d over
        x itself.
        """
        q = self.query_global(x[:, 0]).unflatten(-1, (self.heads, -1))  # (B, H, dh)
        w_key = self.key_global.weight.unflatten(0, (self.heads, -1))  # (H, dh, d)
        w_value = self.value_global.weight.unflatten(0, (self.heads, -1))  # (H, dh, d)
        q = torch.einsum("bhe,hed->bhd", q, w_key).unsqueeze(1)  # (B, 1, H, d)
        keys = x.to(q.dtype).unsqueeze(1)  # (B, 1, S, d)
        scale, visible = w_key.shape[1] ** -0.5, cls_visible[:, None, None, :]
        seen = attention.attend(q, keys, keys, visible, self._dropout_now(), scale)  # (B, 1, H, d)
        gathered = torch.einsum("bhd,hed->bhe", seen.squeeze(1), w_value).flatten(1)  # (B, d)
        return (gathered + self.value_global.bias).unsqueeze(1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, S, d) -> (B, H, S, dh)

    def _dropout_now(self) -> float:
        return self.dropout if self.training else 0.0


class Layer(nn.Module):
    """Attention and feed-forward, each followed by dropout, residual and LayerNorm (post-norm, as BERT)."""

    def __init__(self, config: EncoderConfig, global_token: bool = True) -> None:
        super().__init__()
        self.attention = Attention(config, global_token)
        self.attention_norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.up = nn.Linear(config.width, config.ffn)
        self.down = nn.Linear(config.ffn, config.width)
        self.ffn_norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.drop = Dropout(config.dropout)

    def forward(self, x: Tensor, visible: Tensor | None, cls_visible: Tensor, banded: bool) -> Tensor:
        """x (B, S, d) to (B, S, d), or to row 0 alone, (B, 1, d), without `visible`."""
        attended = self.attention(x, visible, cls_visible, banded)  # (B, S, d), from here on S may be 1
        return self._rest(x[:, : attended.shape[1]], attended)

    def among(self, x: Tensor, visible: Tensor, asking: Tensor) -> Tensor:
        """The layer without a global token, for the rows `asking` (B, Q, d) alone; see `Attention.among`."""
        return self._rest(asking, self.attention.among(x, visible, asking))

    def _rest(self, x: Tensor, attended: Tensor) -> Tensor:
        x = self.attention_norm(x + self.drop(attended))  # (B, S, d)
        hidden = F.gelu(self.up(x))  # (B, S, m)
        return self.ffn_norm(x + self.drop(self.down(hidden)))  # (B, S, d)


class Longformer(nn.Module):
    """Embeds rows of float token embeddings; `encode` gives one unit vector a row.

    `path` is "dense", "banded" or "auto" (per layer, whichever is faster for the row length); the output is
    the same. `word_embeddings` is None, or the word table of a converted model for those who start from
    word ids.
    """

    def __init__(self, config: EncoderConfig, path: Path = "auto") -> None:
        super().__init__()
        self.config, self.path = config, path
        self.token_position = nn.Embedding(config.max_tokens, config.width)
        self.token_type = nn.Embedding(config.token_types, config.width)
        # Item position 0 (no item) stays zero, so that a bare listing is what a transformers model would see.
        self.item_position = nn.Embedding(config.max_items, config.width, padding_idx=0)
        self.norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.drop = Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.word_embeddings: nn.Embedding | None = None
        self.apply(initialise)

    def resize_positions(self, rows: int) -> None:
        """Make `rows` the longest row of tokens; positions that were not there yet begin at zero. Draws no numbers."""
        old = self.token_position.weight.detach()
        table = old.new_zeros((rows, self.config.width))
        table[: len(old)] = old[:rows]
        self.token_position = nn.Embedding.from_pretrained(table, freeze=False)
        self.config = self.config.model_copy(update={"max_tokens": rows})

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor,
        token_type: Tensor | None = None,
        item_position: Tensor | None = None,
        positions: Tensor | None = None,
        allowed: Tensor | None = None,
        cls_only: bool = False,
    ) -> Tensor:
        """Contextual token embeddings, (B, S, d). Rows of padding hold finite numbers without meaning.

        tokens (B, S, d) float; mask (B, S) bool, True at real tokens; token_type, item_position, positions
        (B, S) long, by default 0, 0 and 0 .. S - 1; allowed (B, S, S) bool [query, key] takes keys away
        from what the window and `[CLS]` give. With `cls_only` the last layer computes row 0 alone: (B, 1,
        d), the same numbers for less; its local projections (query, key, value) then get no gradient, so
        that DistributedDataParallel needs find_unused_parameters=True. Raises `VibesError` when a row is
        longer than `max_tokens`.
        """
        mask, length = mask.bool(), tokens.shape[1]
        x = self._embed(tokens, token_type, item_position, positions)  # (B, S, d)

        banded = {w: self._banded(length, w) for w in self.config.windows}
        visible = {  # one mask a window, shared by its layers
            w: (attention.banded_visible if in_bands else attention.dense_visible)(mask, w, allowed)
            for w, in_bands in banded.items()
        }
        cls_visible = mask if allowed is None else mask & allowed[:, 0]  # (B, S)
        # [CLS] sees itself whatever the masks say: an empty row of a batch must not be NaN.
        cls_visible = cls_visible | (torch.arange(length, device=mask.device) == 0)

        for i, (layer, w) in enumerate(zip(self.layers, self.config.windows, strict=True)):
            last = i == self.config.layers - 1
            x = layer(x, None if cls_only and last else visible[w], cls_visible, banded[w])  # (B, S, d)
        return x

    def encode(self, tokens: Tensor, mask: Tensor, **more: Tensor | None) -> Tensor:
        """The `[CLS]` row, L2-normalised, float32: (B, d). Arguments as in `forward`."""
        return F.normalize(self(tokens, mask, cls_only=True, **more)[:, 0].float(), dim=-1)

    def _embed(
        self,
        tokens: Tensor,
        token_type: Tensor | None,
        item_position: Tensor | None,
        positions: Tensor | None,
    ) -> Tensor:
        """LayerNorm(token + token position + token type + item position): (B, S, d)."""
        length = tokens.shape[1]
        if length > self.config.max_tokens:
            raise VibesError(
                f"a row of {length} tokens is longer than the encoder's max_tokens {self.config.max_tokens}; "
                f"keep fewer listings of the history, or train with [encoder] max_tokens of at least {length}"
            )
        if positions is None:
            positions = torch.arange(length, device=tokens.device)  # (S,)
        if token_type is None:
            token_type = torch.zeros(1, dtype=torch.long, device=tokens.device)  # (1,)
        x = tokens + self.token_position(positions) + self.token_type(token_type)  # (B, S, d)
        if item_position is not None:
            x = x + self.item_position(item_position)  # (B, S, d)
        return self.drop(self.norm(x))

    def _banded(self, length: int, window: int) -> bool:
        return attention.band_is_faster(length, window) if self.path == "auto" else self.path == "banded"

    @classmethod
    def from_transformers(
        cls,
        hf_model: "transformers.PreTrainedModel",
        *,
        words: bool = True,
        token_types: int | None = None,
        max_items: int = 51,
    ) -> "Longformer":
        """A copy of a `transformers` Longformer; see `listing_vibes.model.convert.from_transformers`.

        >>> import transformers
        >>> size = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 18}
        >>> theirs = transformers.LongformerModel(
        ...     transformers.LongformerConfig(num_hidden_layers=1, attention_window=[4], vocab_size=30, **size)
        ... )
        >>> ours = Longformer.from_transformers(theirs)
        >>> ours.config.width, type(ours.to_transformers()).__name__
        (8, 'LongformerModel')
        """
        return convert.from_transformers(
            cls, hf_model, words=words, token_types=token_types, max_items=max_items
        )

    def to_transformers(self) -> "transformers.LongformerModel":
        """A `transformers.LongformerModel` with the same output; see `listing_vibes.model.convert.to_transformers`."""
        found: transformers.LongformerModel = convert.to_transformers(self)
        return found


def initialise(module: nn.Module) -> None:
    """Tables normal with deviation 0.02 as BERT, matrices by Glorot & Bengio (2010), biases 0, norms as they come.

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
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight[module.padding_idx])
    if isinstance(module, Attention):
        for name in ("value", "value_global", "out"):
            if hasattr(module, name):
                nn.init.eye_(getattr(module, name).weight)
    if isinstance(module, Layer):
        nn.init.zeros_(module.down.weight)
