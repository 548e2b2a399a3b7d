"""Several markets in one training: how often each is drawn, and that negatives stay at home."""

from dataclasses import replace

import numpy as np

from listing_vibes.features.featurizer import Features
from listing_vibes.features.tokens.tabular import Tokens
from listing_vibes.features.tokens.vocabulary import Vocabulary
from listing_vibes.market.attribute_types import AttributeVocabulary
from listing_vibes.market.splits import make_split
from listing_vibes.model.inputs import Inputs
from listing_vibes.training.codes import codes_of, redrawn
from listing_vibes.training.ground import Ground
from listing_vibes.training.mix import Mix
from listing_vibes.training.step import StepData


def test_markets_are_drawn_by_a_power_of_their_size():
    market, listings = np.array([0, 1]), np.repeat([0, 1], [900, 100])
    rng = np.random.default_rng(0)
    for power, share in ((1.0, 0.1), (0.5, 0.25), (0.0, 0.5)):
        mix = Mix.of(market, listings, power)
        drawn = listings[mix.drawn(np.arange(1000), listings, rng)]
        assert abs((drawn == 1).mean() - share) < 0.03 and abs(len(drawn) - 1000) < 60


def test_examples_are_drawn_one_by_one_by_the_same_power():
    market, listings = np.array([0, 1]), np.repeat([0, 1], [900, 100])
    for power, share in ((1.0, 0.1), (0.5, 0.25), (0.0, 0.5)):
        shares = Mix.of(market, listings, power).shares(listings)
        assert abs(shares[listings == 1].sum() - share) < 1e-9 and abs(shares.sum() - 1) < 1e-9


def test_negatives_are_of_the_own_market():
    mix = Mix.of(np.array([0, 0, 1, 1]), np.arange(4), 1.0)
    assert mix.same(np.array([0, 3]), np.array([1, 2])).tolist() == [[True, False], [False, True]]
    assert mix.size(np.array([0, 0, 2]), np.array([0, 1, 2])) == (2 + 2 + 1) / 3


def test_joined_markets_keep_their_users_histories_and_queries_apart(small_market, quick):
    one = Ground.of(small_market, quick.split)
    both = Ground.joined([one, one], ["a", "b"])
    events, listings = len(one.log), one.log.listings
    assert np.array_equal(both.log.listing[events:], one.log.listing + listings)
    assert np.array_equal(np.diff(both.log.start), np.tile(np.diff(one.log.start), 2))
    late = both.split.valid.take(slice(len(one.split.valid), None))
    assert np.array_equal(late.target, one.split.valid.target + listings)
    assert np.array_equal(both.log.listing[late.start], one.log.listing[one.split.valid.start] + listings)
    assert np.array_equal(both.known[len(one.known) :], one.known + listings)


def test_what_one_joined_market_calls_unwanted_another_may_want(small_market, quick):
    one = Ground.of(small_market, quick.split)
    action = one.log.actions[0]
    refusing = replace(one, log=replace(one.log, unwanted=(action,)))
    both = Ground.joined([one, refusing], ["a", "b"]).log
    events = len(one.log)
    said = one.log.action == 0
    assert said.any() and both.some_unwanted
    assert both.wanted[:events].all() and np.array_equal(both.wanted[events:], ~said)
    rows = np.array([events + np.flatnonzero(said)[0], np.flatnonzero(said)[0]])
    assert both.histories(rows, np.array([1, 1])).wanted.tolist() == [False, True]
    assert not Ground.joined([one, one], ["a", "b"]).log.some_unwanted


def test_one_rule_for_what_is_a_negative_whichever_market_is_named_first(make_log, always_live):
    def ground(listings):  # of each of 40 users
        log = make_log(
            np.repeat(np.arange(40), 8), np.tile(listings, 40), np.tile(np.arange(8), 40), 8, 40, timed=False
        )
        catalogue, counts = always_live(log), np.ones(8, int)
        return Ground(log, catalogue, make_split(log, catalogue), counts, np.arange(8))

    new, back = ground(np.arange(8)), ground(np.array([0, 1, 0, 1, 2, 0, 3, 4]))
    assert new.split.valid.masked and not back.split.valid.masked
    for grounds in ([new, back], [back, new]):
        split = Ground.joined(grounds, ["a", "b"]).split
        assert not split.valid.masked and not split.test.masked


def test_codes_are_drawn_anew_and_keep_who_shares_one():
    vocabulary = Vocabulary(
        attributes=[AttributeVocabulary(name="x", kind="category", first=1, values=["a"], buckets=8)]
    )
    assert codes_of(vocabulary) == [(2, 8)]
    ids = np.array([1, 2, 3, 3, 9, 0], np.int32)
    empty = np.zeros(6, np.int64)
    tokens = Tokens(np.arange(7), empty, ids, empty, empty, empty, empty, np.zeros(7, np.int64), empty[:0])
    features = Features(tokens, np.zeros((0, 2)), np.zeros((0, 2)))
    mix = Mix(np.zeros(6, int), np.ones(1), ((2, 8),))
    data = StepData(None, None, None, Inputs(features, ids, None, 1, 1), ids, True, 0, mix=mix)
    one, other = (redrawn(data, number).inputs.features.tokens.value for number in (0, 1))
    assert one.tolist() != other.tolist() and one[[0, 5]].tolist() == [1, 0] and one[2] == one[3]
    assert len({*one[1:5]}) == 3 and all(2 <= value < 10 for value in one[1:5])
    assert redrawn(replace(data, mix=None), 0).inputs is data.inputs
