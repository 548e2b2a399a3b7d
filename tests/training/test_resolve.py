"""What a training leaves open is chosen by the market, and what was given stays."""

import numpy as np
import pytest

from listing_vibes.defaults import RECENT_DAYS
from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import make_split
from listing_vibes.model.settings import Resolved
from listing_vibes.training import resolve as module
from listing_vibes.training.examples import TrainingData
from listing_vibes.training.resolve import LARGE_STEPS, POSITIONS, VALUE_RATE, resolve, resolve_positions


@pytest.fixture
def data_of(always_live):
    def make(log: EventLog, protocol: str | None = None) -> TrainingData:
        catalogue = always_live(log)
        split = make_split(log, catalogue, protocol)
        return TrainingData(log, catalogue, split, log.counts(split.train), np.arange(log.listings))

    return make


@pytest.fixture
def small(random_log, data_of) -> TrainingData:
    return data_of(random_log(0, users=60, listings=30, events=900, timed=True))


def chosen(data: TrainingData, training: dict | None = None, **more):
    settings = {name: more.pop(name) for name in ("history", "features") if name in more}
    return resolve(Resolved.of({"training": training or {}} | settings), data, **more)


def test_a_small_market_keeps_its_steps_and_trains_beside_recency(small):
    found, usual = chosen(small), Resolved().training
    kept = ("batch", "fresh", "max_steps", "validations", "bank_size")
    assert all(getattr(found.training, name) == getattr(usual, name) for name in kept)
    training = found.training
    assert (training.baskets, training.late_interaction, training.value_rate) == ("order", 0.0, 1.0)
    assert training.bf16 is not None and training.recency_days == RECENT_DAYS
    assert (found.split.t1, found.split.t2) == (small.split.t1, small.split.t2)
    assert chosen(small, shorter=5).training.max_steps == usual.max_steps // 5


def test_a_market_of_more_events_is_not_trained_beside_recency(small, monkeypatch):
    monkeypatch.setattr(module, "SMALL_MARKET", 0)
    assert chosen(small).training.recency_days == 0


@pytest.mark.parametrize("by", ["users", "events"])
def test_a_large_market_has_larger_steps_and_fewer(small, monkeypatch, by):
    count = np.bincount(small.log.user[small.split.train])
    events = int(count[count >= 2].sum())
    monkeypatch.setattr(module, *(("LARGE", 20) if by == "users" else ("LARGE_EVENTS", events)))
    training = chosen(small).training
    assert all(getattr(training, name) == size for name, size in LARGE_STEPS.items())
    assert training.max_steps == 140 and training.value_rate == (VALUE_RATE if by == "events" else 1.0)
    given = chosen(small, {"batch": 64, "max_steps": 9}).training
    assert (given.batch, given.max_steps, given.fresh) == (64, 9, LARGE_STEPS["fresh"])


def test_late_interaction_goes_with_baskets_and_leave_one_out_for_listing_vectors(
    small, make_log, data_of, monkeypatch
):
    assert chosen(small, {"baskets": "set"}).training.late_interaction == 1
    assert chosen(small, {"baskets": "set"}, history="cls").training.late_interaction == 0
    listing = np.tile(np.arange(8), (40, 1))
    for returning, compared in ((2, False), (20, True)):  # of 200 training events after a user's first
        listing[:returning, 3] = 1
        log = make_log(
            np.repeat(np.arange(40), 8), listing.ravel(), np.tile(np.arange(8), 40), 8, 40, timed=False
        )
        training = chosen(data_of(log)).training
        assert (training.late_interaction, training.late_itself) == (1, compared)
    monkeypatch.setattr(module, "LARGE", 20)
    assert chosen(data_of(log)).training.late_interaction == 0


def test_events_in_baskets_are_read_as_sets(make_log, data_of):
    user, time = np.repeat(np.arange(30), 12), np.tile(np.repeat(np.arange(3), 4), 30)
    log = make_log(user, np.random.default_rng(0).integers(0, 30, 360), time, 30, 30)
    assert chosen(data_of(log)).training.baskets == "set"
    assert chosen(data_of(log), {"baskets": "order"}).training.baskets == "order"


def test_what_no_user_may_set_is_refused():
    for wrong in ({"seed": -1}, {"seed": 2**32}, {"training": {"recency_days": 200_000}}):
        with pytest.raises(VibesError):
            Resolved.of(wrong)


@pytest.fixture
def featurized(tiny_market):
    market = Market.open(tiny_market(listings=30, photos=2))
    featurizer = Featurizer.fit(market, FeatureConfig(text=False), 128, np.arange(30), np.empty(0), None)
    return market, featurizer, featurizer.transform(market, None)


def test_positions_are_those_that_the_columns_need(featurized):
    market, featurizer, features = featurized
    longest = featurizer.longest_listing
    assert 1 + np.diff(features.tokens.offset).max() <= longest
    rows = {}
    for history in ("listing-vectors", "cls"):
        settings = resolve_positions(Resolved(preset="tiny", history=history), *featurized)
        rows[history] = settings.positions
        assert (
            settings.encoder_config().max_tokens == settings.positions and settings.positions % POSITIONS == 0
        )
    assert longest <= rows["listing-vectors"] < longest + POSITIONS
    history = 1 + 50 * (longest + 1)  # an action and a duration go with each listing
    assert min(history, 1024) <= rows["cls"] <= 1024
    for most in (longest, 3):
        settings = Resolved(preset="tiny", encoder={"max_tokens": most})
        if most == 3:
            with pytest.raises(VibesError, match="max_tokens is 3"):
                resolve_positions(settings, market, featurizer, features)
        else:
            assert resolve_positions(settings, market, featurizer, features).positions is None


def test_too_few_item_positions_are_refused():
    with pytest.raises(VibesError, match="max_items is 20"):
        Resolved(encoder={"max_items": 20}).encoder_config()
    assert Resolved.of({"training": {"max_listings": 80}}).encoder_config().max_items == 81
