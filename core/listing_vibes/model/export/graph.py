"""The model as graphs without Python in them: padded arrays in (see `listing_vibes.model.export.inputs`), unit vectors out.

The same weights and the same sums as `listing_vibes.model.listing_model`. What depends on the data there (which tokens have a
photo, how many members a set has) is a gather from a table here, which every engine has; attention is the dense form,
whose memory grows with the square of the row's length, since the banded one changes its shape with the length.
"""

from __future__ import annotations

from copy import deepcopy
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from listing_vibes.device import device_of
from listing_vibes.model.embeddings import TokenEmbedder
from listing_vibes.model.export.inputs import TOKEN_INPUTS, VECTOR_INPUTS
from listing_vibes.model.listing_model import ListingModel
from listing_vibes.model.user_pass import CausalPass
from listing_vibes.model.windows import VectorBatch


class PaddedGraph(nn.Module):
    """A part of the model that takes a dictionary of arrays.

    Attributes:
        inputs: the arrays' names and dynamic dimensions (None: the model's width).
        width: of the model.
    """

    inputs: ClassVar[dict[str, tuple[str | None, ...]]]
    width: int


class TokenGraph(PaddedGraph):
    """Bare listings, or (a "cls" model) histories: rows of tokens to (B, d)."""

    inputs = TOKEN_INPUTS

    def __init__(self, model: ListingModel) -> None:
        super().__init__()
        self.embed, self.longformer = EmbedGraph(model.embedder), model.longformer
        self.width = model.longformer.config.width

    def forward(self, arrays: dict[str, Tensor]) -> Tensor:
        """See `listing_vibes.model.export.inputs.token_inputs`."""
        return self.longformer.encode(
            self.embed(arrays),
            real(arrays["length"], arrays["key"]),
            token_type=arrays["type"],
            item_position=arrays["item"],
            positions=arrays["position"],
        )


class VectorGraph(PaddedGraph):
    """Histories of a "listing-vectors" model: rows of listings to (B, d)."""

    inputs = VECTOR_INPUTS

    def __init__(self, user_pass: CausalPass, width: int) -> None:
        super().__init__()
        self.user_pass = user_pass
        self.width = width

    def forward(self, arrays: dict[str, Tensor]) -> Tensor:
        """See `listing_vibes.model.export.inputs.vector_inputs`."""
        listing, length = arrays["listing"], arrays["length"]
        batch = VectorBatch(listing, arrays["action"], arrays["duration"], real(length, listing), length)
        return self.user_pass.newest(arrays["table"], batch)


class EmbedGraph(nn.Module):
    """`TokenEmbedder` on padded rows: (B, S, d); at padding anything finite."""

    def __init__(self, embedder: TokenEmbedder) -> None:
        super().__init__()
        self.key, self.value = embedder.key, embedder.value
        self.layers = nn.ModuleList(
            [embedder.photo, *embedder.more_photos, embedder.text, *embedder.more_texts]
        )
        slope = embedder.slope.detach()
        below = F.pad(slope.cumsum(0), (0, 0, 1, 0))  # (bins + 1, d), row b = sum of slopes before b
        self.reached: Tensor
        self.slope: Tensor
        self.register_buffer("reached", below[: len(slope)] - below[embedder.first_bin])
        self.register_buffer("slope", slope.clone())

    def forward(self, arrays: dict[str, Tensor]) -> Tensor:
        value, bin, fraction = arrays["value"], arrays["bin"], arrays["fraction"]  # (B, S)
        vectors, views = arrays["content_vector"], arrays["content_view"]  # (C, d), (C,)
        x = self.key(arrays["key"]) + self.value(value) * (value > 0).unsqueeze(-1)  # (B, S, d)
        number = self.reached[bin] + fraction.unsqueeze(-1) * self.slope[bin]
        x = x + number * (bin > 0).unsqueeze(-1)
        sets = self.value(arrays["set_member"]) * arrays["set_weight"].unsqueeze(-1)  # (N, M, d)
        x = x + sets.sum(dim=1)[arrays["set"]]
        told = torch.zeros_like(vectors)
        for view, layer in enumerate(self.layers):
            told = told + layer(vectors) * (views == view).unsqueeze(-1)
        return x + told[arrays["content"]]


def real(length: Tensor, like: Tensor) -> Tensor:
    """(B, S) bool: where the rows of `like` (B, S) hold something."""
    return torch.arange(like.shape[1], device=like.device)[None, :] < length[:, None]


def graphs_of(model: ListingModel) -> tuple[PaddedGraph, PaddedGraph]:
    """What encodes bare listings and what encodes histories; one and the same where the model has only one way.

    The graphs share the model's weights, whose Longformers they turn to dense attention. A model on another device is
    copied: a graph is traced, written and checked on the CPU.
    """
    if device_of(model).type != "cpu":
        model = deepcopy(model).cpu()
    side = model.listing_side if model.frozen and model.listing_side is not None else model
    for part in (model, side):
        part.longformer.path = "dense"
    listings = TokenGraph(side)
    if model.user_pass is not None:
        return listings.eval(), VectorGraph(model.user_pass, model.longformer.config.width).eval()
    if side is model:
        return listings.eval(), listings
    return listings.eval(), TokenGraph(model).eval()
