"""The model that settings describe, and the recipes of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from listing_vibes.registry import load

if TYPE_CHECKING:
    from listing_vibes.features.tokens.vocabulary import Vocabulary
    from listing_vibes.model.model import ListingModel
    from listing_vibes.model.settings import Resolved


class Recipe:
    """The way from the first step of a training to the last: by default all parts train until the end."""

    #: The class of the loop of steps, as "module:Class".
    optimization: ClassVar[str] = "listing_vibes.training.optimize:Optimization"

    def model(self, vocabulary: Vocabulary, model: ListingModel) -> ListingModel:
        """Return the model that the loop trains, from one with the user encoder of the settings."""
        return model


RECIPES = {
    "single-stage": "listing_vibes.model.build:Recipe",
    "two-stage": "listing_vibes.variants.two_stage:TwoStage",
}


def recipe_of(settings: Resolved) -> Recipe:
    """Return the recipe of these settings."""
    recipe: Recipe = load(RECIPES[settings.training.recipe])()
    return recipe


def build_model(vocabulary: Vocabulary, settings: Resolved) -> ListingModel:
    """Return an untrained model with these `settings`."""
    from listing_vibes.model.user_encoders import USER_ENCODERS

    model = USER_ENCODERS[settings.history]().model(vocabulary, settings.encoder_config())
    return recipe_of(settings).model(vocabulary, model)
