"""A collection in Milvus (embedded): the same answers as an exact search under the same conditions."""

import numpy as np
import pandas as pd
import pytest

from helpers.milvus import search_collection, stored_ids
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.run.run import Run
from listing_vibes.search.approximate import recall
from listing_vibes.search.milvus_store import replace_listings

pytest.importorskip("milvus_lite")
pytestmark = pytest.mark.slow  # starts a server of its own

#: Milvus' expressions, and the same for pandas.
FILTERS = {
    'kind == "flat"': "kind == 'flat'",
    "price >= 100 and price <= 300.5": "price >= 100 and price <= 300.5",
    "pool == true and price <= 200": "pool and price <= 200",
    "pool == false and rooms in [2, 3]": "not pool and rooms in [2, 3]",
    'kind == "none of these"': "kind == 'none of these'",
}


@pytest.fixture(scope="module")
def vectors():
    run = Run.open(bundled_run())
    return run.listing_ids, run.vectors("model")


@pytest.fixture(scope="module")
def filled(vectors, tmp_path_factory):
    """A collection that was filled, then changed and thinned, and the vectors and attributes that it should hold."""
    ids, rows = vectors
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "kind": rng.choice(["flat", 'a "loft"', "\\", None], len(ids)),
            "price": np.where(rng.random(len(ids)) < 0.1, np.nan, rng.integers(50, 500, len(ids))),
            "pool": rng.random(len(ids)) < 0.3,
            "rooms": rng.integers(1, 6, len(ids)),
        }
    )
    place = tmp_path_factory.mktemp("store") / "milvus.db"
    order = np.concatenate([rng.permutation(200), np.arange(200, len(ids))])
    there = ~np.isin(np.arange(len(ids)), [*range(300, 303), *range(400, 450)])
    replace_listings(str(place), "listings", ids, rows, table)
    changed = table.iloc[order].reset_index(drop=True)
    some = np.array(ids, object)[there].tolist()
    replace_listings(str(place), "listings", some, rows[order][there], changed[there])
    assert stored_ids(place, "listings") == set(some)
    return place, rows[order], changed, there


@pytest.mark.parametrize("filter", ["", *FILTERS])
def test_milvus_answers_as_an_exact_search_does(filled, vectors, filter):
    place, rows, table, there = filled
    queries = vectors[1][::40]
    allowed = there & (table.eval(FILTERS[filter]).to_numpy(bool) if filter else True)
    scores = np.where(allowed, queries @ rows.T, -np.inf)
    best = np.argsort(-scores, axis=1)[:, :30]
    expected = np.take_along_axis(scores, best, axis=1)
    ids, found = search_collection(place, "listings", queries, 30, filter)
    np.testing.assert_array_equal(np.isneginf(found), np.isneginf(expected))
    some = ~np.isneginf(expected)
    np.testing.assert_allclose(found[some], expected[some], atol=1e-5)
    number = {name: row for row, name in enumerate(vectors[0])}
    found_rows = np.array([[number.get(name, -1) for name in row] for row in ids])
    assert recall(np.where(some, best, -1), found_rows) >= 0.99 or not some.any()


def test_any_id_is_stored_and_removed(vectors, tmp_path):
    place = tmp_path / "ids.db"
    ids = [f"{name}, {which}" for name in vectors[0] for which in range(3)]  # more than one page
    ids = ['a 27" television', "it's", "\\", "é", *ids]
    rows = vectors[1].repeat(4, axis=0)[: len(ids)]
    for stored in (ids, ids[-5:], ids):
        none = pd.DataFrame(index=range(len(stored)))
        replace_listings(str(place), "listings", stored, rows[: len(stored)], none)
        assert stored_ids(place, "listings") == set(stored)


def test_what_is_wrong_is_named(vectors, tmp_path):
    ids, rows = vectors[0][:20], vectors[1][:20]
    none, place = pd.DataFrame(index=range(20)), str(tmp_path / "x.db")
    replace_listings(place, "listings", ids, rows, none)
    assert search_collection(place, "listings", rows[3:4], 2)[0][0, 0] == ids[3]
    with pytest.raises(VibesError, match="128 wide, not 64"):
        replace_listings(place, "listings", ids, rows[:, :64], none)
    with pytest.raises(VibesError, match="not a name of a Milvus collection"):
        replace_listings(place, "no name", ids, rows, none)
    with pytest.raises(VibesError, match="cannot be reached"):
        replace_listings("http://127.0.0.1:1", "listings", ids, rows, none)
