"""Quicker indexes: what they find against the full search, on vectors with a trained run's spectrum."""

import numpy as np
import pytest

from helpers.index_vectors import like
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.run.ranking import CandidateRanker, Requests
from listing_vibes.run.rules import Rules
from listing_vibes.search.index import choose as choosing
from listing_vibes.search.index.approximate import ApproximateIndex
from listing_vibes.search.index.choose import choose, recall
from listing_vibes.search.index.exact import ExactIndex, _by_faiss, _by_numpy
from listing_vibes.search.index.sketch import SketchIndex

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vectors():
    with np.load(bundled_run() / "listings.npz") as stored:
        trained = stored["model"].astype(np.float32)
    found = like(trained / np.linalg.norm(trained, axis=1, keepdims=True), 20_000, 128)
    found[[5, 19_999]] = 0
    return found


@pytest.fixture(scope="module")
def queries(vectors):
    return vectors[100:160]


def equal(index, vectors, queries, allowed, at_least):
    truth, best = ExactIndex(vectors).search(queries, 30, allowed)
    rows, scores = index.search(queries, 30, allowed)
    assert recall(truth, rows) >= at_least
    assert allowed is None or allowed[rows[rows >= 0]].all()
    found = rows >= 0
    exact = np.einsum("qd,qkd->qk", queries, vectors[rows])
    np.testing.assert_allclose(scores[found], exact[found], atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all() and scores[:, 0] == pytest.approx(best[:, 0], abs=1e-5)


@pytest.mark.parametrize("share", [None, 0.5, 0.02])
def test_the_sketch_finds_what_the_full_search_finds(vectors, queries, share):
    allowed = None if share is None else np.random.default_rng(1).random(len(vectors)) < share
    equal(SketchIndex(vectors, 96), vectors, queries, allowed, 0.998)


@pytest.mark.parametrize("kind", ["hnsw", "ivf-pq"])
def test_faiss_indexes_find_most_of_it(vectors, queries, kind, tmp_path):
    some = vectors[:2000]
    ApproximateIndex.build(some, kind).write(tmp_path / "index.faiss")
    again = ApproximateIndex.read(tmp_path / "index.faiss", some, kind, 256)
    for share in (None, 0.5, 0.02):
        allowed = None if share is None else np.random.default_rng(1).random(len(some)) < share
        equal(again, some, queries, allowed, 0.95)
    with pytest.raises(VibesError, match="holds 2000 listings, not 20000"):
        ApproximateIndex.read(tmp_path / "index.faiss", vectors, kind, 256)


@pytest.mark.parametrize("kind", ["hnsw", "ivf-pq"])
def test_rows_that_lie_far_from_the_query_are_found_too(kind):
    rng = np.random.default_rng(0)
    group = rng.integers(20, size=4000)
    some = rng.normal(size=(20, 32))[group] + rng.normal(size=(4000, 32)) * 0.4
    some = (some / np.linalg.norm(some, axis=1, keepdims=True)).astype(np.float32)
    index = ApproximateIndex.build(some, kind)
    index.effort = 16
    queries = some[group == 0][:20]
    for allowed in (np.isin(group, [1, 2, 3]), group != 0):  # 15 %, and all but the queries' own
        equal(index, some, queries, allowed, 0.9)
        assert (index.search(queries, 30, allowed)[0] >= 0).all()
        ranker, none = (
            CandidateRanker(index.search, Rules(k=30), some, None, None, np.zeros(0, int)),
            np.zeros(0, int),
        )
        assert (
            ranker.rank(queries, Requests(np.zeros(20, int), none, none, None, 30), allowed)[0] >= 0
        ).all()


def test_numpy_and_faiss_agree(vectors, queries):
    allowed = np.random.default_rng(1).random(len(vectors)) < 0.6
    for some in (None, allowed):
        one, two = _by_numpy(vectors, queries, 30, some), _by_faiss(vectors, queries, 30, some)
        assert recall(one[0], two[0]) > 0.9999
        np.testing.assert_allclose(one[1], two[1], atol=1e-5)


def test_the_size_chooses_and_the_measured_recall_decides(vectors, monkeypatch):
    assert choose(vectors).kind == "exact" and choose(vectors).recall == 1
    monkeypatch.setattr(choosing, "EXACT_TO", 10_000)
    chosen = choose(vectors)
    assert chosen.kind == "sketch" and chosen.recall >= 0.998 and chosen.tried[-1][1] == chosen.recall
    poor = choose(vectors, at_least=1.1)
    assert poor.kind == "exact" and len(poor.tried) == 4 and poor.tried[0][0] == "int8, 64 axes, 64 groups"
    with pytest.raises(VibesError, match="'sketch' reaches a recall of"):
        choose(vectors, "sketch", at_least=1.1)
    with pytest.raises(VibesError, match="no index 'fast'"):
        choose(vectors, "fast")
    monkeypatch.setattr(choosing, "SKETCH_TO", 10_000)
    assert choosing._by_size(20_000) == "hnsw" and choosing._by_size(10**9) == "ivf-pq"
    assert choose(vectors[:3000], "hnsw", at_least=0.9).tried[0][0] == "hnsw, effort 16"


def test_an_index_that_finds_too_few_is_helped_out(vectors):
    class Lazy:
        """Finds the first row and gives up."""

        ntotal = 300

        def search(self, queries, wanted, params):
            rows = np.full((len(queries), wanted), -1)
            rows[:, 0] = 0
            return None, rows

    some = vectors[100:400]
    index = ApproximateIndex(some, Lazy(), "hnsw", 16)
    for found, truth in zip(index.search(some[:3], 10), ExactIndex(some).search(some[:3], 10), strict=True):
        np.testing.assert_array_equal(found, truth)


def test_the_last_group_of_a_sketch_may_be_short(vectors):
    some = vectors[100:6105]
    rows, _ = SketchIndex(some, 96).search(some[-20:], 30)
    assert all(len(np.unique(found)) == 30 for found in rows)
