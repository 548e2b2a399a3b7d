"""Recall on the newest events: a fall is named, chance is not."""

from types import SimpleNamespace

import numpy as np

from core.scoring.metrics import DEFAULT
from core.serving.monitor.checks import Check, Thresholds
from core.serving.monitor.newest import METRIC, Newest, recall_check


def look(values: np.ndarray, measured: np.ndarray) -> Check:
    told = np.zeros((len(values), len(DEFAULT.names)))
    told[:, DEFAULT.names.index(METRIC)] = values
    queries = np.zeros(len(values), int).view(
        type("Queries", (np.ndarray,), {"target": property(lambda one: one)})
    )
    asked = SimpleNamespace(
        names=["model"],
        user_values=lambda name: told,
        queries=queries,
        ranks={"model": np.zeros(len(values))},
    )
    return recall_check(Newest(None, None, 0, measured, "model"), asked, ["a"], Thresholds())


def test_few_lost_queries_are_no_alarm_and_a_fall_is():
    rng = np.random.default_rng(0)
    measured = (rng.random(600) < 0.45).astype(float)
    for few in (1, 2, 19):
        found = look(np.zeros(few), measured)
        assert not found.crossed and "too few" in found.sentence and found.before == measured.mean()
    assert not look(np.zeros(20), np.array([0.0] * 95 + [1.0] * 5)).crossed
    found = look(np.zeros(20), measured)
    assert found.crossed and "less than the" in found.sentence
    assert not look((rng.random(30) < 0.45).astype(float), measured).crossed
