"""The exact index against a full sort."""

import numpy as np
import pytest

from listing_vibes.search.index import ExactIndex
from listing_vibes.search.index.exact import best


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


def test_nothing_allowed(vectors):
    rows, _ = ExactIndex(vectors).search(vectors[:2], 5, np.zeros(200, bool))
    assert (rows == -1).all()


@pytest.mark.parametrize("made", ["all different", "many equal", "rising", "few finite", "none finite"])
def test_the_best_of_many_scores_are_those_of_a_full_sort(made):
    scores = np.random.default_rng(0).normal(size=(2, 30_001)).astype(np.float32)
    if made == "many equal":
        scores = np.round(scores)
    elif made == "rising":
        scores.sort(axis=1)
    elif made != "all different":
        scores[:, 40 if made == "few finite" else 0 :] = -np.inf
    for k in (1, 62, 700):
        rows, found = best(scores, k)
        whole = np.sort(scores, axis=1)[:, ::-1][:, :k]
        np.testing.assert_array_equal(found, whole)
        there = rows >= 0
        np.testing.assert_array_equal(there, np.isfinite(whole))
        np.testing.assert_array_equal(np.take_along_axis(scores, rows, 1)[there], whole[there])
        assert all(len(np.unique(row[row >= 0])) == (row >= 0).sum() for row in rows)


@pytest.mark.parametrize("count", [50, 3000, 30_001])
def test_of_equal_scores_the_first_are_found(count):
    scores = np.round(np.random.default_rng(0).random((3, count)), 1).astype(np.float32)
    scores[1], scores[2, 20:] = 0, -np.inf
    for k in (1, 10, 45):
        rows, _ = best(scores, k)
        whole = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(
            rows, np.where(np.take_along_axis(scores, whole, 1) > -np.inf, whole, -1)
        )
