"""What lists show, counted by loops, and from when it is an alarm."""

from types import SimpleNamespace

import numpy as np
import pytest

from listing_vibes.serving.monitor import lists
from listing_vibes.serving.monitor.checks import Thresholds
from listing_vibes.serving.monitor.lists import SampledLists, gini

LISTINGS, LIMITS = 40, Thresholds()


def lists_of(seed: int, number: int = 60, among: int = LISTINGS) -> SampledLists:
    """Return lists of five of the first active listings, some shorter."""
    rng = np.random.default_rng(seed)
    active = np.arange(LISTINGS) % 8 != 7
    candidates = np.flatnonzero(active)[:among]
    rows = np.stack([rng.permutation(candidates)[:5] for _ in range(number)])
    rows[rng.random(number) < 0.3, 3:] = -1
    return SampledLists(active, rows)


def counted(of: SampledLists) -> list[int]:
    return [sum(row == listing for line in of.rows.tolist() for row in line) for listing in range(LISTINGS)]


def test_counts_coverage_and_gini_are_those_of_a_loop():
    of = lists_of(0, number=6)
    assert of.counts().tolist() == counted(of)
    drawn = np.array([3, 3, 0])
    assert of.counts(drawn).tolist() == counted(SampledLists(of.active, of.rows[drawn]))
    value, low, high = of.coverage
    assert value == sum(n > 0 for n in counted(of)) / of.active.sum() and low < value < high
    values = np.random.default_rng(0).integers(0, 50, 40)
    pairs = np.abs(values[:, None] - values).sum() / (2 * len(values) ** 2 * values.mean())
    assert gini(values) == pytest.approx(pairs) and gini(np.zeros(4)) == 0


@pytest.mark.parametrize(
    ("check", "limit", "few"),
    [
        (lists.coverage_check, "coverage_drop", (3, 6, 9)),
        (lists.concentration_check, "concentration_rise", (1, 4, 6)),
    ],
)
def test_lists_of_fewer_listings_cross_a_threshold_where_it_is_significant(check, limit, few, monkeypatch):
    monkeypatch.setattr(lists, "RESAMPLES", 100)
    wide, narrow = lists_of(0), lists_of(1, among=12)
    assert check(narrow, wide, LIMITS).crossed and not check(wide, narrow, LIMITS).crossed
    for value in (None, 0.9):
        assert not check(narrow, wide, Thresholds(**{limit: value})).crossed
    seed, number, before = few
    first, second = lists_of(seed, number=number, among=20), lists_of(0, number=before)
    result = check(first, second, Thresholds(**{limit: 0.1}))  # too few lists for a test
    assert abs(result.value - result.before) > 0.1 * result.before and not result.crossed
    assert check(wide, None, LIMITS).before is None


def test_cold_listings_have_the_share_of_a_loop():
    now, then = lists_of(5), lists_of(6, among=20)
    is_cold = ~np.isin(np.arange(LISTINGS), [0, 3, 9, 14, 20, 31])
    share = float(np.mean(is_cold[now.active]))
    check = lists.cold_check(is_cold, now, then, Thresholds(cold_share=share))
    assert (check.value, check.before, check.crossed) == (share, share, False)
    assert lists.cold_check(is_cold, now, then, Thresholds(cold_share=share - 0.01)).crossed
    entries = sum(n for n, cold in zip(counted(now), is_cold, strict=True) if cold) / sum(counted(now))
    assert f"they have {entries:.0%}" in check.sentence
    nothing = SampledLists(np.zeros(LISTINGS, bool), np.full((1, 5), -1))
    assert [item.name for item in lists.list_checks(nothing, now, is_cold, LIMITS)] == ["coverage", "concentration"]  # fmt: skip


def test_lists_are_of_those_who_were_active_last_before_the_moment(random_log, always_live):
    log, calls = random_log(1, users=40, events=200), []

    def recommend(log, start, end, at, k):
        calls.append((start, end, at, k))
        return SimpleNamespace(rows=np.zeros((len(start), k), np.int64))

    run = SimpleNamespace(
        log=log, catalogue=always_live(log), recommender=lambda blend: SimpleNamespace(recommend=recommend),
        index=lambda space: SimpleNamespace(known=np.ones(log.listings, bool)), after_last_event=int(log.time.max()) + 1,
    )  # fmt: skip
    at = int(np.median(log.time))
    last = {}
    for user in range(len(log.users)):
        before = [int(t) for t in log.time[log.user == user] if t < at]
        if before:
            last[user] = (before[-1], len(before))
    SampledLists.of(run, at, 7)
    ((start, end, moment, _),) = calls
    users = log.user[start].tolist()
    assert moment == at and (end - start).tolist() == [last[user][1] for user in users]
    latest = sorted((moments[0] for moments in last.values()), reverse=True)[:7]
    assert sorted((last[user][0] for user in users), reverse=True) == latest
    calls.clear()
    lists.now_and_then(run, at)  # both have as many lists per active listing
    assert [len(call[0]) for call in calls] == [len(last)] * 2
    assert [call[2] for call in calls] == [run.after_last_event, at]
