"""What lists add to a finished model, by validation: `listing_vibes.training.listed`."""

from dataclasses import replace

import numpy as np
import pytest

import listing_vibes.scoring.blend as blends_module
from listing_vibes.market.splits import make_split
from listing_vibes.model.settings import Resolved, ResolvedTraining
from listing_vibes.run.fits import NEAR, RECENT, STANDARD, default_fit
from listing_vibes.scoring.blend import WINDOWS
from listing_vibes.training.listed import ENOUGH, fit_blend

OPEN = {"neighbours_served": NEAR, "neighbours_weighed": True}


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


def first(split, count):
    """`split` with its first `count` validation queries."""
    return replace(split, valid=split.valid.take(slice(0, count)))


def fit_of(training: ResolvedTraining):
    """What lists add, in units of the blend's scores."""
    return default_fit(Resolved(training=training))


def test_with_enough_queries_validation_chooses_neighbors_that_tell_something(market):
    log, split, catalogue, groups = market
    found = fit_blend(ResolvedTraining(**OPEN), Guess(300), groups, log, split, catalogue, 0)
    fit = fit_of(found)
    assert found.recency_served and fit.share == found.neighbours_served > NEAR
    assert (fit.days or found.recency_fit[0], fit.weight) == found.recency_fit
    assert found.recency_fit[0] in WINDOWS


def test_a_fixed_weight_that_validation_contradicts_is_not_served(market):
    log, split, catalogue, _ = market
    noise = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    model = Guess(300)
    model.score = lambda batch: np.array(  # the target is far ahead of all other listings
        [np.where(np.arange(300) == target, 10, model.scores) for target in batch.target], np.float32
    )
    found = fit_blend(ResolvedTraining(**OPEN), model, noise, log, split, catalogue, 0)
    assert (found.neighbours_served, found.recency_served) == (0, False)
    assert found.recency_fit[1] == 0 and fit_of(found) is None


@pytest.mark.parametrize("nearest", [False, True])
def test_fewer_queries_move_the_fixed_weights_in_proportion(market, nearest):
    log, split, catalogue, groups = market
    training = ResolvedTraining(**OPEN, baskets="set" if nearest else "order")

    def weights(count):
        fit = fit_of(fit_blend(training, Guess(300), groups, log, first(split, count), catalogue, 0))
        assert (fit.days, fit.nearest) == (RECENT, nearest)
        return np.array([fit.share, fit.weight])

    fixed = np.array([NEAR, STANDARD])
    assert weights(0) == pytest.approx(fixed)
    for count in (30, 150):
        moved = np.abs(weights(count) - fixed)
        assert (moved <= count / ENOUGH * 3.1).all() and moved.any()  # 3 is the largest weight that is tried


def test_the_share_of_the_way_is_the_share_of_the_queries(market, monkeypatch):
    log, split, catalogue, _groups = market
    monkeypatch.setattr(blends_module, "WEIGHTS", (3.0,))
    found = [
        fit_blend(ResolvedTraining(), Guess(300), None, log, first(split, count), catalogue, 0).recency_fit[1]
        for count in (0, 60, 240, ENOUGH)
    ]
    fixed = ResolvedTraining().temperature  # as the loss has it
    assert found[0] == pytest.approx(fixed)
    best = [
        (weight - fixed) / (count / ENOUGH)
        for weight, count in zip(found[1:], (60, 240, ENOUGH), strict=False)
    ]
    assert best == pytest.approx([best[-1]] * 3, rel=0.1)  # the unit is that of the first queries
    assert found[1] < found[2] < found[3]


def test_weights_do_not_depend_on_the_scale_of_the_models_scores(market, monkeypatch):
    log, split, catalogue, groups = market
    few = first(split, 150)
    one, other = (
        fit_of(fit_blend(ResolvedTraining(**OPEN), Guess(300, scale), groups, log, few, catalogue, 0))
        for scale in (1.0, 0.01)
    )
    assert (one.share, one.weight) == pytest.approx((other.share, other.weight), rel=1e-3)


@pytest.mark.parametrize("nearest", [False, True])
def test_recency_is_weighted_beside_as_much_of_neighbors_as_is_given_by_hand(market, monkeypatch, nearest):
    log, split, catalogue, groups = market
    monkeypatch.setattr(blends_module, "WEIGHTS", (0.3,))
    given = ResolvedTraining(neighbours_served=0.2, neighbours_nearest=nearest)
    found, alone = (fit_blend(given, Guess(300), near, log, split, catalogue, 0) for near in (groups, None))
    assert (found.neighbours_served, found.neighbours_nearest) == (0.2, nearest)
    # Of standardized scores, which spread wider than those of the guess (0.29).
    assert found.recency_fit[1] > 2 * alone.recency_fit[1] > 0
