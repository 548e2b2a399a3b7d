"""The whole model: bare listings and histories into one space, where cosine recommends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.config import EncoderConfig
from listing_vibes.model.embeddings import TokenBatch, TokenEmbedder
from listing_vibes.model.longformer import Longformer
from listing_vibes.model.readers import READERS
from listing_vibes.model.settings import Resolved
from listing_vibes.model.windows import VectorBatch

if TYPE_CHECKING:
    from listing_vibes.features.photos.tail import PhotoTail


class ListingModel(nn.Module):
    """Token embedder and Longformer, one for bare listings and for histories.

    `history` names the reader that makes a vector of a history, see `listing_vibes.model.readers`.

    With `two_towers` bare listings are read by weights of their own, `listing_side`, which no training changes:
    `sync_listing_side` copies them from the model. While `frozen` is False they are read by the model itself.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        config: EncoderConfig,
        history: str = "cls",
        two_towers: bool = False,
    ) -> None:
        super().__init__()
        reader = READERS[history]()
        self.history, self.reads = history, reader.reads
        self.embedder = TokenEmbedder(vocabulary, config.width)
        self.longformer = Longformer(config)
        self.user_pass = reader.user_pass(vocabulary, config)
        #: Only while they train: what turns maps into photo vectors, see `listing_vibes.training.live_photos`.
        self.photo_blocks: PhotoTail | None = None
        self.listing_side: ListingModel | None = None
        self.frozen = two_towers
        if two_towers:
            self.listing_side = ListingModel(vocabulary, config, "cls").requires_grad_(False)
            self.sync_listing_side()

    @classmethod
    def of(cls, vocabulary: Vocabulary, settings: Resolved) -> ListingModel:
        """The model that `settings` describe, untrained."""
        two_towers = settings.training.recipe == "two-stage"
        # Of the size asked for and then cut, so that a shorter table of positions draws the same weights beside it.
        model = cls(vocabulary, settings.asked_encoder_config(), settings.history, two_towers)
        for part in (model, model.listing_side):
            if part is not None:
                part.longformer.resize_positions(settings.encoder_config().max_tokens)
        return model

    def sync_listing_side(self) -> None:
        """Make the listing side, where there is one, what the model is now."""
        if self.listing_side is not None:
            own = {n: t for n, t in self.state_dict().items() if n.startswith(("embedder.", "longformer."))}
            self.listing_side.load_state_dict(own)

    def listings(self, batch: TokenBatch, photos: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """(B, width) float32, L2-normalised embeddings of bare listings."""
        if self.frozen and self.listing_side is not None:
            return self.listing_side(batch, photos, texts)
        return self(batch, photos, texts)

    def hidden(self, batch: TokenBatch, photos: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """(B, S, width) contextual vectors of all tokens of bare listings; row 0 is `[CLS]`, not normalised."""
        tokens = batch.padded(self.embedder(batch, photos, texts))  # (B, S, d)
        mask, position, item, kind = batch.structure()
        return self.longformer(tokens, mask, kind, item, position)

    def forward(self, batch: TokenBatch, photos: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """(B, width) float32, L2-normalised: the `[CLS]` row of each bare listing (or, of a reader of sequences, history)."""
        tokens = batch.padded(self.embedder(batch, photos, texts))  # (B, S, d)
        mask, position, item, kind = batch.structure()
        return self.longformer.encode(tokens, mask, token_type=kind, item_position=item, positions=position)

    def prefixes(self, batch: VectorBatch, vectors: torch.Tensor) -> torch.Tensor:
        """(R, width) float32, L2-normalized: for each event of the windows the history that ends with it.

        vectors (U, width): the embeddings of the listings that the batch numbers.
        """
        if self.user_pass is None:
            raise ValueError("a VectorBatch needs a model that reads listing vectors")
        return self.user_pass(vectors, batch)
