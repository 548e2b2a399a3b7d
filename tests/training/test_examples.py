"""Training examples against plain loops: what is a positive, what is never a negative, and several markets joined."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.training.data import TrainingData
from listing_vibes.training.examples import (
    active_mask,
    exclusions,
    make_examples,
    shuffled_baskets,
    simultaneous_share,
)


@pytest.fixture(params=["temporal", "leave-one-out"])
def case(request):
    rng = np.random.default_rng(3)
    listings = pd.DataFrame({C.LISTING: [f"l{n}" for n in range(25)], "price": rng.random(25)})
    events = pd.DataFrame(
        {
            C.USER: rng.choice([f"u{n}" for n in range(20)], 300),
            C.LISTING: rng.choice([f"l{n}" for n in range(25)], 300),
            C.TIMESTAMP: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 300), unit="D"),
        }
    )
    market = Market.from_frames(listings, events)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    return log, make_split(log, catalogue, request.param)


def test_every_example_is_that_of_a_loop_over_training_events(case):
    log, split = case
    masked = split.protocol == "temporal"
    examples = make_examples(log, split, positives=3)
    expected = []
    for row in np.flatnonzero(split.train):
        user = log.user[row]
        first, last = log.start[user], log.start[user + 1]
        earlier = [r for r in range(first, last) if (log.time[r] < log.time[row] if masked else r < row)]
        targets = [r for r in range(first, last) if split.train[r]]
        if masked:
            targets = [r for r in targets if log.listing[r] not in log.listing[first:r]]
        if earlier and row in targets:
            following = [log.listing[r] for r in targets if r >= row][:3]
            expected.append((user, len(earlier), [*following, -1, -1, -1][:3]))
    rows = zip(examples.user, examples.end - examples.start, examples.positive.tolist(), strict=True)
    assert list(rows) == expected
    for start, end in zip(examples.start, examples.end, strict=True):
        assert split.train[start:end].all()  # nothing of validation or test


def test_a_users_training_future_and_masked_history_are_never_negatives(case):
    log, split = case
    masked = split.protocol == "temporal"
    examples = make_examples(log, split, positives=2)
    rows, columns = np.arange(0, len(examples), 3), np.array([3, 17, 5, 11, 24])
    found = exclusions(examples, log, rows, columns, history_too=masked)
    for b, e in enumerate(rows):
        mine = split.train & (log.user == examples.user[e])
        if not masked:
            mine[: examples.end[e]] = False
        assert found[b].tolist() == [column in set(log.listing[mine]) for column in columns]


def test_expired_and_unpublished_listings_are_no_negatives():
    catalogue = Catalogue(np.array([0, 10, 20]), np.array([10, 30, 30]))
    found = active_mask(catalogue, np.array([5, 10, 25]), np.array([0, 1, 2]))
    assert found.tolist() == [[True, False, False], [False, True, False], [False, True, True]]


def test_simultaneous_events_are_those_on_different_listings_of_training():
    user = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2])
    time = np.array([1, 1, 2, 3, 3, 1, 5, 5, 1])
    listing = np.array([7, 8, 7, 4, 4, 7, 1, 2, 7])  # user 0 has listing 4 twice at once: no basket
    starts, none = np.array([0, 5, 8, 9]), np.full(9, np.nan)
    log = EventLog(user, listing, time, np.full(9, -1), none, starts, ["a", "b", "c"], [], 9, True)
    for train, share in ((np.ones(9, bool), 4 / 9), (time < 5, 2 / 7), (np.zeros(9, bool), 0)):
        assert simultaneous_share(log, train) == pytest.approx(share)
    order = shuffled_baskets(log, np.ones(9, bool), np.random.default_rng(0))
    assert sorted(order) == list(range(9)) and order[[2, 5, 8]].tolist() == [2, 5, 8]
    untimed = replace(log, time=np.array([0, 1, 2, 3, 4, 0, 1, 2, 0]), timed=False)
    train = np.arange(9) != 4
    orders = [shuffled_baskets(untimed, train, np.random.default_rng(seed)) for seed in range(9)]
    assert all(np.array_equal(user[order], user) and order[4] == 4 for order in orders)
    assert len({tuple(order[:4]) for order in orders}) > 4, "without timestamps a user is one basket"


def test_joined_markets_have_their_own_users_histories_and_queries(small_market, quick):
    one = TrainingData.of(small_market, quick.split)
    assert TrainingData.joined([one], ["a"]) is one
    both = TrainingData.joined([one, one], ["a", "b"])
    events, listings = len(one.log), one.log.listings
    assert np.array_equal(both.log.listing[events:], one.log.listing + listings)
    assert np.array_equal(np.diff(both.log.start), np.tile(np.diff(one.log.start), 2))
    late = both.split.valid.take(slice(len(one.split.valid), None))
    assert np.array_equal(late.target, one.split.valid.target + listings)
    assert np.array_equal(both.log.listing[late.start], one.log.listing[one.split.valid.start] + listings)
    assert np.array_equal(both.known[len(one.known) :], one.known + listings)
    unwanted = replace(one.log, unwanted=(one.log.actions[0],))  # in one of the markets
    log = TrainingData.joined([one, replace(one, log=unwanted)], ["a", "b"]).log
    assert log.is_positive[:events].all() and np.array_equal(log.is_positive[events:], one.log.action != 0)


def test_the_rule_of_negatives_does_not_depend_on_the_order_of_markets(make_log, always_live):
    def data(listings):  # of each of 40 users
        users = np.repeat(np.arange(40), 8)
        log = make_log(users, np.tile(listings, 40), np.tile(np.arange(8), 40), 8, 40, timed=False)
        catalogue = always_live(log)
        return TrainingData(log, catalogue, make_split(log, catalogue), np.ones(8, int), np.arange(8))

    new, back = data(np.arange(8)), data(np.array([0, 1, 0, 1, 2, 0, 3, 4]))
    assert new.split.valid.masked and not back.split.valid.masked
    for parts in ([new, back], [back, new]):
        split = TrainingData.joined(parts, ["a", "b"]).split
        assert not split.valid.masked and not split.test.masked
