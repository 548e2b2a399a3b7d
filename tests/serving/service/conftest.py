"""What tests of the service share."""

import pytest
import torch

from helpers.copies import copied, resealed
from listing_vibes.market.market import Market
from listing_vibes.model.checkpoint import save_weights
from listing_vibes.model.variants import build_model
from listing_vibes.run.spaces import embed_market


@pytest.fixture(scope="session")
def with_history():
    """A run of an untrained model with another user encoder, over the same market."""

    def make(trained, folder, history: str):
        made = copied(trained, folder)
        changes = {"history": history, "inference": "float32", "positions": None}
        settings = made.manifest.settings.model_copy(update=changes)
        made.manifest.model_copy(update={"settings": settings}).save(made.path)
        torch.manual_seed(0)
        model = build_model(made.engine.featurizer.vocabulary, settings)
        save_weights(made.path / "model.safetensors", model)
        resealed(made.path)
        embed_market(Market.open(made.market.path), made.path, None, made.path)
        return made.path

    return make
