"""The exact index against a full sort."""

import numpy as np
import pytest

from listing_vibes.search import index
from listing_vibes.search.index import ExactIndex, best


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    found = rng.normal(size=(200, 16)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    found[[7, 8]] = 0
    return found


@pytest.mark.parametrize("some", [None, "half", "two"])
def test_equals_a_full_sort(vectors, some):
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


def test_numpy_and_faiss_agree(vectors, monkeypatch):
    allowed = np.random.default_rng(1).random(200) < 0.6
    for some in (None, allowed):
        rows, scores = ExactIndex(vectors).search(vectors[20:25], 10, some)
        with monkeypatch.context() as patch:
            patch.setattr(index, "AT_ONCE", 0)
            other_rows, other_scores = ExactIndex(vectors).search(vectors[20:25], 10, some)
        np.testing.assert_array_equal(rows, other_rows)
        np.testing.assert_allclose(scores, other_scores, atol=1e-5)
