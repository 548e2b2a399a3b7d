"""Milvus (embedded) as the store: the same answers as an exact search under the same conditions."""

import numpy as np
import pandas as pd
import pytest

from helpers.milvus import search_collection
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.run.run import Run
from listing_vibes.search.approximate import recall
from listing_vibes.search.milvus_store import MilvusStore

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
    """A store after a life (filled, changed, thinned), and the vectors and attributes that it should hold."""
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
    store = MilvusStore.open(place, 128)
    moved = rng.permutation(200)
    store.upsert(ids, rows, table)
    store.upsert(ids[:200], rows[moved], table.iloc[moved])
    store.upsert(ids[300:303], rows[:3] * 0, table.iloc[300:303])
    store.delete([*ids[400:450], "never there"])
    store.save()
    order = np.concatenate([moved, np.arange(200, len(ids))])
    there = ~np.isin(np.arange(len(ids)), [*range(300, 303), *range(400, 450)])
    assert len(store.ids()) == there.sum()
    return place, rows[order], table.iloc[order].reset_index(drop=True), there


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


def test_any_id_is_told_of_and_taken_out(vectors, tmp_path):
    store = MilvusStore.open(tmp_path / "ids.db", 128)
    ids = [f"{name}, {which}" for name in vectors[0] for which in range(3)]  # more than one page
    store.upsert(ids, vectors[1].repeat(3, axis=0))
    odd = ['a 27" television', "it's", "\\", "é"]
    store.upsert(odd, vectors[1][:4])
    store.delete([*odd, *ids[5:]])
    assert sorted(store.ids()) == sorted(ids[:5])
    store.upsert(ids, vectors[1].repeat(3, axis=0))
    assert len(store.ids()) == len(ids) and set(store.ids()) == set(ids)


def test_a_state_is_found_again_and_what_is_wrong_is_told(vectors, tmp_path):
    with pytest.raises(VibesError, match="no collection 'listings'"):
        MilvusStore.open(tmp_path / "x.db")
    ids, rows = vectors
    store = MilvusStore.open(tmp_path / "x.db", 128)
    store.upsert(ids[:20], rows[:20])
    store.save()
    store.close()
    again = MilvusStore.open(tmp_path / "x.db")
    assert len(again.ids()) == 20
    assert search_collection(tmp_path / "x.db", "listings", rows[3:4], 2)[0][0, 0] == ids[3]
    with pytest.raises(VibesError, match="128 wide, not 64"):
        MilvusStore.open(tmp_path / "x.db", 64)
    with pytest.raises(VibesError, match="not a name of a Milvus collection"):
        MilvusStore.open(tmp_path / "x.db", 128, "no name")
    with pytest.raises(VibesError, match="cannot be reached"):
        MilvusStore.open("http://127.0.0.1:1", 128)
