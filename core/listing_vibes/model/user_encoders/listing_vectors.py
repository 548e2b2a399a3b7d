"""The default: a causal pass over listing vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from listing_vibes.model.user_encoders import HistoryEncoding

if TYPE_CHECKING:
    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.encoder_config import EncoderConfig
    from listing_vibes.model.model import ListingModel


class ListingVectors(HistoryEncoding):
    """Encodes each listing separately, then the history by `listing_vibes.model.model.UserEncoder`."""

    def model(self, vocabulary: Vocabulary, config: EncoderConfig) -> ListingModel:
        from listing_vibes.model.model import ListingEncoder, ListingModel, UserEncoder

        return ListingModel(vocabulary, ListingEncoder(config), UserEncoder(vocabulary, config))
