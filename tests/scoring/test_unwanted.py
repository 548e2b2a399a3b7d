"""Events that say "not this": where they count for nothing, and what they take from scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import listing_vibes.scoring.deviations as unwanted_module
from helpers.logs import build_log, build_random_log
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, make_split
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.deviations import UNLIKE_WEIGHT, likeness, unwanted_penalty
from listing_vibes.scoring.interactions import Interactions, history_matrix
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.recency import RecentEvents

HIDES = st.sets(st.integers(0, 299), max_size=120)


def hiding(seed: int, hides, timed: bool = True) -> EventLog:
    log = build_random_log(seed, timed=timed)
    return build_log(log.user, log.listing, log.time, log.listings, len(log.users), timed, sorted(hides))


def always(log: EventLog) -> Catalogue:
    bounds = np.iinfo(np.int64)
    return Catalogue(np.full(log.listings, bounds.min), np.full(log.listings, bounds.max))


def without(log: EventLog) -> EventLog:
    """The same events but for those that are not wanted."""
    kept = log.is_positive
    return build_log(
        log.user[kept], log.listing[kept], log.time[kept], log.listings, len(log.users), log.timed
    )


@given(st.integers(0, 20), HIDES, st.booleans())
def test_what_counts_interest_counts_as_if_they_had_not_been(seed, hides, timed):
    log = hiding(seed, hides, timed)
    bare, at = without(log), np.unique(log.time)
    np.testing.assert_array_equal(log.counts(), bare.counts())
    early = log.time < np.median(log.time)
    np.testing.assert_array_equal(log.counts(early), bare.counts(early[log.is_positive]))
    known, all_of_bare = np.ones(len(log), bool), np.ones(len(bare), bool)
    if timed:
        counts = RecentEvents.over_days(log, 30).counts(at), RecentEvents.over_days(bare, 30).counts(at)
    else:
        counts = (
            RecentEvents.over_events(log, known, 2).counts(at),
            RecentEvents.over_events(bare, all_of_bare, 2).counts(at),
        )
    np.testing.assert_array_equal(*counts)


@given(st.integers(0, 20), HIDES, st.booleans())
def test_no_query_asks_for_one_and_none_is_listed_again(seed, hides, timed):
    log = hiding(seed, hides, timed)
    catalogue = always(log)
    split = make_split(log, catalogue)
    assert not (split.train & ~log.is_positive).any()
    for queries in (split.valid, split.test):
        assert log.is_positive[queries.event].all()
        allowed = catalogue.candidates(log, queries)
        for query, (start, end) in enumerate(zip(queries.start, queries.end, strict=True)):
            history = np.arange(start, end)
            assert not allowed[query, log.listing[history[~log.is_positive[history]]]].any()
    if not timed:  # of each user the last two that are wanted
        for user, event in zip(split.test.user, split.test.event, strict=True):
            own = np.flatnonzero((log.user == user) & log.is_positive)
            assert event == own[-1] and own[-2] in split.valid.event
    bare = without(log)
    fitted = Popularity.fit(log, split.train).counts
    np.testing.assert_array_equal(fitted, np.bincount(log.listing[split.train], minlength=log.listings))
    if timed and split.train.any():
        ids = Interactions.of(log, split.train), Interactions.of(bare, split.train[log.is_positive])
        assert (ids[0].matrix != ids[1].matrix).nnz == 0 and (ids[0].warm == ids[1].warm).all()


@pytest.mark.parametrize("held", [1, 60, 10**6])
def test_likeness_is_the_greatest_cosine_to_any_in_deviations_of_all(monkeypatch, held):
    monkeypatch.setattr(unwanted_module, "MOST_COSINES", held)
    rng, rows = np.random.default_rng(0), np.array([4, 11, 7])
    vectors = rng.normal(size=(30, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    like = [max(float(vectors[row] @ one) for row in rows) for one in vectors]
    np.testing.assert_allclose(likeness(vectors, rows), np.array(like) / np.std(like), rtol=1e-5)
    some = np.array([9, 4])
    np.testing.assert_allclose(
        likeness(vectors, rows, vectors[some]), np.array(like)[some] / np.std(like), rtol=1e-5
    )
    scores = rng.normal(size=30)
    np.testing.assert_allclose(
        unwanted_penalty(scores, vectors, rows),
        UNLIKE_WEIGHT * np.std(scores) * np.array(like) / np.std(like),
        rtol=1e-5,
    )


@pytest.fixture
def asked():
    """Two histories, of which the second calls listings 1 and 4 unwanted, and vectors of six listings."""
    rng = np.random.default_rng(0)
    log = build_log([0, 0, 1, 1, 1, 1], [0, 2, 3, 1, 5, 4], range(6), listings=6, users=2, hides=[3, 5])
    vectors = rng.normal(size=(6, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return log, vectors, log.start[:-1], log.start[1:]


def test_a_history_is_read_without_them_and_cut_to_them(asked):
    log, _, start, end = asked
    part, *_ = log.select_positive(start, end)
    assert part.listing.tolist() == [0, 2, 3, 5] and part.start.tolist() == [0, 2, 4]
    owner, listing = log.negatives(start, end)
    assert (owner.tolist(), listing.tolist()) == ([1, 1], [1, 4])
    assert log.newest_positive(start, end).tolist() == [1, 4]
    assert log.newest_positive(np.array([3]), np.array([4])).tolist() == [3]  # nothing else is there


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_model_loses_what_a_request_would_take(asked, weight):
    log, vectors, start, end = asked
    late = LateInteraction(weight)
    users = vectors[[0, 5]]
    found = late.scores(users, vectors, vectors, log, start, end)
    bare = late.scores(users, vectors, vectors, *log.select_positive(start, end))
    np.testing.assert_allclose(found[0], bare[0], atol=1e-6)
    loss = UNLIKE_WEIGHT * np.std(bare[1]) * likeness(vectors, np.array([1, 4]))
    np.testing.assert_allclose(found[1], bare[1] - loss, atol=1e-5)
    some = late.scores(users, vectors[2:4], vectors, log, start, end)
    np.testing.assert_allclose(some, found[:, 2:4], atol=1e-5)


def test_neighbours_are_those_of_what_is_wanted_less_what_is_like_the_rest(asked):
    log, vectors, start, end = asked
    near = VectorNeighbors.of(vectors, log, decay=0.5)
    queries = Queries(*([np.array([-1, -1])] * 3), np.array([9, 9]), start, end, True)
    found = near.score(queries)
    mean = (vectors[5] + 0.5 * vectors[3]) / 1.5
    bare = mean @ vectors.T
    loss = UNLIKE_WEIGHT * np.std(bare) * likeness(vectors, np.array([1, 4]))
    np.testing.assert_allclose(found[1], bare - loss, atol=1e-5)
    assert history_matrix(log, queries.start, queries.end, 0.5).toarray()[1].tolist() == [0, 0, 0, 0.5, 0, 1]
