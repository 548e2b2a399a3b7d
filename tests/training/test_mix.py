"""Several markets in one training: how often each is drawn, and that negatives stay at home."""

import numpy as np

from core.training.ground import Ground
from core.training.mix import Mix


def test_markets_are_drawn_by_a_power_of_their_size():
    market, listings = np.array([0, 1]), np.repeat([0, 1], [900, 100])
    rng = np.random.default_rng(0)
    for power, share in ((1.0, 0.1), (0.5, 0.25), (0.0, 0.5)):
        mix = Mix.of(market, listings, power)
        drawn = listings[mix.drawn(np.arange(1000), listings, rng)]
        assert abs((drawn == 1).mean() - share) < 0.03 and abs(len(drawn) - 1000) < 60


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
