"""Nothing at or after a query's moment can change its scores: every baseline is fitted again on a changed future."""

from dataclasses import replace

import numpy as np
import pytest

from listing_vibes.evaluation.run_evaluation import blends_of
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Queries, make_split
from listing_vibes.scoring.baselines import BASELINES, first_level
from listing_vibes.scoring.neighbors import VectorNeighbors

CHANGES = ("removed", "altered", "added")


def changed_future(make_log, log: EventLog, at: int, change: str, rng: np.random.Generator) -> EventLog:
    """The same log before `at`, another one from then on."""
    past = log.time < at
    user, listing, time = log.user, log.listing, log.time
    if change == "removed":
        user, listing, time = user[past], listing[past], time[past]
    elif change == "altered":
        listing = np.where(past, listing, rng.integers(0, log.listings, len(log)))
    else:
        count = 60
        user = np.concatenate([user, rng.integers(0, len(log.users), count)])
        listing = np.concatenate([listing, rng.integers(0, log.listings, count)])
        time = np.concatenate([time, at + rng.integers(0, 3, count) * (rng.random(count) < 0.5)])
    return make_log(user, listing, time, log.listings, len(log.users), log.timed)


def scorers_of(log: EventLog, catalogue, t1: int, t2: int) -> list:
    split = make_split(log, catalogue, "temporal", t1, t2)
    vectors = np.random.default_rng(0).normal(size=(log.listings, 4))
    first = first_level(log, split, catalogue)
    neighbours = VectorNeighbors.tune(vectors, log, split, catalogue)
    other = VectorNeighbors.tune(vectors[:, ::-1] ** 3, log, split, catalogue, "others")
    blends = blends_of(neighbours, first, {"photos": other}, log, split, catalogue)
    stand_ins = [one.tune(log, split, catalogue) for one in BASELINES.values() if one.stands_in_for]
    return [*first, *stand_ins, neighbours, *blends]


def asked_again(query: Queries, log: EventLog) -> Queries:
    """The same user at the same moment in another log, without a target."""
    start, end = log.history_at(int(query.user[0]), int(query.at[0]))
    unknown = np.array([-1])
    return replace(query, event=unknown, target=unknown, start=np.array([start]), end=np.array([end]))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
def test_no_score_depends_on_the_future(make_log, random_log, always_live, seed):
    log = random_log(seed)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    rng = np.random.default_rng(seed)
    scorers = scorers_of(log, catalogue, split.t1, split.t2)
    assert len(scorers) == len(BASELINES) + 5  # the model alone, and with all that serving adds
    for row in rng.choice(len(split.test), 2, replace=False):
        query = split.test.take(slice(row, row + 1))
        for change in CHANGES:
            other = changed_future(make_log, log, int(query.at[0]), change, rng)
            again = asked_again(query, other)
            for before, after in zip(scorers, scorers_of(other, catalogue, split.t1, split.t2), strict=True):
                assert np.array_equal(before.score(query), after.score(again)), (before, after, change)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_leave_one_out_scores_do_not_depend_on_any_test_target(make_log, random_log, always_live, seed):
    log = random_log(seed, timed=False)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    listing = log.listing.copy()
    listing[split.test.event] = np.random.default_rng(seed).integers(0, log.listings, len(split.test))
    other = make_log(log.user, listing, log.time, log.listings, len(log.users), timed=False)
    again = make_split(other, catalogue)
    for before, after in zip(
        first_level(log, split, catalogue), first_level(other, again, catalogue), strict=True
    ):
        assert np.array_equal(before.score(split.test), after.score(again.test)), before


@pytest.mark.parametrize("since", ["same moment", "future"])
def test_a_planted_leak_is_found_by_the_same_comparison(make_log, random_log, always_live, since):
    class Peeking:
        def __init__(self, log: EventLog) -> None:
            self.log = log

        def score(self, batch: Queries) -> np.ndarray:
            at = batch.at[0]
            seen = self.log.time == at if since == "same moment" else self.log.time > at
            return np.bincount(self.log.listing[seen], minlength=self.log.listings)[None]

    log = random_log(0)
    query = make_split(log, always_live(log)).test.take(slice(0, 1))
    rng, at = np.random.default_rng(0), int(query.at[0])
    before, found = Peeking(log).score(query), []
    for change in CHANGES:
        other = changed_future(make_log, log, at, change, rng)
        found.append(not np.array_equal(before, Peeking(other).score(asked_again(query, other))))
    assert any(found)
