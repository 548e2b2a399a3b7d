"""The user as a causal pass over the vectors of their listings."""

from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from core.features.vocabulary import Vocabulary
from core.model.attention import block_causal
from core.model.config import EncoderConfig
from core.model.longformer import Layer, initialise
from core.model.windows import VectorBatch


class UserPass(nn.Module):
    """One token a listing: its vector + action + duration + item position, then causal layers of the encoder's sizes.

    The order of SASRec (Kang and McAuley 2018), on listing vectors instead of ids. Untrained, the vector of a user is
    near the mean of the listings (see `core.model.longformer.initialise`).
    """

    def __init__(self, vocabulary: Vocabulary, config: EncoderConfig) -> None:
        super().__init__()
        self.first_meta = vocabulary.size
        self.meta = nn.Embedding(1 + vocabulary.total - vocabulary.size, config.width, padding_idx=0)
        self.item_position = nn.Embedding(config.max_items, config.width, padding_idx=0)
        self.norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.drop = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config, global_token=False) for _ in range(config.layers))
        self.apply(initialise)

    def forward(self, vectors: torch.Tensor, batch: VectorBatch) -> torch.Tensor:
        """vectors (U, d) to (R, d) float32, L2-normalised: for each event the history that ends with it."""
        position = torch.arange(1, batch.real.shape[1] + 1, device=vectors.device).expand_as(batch.real)
        x = vectors[batch.listing] + self.item_position(position)  # (B, K, d)
        for ids in (batch.action, batch.duration):
            x = x + self.meta((ids - self.first_meta + 1).clamp(min=0))
        x = self.drop(self.norm(x))
        visible = block_causal(batch.real, position)
        for layer in self.layers:
            x = cast(Layer, layer).among(x, visible, x)
        return F.normalize(x[batch.real].float(), dim=-1)
