"""One sequence of all tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listing_vibes.model.variants.user_encoders import HistoryEncoding

if TYPE_CHECKING:
    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.config import EncoderConfig
    from listing_vibes.model.model import ListingModel


class Cls(HistoryEncoding):
    """The `[CLS]` of one sequence, newest listing first (Recformer, Li et al. 2023)."""

    reads_tokens = True

    def model(self, vocabulary: Vocabulary, config: EncoderConfig) -> ListingModel:
        from listing_vibes.model.model import ListingModel
        from listing_vibes.model.variants.sliding_window import SlidingWindowEncoder

        return ListingModel(vocabulary, SlidingWindowEncoder(config), None)
