"""The exact index against a full sort, approximate candidates by their recall, and collections in Milvus (embedded)."""

import numpy as np
import pandas as pd
import pytest

from helpers.milvus import like, search_collection, stored_ids
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.run.manifest import map_arrays
from listing_vibes.run.run import Run
from listing_vibes.search import approximate, index
from listing_vibes.search.approximate import CandidateIndex, choose_index, recall
from listing_vibes.search.index import ExactIndex, best, search_exactly
from listing_vibes.search.milvus_store import replace_listings


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    found = rng.normal(size=(200, 16)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    found[[7, 8]] = 0
    return found


@pytest.mark.parametrize("held", [1, 300, 10**6])
@pytest.mark.parametrize("some", [None, "half", "two"])
def test_equals_a_full_sort(vectors, some, held, monkeypatch):
    monkeypatch.setattr(index, "HELD", held)
    rng = np.random.default_rng(1)
    allowed = None if some is None else np.zeros(200, bool)
    if allowed is not None:
        allowed[rng.choice(200, 100 if some == "half" else 2, replace=False)] = True
    queries = vectors[20:25]
    rows, scores = ExactIndex(vectors).search(queries, 10, allowed)
    usable = np.any(vectors != 0, axis=1) & (np.ones(200, bool) if allowed is None else allowed)
    for query, row, score in zip(queries, rows, scores, strict=True):
        cosine = np.where(usable, vectors @ query, -np.inf)
        best = np.argsort(-cosine)[: min(10, usable.sum())]
        assert row[row >= 0].tolist() == best.tolist()
        np.testing.assert_allclose(score[row >= 0], cosine[best], atol=1e-5)


def test_listings_without_a_vector_are_never_found(vectors):
    rows, _ = ExactIndex(vectors).search(vectors[:3], 200)
    assert not np.isin(rows, [7, 8]).any() and (rows == -1).sum() == 6
    assert (ExactIndex(vectors).search(vectors[:2], 5, np.zeros(200, bool))[0] == -1).all()


@pytest.mark.parametrize("kind", ["all different", "many equal", "few finite", "none finite"])
@pytest.mark.parametrize("count", [50, 30_001])
def test_the_best_of_many_scores_are_the_first_of_a_stable_sort(kind, count):
    scores = np.random.default_rng(0).normal(size=(2, count)).astype(np.float32)
    if kind == "many equal":
        scores = np.round(scores)
    elif kind != "all different":
        scores[:, 40 if kind == "few finite" else 0 :] = -np.inf
    for k in (1, 45, 700):
        rows, found = best(scores, k)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        sorted_scores = np.take_along_axis(scores, order, 1)
        expected = np.where(sorted_scores > -np.inf, order, -1)
        np.testing.assert_array_equal(rows[:, : order.shape[1]], expected)
        np.testing.assert_array_equal(found[:, : order.shape[1]], sorted_scores)
        assert (rows[:, order.shape[1] :] == -1).all()


@pytest.fixture(scope="module")
def parts():
    """Vectors of two spaces and a number of each listing."""
    trained = map_arrays(bundled_run() / "listings.safetensors")["model"].astype(np.float32)
    vectors = like(trained / np.linalg.norm(trained, axis=1, keepdims=True), 20_000, 128)
    number = np.random.default_rng(2).gamma(1, 0.1, (20_000, 1)).astype(np.float32)
    return [vectors, like(trained, 20_000, 33, seed=1), number]


@pytest.fixture(scope="module")
def queries(parts):
    between = [(part[100:300] + part[300:500]) / 2 for part in parts[:2]]
    return np.column_stack([between[0], 0.3 * between[1], np.ones(200)]).astype(np.float32)


@pytest.fixture(scope="module")
def candidates(parts, queries):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "EXACT_TO", 10_000)
        return choose_index(parts, queries[:100])


@pytest.mark.slow
@pytest.mark.parametrize("share", [None, 0.5, 0.02])
def test_candidates_hold_the_best_by_the_inner_product_over_all_parts(parts, queries, candidates, share):
    allowed = None if share is None else np.random.default_rng(1).random(20_000) < share
    some, table = queries[100:], np.hstack(parts)
    scores = some @ table.T
    truth = np.argsort(-(scores if allowed is None else np.where(allowed, scores, -np.inf)), axis=1)[:, :30]
    rows, best = candidates.search(some, 30, allowed)
    assert recall(truth, rows) >= 0.985
    np.testing.assert_allclose(best, np.take_along_axis(scores, rows, 1), atol=1e-5)
    assert (np.diff(best, axis=1) <= 0).all()
    exact, _ = search_exactly(parts, some, 30, allowed)
    assert recall(truth, exact) == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_the_measured_recall_decides(parts, queries, monkeypatch):
    assert choose_index(parts, queries) is None  # exact search is as fast
    monkeypatch.setattr(approximate, "EXACT_TO", 10_000)
    monkeypatch.setattr(approximate, "TRIES", ((1, 120),))
    assert isinstance(choose_index(parts, queries, at_least=0.01), CandidateIndex)
    assert choose_index(parts, queries, at_least=1.01) is None


@pytest.mark.slow
def test_a_query_with_too_few_candidates_is_searched_exactly(parts, queries, candidates):
    near = np.argsort(-(queries[:1] @ np.hstack(parts).T)[0])
    allowed = np.zeros(20_000, bool)
    allowed[near[-5_000:]] = True  # the farthest listings, in lists that are not probed
    rows, _ = candidates.search(queries[:1], 30, allowed)
    assert set(rows[0]) == set(near[-5_000:-4_970])


#: Milvus' expressions, and the same for pandas.
FILTERS = {
    'kind == "flat"': "kind == 'flat'",
    "price >= 100 and price <= 300.5": "price >= 100 and price <= 300.5",
    "pool == true and price <= 200": "pool and price <= 200",
    "pool == false and rooms in [2, 3]": "not pool and rooms in [2, 3]",
    'kind == "none of these"': "kind == 'none of these'",
}


@pytest.fixture(scope="module")
def stored():
    pytest.importorskip("milvus_lite")
    run = Run.open(bundled_run())
    return run.listing_ids, run.vectors("model")


@pytest.fixture(scope="module")
def filled(stored, tmp_path_factory):
    """A collection that was filled, then changed and thinned, and the vectors and attributes that it should hold."""
    ids, rows = stored
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


@pytest.mark.slow
@pytest.mark.parametrize("filter", ["", *FILTERS])
def test_milvus_answers_as_an_exact_search_does(filled, stored, filter):
    place, rows, table, there = filled
    queries = stored[1][::40]
    allowed = there & (table.eval(FILTERS[filter]).to_numpy(bool) if filter else True)
    scores = np.where(allowed, queries @ rows.T, -np.inf)
    best = np.argsort(-scores, axis=1)[:, :30]
    expected = np.take_along_axis(scores, best, axis=1)
    ids, found = search_collection(place, "listings", queries, 30, filter)
    np.testing.assert_array_equal(np.isneginf(found), np.isneginf(expected))
    some = ~np.isneginf(expected)
    np.testing.assert_allclose(found[some], expected[some], atol=1e-5)
    number = {name: row for row, name in enumerate(stored[0])}
    found_rows = np.array([[number.get(name, -1) for name in row] for row in ids])
    assert recall(np.where(some, best, -1), found_rows) >= 0.99 or not some.any()


@pytest.mark.slow
def test_any_id_is_stored_and_removed(stored, tmp_path):
    place = tmp_path / "ids.db"
    ids = [f"{name}, {which}" for name in stored[0] for which in range(3)]  # more than one page
    ids = ['a 27" television', "it's", "\\", "é", *ids]
    rows = stored[1].repeat(4, axis=0)[: len(ids)]
    for some in (ids, ids[-5:], ids):
        none = pd.DataFrame(index=range(len(some)))
        replace_listings(str(place), "listings", some, rows[: len(some)], none)
        assert stored_ids(place, "listings") == set(some)


@pytest.mark.slow
def test_what_is_wrong_is_named(stored, tmp_path):
    ids, rows = stored[0][:20], stored[1][:20]
    none, place = pd.DataFrame(index=range(20)), str(tmp_path / "x.db")
    replace_listings(place, "listings", ids, rows, none)
    assert search_collection(place, "listings", rows[3:4], 2)[0][0, 0] == ids[3]
    with pytest.raises(VibesError, match="128 wide, not 64"):
        replace_listings(place, "listings", ids, rows[:, :64], none)
    with pytest.raises(VibesError, match="not a name of a Milvus collection"):
        replace_listings(place, "no name", ids, rows, none)
    with pytest.raises(VibesError, match="cannot be reached"):
        replace_listings("http://127.0.0.1:1", "listings", ids, rows, none)
