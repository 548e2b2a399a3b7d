"""The newest events: a fall of recall is named, chance is not, and where none came no file of before stays."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core.errors import VibesError
from core.evaluation.run_evaluation import evaluate_run
from core.scoring.metrics import DEFAULT
from core.serving.monitor.checks import Check, Thresholds
from core.serving.monitor.evidence import no_queries, write_evidence
from core.serving.monitor.monitor import look as look_at
from core.serving.monitor.newest import METRIC, Newest, recall_check


def recall(values: np.ndarray, measured: np.ndarray) -> Check:
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
        found = recall(np.zeros(few), measured)
        assert not found.crossed and "too few" in found.sentence and found.before == measured.mean()
    assert not recall(np.zeros(20), np.array([0.0] * 95 + [1.0] * 5)).crossed
    found = recall(np.zeros(20), measured)
    assert found.crossed and "less than the" in found.sentence
    assert not recall((rng.random(30) < 0.45).astype(float), measured).crossed


def test_where_no_query_came_the_table_has_no_rows_and_no_evidence_of_before_stays(trained, tmp_path):
    told = evaluate_run(trained, rivals="none").queries_frame(trained.market)
    pd.testing.assert_frame_equal(no_queries(trained), told[:0], check_dtype=False)
    (tmp_path / "recall.csv").touch()
    (tmp_path / "notes.txt").touch()
    assert write_evidence(None, None, {}, trained, tmp_path) == {}
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_what_is_amiss_is_told_by_the_option_that_was_given(trained):
    with pytest.raises(VibesError, match="Option --by names 'nonsense'"):
        look_at(trained, by="nonsense", save=False)
    with pytest.raises(VibesError, match=r"Option --since is '31.02.2025'"):
        look_at(trained, since="31.02.2025", save=False)
