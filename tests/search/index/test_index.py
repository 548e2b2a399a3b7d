"""The exact index against a full sort."""

import numpy as np
import pytest

from core.search.index import ExactIndex


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
