"""A small generated market and a configuration that trains on it in seconds."""

from pathlib import Path

import numpy as np
import pytest

from helpers.once import once
from helpers.small_market import generate
from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.checkpoint import build_model
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.engine import make_inputs
from listing_vibes.training.checkpoints import TrainingState
from listing_vibes.training.examples import make_examples
from listing_vibes.training.step import StepData
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


def changed(settings: Resolved, **training) -> Resolved:
    """The settings with other ones of training."""
    training = settings.training.model_dump(exclude_unset=True) | training
    return Resolved.model_validate({**settings.model_dump(exclude_unset=True), "training": training})


def model_inputs(market, settings, width: int = 32, photos=None, rows=None):
    """A featurizer that was fitted on `rows`, by default on all listings, what a model reads of the market, and its log."""
    log = EventLog.from_market(market)
    rows = np.arange(len(market.listings)) if rows is None else rows
    featurizer = Featurizer.fit(market, settings.features, width, rows, log.duration, photos)
    return featurizer, make_inputs(featurizer, featurizer.transform(market, photos), log, settings), log


def pieces(market, settings):
    """An untrained model and the data of its steps."""
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue)
    warm = np.flatnonzero(log.counts(split.train) > 0)
    featurizer, inputs, _ = model_inputs(market, settings, rows=warm)
    model = build_model(featurizer.vocabulary, settings)
    return model, StepData(make_examples(log, split, 3), log, catalogue, inputs, warm, True, 0)
