"""The map keeps what is alike together, and the same seed draws it the same."""

import numpy as np
import pytest

from core.insight.map.vibe_map import draw_map


def blobs(rng: np.random.Generator, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 16) around one direction a group, and the groups (n,)."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.eye(16)[group] + rng.normal(0, 0.08, (len(group), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), group


@pytest.mark.slow
def test_clusters_keep_to_their_group_and_the_largest_comes_first():
    vectors, group = blobs(np.random.default_rng(0), (120, 180, 80))
    places, cluster = draw_map(vectors)
    assert places.shape == (380, 2)
    sizes = np.bincount(cluster[cluster >= 0])
    assert len(sizes) >= 3 and (np.diff(sizes) <= 0).all() and sizes.sum() > 200
    for number in range(len(sizes)):
        assert len(set(group[cluster == number])) == 1
    assert set(group[cluster >= 0]) == {0, 1, 2}


@pytest.mark.slow
def test_the_same_seed_draws_the_same_map():
    vectors, _ = blobs(np.random.default_rng(1), (30, 30))
    first, again, other = draw_map(vectors, 3), draw_map(vectors, 3), draw_map(vectors, 4)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.slow
def test_a_handful_of_listings_can_be_drawn():
    places, cluster = draw_map(blobs(np.random.default_rng(2), (3, 3))[0])
    assert np.isfinite(places).all() and len(cluster) == 6
