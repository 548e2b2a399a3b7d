"""What lists add to a finished model, by validation."""

from dataclasses import replace

import numpy as np
import pytest

from listing_vibes.market.splits import make_split
from listing_vibes.model.settings import DefaultBlend
from listing_vibes.run.fits import NEIGHBOR_WEIGHT, RECENCY_WEIGHT
from listing_vibes.scoring import blend as blends_module
from listing_vibes.scoring.blend import WINDOWS
from listing_vibes.training.blend import ENOUGH, weigh_blend

FIXED = DefaultBlend(weight=RECENCY_WEIGHT, neighbors=NEIGHBOR_WEIGHT, weighed=True)


class Guess:
    """A model that has learned nothing: the same random scores for all users."""

    name = "model"

    def __init__(self, listings: int, scale: float = 1.0) -> None:
        self.scores = scale * np.random.default_rng(0).random(listings).astype(np.float32)

    def score(self, batch):
        return np.tile(self.scores, (len(batch), 1))


@pytest.fixture
def market(random_log, always_live):
    """A log whose users stay in one of three groups of listings, its split (at least `ENOUGH` validation queries), its catalogue,
    and vectors (L, 3) of the groups."""
    log = random_log(0, users=300, listings=300, events=5000, cold=3)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    assert len(split.valid) >= ENOUGH
    return log, split, catalogue, np.eye(3, dtype=np.float32)[np.arange(300) % 3]


def weighed(market, model, near, count=None, fixed=FIXED) -> DefaultBlend | None:
    """By the first `count` validation queries."""
    log, split, catalogue, _ = market
    split = split if count is None else replace(split, valid=split.valid.take(slice(0, count)))
    return weigh_blend(fixed, model, near, log, split, catalogue, 0)


def test_with_enough_queries_validation_chooses(market):
    found = weighed(market, Guess(300), market[3])
    assert found.neighbors > NEIGHBOR_WEIGHT and found.days in WINDOWS and found.weighed
    right = Guess(300)  # the target is far ahead of all other listings
    right.score = lambda batch: np.array(
        [np.where(np.arange(300) == target, 10, right.scores) for target in batch.target], np.float32
    )
    noise = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    assert weighed(market, right, noise) is None


@pytest.mark.parametrize("nearest", [False, True])
def test_fewer_queries_move_the_fixed_weights_in_proportion(market, nearest):
    fixed = FIXED.model_copy(update={"nearest": nearest})
    start = np.array([NEIGHBOR_WEIGHT, RECENCY_WEIGHT])
    for count in (0, 30, 150):
        found = weighed(market, Guess(300), market[3], count, fixed)
        assert (found.days, found.nearest) == (fixed.days, nearest)
        moved = np.abs(np.array([found.neighbors, found.weight]) - start)
        assert (moved <= count / ENOUGH * 3.1).all()  # 3 is the largest weight that is tried
        assert moved.any() == (count > 0)


def test_the_share_of_the_way_is_the_share_of_the_queries(market, monkeypatch):
    monkeypatch.setattr(blends_module, "WEIGHTS", (3.0,))
    fixed, counts = DefaultBlend(weight=0.05, weighed=True), (60, 240, ENOUGH)
    found = [weighed(market, Guess(300), None, count, fixed).weight for count in counts]
    best = [0.05 + (weight - 0.05) / (count / ENOUGH) for weight, count in zip(found, counts, strict=True)]
    assert best == pytest.approx([best[-1]] * 3, rel=0.1)  # the unit is that of the first queries
    assert weighed(market, Guess(300), None, 0, fixed).weight == pytest.approx(0.05)
    assert found[0] < found[1] < found[2]


def test_weights_do_not_depend_on_the_scale_of_the_models_scores(market):
    one, other = (weighed(market, Guess(300, scale), market[3], 150) for scale in (1.0, 0.01))
    assert (one.neighbors, one.weight) == pytest.approx((other.neighbors, other.weight), rel=1e-3)
