"""Milvus (embedded) as the store: the same answers as the store in a folder."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.run.run import Run
from listing_vibes.search.index.choose import recall
from listing_vibes.search.store.faiss_store import FaissStore
from listing_vibes.search.store.opening import open_store
from listing_vibes.search.store.protocol import Between

pytest.importorskip("milvus_lite")
pytestmark = pytest.mark.slow  # starts a server of its own

FILTERS = [
    {"kind": "flat"},
    {"kind": ["flat", 'a "loft"', "\\"]},
    {"price": Between(100, 300.5)},
    {"price": Between(high=200), "pool": True},
    {"price": Between()},
    {"pool": False, "rooms": [2, 3]},
    {"kind": "none of these"},
]


@pytest.fixture(scope="module")
def vectors():
    run = Run.open(bundled_run())
    return run.listing_ids, run.vectors("model")


@pytest.fixture(scope="module")
def stores(vectors, tmp_path_factory):
    """Both stores after the same life: filled, changed, thinned."""
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
    folder = tmp_path_factory.mktemp("stores")
    pair = open_store(folder / "faiss", 128), open_store(folder / "milvus.db", 128)
    moved = rng.permutation(200)
    nothing = rows[:3] * 0
    for store in pair:
        store.upsert(ids, rows, table)
        store.upsert(ids[:200], rows[moved], table.iloc[moved])
        store.upsert(ids[300:303], nothing, table.iloc[300:303])
        store.delete([*ids[400:450], "never there"])
        store.save()
    return pair


@pytest.mark.parametrize("filter", [None, *FILTERS])
def test_milvus_answers_as_faiss_does(stores, vectors, filter):
    faiss, milvus = stores
    assert isinstance(faiss, FaissStore) and len(faiss) == len(milvus) == len(vectors[0]) - 53
    queries = vectors[1][::40]
    one, two = (store.search(queries, 30, filter) for store in stores)
    np.testing.assert_array_equal(np.isneginf(one.scores), np.isneginf(two.scores))
    there = ~np.isneginf(one.scores)
    np.testing.assert_allclose(one.scores[there], two.scores[there], atol=1e-5)
    number = {name: row for row, name in enumerate(vectors[0])}
    rows = [np.array([[number.get(name, -1) for name in row] for row in found.ids]) for found in (one, two)]
    assert recall(*rows) >= 0.99 or not there.any()


def test_any_id_is_told_of_and_taken_out(vectors, tmp_path):
    store = open_store(tmp_path / "ids.db", 128)
    ids = [f"{name}, {which}" for name in vectors[0] for which in range(3)]  # more than one page
    store.upsert(ids, vectors[1].repeat(3, axis=0))
    odd = ['a 27" television', "it's", "\\", "é"]
    store.upsert(odd, vectors[1][:4])
    store.delete([*odd, *ids[5:]])
    assert sorted(store.ids()) == sorted(ids[:5])
    store.upsert(ids, vectors[1].repeat(3, axis=0))
    assert len(store.ids()) == len(store) == len(ids) and set(store.ids()) == set(ids)


def test_a_state_is_found_again_and_what_is_wrong_is_told(vectors, tmp_path):
    with pytest.raises(VibesError, match="no collection 'listings_model'"):
        open_store(tmp_path / "x.db")
    ids, rows = vectors
    store = open_store(tmp_path / "x.db", 128)
    store.upsert(ids[:20], rows[:20])
    store.save()
    store.close()
    again = open_store(tmp_path / "x.db")
    assert len(again) == 20 and again.search(rows[3:4], 2).ids[0, 0] == ids[3]
    with pytest.raises(VibesError, match="128 wide, not 64"):
        open_store(tmp_path / "x.db", 64)
    with pytest.raises(VibesError, match="attribute called 'a or 1'"):
        again.search(rows[:1], 2, {"a or 1": 1})
    with pytest.raises(VibesError, match="no name of a Milvus collection"):
        open_store(tmp_path / "x.db", 128, "no name")
    with pytest.raises(VibesError, match="cannot be reached"):
        open_store("http://127.0.0.1:1", 128)


@pytest.mark.parametrize("which", [0, 1])
def test_an_attribute_that_is_not_kept_is_refused_rather_than_met_by_nothing(stores, vectors, which):
    with pytest.raises(
        VibesError, match=r"no attribute 'unheard' to filter by; it has: kind, pool, price, rooms\."
    ):
        stores[which].search(vectors[1][:2], 5, {"pool": True, "unheard": 3})
