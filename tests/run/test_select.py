"""A list under `at_most`, settled by leaving out who has had all, against one from a pool of all listings; what `same` calls equal."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.market import Market
from listing_vibes.run import select
from listing_vibes.run.groups import Groups, resolve_rules
from listing_vibes.run.rules import Rules
from listing_vibes.run.select import Selector
from listing_vibes.search.index import ExactIndex

LISTINGS, QUERIES, K = 1500, 5, 12


@pytest.fixture(scope="module")
def market():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(LISTINGS, 8)).astype(np.float32)
    vectors[300:500] = vectors[300]  # twins
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    seller = rng.choice([-1, 0, 1, 2, 3, 4], LISTINGS, p=[0.002, 0.6, 0.2, 0.15, 0.046, 0.002])
    groups = Groups(rng.integers(0, 3, LISTINGS), seller, None)
    banned = rng.integers(0, LISTINGS, 60), rng.integers(0, QUERIES, 60)
    return ExactIndex(vectors), groups, rng.random(LISTINGS) < 0.8, rng.integers(0, 3, QUERIES), *banned


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("most", [1, 2, 200])
@pytest.mark.parametrize("more", [{}, {"region": True}, {"pins": [7, 400, 3]}, {"diversity": 0.5}])
def test_the_same_list_comes_of_small_pools(market, monkeypatch, scored, most, more):
    index, groups, eligible, region, banned, owner = market
    region = region if more.get("region") else None
    rules = Rules(k=K, at_most=most, seller="host", diversity=more.get("diversity", 0))
    queries = index.vectors[[1, 301, 900, 17, 1200]]
    asked = queries @ index.vectors.T if scored else queries
    pins = np.array(more.get("pins", []), np.int64)
    found, calls = [], []
    whole = Selector._thinned
    monkeypatch.setattr(Selector, "_thinned", lambda *told: calls.append(1) or whole(*told))
    for thin in (0, LISTINGS):
        monkeypatch.setattr(select, "THIN", thin)
        made = Selector(index, rules, groups, eligible, pins=pins)
        found.append(made.lists(asked, region, banned, owner, scored))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    assert calls or most == 200


def test_listings_are_of_one_group_where_all_attributes_are_equal_or_missing(tmp_path):
    rng = np.random.default_rng(1)
    cells = [[None if one == 3 else f"v{one}" for one in rng.integers(0, 4, 60)] for _ in range(3)]
    table = pd.DataFrame({"listing_id": range(60), "kind": cells[0], "town": cells[1], "host": cells[2]})
    market = Market.from_frames(table, path=tmp_path / "m")
    names = ("kind", "town", "host")
    for same in (names[:1], names[:2], names):
        region = Groups.of(resolve_rules(Rules(same=same), market, False), market).region
        told = list(zip(*cells[: len(same)], strict=True))
        assert len(set(told)) > 2 ** len(same)
        for row in range(60):
            assert (region == region[row]).tolist() == [other == told[row] for other in told]
