"""What lists add to a finished model, by validation: `listing_vibes.training.listed`."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import sem

import listing_vibes.scoring.blends as blends_module
import listing_vibes.training.listed as listed_module
from listing_vibes.market.splits import make_split
from listing_vibes.model.settings import Settings, TrainingConfig
from listing_vibes.run.fits import unasked_fit
from listing_vibes.scoring.blends import RecencyPrior
from listing_vibes.training.listed import SURELY, _reached, _surely, weighed


class Guess:
    """A model that has learned nothing: the same scores, drawn by chance, for everybody."""

    name = "model"

    def __init__(self, listings: int) -> None:
        self.scores = np.random.default_rng(0).random(listings).astype(np.float32)

    def score(self, batch):
        return np.tile(self.scores, (len(batch), 1))


@pytest.fixture
def market(random_log, always_live, monkeypatch):
    """A log whose users stay in one of three groups of listings, its split and catalogue, and vectors (L, 3) of the groups; of as many
    validation queries as weigh recency as they like it best."""
    monkeypatch.setattr(listed_module, "WEIGHS", 0)
    log = random_log(0, users=90, listings=300, events=1500, cold=3)
    catalogue = always_live(log)
    return log, make_split(log, catalogue), catalogue, np.eye(3, dtype=np.float32)[np.arange(300) % 3]


def test_lists_add_neighbours_where_validation_surely_finds_more_by_them(market):
    log, split, catalogue, groups = market
    found = weighed(TrainingConfig(neighbours_weighed=True), Guess(300), groups, log, split, catalogue, 0)
    assert found.neighbours_served > 0 and found.recency_served
    fit = unasked_fit(Settings(training=found))
    assert (fit.space, fit.share, fit.nearest) == (
        "attributes",
        found.neighbours_served,
        found.neighbours_nearest,
    )
    assert (fit.days or found.recency_fit[0], fit.weight) == found.recency_fit


@pytest.mark.parametrize("nearest", [False, True])
def test_recency_is_weighed_beside_as_much_of_neighbours_as_is_given_by_hand(market, monkeypatch, nearest):
    log, split, catalogue, groups = market
    monkeypatch.setattr(blends_module, "WEIGHTS", (0.3,))
    given = TrainingConfig(neighbours_served=0.2, neighbours_nearest=nearest)
    found, alone = (weighed(given, Guess(300), near, log, split, catalogue, 0) for near in (groups, None))
    assert (found.neighbours_served, found.neighbours_nearest) == (0.2, nearest)
    # Of standardised scores, which spread wider than those of the guess (0.29).
    assert found.recency_fit[1] > 2 * alone.recency_fit[1] > 0


def test_lists_add_none_that_say_nothing_nor_where_it_is_not_sure(market, monkeypatch):
    log, split, catalogue, groups = market
    alone = weighed(TrainingConfig(), Guess(300), None, log, split, catalogue, 0)
    assert not alone.neighbours_served
    before = TrainingConfig(  # as another run had it
        neighbours_served=0.5, neighbours_nearest=True, neighbours_weighed=True
    )
    noise = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    assert weighed(before, Guess(300), noise, log, split, catalogue, 0).neighbours_served == 0
    monkeypatch.setattr(listed_module, "SURELY", 1e9)
    unsure = weighed(before, Guess(300), groups, log, split, catalogue, 0)
    assert (unsure.neighbours_served, unsure.neighbours_nearest) == (0, False)
    assert (unsure.recency_fit, unsure.recency_served) == (alone.recency_fit, alone.recency_served)


def test_neighbours_are_served_where_recency_has_no_weight_beside_them(market, monkeypatch):
    log, split, catalogue, groups = market
    tune = RecencyPrior.tune
    monkeypatch.setattr(RecencyPrior, "tune", lambda *told: replace(tune(*told), weight=0.0))
    found = weighed(TrainingConfig(neighbours_weighed=True), Guess(300), groups, log, split, catalogue, 0)
    assert found.recency_served and found.recency_fit[1] == 0 < found.neighbours_served
    assert unasked_fit(Settings(training=found)).holds == "neighbors"
    assert not weighed(TrainingConfig(), Guess(300), None, log, split, catalogue, 0).recency_served


@pytest.mark.parametrize("given", [{}, {"neighbours_served": 0.2}])
def test_of_few_queries_recency_has_to_be_surely_better(market, monkeypatch, given):
    log, split, catalogue, groups = market
    monkeypatch.setattr(blends_module, "WEIGHTS", (0.3,))
    training = TrainingConfig(**given)
    near = groups if given else None
    weight = weighed(training, Guess(300), near, log, split, catalogue, 0).recency_fit[1]
    assert weight > 0
    monkeypatch.setattr(listed_module, "WEIGHS", len(split.valid) + 1)
    monkeypatch.setattr(listed_module, "SURELY", -1e9)
    assert weighed(training, Guess(300), near, log, split, catalogue, 0).recency_fit[1] == weight
    monkeypatch.setattr(listed_module, "SURELY", 1e9)
    unsure = weighed(training, Guess(300), near, log, split, catalogue, 0)
    assert unsure.recency_fit[1] == 0 and unsure.neighbours_served == given.get("neighbours_served", 0)
    assert unsure.recency_served == bool(given)
    monkeypatch.setattr(listed_module, "WEIGHS", len(split.valid))
    assert weighed(training, Guess(300), near, log, split, catalogue, 0).recency_fit[1] == weight


def test_what_is_reached_is_a_mean_over_users_and_sure_by_its_standard_error(market):
    log, split, catalogue, _ = market
    guess, mine = Guess(300), {}
    for row in range(len(split.valid)):
        one = split.valid.take(slice(row, row + 1))
        allowed = catalogue.candidates(log, one)[0]
        rank = (guess.scores[allowed] >= guess.scores[one.target[0]]).sum()
        mine.setdefault(int(one.user[0]), []).append(1 / (1 + (rank / 30) ** 4))
    found = _reached([guess], log, split.valid, catalogue)
    assert found[:, 0] == pytest.approx([np.mean(mine[user]) for user in sorted(mine)])
    gain = np.array([0.0, 0.1, 0.2, 0.05])
    least = 3.3068 * sem(
        gain
    )  # of the mean: Student's t has as much behind it with three degrees of freedom as SURELY has
    assert _surely(gain - gain.mean() + least * 1.01) and not _surely(gain - gain.mean() + least * 0.99)
    assert not _surely(np.array([1.0])) and not _surely(np.array([0.2, 0.25]))
    many = np.random.default_rng(0).normal(size=2000)
    assert [_surely(many - many.mean() + SURELY * sem(many) * more) for more in (1.01, 0.99)] == [True, False]
