"""What a training leaves open is decided by the market, and what was given by hand stays."""

import math

import numpy as np
import pytest

import listing_vibes.training.decided as decided_module
from listing_vibes.errors import VibesError
from listing_vibes.market.splits import make_split
from listing_vibes.model.settings import Resolved
from listing_vibes.run.fits import NEAR, RECENT, count_repeated
from listing_vibes.training.decided import LARGE_STEPS, LATE_WEIGHT, UNWEIGHED, VALUE_RATE, decided


@pytest.fixture
def large(random_log, always_live, monkeypatch):
    monkeypatch.setattr(decided_module, "LARGE", 20)
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    return log, make_split(log, always_live(log))


def test_a_small_market_keeps_its_steps(random_log, always_live):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    found = decided(Resolved(), log, make_split(log, always_live(log)))
    plain = Resolved().training
    assert (found.batch, found.fresh, found.max_steps, found.validations) == (
        plain.batch, plain.fresh, plain.max_steps, plain.validations,
    )  # fmt: skip
    assert found.baskets == "order" and found.late_interaction == 0.0 and found.bf16 is not None


def test_a_market_with_few_events_is_trained_beside_recency(random_log, always_live, monkeypatch):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    split = make_split(log, always_live(log))
    found = decided(Resolved(), log, split)
    assert (found.recency_days, found.recency_served, found.neighbours_served) == (RECENT, True, NEAR)
    last = decided(Resolved(), log, make_split(log, always_live(log), "leave-one-out"))
    assert (last.recency_days, last.recency_served, last.neighbours_served) == (RECENT, True, NEAR)
    assert last.validate_every == found.validate_every
    sets = decided(Resolved.of({"training": {"baskets": "set"}}), log, split)
    assert (sets.recency_days, sets.recency_served, sets.neighbours_served) == (RECENT, True, NEAR)
    assert sets.neighbours_nearest and not found.neighbours_nearest and not last.neighbours_nearest
    assert decided(Resolved(), log, split, attributes=False).neighbours_served == 0
    without = Resolved.of({"features": {"attributes": False}})
    assert decided(without, log, split).neighbours_served == 0
    none = (0, False)
    for settings, more in (
        (Resolved.of({"training": {"recency_days": 0}}), {}),
        (Resolved(), {"many": True}),
    ):
        found = decided(settings, log, split, **more)
        assert (found.recency_days, found.recency_served) == none and not found.neighbours_served
    by_hand = decided(Resolved.of({"training": {"recency_days": 7}}), log, split)
    assert (by_hand.recency_days, by_hand.recency_served) == (7, True)
    untimed = random_log(0, users=60, listings=30, events=900, timed=False)
    found = decided(Resolved(), untimed, make_split(untimed, always_live(untimed)))
    assert (found.recency_days, found.recency_served) == none
    assert found.validate_every == last.validate_every is not None
    monkeypatch.setattr(decided_module, "LITTLE", 100)
    found = decided(Resolved(), log, split)
    assert (found.recency_days, found.recency_served) == none


@pytest.mark.parametrize("little", [100, 100_000])
def test_validation_is_to_weight_what_lists_add(random_log, always_live, monkeypatch, little):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    split = make_split(log, always_live(log))
    monkeypatch.setattr(decided_module, "LITTLE", little)
    found = decided(Resolved(), log, split)
    assert (found.recency_fit, found.recency_served) == (UNWEIGHED, bool(found.recency_days))
    assert (
        found.neighbours_weighed and not decided(Resolved(), log, split, attributes=False).neighbours_weighed
    )
    asked = decided(Resolved.of({"training": {"neighbours_served": 0.0}}), log, split)
    assert asked.recency_fit == UNWEIGHED and not asked.neighbours_weighed
    for by_hand in ({"recency_days": 0}, {"recency_days": 7}, {"recency_served": False}):
        assert decided(Resolved.of({"training": by_hand}), log, split).recency_fit is None
    assert decided(Resolved(), log, split, many=True).recency_fit is None
    untimed = random_log(0, users=60, listings=30, events=900, timed=False)
    assert decided(Resolved(), untimed, make_split(untimed, always_live(untimed))).recency_fit is None


def test_a_large_market_has_larger_steps_and_fewer(large):
    found = decided(Resolved(), *large)
    assert {name: getattr(found, name) for name in LARGE_STEPS} == LARGE_STEPS
    assert found.max_steps == decided_module.LEAST_STEPS
    assert (found.value_rate, found.rate_of_values) == (1, 1)


def test_a_market_of_few_users_with_many_events_is_large_and_read_as_often(
    random_log, always_live, monkeypatch
):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    split = make_split(log, always_live(log))
    assert (decided(Resolved(), log, split).batch, decided(Resolved(), log, split).value_rate) == (256, 1)
    events = count_repeated(np.bincount(log.user[split.train]))
    monkeypatch.setattr(decided_module, "LARGE_EVENTS", events + 1)
    assert decided(Resolved(), log, split).batch == 256
    monkeypatch.setattr(decided_module, "LARGE_EVENTS", events)
    monkeypatch.setattr(decided_module, "LEAST_STEPS", 1)
    monkeypatch.setitem(LARGE_STEPS, "window_listings", 16)
    found = decided(Resolved(), log, split)
    assert {name: getattr(found, name) for name in LARGE_STEPS} == LARGE_STEPS
    assert found.max_steps == math.ceil(decided_module.PASSES * events / 16)
    assert (found.value_rate, found.rate_of_values) == (VALUE_RATE, VALUE_RATE)
    assert decided(Resolved.of({"training": {"value_rate": 3}}), log, split).value_rate == 3


def test_users_and_events_that_make_a_market_large_or_small_are_counted_from_two_on(
    random_log, always_live, monkeypatch
):
    log = random_log(0, users=60, listings=30, events=150, timed=True)
    split = make_split(log, always_live(log))
    events_of = np.bincount(log.user[split.train])
    users, events = (events_of >= 2).sum(), events_of[events_of >= 2].sum()
    assert (events_of == 1).any() and count_repeated(events_of) == events
    monkeypatch.setattr(decided_module, "LARGE", users + 1)
    assert decided(Resolved(), log, split).batch == 256
    monkeypatch.setattr(decided_module, "LARGE", users)
    monkeypatch.setattr(decided_module, "LEAST_STEPS", 1)
    monkeypatch.setitem(LARGE_STEPS, "batch", 8)
    steps = math.ceil(decided_module.EPOCHS * users / 8)
    assert steps % 7
    assert decided(Resolved(), log, split).max_steps == steps
    assert decided(Resolved(), log, split, shorter=7).max_steps == math.ceil(steps / 7)
    for little, days in ((events + 1, RECENT), (events, 0)):
        monkeypatch.setattr(decided_module, "LITTLE", little)
        assert decided(Resolved(), log, split).recency_days == days


def test_steps_of_a_small_market_are_shortened_to_whole_ones(random_log, always_live):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    split, plain = make_split(log, always_live(log)), Resolved().training.max_steps
    assert plain % 7
    assert decided(Resolved(), log, split, shorter=7).max_steps == math.ceil(plain / 7)
    by_hand = Resolved.of({"training": {"max_steps": 9}})
    assert decided(by_hand, log, split, shorter=7).max_steps == 9


def test_leave_one_out_brings_late_interaction_where_the_market_is_not_large(large, always_live, monkeypatch):
    log, _ = large
    split = make_split(log, always_live(log), "leave-one-out")
    assert decided(Resolved(), log, split).late_interaction == 0
    monkeypatch.setattr(decided_module, "LARGE", 16_384)
    assert decided(Resolved(), log, split).late_interaction == LATE_WEIGHT


def test_what_was_given_stays_in_a_large_market(large):
    settings = Resolved.of({"training": {"batch": 64, "max_steps": 9}})
    found = decided(settings, *large)
    assert (found.batch, found.max_steps, found.fresh) == (64, 9, LARGE_STEPS["fresh"])


def test_baskets_bring_late_interaction_to_readers_of_vectors_alone(random_log, always_live):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    log.time[:] = log.time // (np.ptp(log.time) // 5)
    split = make_split(log, always_live(log))
    found = decided(Resolved(), log, split)
    assert found.baskets == "set" and found.late_interaction == LATE_WEIGHT
    assert decided(Resolved.of({"history": "cls"}), log, split).late_interaction == 0
    assert decided(Resolved.of({"training": {"baskets": "order"}}), log, split).late_interaction == 0


@pytest.mark.parametrize(("returning", "compared"), [(0, False), (1, False), (8, True)])
def test_no_listing_is_near_to_itself_where_lists_may_hold_the_history_and_few_return(
    returning, compared, always_live, make_log
):
    listing = np.tile(
        np.arange(8), (40, 1)
    )  # each of 40 users touches eight listings, the last two for the test
    listing[:returning, 3] = 1  # of 200 training events after a user's first
    flat = np.repeat(np.arange(40), 8), listing.ravel(), np.tile(np.arange(8), 40)
    log = make_log(*flat, 8, 40, timed=False)
    split = make_split(log, always_live(log))
    assert decided(Resolved(), log, split).late_itself is compared
    assert decided(Resolved.of({"training": {"late_itself": True}}), log, split).late_itself is True
    timed = make_log(*flat, 8, 40)
    assert decided(Resolved(), timed, make_split(timed, always_live(timed))).late_itself is True


def test_a_model_learns_what_is_unwanted_where_the_training_events_have_a_hundred(
    random_log, always_live, make_log
):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    early = np.flatnonzero(log.time < np.quantile(log.time, 0.5))
    for count, learned in ((130, True), (99, False), (0, False)):
        some = make_log(
            log.user, log.listing, log.time, log.listings, 60, hides=early[:: len(early) // 150][:count]
        )
        split = make_split(some, always_live(some))
        assert decided(Resolved(), some, split).unwanted_learned == learned
        assert not decided(Resolved.of({"features": {"meta": False}}), some, split).unwanted_learned
    late = np.flatnonzero(log.time > np.quantile(log.time, 0.85))  # none of them is there in training
    some = make_log(log.user, log.listing, log.time, log.listings, 60, hides=late)
    split = make_split(some, always_live(some))
    assert not decided(Resolved(), some, split).unwanted_learned
    by_hand = Resolved.of({"training": {"unwanted_learned": True}})
    assert decided(by_hand, some, split).unwanted_learned


def test_what_is_unwanted_is_not_learned_in_two_stages(random_log, always_live, make_log):
    log = random_log(0, users=60, listings=30, events=900, timed=True)
    some = make_log(log.user, log.listing, log.time, log.listings, 60, hides=np.arange(0, 900, 3))
    split, two = make_split(some, always_live(some)), {"recipe": "two-stage"}
    assert decided(Resolved(), some, split).unwanted_learned
    assert not decided(Resolved.of({"training": two}), some, split).unwanted_learned


def test_seeds_and_days_have_bounds():
    for wrong in ({"seed": -1}, {"seed": 2**32}, {"training": {"recency_days": 200_000}}):
        with pytest.raises(VibesError, match=r"seed|recency_days"):
            Resolved.of(wrong)
