"""Always-valid tests: right however often one looks, and as quick as they say."""

import numpy as np
import pytest
from scipy.stats import binom

from listing_vibes.serving.experiment.verdict import LEVEL, always_valid, log_evidence


@pytest.mark.parametrize("null", [0.5, 0.2])
def test_with_a_look_at_every_step_no_more_than_one_in_twenty_is_a_false_alarm(null):
    outcomes = np.random.default_rng(0).random((600, 1000)) < null
    wins, count = outcomes.cumsum(axis=1), np.arange(1, 1001)
    alarms = (log_evidence(wins, count, null, null) >= -np.log1p(-LEVEL)).any(axis=1)
    assert 0 < alarms.mean() <= 0.05


def test_the_evidence_has_a_mean_of_one_where_the_null_is_true():
    count, wins = 40, np.arange(41)
    evidence = np.exp(log_evidence(wins, np.full(41, count), 0.3, 0.3))
    assert np.isclose((binom.pmf(wins, count, 0.3) * evidence).sum(), 1)


def test_interval_and_p_value_say_the_same_and_narrow_with_time():
    outcomes = np.random.default_rng(1).random(1500) < 0.58
    widths, alarmed = [], False
    for count in (0, 1, 50, 400, 1500):
        found = always_valid(outcomes[:count])
        alarmed |= found.p_value <= 0.05
        assert alarmed == (not found.low < 0.5 < found.high)
        widths.append(found.high - found.low)
    assert alarmed and widths == sorted(widths, reverse=True) and found.low < 0.58 < found.high
    assert found.value == outcomes.mean()


def test_an_interval_holds_what_the_evidence_has_never_ruled_out():
    rng = np.random.default_rng(2)
    for truth in (0.05, 0.4, 0.7, 0.7, 0.7, 0.98):
        outcomes = rng.random(500) < truth
        found, wins, count = always_valid(outcomes), outcomes.cumsum(), np.arange(1, 501)
        for share in np.linspace(0.005, 0.995, 199):
            never = log_evidence(wins, count, share, 0.5).max() < -np.log1p(-LEVEL)
            assert never == (found.low < share < found.high), share


def test_a_rejected_share_stays_rejected_however_long_it_becomes():
    outcomes, before = np.random.default_rng(4).random(300) < 0.6, (0.0, 1.0)
    for count in range(1, 301):
        found = always_valid(outcomes[:count])
        assert found.low >= before[0] and found.high <= before[1]
        before = (found.low, found.high)


def test_nothing_to_see_never_ends():
    found = always_valid(np.empty(0, bool))
    assert (found.value, found.low, found.high, found.p_value) == (None, 0, 1, 1)
