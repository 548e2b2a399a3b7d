"""The sketch: what it finds against the full search, on vectors with a trained run's spectrum."""

import numpy as np
import pytest

from helpers.index_vectors import like
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.run.contents import map_arrays
from listing_vibes.search import approximate
from listing_vibes.search.approximate import SketchIndex, choose_index, recall
from listing_vibes.search.index import ExactIndex

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vectors():
    trained = map_arrays(bundled_run() / "listings.safetensors")["model"].astype(np.float32)
    found = like(trained / np.linalg.norm(trained, axis=1, keepdims=True), 20_000, 128)
    found[[5, 19_999]] = 0
    return found


@pytest.fixture(scope="module")
def queries(vectors):
    return vectors[100:160]


@pytest.mark.parametrize("share", [None, 0.5, 0.02])
def test_the_sketch_finds_what_the_full_search_finds(vectors, queries, share):
    allowed = None if share is None else np.random.default_rng(1).random(len(vectors)) < share
    truth, best = ExactIndex(vectors).search(queries, 30, allowed)
    rows, scores = SketchIndex(vectors, 96).search(queries, 30, allowed)
    assert recall(truth, rows) >= 0.998
    assert allowed is None or allowed[rows[rows >= 0]].all()
    found = rows >= 0
    exact = np.einsum("qd,qkd->qk", queries, vectors[rows])
    np.testing.assert_allclose(scores[found], exact[found], atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all() and scores[:, 0] == pytest.approx(best[:, 0], abs=1e-5)


def test_the_measured_recall_decides(vectors, monkeypatch):
    assert type(choose_index(vectors)) is ExactIndex
    monkeypatch.setattr(approximate, "EXACT_TO", 10_000)
    assert isinstance(choose_index(vectors), SketchIndex)
    assert type(choose_index(vectors, at_least=1.1)) is ExactIndex


def test_the_last_group_of_a_sketch_may_be_short(vectors):
    some = vectors[100:6105]
    rows, _ = SketchIndex(some, 96).search(some[-20:], 30)
    assert all(len(np.unique(found)) == 30 for found in rows)
