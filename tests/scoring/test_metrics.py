"""Metrics against values worked out by hand, and events that say \"not this\"."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import listing_vibes.scoring.unwanted as unwanted_module
from helpers.logs import build_log, build_random_log
from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, make_split
from listing_vibes.scoring import ranking
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.interactions import Interactions, history_matrix
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.metrics import METRICS, Coverage, per_query, user_means
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.ranking import batches, pessimistic_ranks, top
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.unwanted import NOT, likeness, unwanted_penalty


def test_metrics_of_a_rank_are_the_hand_computed_ones():
    values = dict(zip(METRICS, per_query(np.array([1, 10, 11, 30, 31, 100, 101])).T, strict=True))
    assert values["recall@10"].tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert values["recall@30"].tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert values["recall@100"].tolist() == [1, 1, 1, 1, 1, 1, 0]
    ndcg10 = [1, 1 / math.log2(11), 0, 0, 0, 0, 0]
    assert values["ndcg@10"] == pytest.approx(ndcg10)
    assert values["ndcg@30"] == pytest.approx([*ndcg10[:2], 1 / math.log2(12), 1 / math.log2(31), 0, 0, 0])
    assert values["mrr"] == pytest.approx([1, 1 / 10, 1 / 11, 1 / 30, 1 / 31, 1 / 100, 1 / 101])


def test_a_user_with_many_queries_counts_once():
    values = np.array([[1.0], [0.0], [0.0], [0.0], [1.0]])
    user = np.array([7, 3, 3, 3, 3])  # user 3: one hit in four; user 7: one in one
    means = user_means(values, user)
    assert means.tolist() == [[0.25], [1.0]]
    assert means.mean() == 0.625  # a mean over queries would say 0.4


def test_coverage_counts_listings_of_any_list_among_those_that_were_ever_candidates():
    coverage = Coverage(6)
    allowed = np.ones((2, 6), bool)
    allowed[:, 5] = False  # never a candidate
    coverage.add(np.array([4, 4, 9, 9]), np.array([0, 1, 1, 2]), allowed)
    coverage.add(np.array([4, 4]), np.array([0, 2]), allowed[:1])
    assert coverage.value == 3 / 5
    # without user 4 listing 0 falls away, without user 9 none does: jackknife variance 1/2 * (1/2)^2 * 2 listings^2
    low, high = coverage.interval(np.array([4, 9]))
    assert (low, high) == pytest.approx((3 / 5 - 1.96 * 0.5 / 5, 3 / 5 + 1.96 * 0.5 / 5))
    assert coverage.interval(np.array([4])) == (None, None)


def test_coverage_interval_holds_the_expected_coverage_at_least_nine_times_in_ten():
    rng = np.random.default_rng(0)
    users, listings, k = 60, 200, 10
    taste = -0.8 * np.log(np.arange(1, listings + 1))
    found = []
    for _ in range(150):
        lists = np.argsort(-(taste + rng.gumbel(size=(users, listings))), axis=1)[:, :k]
        coverage = Coverage(listings)
        coverage.add(np.repeat(np.arange(users), k), lists.ravel(), np.ones((users, listings), bool))
        found.append((coverage.value, *coverage.interval(np.arange(users))))
    value, low, high = np.array(found).T
    inside = (low <= value.mean()) & (value.mean() <= high)
    assert inside.mean() > 0.9
    assert (high - low).mean() < 4 * 1.96 * value.std()  # wide, but not uselessly so


def test_every_tie_counts_against_the_target():
    scores = np.array([[3.0, 2, 2, 2, 1], [0, 0, 0, 0, 0], [1, 5, 9, 5, 5]], np.float32)
    allowed = np.ones((3, 5), bool)
    allowed[2, 2] = False
    assert pessimistic_ranks(scores, allowed, np.array([1, 4, 0])).tolist() == [4, 5, 4]


def test_a_target_that_cannot_be_recommended_is_last():
    scores = np.array([[-np.inf, 0.5, -np.inf, -3.0]], np.float32)
    assert pessimistic_ranks(scores, np.ones((1, 4), bool), np.array([0])).tolist() == [4]


def test_a_target_that_is_no_candidate_stands_behind_them_all():
    scores = np.array([[3.0, 9.0, 2.0, 1.0]], np.float32)
    assert pessimistic_ranks(scores, np.array([[True, False, True, True]]), np.array([1])).tolist() == [4]


@pytest.mark.parametrize("k", [1, 3, 7, 12, 20])
def test_lists_are_those_of_a_stable_sort(k):
    rng = np.random.default_rng(k)
    scores = rng.integers(0, 4, (60, 12)).astype(np.float32)
    scores[rng.random((60, 12)) < 0.2] = -np.inf
    allowed = rng.random((60, 12)) < 0.7
    rows, listings = top(scores, allowed, k)
    for row in range(60):
        open_rows = [i for i in range(12) if allowed[row, i] and scores[row, i] > -np.inf]
        expected = sorted(open_rows, key=lambda i, row=row: (-scores[row, i], i))[:k]
        assert listings[rows == row].tolist() == sorted(expected)


def test_a_batch_of_a_large_catalogue_has_few_queries(monkeypatch, random_split, always_live):
    monkeypatch.setattr(ranking, "HELD", 100)
    log, split, _ = random_split(3, users=20, listings=30, events=200)
    queries = split.test
    rows = [rows for rows, *_ in batches(log, queries, always_live(log), 256)]
    assert {row.stop - row.start for row in rows[:-1]} == {3} and rows[-1].stop == len(queries)


@pytest.mark.parametrize("seed", range(3))
def test_histories_count_a_listing_once_at_its_newest_touch(random_split, seed):
    log, split, _ = random_split(seed)
    queries = split.test
    matrix = history_matrix(log, queries.start, queries.end, 0.8).toarray()
    for row in range(len(queries)):
        seen: list[int] = []
        for event in range(queries.end[row] - 1, queries.start[row] - 1, -1):
            if log.listing[event] not in seen:
                seen.append(int(log.listing[event]))
        expected = np.zeros(log.listings)
        for age, listing in enumerate(seen):
            expected[listing] = 0.8**age
        assert matrix[row] == pytest.approx(expected)


def test_interactions_hold_warm_listings_and_users_of_training_only(random_split):
    log, split, _ = random_split(2)
    found = Interactions.of(log, split.train)
    pairs = {(int(u), int(i)) for u, i in zip(log.user[split.train], log.listing[split.train], strict=True)}
    warm = sorted({listing for _, listing in pairs})
    users = sorted({user for user, _ in pairs})
    assert found.warm.tolist() == warm and len(warm) < log.listings
    table = found.matrix.toarray()
    assert table.shape == (len(users), len(warm)) and set(np.unique(table)) == {0, 1}
    assert {(users[row], warm[column]) for row, column in np.argwhere(table)} == pairs


def test_without_training_events_there_is_nothing_to_learn_from(random_log):
    log = random_log(0)
    with pytest.raises(VibesError, match="No event is before the end of training"):
        Interactions.of(log, np.zeros(len(log), bool))


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
    monkeypatch.setattr(unwanted_module, "HELD", held)
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
        NOT * np.std(scores) * np.array(like) / np.std(like),
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
    part = log.select_positive(start, end)
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
    bare = LateInteraction(weight).scores(
        users, vectors, vectors, (part := log.select_positive(start, end)), part.start[:-1], part.start[1:]
    )
    np.testing.assert_allclose(found[0], bare[0], atol=1e-6)
    loss = NOT * np.std(bare[1]) * likeness(vectors, np.array([1, 4]))
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
    loss = NOT * np.std(bare) * likeness(vectors, np.array([1, 4]))
    np.testing.assert_allclose(found[1], bare - loss, atol=1e-5)
    assert history_matrix(log, queries.start, queries.end, 0.5).toarray()[1].tolist() == [0, 0, 0, 0.5, 0, 1]
