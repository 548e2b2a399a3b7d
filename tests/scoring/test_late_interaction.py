"""Late interaction: what it says beside a slow twin, and how little of memory it asks."""

import numpy as np
import pytest

import listing_vibes.scoring.late_interaction as late_interaction
from helpers.logs import build_log
from listing_vibes.scoring.late_interaction import LateInteraction


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    found = rng.normal(size=shape).astype(np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


@pytest.fixture
def asked():
    rng = np.random.default_rng(0)
    end = np.cumsum(rng.integers(1, 9, 12))
    start = np.concatenate([[0], end[:-1]])
    owner = np.repeat(np.arange(12), end - start)
    log = build_log(owner, rng.integers(0, 20, end[-1]), np.arange(end[-1]), listings=20, users=12)
    return unit(rng, 12, 6), unit(rng, 20, 6), log, start, end


@pytest.mark.parametrize("held", [16_000_000, 1])
def test_scores_are_those_of_a_loop_over_queries_and_listings(asked, held, monkeypatch):
    monkeypatch.setattr(late_interaction, "HELD", held)
    users, vectors, log, start, end = asked
    found = LateInteraction(0.5, newest=4).scores(users, vectors, vectors, log, start, end)
    assert found.dtype == np.float32
    for query in range(12):
        history = log.listing[max(start[query], end[query] - 4) : end[query]]
        for row in range(20):
            nearest = max(float(vectors[event] @ vectors[row]) for event in history)
            expected = (float(users[query] @ vectors[row]) + 0.5 * nearest) / 1.5
            assert found[query, row] == pytest.approx(expected, abs=1e-5)


def test_where_users_seldom_return_no_listing_is_near_to_itself(asked):
    users, vectors, log, start, end = asked
    late = LateInteraction(0.5, newest=4, itself=False)
    found = late.scores(users, vectors, vectors, log, start, end)
    for query in range(12):
        history = log.listing[max(start[query], end[query] - 4) : end[query]]
        for row in range(20):
            others = [float(vectors[event] @ vectors[row]) for event in history if event != row]
            expected = (float(users[query] @ vectors[row]) + 0.5 * max(others, default=-1.0)) / 1.5
            assert found[query, row] == pytest.approx(expected, abs=1e-5)
    some = np.array([3, 17, 5])
    part = late.scores(users, vectors[some], vectors, log, start, end, of=some)
    np.testing.assert_allclose(part, found[:, some], atol=1e-6)
    new = late.scores(
        users, vectors[some], vectors, log, start, end
    )  # a twin of a listing is another listing
    near = LateInteraction(0.5, newest=4).scores(users, vectors[some], vectors, log, start, end)
    np.testing.assert_array_equal(new, near)


def test_without_weight_they_are_cosines_to_the_last_bit(asked):
    users, vectors, log, start, end = asked
    found = LateInteraction().scores(users, vectors, vectors, log, start, end)
    np.testing.assert_array_equal(found, users @ vectors.T)


def test_the_newest_are_those_that_the_model_has_read():
    """These are the newest of what is wanted; a history without any is near to nothing."""
    rng = np.random.default_rng(0)
    vectors, users = unit(rng, 9, 5), unit(rng, 2, 5)
    log = build_log([0, 0, 0, 0, 0, 1], [0, 1, 2, 3, 4, 5], range(6), listings=9, users=2, hides=[2, 4, 5])
    found = LateInteraction(0.5, newest=2).scores(
        users, vectors, vectors, log, log.start[:-1], log.start[1:], ignore_unwanted=True
    )
    expected = (users[0] @ vectors.T + 0.5 * (vectors[[1, 3]] @ vectors.T).max(axis=0)) / 1.5
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    np.testing.assert_allclose(found[1], (users[1] @ vectors.T - 0.5) / 1.5, atol=1e-6)
