"""The user as a causal pass over the vectors of their listings."""

from typing import Protocol, cast

import torch
from torch import nn
from torch.nn import functional as F

from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.attention import block_causal
from listing_vibes.model.config import EncoderConfig
from listing_vibes.model.dropout import Dropout
from listing_vibes.model.longformer import Layer, initialise
from listing_vibes.model.windows import VectorBatch


class Newest(Protocol):
    """What inference asks of a pass."""

    def newest(self, vectors: torch.Tensor, batch: VectorBatch) -> torch.Tensor:
        """vectors (U, d) to (B, d) float32, L2-normalised: each window as a whole."""
        ...


class CausalPass(nn.Module):
    """A pass over the vectors of a user's listings, in which no event sees a later one."""

    def forward(self, vectors: torch.Tensor, batch: VectorBatch) -> torch.Tensor:
        """vectors (U, d) to (R, d) float32, L2-normalised: for each event the history that ends with it."""
        raise NotImplementedError

    def newest(self, vectors: torch.Tensor, batch: VectorBatch) -> torch.Tensor:
        """vectors (U, d) to (B, d), as `forward` but for whole windows alone."""
        found: torch.Tensor = self(vectors, batch)
        return found[batch.last]


class UserPass(CausalPass):
    """One token a listing: its vector + action + duration + item position, then causal layers of the encoder's sizes.

    The order of SASRec (Kang and McAuley 2018), on listing vectors instead of ids. Untrained, the vector of a user is
    near the mean of the listings (see `listing_vibes.model.longformer.initialise`).
    """

    def __init__(self, vocabulary: Vocabulary, config: EncoderConfig) -> None:
        super().__init__()
        self.first_meta = vocabulary.size
        self.meta = nn.Embedding(1 + vocabulary.total - vocabulary.size, config.width, padding_idx=0)
        self.item_position = nn.Embedding(config.max_items, config.width, padding_idx=0)
        self.norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.drop = Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config, global_token=False) for _ in range(config.layers))
        self.apply(initialise)

    def forward(self, vectors: torch.Tensor, batch: VectorBatch) -> torch.Tensor:
        """vectors (U, d) to (R, d) float32, L2-normalised: for each event the history that ends with it."""
        x, visible = self.start(vectors, batch)
        for layer in self.layers:
            x = cast(Layer, layer).among(x, visible, x)
        return F.normalize(x[batch.real].float(), dim=-1)

    def newest(self, vectors: torch.Tensor, batch: VectorBatch) -> torch.Tensor:
        """vectors (U, d) to (B, d), as `forward` but for whole windows alone: the last layer asks for nothing else."""
        x, visible = self.start(vectors, batch)
        *earlier, last = self.layers
        for layer in earlier:
            x = cast(Layer, layer).among(x, visible, x)
        end = batch.real.sum(dim=1, keepdim=True) - 1  # (B, 1)
        asking = x.gather(1, end.unsqueeze(-1).expand(-1, -1, x.shape[2]))  # (B, 1, d)
        seen = batch.real[:, None, None, :]  # (B, 1, 1, K)
        return F.normalize(cast(Layer, last).among(x, seen, asking)[:, 0].float(), dim=-1)

    def start(self, vectors: torch.Tensor, batch: VectorBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """What the layers begin with, (B, K, d), and who sees whom, (B, 1, K, K) bool."""
        position = torch.arange(1, batch.real.shape[1] + 1, device=vectors.device).expand_as(batch.real)
        x = vectors[batch.listing] + self.item_position(position)  # (B, K, d)
        for ids in (batch.action, batch.duration):
            x = x + self.meta((ids - self.first_meta + 1).clamp(min=0))
        return self.drop(self.norm(x)), block_causal(batch.real, position)
