"""The variants of the method, each a class that a setting names; `build_model` builds a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.model import ListingModel
    from listing_vibes.model.settings import Resolved


def build_model(vocabulary: Vocabulary, settings: Resolved) -> ListingModel:
    """Return an untrained model with these `settings`."""
    from listing_vibes.model.variants.two_stage import TwoStageModel
    from listing_vibes.model.variants.user_encoders import USER_ENCODERS

    model = USER_ENCODERS[settings.history]().model(vocabulary, settings.encoder_config())
    return TwoStageModel(vocabulary, model) if settings.training.recipe == "two-stage" else model
