"""Whole trainings with other features than the default: the run opens and gives the vectors it was saved with."""

import numpy as np
import pytest

from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.features.photos.vectors import PhotoVectors
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.engine import Engine
from listing_vibes.run.run import Run
from listing_vibes.training.train import train

VARIANTS = {
    "wordpiece": {"tokenisation": "wordpiece", "text": False},
    "tfidf": {"text_encoder": "tfidf", "photos": 1},
}


def photos_of(market: Market) -> PhotoVectors:
    vectors = np.random.default_rng(0).normal(size=(len(market.photos), 40)).astype(np.float16)
    return PhotoVectors(vectors, np.ones(len(vectors), bool), [], "one")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(VARIANTS))
def test_a_run_opens_as_it_was_trained(tiny_market, tmp_path, name):
    market = Market.open(tiny_market(listings=40, users=30, photos=1))
    settings = Resolved(
        encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64},
        features=FeatureConfig.model_validate(VARIANTS[name]),
        training=ResolvedTraining(batch=16, fresh=16, max_steps=3, warmup=1),
    )
    photos = photos_of(market)
    train(market, tmp_path / "run", settings, photos)
    run = Run.open(tmp_path / "run")
    assert run.manifest.settings.features == settings.features
    engine = Engine.load(run.path, market, run.manifest.settings, photos)
    np.testing.assert_allclose(engine.encode_listings(), run.vectors("model"), atol=2e-3)
