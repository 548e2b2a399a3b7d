"""The whole model without gradient: the vectors of `listing_vibes.model.listing_model.ListingModel` from packed rows.

Shapes: B sequences, n tokens of all of them (N filled up), L tokens of a padded row, d width.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.errors import VibesError
from listing_vibes.model.embeddings import TokenBatch
from listing_vibes.model.fast.layers import FastLayer
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.longformer import Layer, Longformer
from listing_vibes.model.readers import READERS
from listing_vibes.model.user_pass import UserPass
from listing_vibes.model.windows import VectorBatch
from listing_vibes.packed.attention import Whole, over_window
from listing_vibes.packed.batches import TOKENS
from listing_vibes.packed.rows import Rows


class FastLongformer:
    """What `listing_vibes.model.longformer.Longformer.encode` gives, from packed rows."""

    def __init__(self, model: Longformer, dtype: torch.dtype) -> None:
        self.model, self.config, self.dtype = model, model.config, dtype
        self.layers = [FastLayer(cast(Layer, layer), dtype, TOKENS) for layer in model.layers]

    def encode(
        self, tokens: Tensor, length: Tensor, position: Tensor, kind: Tensor, item: Tensor | None = None
    ) -> Tensor:
        """(B, d) float32 unit vectors: the `[CLS]` of B sequences.

        tokens (n, d) float32, sequence by sequence; length (B,) of each; position, kind and item (n,) long.
        """
        rows = Rows(length, self.dtype)
        x = self.embed(tokens, rows, position, kind, item)
        hidden = rows.hidden()
        attend = {w: over_window(rows.size, w, hidden) for w in set(self.config.windows[:-1])}
        for layer, window in zip(self.layers[:-1], self.config.windows, strict=False):
            x = layer.windowed(x, rows, attend[window], hidden)
        return F.normalize(self.layers[-1].cls_alone(x, rows, hidden).float(), dim=-1)

    def embed(
        self, tokens: Tensor, rows: Rows, position: Tensor, kind: Tensor, item: Tensor | None
    ) -> Tensor:
        """LayerNorm(token + token position + token type + item position): (N, d) of the path's dtype."""
        if int(rows.length.max()) > self.config.max_tokens:
            raise VibesError(
                f"a row of {int(rows.length.max())} tokens is longer than the encoder's max_tokens "
                f"{self.config.max_tokens}; keep fewer listings of the history, or train with [encoder] max_tokens of at "
                f"least {int(rows.length.max())}"
            )
        x = tokens + self.model.token_position(position)
        x = x.add_(self.model.token_type(kind))
        if item is not None:
            x = x.add_(self.model.item_position(item))
        return rows.fill(self.model.norm(x).to(self.dtype))


class FastModel(nn.Module):
    """`ListingModel` without gradient: the same methods, the same vectors.

    The layers' weights are copied, so that a model trained further needs a new one.
    """

    def __init__(self, model: ListingModel, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype, self.history, self.reads = dtype, model.history, model.reads
        self.embedder = model.embedder
        self.longformer = FastLongformer(model.longformer, dtype)
        made = model.user_pass
        self.user_pass = None if made is None else READERS[model.history]().fast(made, dtype)
        side = model.listing_side if model.frozen else None
        self.listing_side = None if side is None else FastModel(side, dtype)
        self.eval()

    def listings(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """(B, d) float32, L2-normalised embeddings of bare listings."""
        return (self if self.listing_side is None else self.listing_side)(batch, photos, texts)

    def forward(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """(B, d) float32, L2-normalised: the `[CLS]` row of each bare listing (or, in "cls", history)."""
        tokens, (position, item, kind) = self.embedder(batch, photos, texts), batch.flat()
        return self.longformer.encode(tokens, batch.length, position, kind, item)


class FastUserPass:
    """What `listing_vibes.model.user_pass.UserPass.newest` gives, from packed rows."""

    def __init__(self, model: UserPass, dtype: torch.dtype) -> None:
        self.model, self.dtype = model, dtype
        self.layers = [FastLayer(cast(Layer, layer), dtype, TOKENS) for layer in model.layers]

    def newest(self, vectors: Tensor, batch: VectorBatch) -> Tensor:
        """vectors (U, d) to (B, d) float32, L2-normalised: each window as a whole."""
        x, _ = self.model.start(vectors, batch)  # (B, K, d)
        rows = Rows(batch.real.sum(1), self.dtype)
        x = rows.fill(x[batch.real].to(self.dtype))  # (N, d)
        at = torch.arange(rows.size)
        causal = Whole(hiding(at[:, None] >= at))  # padding comes last, so that it is hidden, too
        for layer in self.layers[:-1]:
            x = layer.among(x, rows, causal)
        found = self.layers[-1].asked(x, rows, rows.length[:, None] - 1, Whole(rows.hidden()))  # (B, 1, d)
        return F.normalize(found[:, 0].float(), dim=-1)


def hiding(visible: Tensor) -> Tensor:
    """Added to scores: 0 where `visible` (bool), else -inf; float32."""
    return torch.zeros(visible.shape).masked_fill_(~visible, -math.inf)
