"""The index: what it retrieves compared with exact search, on vectors with a trained run's spectrum."""

import numpy as np
import pytest

from helpers.index_vectors import like
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.run.contents import map_arrays
from listing_vibes.search import approximate
from listing_vibes.search.approximate import CandidateIndex, choose_index, recall

pytestmark = pytest.mark.slow


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
def index(parts, queries):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "EXACT_TO", 10_000)
        return choose_index(parts, queries[:100])


@pytest.mark.parametrize("share", [None, 0.5, 0.02])
def test_candidates_hold_the_best_by_the_inner_product_over_all_parts(parts, queries, index, share):
    allowed = None if share is None else np.random.default_rng(1).random(20_000) < share
    some, table = queries[100:], np.hstack(parts)
    scores = some @ table.T
    truth = np.argsort(-(scores if allowed is None else np.where(allowed, scores, -np.inf)), axis=1)[:, :30]
    rows, best = index.search(some, 30, allowed)
    assert recall(truth, rows) >= 0.985
    np.testing.assert_allclose(best, np.take_along_axis(scores, rows, 1), atol=1e-5)
    assert (np.diff(best, axis=1) <= 0).all()
    exact, _ = index.search_exactly(some, 30, allowed)
    assert recall(truth, exact) == pytest.approx(1, abs=1e-3)


def test_the_measured_recall_decides(parts, queries, monkeypatch):
    assert choose_index(parts, queries) is None  # exact search is as fast
    monkeypatch.setattr(approximate, "EXACT_TO", 10_000)
    monkeypatch.setattr(approximate, "TRIES", ((1, 120),))
    assert isinstance(choose_index(parts, queries, at_least=0.01), CandidateIndex)
    assert choose_index(parts, queries, at_least=1.01) is None


def test_a_query_with_too_few_candidates_is_searched_exactly(parts, queries, index):
    near = np.argsort(-(queries[:1] @ np.hstack(parts).T)[0])
    allowed = np.zeros(20_000, bool)
    allowed[near[-5_000:]] = True  # the farthest listings, in lists that are not probed
    rows, _ = index.search(queries[:1], 30, allowed)
    assert set(rows[0]) == set(near[-5_000:-4_970])
