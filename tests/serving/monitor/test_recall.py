"""The newest events: a fall of recall is named, chance is not."""

from types import SimpleNamespace

import numpy as np

from listing_vibes.scoring.metrics import DEFAULT
from listing_vibes.serving.monitor.checks import Check, Thresholds
from listing_vibes.serving.monitor.monitor import METRIC, NewestQueries, recall_check


def recall(values: np.ndarray, measured: np.ndarray) -> Check:
    told = np.zeros((len(values), len(DEFAULT.names)))
    told[:, DEFAULT.names.index(METRIC)] = values
    evaluation = SimpleNamespace(
        names=["default ranking"], user_values=lambda name: told, queries=range(len(values))
    )
    run = SimpleNamespace(listing_ids=["a"], transferred=False, log=[1])
    return recall_check(NewestQueries(None, None, 0, measured), evaluation, run, Thresholds())


def test_few_lost_queries_are_no_alarm_and_a_fall_is():
    rng = np.random.default_rng(0)
    measured = (rng.random(600) < 0.45).astype(float)
    for few in (1, 2, 19):
        found = recall(np.zeros(few), measured)
        assert not found.crossed and found.p is None and found.before == measured.mean()
    assert not recall(np.zeros(20), np.array([0.0] * 95 + [1.0] * 5)).crossed
    found = recall(np.zeros(20), measured)
    assert found.crossed
    assert not recall((rng.random(30) < 0.45).astype(float), measured).crossed
