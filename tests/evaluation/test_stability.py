"""The three ways of cutting, by loops."""

import json

import numpy as np
import pandas as pd
import pytest

from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.evaluation.stability import COLUMNS, stability
from listing_vibes.market.splits import make_split
from listing_vibes.scoring.baselines.itemknn import ItemKNN
from listing_vibes.scoring.baselines.popularity import Popularity
from listing_vibes.scoring.interactions import Interactions

DAY = 24 * 3600 * 10**9
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
def test_groups_are_those_of_a_loop(random_log, always_live, timed):
    log = random_log(2, users=60, listings=50, events=900, timed=timed)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    scorers = [ItemKNN.fit(Interactions.of(log, split.train)), Popularity.fit(log, split.train)]
    found = evaluate(scorers, log, split, catalogue)
    table = stability(log, split, split.test, found.ranks, k=10)
    assert tuple(table.columns) == COLUMNS and set(table["scorer"]) == {"itemknn", "popularity"}
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
            hits.append(found.ranks["itemknn"][row] <= 10)
    mine = table[table["scorer"] == "itemknn"].set_index(["by", "group"])
    assert set(mine.index) == set(expected)
    for group, users in expected.items():
        assert mine.loc[group, "value"] == pytest.approx(np.mean([np.mean(hits) for hits in users.values()]))
        assert mine.loc[group, "queries"] == sum(map(len, users.values()))
        assert mine.loc[group, "users"] == len(users)
    assert (mine["low"].dropna() <= mine["value"][mine["low"].notna()]).all()
    assert ("week" in set(table["by"])) == timed
    written = json.loads(json.dumps(found.to_dict(), allow_nan=False))["stability"]
    again = stability(log, split, split.test, found.ranks)
    pd.testing.assert_frame_equal(pd.DataFrame(written), again, check_dtype=False)


def test_one_user_has_no_interval(make_log, always_live):
    log = make_log([0, 0], [0, 1], [1, 5], 3, 1)
    catalogue = always_live(log)
    split = make_split(log, catalogue, "temporal", 5, 5)
    found = evaluate([Popularity.fit(log, split.train)], log, split, catalogue)
    table = stability(log, split, found.queries, found.ranks)
    assert table["low"].isna().all() and list(table["by"]) == ["week", "events", "history"]
    assert list(table["group"]) == ["1", "0", "1"]
