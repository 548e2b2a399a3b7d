"""Windows of an epoch: whose events they hold, which examples they train, and where those stand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.features.featurizer import FeatureConfig, Features, Featurizer
from listing_vibes.features.tokens.tabular import Tokens
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.inputs import Inputs
from listing_vibes.model.settings import Resolved
from listing_vibes.run.engine import make_inputs
from listing_vibes.training.bank import ItemBank
from listing_vibes.training.batches import history_batches, share_read, window_batches
from listing_vibes.training.decided import decided
from listing_vibes.training.examples import make_examples
from listing_vibes.training.mix import Mix


@pytest.fixture(params=["temporal", "leave-one-out"])
def case(request, tmp_path):
    rng = np.random.default_rng(5)
    pd.DataFrame({C.LISTING: [f"l{n}" for n in range(25)], "price": rng.random(25)}).to_csv(
        tmp_path / "listings.csv", index=False
    )
    pd.DataFrame(
        {
            C.USER: rng.choice([f"u{n}" for n in range(12)], 300, p=np.arange(1, 13) / 78),
            C.LISTING: rng.choice([f"l{n}" for n in range(25)], 300),
            C.TIMESTAMP: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 300), unit="D"),
        }
    ).to_csv(tmp_path / "events.csv", index=False)
    market = Market.open(tmp_path)
    log = EventLog.from_market(market)
    split = make_split(log, Catalogue.of(market), request.param)
    featurizer = Featurizer.fit(market, FeatureConfig(), 32, np.arange(25), log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, Resolved())
    return log, split, make_examples(log, split, 3), replace(inputs, max_listings=7)


def test_every_example_stands_at_the_event_its_history_ends_with(case):
    log, split, examples, inputs = case
    for batch in window_batches(examples, inputs, 4, 20, seed=0, epoch=0):
        events = np.concatenate([np.arange(a, b) for a, b in zip(batch.first, batch.end, strict=True)])
        assert split.train[events].all()
        assert (events[batch.place] == examples.end[batch.rows] - 1).all()
        assert (log.user[events[batch.place]] == examples.user[batch.rows]).all()
        assert len(batch.first) <= 4 and (len(events) <= 20 or len(batch.first) == 1)
        assert ((batch.end - batch.first) <= 7).all() and len(batch)
        assert all(log.user[a] == log.user[b - 1] for a, b in zip(batch.first, batch.end, strict=True))


def test_a_user_gives_one_window_and_another_each_epoch(case):
    log, _, examples, inputs = case
    seen = set()
    for epoch in range(40):
        batches = window_batches(examples, inputs, 4, 20, 0, epoch)
        owners = np.concatenate([log.user[b.first] for b in batches])
        assert len(np.unique(owners)) == len(owners)
        seen |= set(np.concatenate([b.rows for b in batches]).tolist())
    assert len(seen) == len(examples)


@pytest.mark.parametrize("size", [7, 999])
def test_the_share_of_the_log_that_an_epoch_reads(case, size):
    _, _, examples, inputs = case
    inputs = replace(inputs, max_listings=size)
    share = share_read(examples, size)
    plan = window_batches(examples, inputs, 4, 20, 0, 0)
    users = [np.flatnonzero(examples.user == user) for user in np.unique(examples.user)]
    events = sum(examples.end[rows[-1]] - examples.start[rows[-1]] for rows in users)
    # Cut anywhere, the pieces of a long history may be shorter than a window can be.
    assert share >= (plan.end - plan.first).sum() / events
    assert share == 1 if size == 999 else share < 0.5


def test_an_epoch_is_seeded(case):
    _, _, examples, inputs = case
    one, again, other = (window_batches(examples, inputs, 4, 20, 0, epoch) for epoch in (0, 0, 1))
    assert all((a.rows == b.rows).all() for a, b in zip(one, again, strict=True))
    assert not np.array_equal(np.concatenate([b.rows for b in one]), np.concatenate([b.rows for b in other]))


@pytest.mark.parametrize("world", [2, 3])
def test_the_parts_of_a_batch_are_the_batch(case, world):
    _, _, examples, inputs = case
    whole = window_batches(examples, inputs, 5, 40, seed=0, epoch=0)
    plain = history_batches(examples, inputs.history_lengths(examples.start, examples.end), 5, 9, 0, 0)
    for batches, by_event in ((whole, True), (plain, False)):
        for batch in batches:
            seen = []
            for rank in range(world):
                windows = np.arange(rank, len(batch.first), world)
                part = batch.part(windows, by_event)
                assert (part.first == batch.first[windows]).all() and (part.end == batch.end[windows]).all()
                ends = (
                    np.concatenate(
                        [np.arange(a, b) for a, b in zip(part.first, part.end, strict=True)] + [[]]
                    )
                    if by_event
                    else part.end - 1
                )
                assert (ends[part.place] == examples.end[part.rows] - 1).all()
                seen += part.rows.tolist()
            assert sorted(seen) == sorted(batch.rows.tolist())


def test_a_large_bank_is_encoded_less_often(case):
    _, _, _, inputs = case
    rows = np.arange(25)
    tokens = inputs.listing_lengths(rows).sum()
    assert ItemBank.steps_between(inputs, rows, step_tokens=tokens, at_least=50) == 50
    assert ItemBank.steps_between(inputs, rows, step_tokens=tokens / 80, at_least=50) == 80


def test_listings_of_many_attributes_shorten_no_history_of_their_vectors(tmp_path):
    rng, columns = np.random.default_rng(0), [f"a{n}" for n in range(20)]
    table = pd.DataFrame(rng.choice(list("abc"), (30, 20)), columns=columns)
    table.insert(0, C.LISTING, [f"l{n}" for n in range(30)])
    events = pd.DataFrame({C.USER: np.repeat(["u", "v"], 60), C.LISTING: rng.choice(table[C.LISTING], 120)})
    events[C.TIMESTAMP] = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.tile(np.arange(60), 2), unit="h")
    market = Market.from_frames(table, events, path=tmp_path / "market")
    log = EventLog.from_market(market)
    split = make_split(log, Catalogue.of(market), "leave-one-out")
    featurizer = Featurizer.fit(market, FeatureConfig(text=False), 32, np.arange(30), log.duration, None)
    features, examples = featurizer.transform(market, None), make_examples(log, split, 3)
    settings = Resolved(encoder={"max_tokens": 256})
    settings = settings.model_copy(update={"training": decided(settings, log, split)})
    inputs = make_inputs(featurizer, features, log, settings)
    start, end = log.start[:-1], log.start[1:]
    assert (end - inputs.newest(start, end)).max() == 50
    each = [batch.rows for epoch in range(12) for batch in window_batches(examples, inputs, 4, 99, 0, epoch)]
    assert len(np.unique(np.concatenate(each))) == len(examples)


def test_where_a_long_history_is_cut_is_drawn_anew_each_epoch(case):
    """Else the same events would always be first in their window, with nothing before them."""
    _, _, examples, inputs = case
    starts = [
        {int(first) for batch in window_batches(examples, inputs, 4, 20, 0, epoch) for first in batch.first}
        for epoch in range(8)
    ]
    users = set(examples.start.tolist())
    assert len(set.union(*starts) - users) > 2 * max(len(one - users) for one in starts)


@pytest.mark.parametrize("kind", ["histories", "windows"])
def test_a_small_market_of_several_comes_up_as_often_as_was_asked(always_live, make_log, kind):
    user, listings = np.repeat(np.arange(100), 6), 20
    listing = np.tile(np.arange(6), 100) + np.where(user < 90, 0, 10)  # ten of a hundred are in the second
    log = make_log(user, listing, np.tile(np.arange(6), 100), listings, 100, timed=False)
    split = make_split(log, always_live(log), "leave-one-out")
    examples, none = make_examples(log, split, 1), np.zeros(listings, np.int32)
    offsets = np.arange(listings + 1)
    tokens = Tokens(offsets, none, none, none, none, none, none, np.zeros(listings + 1, np.int64), none[:0])
    inputs = Inputs(Features(tokens, np.zeros((0, 2)), np.zeros((0, 2))), log.listing, None, 50, 100)
    for power, share in ((1.0, 0.1), (0.0, 0.5)):
        mix = Mix.of(np.arange(listings) // 10, examples.positive[:, 0], power)
        drawn = []
        for epoch in range(10):
            if kind == "histories":
                plan = history_batches(examples, np.ones(len(examples)), 16, 9, 0, epoch, mix)
            else:
                plan = window_batches(examples, inputs, 16, 99, 0, epoch, mix)
            drawn += [examples.positive[batch.rows, 0] for batch in plan]
        found = np.concatenate(drawn)
        assert abs((found >= 10).mean() - share) < 0.06 and abs(len(found) / 10 / len(examples) - 1) < 0.15
