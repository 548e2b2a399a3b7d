"""The model of a two-stage training (Recformer, Li et al. 2023): from the second stage on its listings stay as they are."""

from typing import cast

from torch import Tensor

from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.model.inputs import TokenBatch
from listing_vibes.model.model import ListingModel


class TwoStageModel(ListingModel):
    """A model with a copy of its embedder and listing encoder that encodes bare listings once it is `frozen`."""

    def __init__(self, vocabulary: Vocabulary, model: ListingModel) -> None:
        super().__init__(vocabulary, model.longformer, model.user_pass)
        self.frozen = True
        self.listing_side = ListingModel(vocabulary, type(model.longformer)(model.longformer.config), None)
        self.listing_side.requires_grad_(False)
        self.copy_listing_side()

    def copy_listing_side(self) -> None:
        """Make the copy what the model is now."""
        weights = {n: t for n, t in self.state_dict().items() if n.startswith(("embedder.", "longformer."))}
        self.listing_side.load_state_dict(weights)

    def listings(self, batch: TokenBatch, photos: Tensor, texts: Tensor) -> Tensor:
        """Return (B, d) embeddings of bare listings."""
        encode = self.listing_side if self.frozen else self
        return cast(Tensor, encode(batch, photos, texts))
