"""The newest events: a fall of recall is named, chance is not."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import listing_vibes.serving.monitor.recall as recall_module
from listing_vibes.market.splits import make_split
from listing_vibes.model.settings import Resolved
from listing_vibes.scoring.metrics import DEFAULT
from listing_vibes.serving.monitor.checks import Check, Thresholds
from listing_vibes.serving.monitor.drift import permutation_p
from listing_vibes.serving.monitor.recall import METRIC, NewestQueries, newest_queries, recall_check


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


def test_chance_is_that_of_scipys_permutation_test():
    rng = np.random.default_rng(1)
    values, measured = (rng.random(25) < 0.35).astype(float), (rng.random(60) < 0.55).astype(float)
    theirs = stats.permutation_test(
        (values, measured), lambda one, two, axis: one.mean(axis=axis) - two.mean(axis=axis), vectorized=True,
        n_resamples=4000, alternative="less", rng=np.random.default_rng(2),
    )  # fmt: skip
    assert 0.01 < theirs.pvalue < 0.3
    both = np.concatenate([values, measured])
    ours = permutation_p(lambda rows: -both[rows].mean(), np.arange(25), np.arange(len(both)))
    assert ours == pytest.approx(theirs.pvalue, abs=0.06)


@pytest.fixture
def run(random_log, always_live):
    log = random_log(2, users=40, events=400)
    split = make_split(log, always_live(log))
    return SimpleNamespace(
        path=None, log=log, split=lambda: split, has_model=True, trained_on_everything=False,
        manifest=SimpleNamespace(settings=Resolved()), market=SimpleNamespace(timed=True),
    )  # fmt: skip


def test_new_is_what_came_after_the_last_query_that_was_measured(run, monkeypatch):
    asked, rng = run.split().test, np.random.default_rng(0)
    moments = np.unique(asked.at)
    last = moments[len(moments) // 2]
    known = asked.take(asked.at <= last)
    ranks = rng.integers(1, 60, len(known))
    table = {
        "user_id": [run.log.users[user] for user in known.user],
        "at": pd.to_datetime(known.at, unit="ns", utc=True),
        "rank of default ranking": ranks,
    }
    monkeypatch.setattr(recall_module, "load_rankings", lambda run: pd.DataFrame(table))

    def measured(before: int) -> list[float]:
        mine = {}
        for user, at, rank in zip(table["user_id"], known.at, ranks, strict=True):
            if at < before:
                mine.setdefault(user, []).append(rank <= 30)
        return sorted(np.mean(hits) for hits in mine.values())

    found = newest_queries(run)
    assert found.queries.event.tolist() == [
        e for e, at in zip(asked.event, asked.at, strict=True) if at > last
    ]
    assert sorted(found.measured) == pytest.approx(measured(last + 1))
    begin = int(moments[len(moments) // 4])  # a moment at which there is a query
    found = newest_queries(run, pd.Timestamp(begin, tz="UTC"))
    assert found.queries.event.tolist() == [
        e for e, at in zip(asked.event, asked.at, strict=True) if at >= begin
    ]
    assert sorted(found.measured) == pytest.approx(measured(begin)) and len(measured(begin)) > 1
    first = newest_queries(run, pd.Timestamp(int(moments[0]), tz="UTC"))
    assert len(first.queries) == len(asked) and first.measured is None
    monkeypatch.setattr(recall_module, "load_rankings", lambda run: None)
    whole = newest_queries(run)
    assert (whole.since, len(whole.queries), whole.measured) == (run.split().t2, len(asked), None)
