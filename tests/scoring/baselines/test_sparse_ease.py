"""The sparse approximation of EASE against ridge regressions made one by one, and against EASE where nothing is left out."""

import numpy as np
import pytest
from scipy import sparse

from listing_vibes.evaluation.protocol import evaluate
from listing_vibes.market.splits import make_split
from listing_vibes.scoring.baselines import ease, first_level, sparse_ease
from listing_vibes.scoring.baselines.ease import Ease
from listing_vibes.scoring.baselines.sparse_ease import SparseEase
from listing_vibes.scoring.interactions import Interactions, history_matrix


def slow_weights(matrix: np.ndarray, penalty: float, most: int) -> np.ndarray:
    """Each column regressed, by least squares on augmented rows, on the `most` it has the largest covariance with."""
    users, count = matrix.shape
    weights = np.zeros((count, count))
    for column in range(count):
        both = matrix.T @ matrix[:, column]
        covariance = both - matrix.sum(axis=0) * matrix[:, column].sum() / users
        covariance[(both == 0) | (np.arange(count) == column)] = -np.inf
        near = [row for row in np.argsort(-covariance)[:most] if covariance[row] > -np.inf]
        rows = np.vstack([matrix[:, near], np.sqrt(penalty) * np.eye(len(near))])
        wanted = np.concatenate([matrix[:, column], np.zeros(len(near))])
        weights[near, column] = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    return weights


@pytest.mark.parametrize("penalty", [1.0, 50.0])
def test_weights_and_scores_are_those_of_the_slow_twin(random_log, always_live, penalty):
    log = random_log(6, users=90, listings=50, events=700)
    split = make_split(log, always_live(log))
    interactions = Interactions.of(log, split.train)
    fitted = SparseEase.fit(interactions, penalty, decay=0.7, neighbors=50)
    matrix = interactions.matrix.toarray().astype(float)
    assert fitted.weights.toarray() == pytest.approx(slow_weights(matrix, penalty, 50), abs=1e-5)
    scores = fitted.score(split.test)
    expected = (
        history_matrix(log, split.test.start, split.test.end, 0.7)[:, interactions.warm] @ fitted.weights
    )
    assert scores[:, interactions.warm] == pytest.approx(expected.toarray(), abs=1e-6)
    cold = log.counts(split.train) == 0
    assert (scores[:, cold] == -np.inf).all() and np.isfinite(scores[:, ~cold]).all()


def test_with_all_listings_as_neighbours_it_is_ease(random_log):
    touched = np.random.default_rng(0).random((60, 20)) < 0.4
    interactions = Interactions(
        random_log(8), sparse.csr_array(touched.astype(np.float32)), np.arange(20, dtype=np.int64)
    )
    assert (interactions.cooccurrence().toarray() > 0).all()
    found = SparseEase.fit(interactions, 30.0).weights.toarray()
    assert found == pytest.approx(Ease.fit(interactions, 30.0).weights, abs=1e-5)


def test_penalties_and_logs_that_cannot_be_solved_are_refused(random_log, always_live, monkeypatch):
    log = random_log(6)
    interactions = Interactions.of(log, make_split(log, always_live(log)).train)
    with pytest.raises(ValueError, match="above 0"):
        SparseEase.fit(interactions, 0.0)
    monkeypatch.setattr(sparse_ease, "MOST_PAIRS", 10)
    with pytest.raises(sparse_ease.TooManyPairs):
        SparseEase.fit(interactions)


@pytest.mark.slow
def test_it_stands_in_for_ease_in_a_large_catalogue_and_says_so(random_log, always_live, monkeypatch):
    log = random_log(11)
    catalogue = always_live(log)
    split = make_split(log, catalogue)
    monkeypatch.setattr(ease, "MOST_LISTINGS", 10)
    left_out: dict[str, str] = {}
    scorers = first_level(log, split, catalogue, left_out=left_out)
    names = [scorer.name for scorer in scorers]
    assert "sparse EASE" in names and "EASE" not in names and left_out == {"EASE": "too many listings"}
    found = evaluate(scorers, log, split, catalogue)
    assert "not by all" in found.notes["sparse EASE"]
    monkeypatch.setattr(sparse_ease, "MOST_PAIRS", 10)
    names = [scorer.name for scorer in first_level(log, split, catalogue, left_out=left_out)]
    assert "sparse EASE" not in names and left_out["sparse EASE"] == "too many events"
    fast: dict[str, str] = {}
    first_level(log, split, catalogue, slow_too=False, left_out=fast)
    assert fast == {"EASE": "takes long", "ALS": "takes long"}
