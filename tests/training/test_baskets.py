"""Baskets as sets: what one epoch foretells of them, what stays as it is, and when a market has them."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.helpers.training_pieces import changed

from listing_vibes.features.featurizer import FeatureConfig, Featurizer
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import Resolved
from listing_vibes.run.engine import make_inputs
from listing_vibes.run.manifest import Manifest
from listing_vibes.training.baskets import drawn_order, in_epoch, simultaneous
from listing_vibes.training.batches import window_batches
from listing_vibes.training.examples import make_examples
from listing_vibes.training.step import StepData
from listing_vibes.training.train import train


def market_of(path, per_basket: int, baskets: int = 3, users: int = 30) -> Market:
    """Every user buys `baskets` times, some days apart, `per_basket` listings each time; all with an action."""
    rng = np.random.default_rng(0)
    path.mkdir()
    pd.DataFrame({C.LISTING: [f"l{n}" for n in range(40)], "price": rng.random(40)}).to_csv(
        path / "listings.csv", index=False
    )
    rows = [
        (f"u{user}", f"l{listing}", f"2024-01-{1 + 3 * day + user % 3:02d}", "view" if listing % 2 else "buy")
        for user in range(users)
        for day in range(baskets)
        for listing in rng.choice(40, per_basket, replace=False)
    ]
    pd.DataFrame(rows, columns=[C.USER, C.LISTING, C.TIMESTAMP, C.ACTION]).to_csv(
        path / "events.csv", index=False
    )
    return Market.open(path)


@pytest.fixture(params=["temporal", "leave-one-out"])
def data(request, tmp_path) -> StepData:
    market = market_of(tmp_path / "market", per_basket=4)
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue, request.param)
    featurizer = Featurizer.fit(market, FeatureConfig(), 32, np.arange(40), log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, Resolved())
    masked = split.protocol == "temporal"
    examples = make_examples(log, split, 3, within=True)
    return StepData(examples, log, catalogue, inputs, np.arange(40), masked, 0, baskets=split)


def basket(log: EventLog, rows: np.ndarray) -> list[tuple]:
    return list(zip(log.user[rows], log.time[rows], log.listing[rows], log.action[rows], strict=True))


def test_only_the_order_within_a_training_basket_is_drawn(data):
    train, before = data.baskets.train, data.log
    for epoch in range(3):
        now = in_epoch(data, epoch)
        rows = np.arange(len(before))
        # the same events at the same places in time, so that what trains and what is asked later stay apart
        assert Counter(basket(now.log, rows[train])) == Counter(basket(before, rows[train]))
        assert basket(now.log, rows[~train]) == basket(before, rows[~train])
        assert (now.log.user == before.user).all() and (now.log.time == before.time).all()
        assert not np.array_equal(now.log.listing, before.listing)
        assert (now.inputs.listing == now.log.listing).all()
        # an event keeps its action: "view" of odd listings, "buy" of even ones
        views = now.log.actions.index("view")
        assert ((now.log.action == views) == (now.log.listing % 2 == 1)).all()
        told = set(zip((now.log.listing % 2).tolist(), now.inputs.meta.action.tolist(), strict=True))
        assert len(told) == 2


def test_an_epoch_s_order_follows_from_seed_and_epoch(data):
    one, again, next_one = in_epoch(data, 0), in_epoch(data, 0), in_epoch(data, 1)
    assert (one.log.listing == again.log.listing).all()
    assert (one.examples.positive == again.examples.positive).all()
    assert not np.array_equal(one.log.listing, next_one.log.listing)
    other = in_epoch(replace(data, seed=1), 0)
    assert not np.array_equal(one.log.listing, other.log.listing)


def test_every_member_is_foretold_by_every_other_over_the_epochs(data):
    """Of a first basket of four any ordered pair of neighbours comes up, though nothing came before it."""
    log = data.log
    user = int(data.examples.user[0])
    first = int(log.start[user])
    members = set(log.listing[first : first + 4].tolist())
    pairs = set()
    for epoch in range(80):
        now = in_epoch(data, epoch)
        own = np.flatnonzero(now.examples.user == user)
        for example in own[now.examples.end[own] - first < 4]:
            pairs.add(
                (int(now.log.listing[now.examples.end[example] - 1]), int(now.examples.positive[example, 0]))
            )
    assert pairs == {(a, b) for a in members for b in members if a != b}


def test_every_training_event_but_a_user_s_first_is_foretold(data):
    for epoch in range(2):
        now = in_epoch(data, epoch)
        log, examples, train = now.log, now.examples, data.baskets.train
        expected = []
        for row in np.flatnonzero(train):
            start = log.start[log.user[row]]
            seen = log.listing[row] in log.listing[start:row] and data.masked
            if row > start and not seen:
                expected.append((row, log.listing[row]))
        assert list(zip(examples.end, examples.positive[:, 0], strict=True)) == expected
        # so the histories of a step's windows are those of its examples
        for one in window_batches(examples, now.inputs, 8, 64, seed=0, epoch=epoch):
            events = np.concatenate([np.arange(a, b) for a, b in zip(one.first, one.end, strict=True)])
            assert train[events].all() and (events[one.place] == examples.end[one.rows] - 1).all()


def test_in_the_order_of_time_a_basket_foretells_none_of_its_members(data):
    plain = replace(data, baskets=None, examples=make_examples(data.log, data.baskets, 3))
    assert in_epoch(plain, 3) is plain
    if data.masked:
        at_end = data.log.time[np.minimum(plain.examples.end, len(data.log) - 1)]
        assert (at_end == plain.examples.at).all()
        assert (data.log.time[plain.examples.end - 1] < plain.examples.at).all()
        assert len(plain.examples) < len(data.examples)


def test_the_share_of_simultaneous_events_counts_different_listings_of_training_alone():
    user = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2])
    time = np.array([1, 1, 2, 3, 3, 1, 5, 5, 1])
    listing = np.array([7, 8, 7, 4, 4, 7, 1, 2, 7])  # user 0 touched listing 4 twice at once: no basket
    log = EventLog(
        user, listing, time, np.full(9, -1), np.full(9, np.nan), np.array([0, 5, 8, 9]), ["a", "b", "c"], [], 9, True
    )  # fmt: skip
    assert simultaneous(log, np.ones(9, bool)) == pytest.approx(4 / 9)
    assert simultaneous(log, time < 5) == pytest.approx(2 / 7)
    assert simultaneous(log, np.zeros(9, bool)) == 0
    order = drawn_order(log, np.ones(9, bool), np.random.default_rng(0))
    assert sorted(order) == list(range(9)) and order[[2, 5, 8]].tolist() == [2, 5, 8]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("per_basket", "asked", "found"), [(4, "auto", "set"), (1, "auto", "order"), (4, "order", "order")]
)
def test_a_run_says_how_it_read_the_baskets_of_its_market(quick, tmp_path, per_basket, asked, found):
    market = market_of(tmp_path / "market", per_basket, baskets=5)
    train(market, tmp_path / "run", changed(quick, baskets=asked, max_steps=4), None)
    assert Manifest.load(tmp_path / "run").settings.training.baskets == found
