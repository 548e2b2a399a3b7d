"""A trained run over a small generated market, and a run without a model."""

from pathlib import Path

import pytest

from helpers.copies import change_settings
from helpers.once import once
from helpers.small_market import generate
from listing_vibes.features.featurizer import FeatureConfig
from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.training.train import train

#: A training of seconds.
QUICK = Resolved(
    preset="tiny",
    encoder={"layers": 1, "width": 32, "heads": 2, "ffn": 64},
    features=FeatureConfig(text=False),
    training=ResolvedTraining(batch=32, fresh=16, max_epochs=1, warmup=5, recency_days=0),
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Run:
    return Run.open(once(tmp_path_factory, "trained", _train) / "run")


def _train(folder: Path) -> None:
    generate(folder / "market", listings=120, users=80, seed=2)
    train(Market.open(folder / "market"), folder / "run", QUICK, None)
    change_settings(folder / "run", blend=None)  # so that tests have scores that they can compute


@pytest.fixture
def bare(tiny_market, tmp_path) -> Run:
    """A run without events, photos or a model."""
    market = Market.open(tiny_market(events_per_user=0, photos=0))
    embed_market(market, tmp_path / "bare", None)
    return Run.open(tmp_path / "bare")
