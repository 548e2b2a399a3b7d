"""A small generated market and a configuration that trains on it in seconds."""

from pathlib import Path

import pytest

from helpers.once import once
from helpers.small_market import generate
from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.training.checkpoints import TrainingState
from listing_vibes.training.train import train


@pytest.fixture(scope="session")
def small_market(tmp_path_factory) -> Market:
    path = once(tmp_path_factory, "small", lambda folder: generate(folder / "market", 300, 150, seed=1))
    return Market.open(path / "market")


@pytest.fixture(scope="session")
def quick() -> Resolved:
    return Resolved(
        preset="tiny",
        history="cls",
        encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64},
        features=FeatureConfig(text=False),
        training=ResolvedTraining(
            batch=16,
            fresh=16,
            bank_every=7,
            max_epochs=2,
            warmup=5,
            checkpoint_every=5,
            average=0.8,
            validate_every=19,
            recency_days=0,
        ),
    )


@pytest.fixture(scope="session")
def whole(small_market, quick, tmp_path_factory) -> tuple[Path, TrainingState]:
    """A training that was never stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    return run, train(small_market, run, quick, None)
