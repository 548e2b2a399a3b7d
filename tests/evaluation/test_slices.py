"""Slices by hand, and groups of stability by loops."""

import json

import numpy as np
import pytest

from listing_vibes.evaluation.result import slice_masks, week_after_training
from listing_vibes.evaluation.run_evaluation import rank_queries
from listing_vibes.market.splits import make_split
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.interactions import Interactions

DAY = 24 * 3600 * 10**9


def test_cold_is_what_training_has_not_seen(make_log, always_live):
    #                   user 0 trains on 0 and 1; user 1 appears after T1 = day 10 only
    log = make_log([0, 0, 0, 1, 1], [0, 1, 2, 2, 0], np.array([1, 2, 20, 15, 21]) * DAY, 3, 2)
    split = make_split(log, always_live(log), "temporal", 10 * DAY, 19 * DAY)
    assert log.listing[split.test.event].tolist() == [2, 0]
    evaluation = rank_queries([Popularity.fit(log, split.train)], log, split, always_live(log))
    assert evaluation.cold_listing.tolist() == [True, False]
    assert evaluation.cold_user.tolist() == [False, True]


def test_weeks_begin_where_training_ends(make_log, always_live):
    days = np.array([0, 10, 16, 17, 24])
    log = make_log([0] * 5, range(5), days * DAY, 5, 1)
    split = make_split(log, always_live(log), "temporal", 10 * DAY, 10 * DAY)
    assert week_after_training(split, split.test).tolist() == [1, 1, 2, 3]


def test_slices_share_out_all_queries():
    cold, fresh = np.arange(6) == 0, np.arange(6) > 1
    masks = slice_masks(cold, fresh, np.array([1, 2, 3, 4, 9, 10]), np.array([1, 1, 4, 2, 2, 2]))
    expected = {
        "cold listings": [0], "warm listings": [1, 2, 3, 4, 5], "cold users": [2, 3, 4, 5], "warm users": [0, 1],
        "history 1": [0], "history 2-3": [1, 2], "history 4-9": [3, 4], "history 10+": [5],
        "week 1": [0, 1], "week 2": [3, 4, 5], "week 4": [2],
    }  # fmt: skip
    assert {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()} == expected


EVENTS = {
    "0": (0, 0),
    "1-2": (1, 2),
    "3-5": (3, 5),
    "6-10": (6, 10),
    "11-20": (11, 20),
    "21-50": (21, 50),
    "51+": (51, 10**9),
}
LENGTHS = {**{str(n): (n, n) for n in range(1, 6)}, "6-10": (6, 10), "11-20": (11, 20), "21+": (21, 10**9)}


@pytest.mark.parametrize("timed", [True, False])
def test_groups_of_stability_are_those_of_a_loop(random_split, timed):
    log, split, catalogue = random_split(2, users=60, listings=50, events=900, timed=timed)
    scorers = [ItemKNN.fit(Interactions.of(log, split.train)), Popularity.fit(log, split.train)]
    found = rank_queries(scorers, log, split, catalogue)
    expected: dict[tuple[str, str], dict[int, list[bool]]] = {}
    counts = np.bincount(log.listing[split.train], minlength=log.listings)
    queries = split.test
    for row in range(len(queries)):
        groups = [("events", n) for n, (a, b) in EVENTS.items() if a <= counts[queries.target[row]] <= b]
        groups += [("history", n) for n, (a, b) in LENGTHS.items() if a <= queries.length[row] <= b]
        if timed:
            groups.append(("week", str((int(queries.at[row]) - split.t2) // (7 * DAY) + 1)))
        for group in groups:
            hits = expected.setdefault(group, {}).setdefault(int(queries.user[row]), [])
            hits.append(found.ranks["ItemKNN"][row] <= 30)
    rows = json.loads(json.dumps(found.to_dict(), allow_nan=False))["stability"]
    mine = {(row["by"], row["group"]): row for row in rows if row["scorer"] == "ItemKNN"}
    assert {row["scorer"] for row in rows} == {"ItemKNN", "popularity"} and set(mine) == set(expected)
    for group, users in expected.items():
        row = mine[group]
        assert row["value"] == pytest.approx(np.mean([np.mean(hits) for hits in users.values()]))
        assert (row["queries"], row["users"]) == (sum(map(len, users.values())), len(users))
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]
