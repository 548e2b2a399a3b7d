"""Training examples against plain loops: what is a positive, and what must never be a negative."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.training.examples import epoch_batches, exclusions, live_mask, make_examples


@pytest.fixture(params=["temporal", "leave-one-out"])
def case(request, tmp_path):
    rng = np.random.default_rng(3)
    pd.DataFrame({C.LISTING: [f"l{n}" for n in range(25)], "price": rng.random(25)}).to_csv(
        tmp_path / "listings.csv", index=False
    )
    events = pd.DataFrame(
        {
            C.USER: rng.choice([f"u{n}" for n in range(20)], 300),
            C.LISTING: rng.choice([f"l{n}" for n in range(25)], 300),
            C.TIMESTAMP: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 300), unit="D"),
        }
    )
    events.to_csv(tmp_path / "events.csv", index=False)
    market = Market.open(tmp_path)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    return log, make_split(log, catalogue, request.param)


def test_every_example_by_hand(case):
    log, split = case
    masked = split.protocol == "temporal"
    examples = make_examples(log, split, positives=3)
    expected = []
    for row in np.flatnonzero(split.train):
        user = log.user[row]
        first, last = log.start[user], log.start[user + 1]
        earlier = [r for r in range(first, last) if (log.time[r] < log.time[row] if masked else r < row)]
        touched = [r for r in range(first, last) if split.train[r]]
        if masked:
            touched = [r for r in touched if log.listing[r] not in log.listing[first:r]]
        if earlier and row in touched:
            following = [log.listing[r] for r in touched if r >= row][:3]
            expected.append((user, len(earlier), [*following, -1, -1, -1][:3]))
    found = [
        (examples.user[e], examples.end[e] - examples.start[e], examples.positive[e].tolist())
        for e in range(len(examples))
    ]
    assert found == expected


def test_nothing_of_validation_or_test_is_learned(case):
    log, split = case
    examples = make_examples(log, split, positives=5)
    for e in range(len(examples)):
        assert split.train[examples.start[e] : examples.end[e]].all()
        own = set(log.listing[(log.user == examples.user[e]) & split.train])
        assert set(examples.positive[e].tolist()) - {-1} <= own


def test_own_future_and_masked_history_are_never_negatives(case):
    log, split = case
    masked = split.protocol == "temporal"
    examples = make_examples(log, split, positives=2)
    rows, columns = np.arange(0, len(examples), 3), np.array([3, 17, 5, 11, 24])
    found = exclusions(examples, log, rows, columns, history_too=masked)
    for b, e in enumerate(rows):
        own = split.train & (log.user == examples.user[e])
        if not masked:
            own[: examples.end[e]] = False
        assert found[b].tolist() == [column in set(log.listing[own]) for column in columns]


def test_expired_and_unpublished_listings_are_no_negatives():
    catalogue = Catalogue(np.array([0, 10, 20]), np.array([10, 30, 30]))
    found = live_mask(catalogue, np.array([5, 10, 25]), np.array([0, 1, 2]))
    assert found.tolist() == [[True, False, False], [False, True, False], [False, True, True]]


def test_an_epoch_is_seeded_and_takes_each_user_equally(case):
    log, split = case
    examples = make_examples(log, split, positives=1)
    lengths = (examples.end - examples.start).astype(int)
    one = epoch_batches(examples, lengths, 8, 2, seed=1, epoch=0)
    again = epoch_batches(examples, lengths, 8, 2, seed=1, epoch=0)
    other = epoch_batches(examples, lengths, 8, 2, seed=1, epoch=1)
    assert all((a == b).all() for a, b in zip(one, again, strict=True))
    assert not np.array_equal(np.concatenate(one), np.concatenate(other))
    chosen = np.concatenate(one)
    assert len(np.unique(chosen)) == len(chosen)
    expected = np.minimum(np.bincount(examples.user, minlength=len(log.users)), 2)
    assert np.bincount(examples.user[chosen], minlength=len(log.users)).tolist() == expected.tolist()
