"""What lists show, counted by loops, and from when it is an alarm."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.log import DAY
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Catalogue
from listing_vibes.serving.monitor import lists
from listing_vibes.serving.monitor.checks import Thresholds
from listing_vibes.serving.monitor.lists import SampledLists

LISTINGS, AT, UNKNOWN = 40, 100 * DAY, np.iinfo(np.int64).min
LIMITS = Thresholds()


def lists_of(seed: int, number: int = 60, among: int = LISTINGS) -> SampledLists:
    """Lists of five of the first live listings, some shorter."""
    rng = np.random.default_rng(seed)
    live = np.arange(LISTINGS) % 8 != 7
    some = np.flatnonzero(live)[:among]
    rows = np.stack([rng.permutation(some)[:5] for _ in range(number)])
    rows[rng.random(number) < 0.3, 3:] = -1
    return SampledLists(AT, live, rows)


def counted(of: SampledLists) -> list[int]:
    return [sum(row == listing for line in of.rows.tolist() for row in line) for listing in range(LISTINGS)]


def test_places_and_coverage_are_those_of_a_loop():
    of = lists_of(0, number=6)
    assert of.places().tolist() == counted(of)
    drawn = np.array([3, 3, 0])
    assert of.places(drawn).tolist() == counted(SampledLists(AT, of.active, of.rows[drawn]))
    value, low, high = of.coverage
    assert value == sum(n > 0 for n in counted(of)) / of.active.sum() and low < value < high


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
    found = check(
        lists_of(seed, number=number, among=20), lists_of(0, number=before), Thresholds(**{limit: 0.1})
    )
    assert (
        abs(found.value - found.before) > 0.1 * found.before and not found.crossed
    )  # of so few lists it is not
    assert check(wide, None, LIMITS).before is None


def test_the_sellers_shown_most_are_those_of_a_loop(tmp_path):
    rng = np.random.default_rng(2)
    hosts = [None if row % 9 == 0 else f"h{rng.integers(0, 21)}" for row in range(LISTINGS)]
    table = pd.DataFrame({"listing_id": [f"l{row}" for row in range(LISTINGS)], "host": hosts, "rooms": 1})
    run, now = SimpleNamespace(market=Market.from_frames(table, path=tmp_path / "m")), lists_of(4)
    places: dict[str, int] = {}
    live: dict[str, int] = {}
    for host, number, there in zip(hosts, counted(now), now.active, strict=True):
        if host is not None and there:
            places[host], live[host] = places.get(host, 0) + number, live.get(host, 0) + 1
    most = sorted(places, key=lambda host: (-places[host], host))[: round(len(places) / 10)]
    assert len(most) == 2 and len(set(places.values())) > 2
    share = sum(places[host] for host in most) / sum(places.values())
    found = lists.seller_check(run, now, "host", Thresholds(top_tenth=share - 0.001))
    assert (found.value, found.crossed) == (pytest.approx(share), True)
    assert found.before == pytest.approx(sum(live[host] for host in most) / sum(live.values()))
    assert not lists.seller_check(run, now, "host", Thresholds(top_tenth=share)).crossed
    run.catalogue = Catalogue(np.full(LISTINGS, UNKNOWN), np.full(LISTINGS, 2 * AT))
    assert lists.seller_check(run, now, "host", LIMITS).listings.tolist() == [host in most for host in hosts]
    unseen = [active and not n for active, n in zip(now.active, counted(now), strict=True)]
    assert lists.coverage_check(now, None, LIMITS).listings.tolist() == unseen
    assert (~lists.concentration_check(now, None, LIMITS).listings).sum() == now.active.sum() // 10


def test_where_nothing_is_active_no_sellers_are_counted_that_were_not_named(tmp_path, make_log):
    table = pd.DataFrame({"listing_id": [f"l{row}" for row in range(LISTINGS)], "host": "h", "rooms": 1})
    log, nothing = make_log(np.zeros(2, int), [0, 1], np.arange(2), LISTINGS, 1), np.zeros(LISTINGS, bool)
    run = SimpleNamespace(
        market=Market.from_frames(table, path=tmp_path / "m"),
        catalogue=Catalogue(np.full(LISTINGS, UNKNOWN), np.full(LISTINGS, AT)),
        log=log,
    )
    none = SampledLists(AT, nothing, np.full((1, 5), -1))
    found = lists.list_checks(run, none, None, None, None, LIMITS)
    assert [check.name for check in found] == ["coverage", "concentration"]
    with pytest.raises(VibesError, match="which no active listing has"):
        lists.list_checks(run, none, None, None, "host", LIMITS)


def test_young_and_cold_listings_have_the_places_of_a_loop(make_log):
    since = np.array([UNKNOWN if row % 5 == 3 else AT - row * DAY for row in range(LISTINGS)])
    trained = np.array([0, 3, 9, 14, 20, 31])
    log = make_log(np.zeros(8, int), [*trained, 1, 2], np.arange(8), LISTINGS, 1)
    run = SimpleNamespace(catalogue=Catalogue(since, np.full(LISTINGS, 2 * AT)), log=log)
    now, then = lists_of(5), lists_of(6, among=20)
    places = counted(now)
    known = [row for row in range(LISTINGS) if now.active[row] and since[row] != UNKNOWN]
    young = [row for row in known if row <= 14]  # days ago
    found = lists.age_check(run, now)
    assert found.value == pytest.approx(sum(places[row] for row in young) / sum(places[row] for row in known))
    assert found.before == len(young) / len(known)
    assert np.flatnonzero(found.listings).tolist() == young
    cold = [row for row in range(LISTINGS) if row not in trained]
    is_cold = ~np.isin(np.arange(LISTINGS), trained)
    share = float(np.mean([row in cold for row in np.flatnonzero(now.active)]))
    check = lists.cold_check(is_cold, now, then, Thresholds(cold_share=share))
    assert (check.value, check.before, check.crossed) == (share, share, False)
    assert (
        f"they have {sum(places[row] for row in cold) / sum(places):.0%} of the list entries"
        in check.sentence
    )
    none = SampledLists(AT, np.zeros(LISTINGS, bool), now.rows[:0])
    check = lists.cold_check(is_cold, none, then, Thresholds(cold_share=0))
    assert (check.value, check.before, check.crossed) == (None, share, False)  # not what it was then
    assert lists.cold_check(is_cold, now, none, LIMITS).before is None
    run.catalogue = Catalogue(np.full(LISTINGS, UNKNOWN), np.full(LISTINGS, 2 * AT))
    assert lists.age_check(run, now) is None


def test_lists_are_of_those_who_were_active_last_before_the_moment(random_log, always_live):
    log, asked = random_log(1, users=40, events=200), []

    def recommend(log, start, end, at, k):
        asked.append((start, end, at, k))
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
    ((start, end, moment, _),) = asked
    users = log.user[start].tolist()
    assert moment == at and len(users) == 7
    assert (end - start).tolist() == [last[user][1] for user in users]
    latest = sorted((told[0] for told in last.values()), reverse=True)[:7]
    assert sorted((last[user][0] for user in users), reverse=True) == latest
    asked.clear()
    lists.now_and_then(
        run, at
    )  # of both as many lists a live listing: here as many as the fewer active users
    assert [len(told[0]) for told in asked] == [len(last)] * 2
    assert [told[2] for told in asked] == [run.after_last_event, at]
