"""The store in a folder against a full sort, through upserts, deletes, filters and saves."""

import json

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.search.store.faiss_store import MANIFEST, FaissStore
from listing_vibes.search.store.protocol import Between

WIDTH = 12
CITIES = ["Albany", 'Troy\'s "end"', "Singapore"]


def unit(n, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def attributes(n, seed=0):
    rng = np.random.default_rng(seed)
    price = np.where(rng.random(n) < 0.1, np.nan, rng.integers(10, 500, n)).astype(float)
    return pd.DataFrame(
        {
            "city": rng.choice(CITIES, n),
            "price": price,
            "pool": rng.random(n) < 0.3,
            "rooms": rng.integers(1, 6, n),
        }
    )


def names(n, start=0):
    return [f"home {number}" for number in range(start, start + n)]


def naive(known, query, k, keep=lambda row: True):
    """Ids by a full sort of what is known: {id: (vector, attributes)}."""
    some = [(float(vector @ query), name) for name, (vector, row) in known.items() if keep(row)]
    return [name for _, name in sorted(some, key=lambda pair: -pair[0])[:k]]


def check(store, known, filter=None, keep=lambda row: True, k=7):
    queries = unit(5, seed=99)
    found = store.search(queries, k, filter)
    assert len(store) == len(known)
    for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
        expected = naive(known, query, k, keep)
        assert [name for name in ids if name is not None] == expected
        assert np.isneginf(scores[len(expected) :]).all()
        np.testing.assert_allclose(
            scores[: len(expected)], [known[name][0] @ query for name in expected], atol=1e-5
        )


def put(store, known, ids, vectors, table):
    store.upsert(ids, vectors, table)
    for row, name in enumerate(ids):
        known.pop(name, None)
        if vectors[row].any():
            known[name] = (vectors[row], table.iloc[row])


@pytest.mark.slow
def test_a_life_of_upserts_and_deletes_equals_a_full_sort(tmp_path):
    rng, store, known = np.random.default_rng(3), FaissStore.open(tmp_path / "s", WIDTH), {}
    put(store, known, names(200), unit(200), attributes(200))
    for step in range(25):
        ids = [f"home {number}" for number in rng.choice(400, 12, replace=False)]
        vectors = unit(12, seed=step + 10)
        vectors[0] = 0  # nothing in this space any more
        put(store, known, ids, vectors, attributes(12, seed=step))
        gone = [f"home {number}" for number in rng.choice(400, 5, replace=False)]
        store.delete([*gone, "never there"])
        for name in gone:
            known.pop(name, None)
        if step % 6 == 0:
            store.save()
            store = FaissStore.open(tmp_path / "s")
        check(store, known)
        check(store, known, {"city": CITIES[1]}, lambda row: row["city"] == CITIES[1])
    store.save()
    check(FaissStore.open(tmp_path / "s", WIDTH), known)


@pytest.mark.parametrize(
    ("filter", "keep"),
    [
        ({"city": CITIES[:2]}, lambda row: row["city"] in CITIES[:2]),
        ({"price": Between(100, 200)}, lambda row: 100 <= row["price"] <= 200),
        ({"price": Between(high=90.5), "pool": True}, lambda row: row["price"] <= 90.5 and row["pool"]),
        ({"rooms": 3}, lambda row: row["rooms"] == 3),
        ({"rooms": Between(4)}, lambda row: row["rooms"] >= 4),
        ({"price": Between()}, lambda row: row["price"] == row["price"]),
        ({"city": "Nowhere"}, lambda row: False),
    ],
)
def test_filters(tmp_path, filter, keep):
    store, known = FaissStore.open(tmp_path, WIDTH), {}
    put(store, known, names(300), unit(300), attributes(300))
    put(store, known, names(40, 290), unit(40, 5), attributes(40, 5))
    check(store, known, filter, keep)
    store.save()
    check(FaissStore.open(tmp_path), known, filter, keep)


def test_a_store_that_holds_nothing_is_built_saved_and_asked(tmp_path):
    store = FaissStore.open(tmp_path, WIDTH)
    assert store.build().kind == "exact" and store.ids() == []
    store.save()
    store.upsert(names(2), unit(2))
    store.delete(names(2))
    store.build("hnsw")
    store.save()
    assert len(FaissStore.open(tmp_path)) == 0 and store.search(unit(1), 3).ids.tolist() == [[None] * 3]


def test_an_attribute_that_no_part_keeps_is_refused_rather_than_met_by_nothing(tmp_path):
    store = FaissStore.open(tmp_path, WIDTH)
    store.upsert(names(30), unit(30), attributes(30))
    store.upsert(names(5, 30), unit(5, 1), attributes(5)[["city"]])  # a part may have fewer
    assert len(store.search(unit(1), 5, {"rooms": Between(0)}).ids) == 1
    with pytest.raises(
        VibesError, match=r"no attribute 'unheard' to filter by; it has: city, pool, price, rooms\."
    ):
        store.search(unit(1), 5, {"unheard": 1})


def test_nothing_is_seen_before_save_and_all_of_it_after(tmp_path):
    writer = FaissStore.open(tmp_path, WIDTH)
    writer.upsert(names(50), unit(50))
    with pytest.raises(VibesError, match="no vector store"):
        FaissStore.open(tmp_path)
    writer.save()
    reader = FaissStore.open(tmp_path)
    before = reader.search(unit(3, 1), 5)
    for step in range(12):  # the reader's files are merged away meanwhile
        writer.upsert(names(50), unit(50, seed=step + 20))
        writer.delete(names(10))
        writer.save()
    assert reader.search(unit(3, 1), 5).ids.tolist() == before.ids.tolist()
    assert len(reader) == 50 and len(FaissStore.open(tmp_path)) == 40


def test_a_save_writes_what_is_new_only(tmp_path):
    store = FaissStore.open(tmp_path, WIDTH)
    store.upsert(names(1000), unit(1000))
    store.save()
    first = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    store.upsert(names(20, 990), unit(20, 1))
    store.save()
    later = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    assert first.items() <= later.items() and len(later) == 2 * len(first)
    fresh = set(later) - set(first)
    assert sum(path.stat().st_size for path in fresh) < 0.05 * sum(path.stat().st_size for path in first)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hnsw", "ivf-pq", "auto"])
def test_an_index_is_kept_and_goes_on_with_what_changes(tmp_path, kind):
    store, known = FaissStore.open(tmp_path, WIDTH), {}
    put(store, known, names(400), unit(400), attributes(400))
    put(store, known, names(400, 300), unit(400, 1), attributes(400, 1))
    chosen = store.build(kind, at_least=0.9)
    assert chosen.recall >= 0.9 and (store.indexed is None) == (kind == "auto")
    store.save()
    store = FaissStore.open(tmp_path)
    assert (store.indexed or {"kind": "auto"})["kind"] == kind
    put(store, known, names(60, 650), unit(60, 2), attributes(60, 2))
    store.delete(names(50))
    known = {name: told for name, told in known.items() if name not in names(50)}
    queries = unit(20, 9)
    for filter, city in ((None, None), ({"city": CITIES[0]}, CITIES[0])):
        found = store.search(queries, 10, filter).ids
        truth = [
            naive(known, query, 10, lambda row, city=city: city in (None, row["city"])) for query in queries
        ]
        hits = sum(len(set(ids) & set(best)) for ids, best in zip(found.tolist(), truth, strict=True))
        assert hits >= 0.9 * 200
        assert {name for row in found for name in row} <= set(known)


def test_a_kind_that_no_store_keeps_is_refused(tmp_path):
    store = FaissStore.open(tmp_path, WIDTH)
    store.upsert(names(9), unit(9))
    with pytest.raises(VibesError, match="no index 'sketch' of a store; use auto, exact, hnsw or ivf-pq"):
        store.build("sketch")
    with pytest.raises(VibesError, match="'ivf-pq' needs 256 listings, and there are 9; use exact"):
        store.build("ivf-pq")


def test_an_empty_store_finds_nothing(tmp_path):
    found = FaissStore.open(tmp_path, WIDTH).search(unit(2), 3)
    assert found.ids.tolist() == [[None] * 3] * 2 and np.isneginf(found.scores).all()


def test_an_emptied_store_finds_nothing_and_is_filled_again(tmp_path):
    store, known = FaissStore.open(tmp_path, WIDTH), {}
    store.upsert(names(9), unit(9))
    store.delete(names(4))
    store.upsert(names(9), unit(9) * 0)
    store.save()
    store = FaissStore.open(tmp_path)
    assert len(store) == 0 and store.search(unit(2), 3).ids.tolist() == [[None] * 3] * 2
    put(store, known, names(5), unit(5), attributes(5))
    check(store, known)


def test_bad_input_changes_nothing(tmp_path):
    store = FaissStore.open(tmp_path, WIDTH)
    store.upsert(names(3), unit(3), attributes(3))
    endless = unit(3)
    endless[1, 0] = np.nan
    for ids, vectors, table, message in [
        (names(2), unit(3), None, r"vectors \(2, 12\)"),
        (names(3), unit(3)[:, :5], None, r"not \(3, 5\)"),
        (["a", "b", "a"], unit(3), None, "'a' is there twice"),
        (names(3), endless, None, "'home 1' is not finite"),
        (names(3), unit(3), attributes(2), "2 rows of attributes for 3 listings"),
    ]:
        with pytest.raises(VibesError, match=message):
            store.upsert(ids, vectors, table)
    with pytest.raises(VibesError, match=r"not \(2, 4\)"):
        store.search(unit(2)[:, :4], 1)
    with pytest.raises(VibesError, match="bounds on 'city'"):
        store.search(unit(2), 1, {"city": Between(1)})
    assert len(store) == 3


def test_a_damaged_store_says_so(tmp_path):
    store = FaissStore.open(tmp_path, WIDTH)
    store.upsert(names(3), unit(3))
    store.save()
    with pytest.raises(VibesError, match="12 wide, not 5"):
        FaissStore.open(tmp_path, 5)
    manifest = tmp_path / MANIFEST
    good = manifest.read_text()
    next(tmp_path.rglob("vectors.npy")).write_bytes(b"no array")
    with pytest.raises(VibesError, match="is damaged"):
        FaissStore.open(tmp_path)
    state = json.loads(good)
    state["segments"][0]["name"] = "gone"
    manifest.write_text(json.dumps(state))
    with pytest.raises(VibesError, match=r"lacks .*gone"):
        FaissStore.open(tmp_path)
    manifest.write_text("{")
    with pytest.raises(VibesError, match="is damaged"):
        FaissStore.open(tmp_path)
