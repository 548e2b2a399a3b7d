"""The map keeps what is alike together, and the same seed draws it the same."""

import numpy as np
import pandas as pd
import pytest

from listing_vibes.insight.map.vibe_map import (
    BEYOND,
    NEIGHBORS,
    WIDE,
    draw_map,
    nearest_neighbors,
    place_among,
    spread_out,
    with_newcomers,
)


def blobs(rng: np.random.Generator, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, 16) around one direction a group, and the groups (n,)."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.eye(16)[group] + rng.normal(0, 0.08, (len(group), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), group


def test_places_fill_the_frame_in_their_order_and_an_outlier_does_not_shrink_it():
    rng = np.random.default_rng(0)
    islands = np.concatenate([rng.normal(0, 1, (100, 2)), rng.normal(60, 1, (100, 2)), [[900.0, -900.0]]])
    found = spread_out(islands)
    for axis, length in enumerate((WIDE, 1.0)):
        order = np.argsort(islands[:, axis], kind="stable")
        assert (np.diff(found[order, axis]) >= -1e-6).all()
        assert found[:, axis].min() >= -BEYOND * length and found[:, axis].max() <= (1 + BEYOND) * length
        # Between the islands lay nine tenths of the canvas.
        assert np.diff(np.sort(found[:200, axis])).max() < 0.6 * length
    assert np.isfinite(spread_out(np.zeros((5, 2)))).all()


def test_what_is_new_stands_among_its_nearest_and_moves_nothing(trained, monkeypatch):
    space, ids = "model", np.array(trained.listing_ids)
    rng = np.random.default_rng(0)
    columns = {"space": space, "listing_id": ids, "x": rng.random(len(ids)), "y": rng.random(len(ids))}
    frame = pd.DataFrame(columns | {"cluster": np.arange(len(ids)) % 2})
    assert with_newcomers(trained, frame) is frame
    missing = [3, 40]
    found = with_newcomers(trained, frame.drop(index=missing))
    stood, new = found.iloc[: -len(missing)], found.iloc[-len(missing) :]
    pd.testing.assert_frame_equal(
        stood.reset_index(drop=True), frame.drop(index=missing).reset_index(drop=True), check_dtype=False
    )
    assert new["listing_id"].tolist() == ids[missing].tolist()
    vectors = trained.vectors(space)
    for row, place in zip(missing, new[["x", "y"]].to_numpy(), strict=True):
        others = np.delete(np.arange(len(ids)), missing)
        near = others[np.argsort(-vectors[others] @ vectors[row])[:15]]
        spots = frame[["x", "y"]].to_numpy()[near]
        assert (place >= spots.min(axis=0)).all() and (place <= spots.max(axis=0)).all()
    assert set(new["cluster"]) <= {0, 1}
    monkeypatch.setattr("listing_vibes.insight.map.vibe_map.AT_ONCE", 2 * len(ids))  # of many, some at a time
    missing, stands = np.arange(0, 15, 3), frame.drop(index=np.arange(0, 15, 3))
    for row, one in zip(
        missing, with_newcomers(trained, stands).iloc[len(stands) :].itertuples(), strict=True
    ):
        at, group = place_among(
            vectors[stands.index] @ vectors[row], stands[["x", "y"]].to_numpy(), stands["cluster"].to_numpy()
        )
        np.testing.assert_allclose([one.x, one.y], at, atol=1e-4)
        assert one.cluster == group


@pytest.mark.parametrize("seed", range(2))
def test_another_listing_stands_at_the_weighed_mean_of_its_nearest_in_the_group_of_most_weight(seed):
    rng = np.random.default_rng(seed)
    alike, places, clusters = rng.uniform(-1, 1, 60), rng.normal(size=(60, 2)), rng.integers(-1, 3, 60)
    near = sorted(range(60), key=lambda one: -alike[one])[:NEIGHBORS]
    gaps = [alike[near[0]] - alike[one] for one in near]
    weights = [np.exp(-gap / np.mean(gaps)) for gap in gaps]
    of_group: dict[int, float] = {}
    for one, weight in zip(near, weights, strict=True):
        of_group[clusters[one]] = of_group.get(clusters[one], 0.0) + weight
    at, group = place_among(alike, places, clusters)
    np.testing.assert_allclose(at, np.average(places[near], axis=0, weights=weights))
    assert group == max(of_group, key=lambda one: of_group[one])


def test_neighbors_are_those_of_a_search_one_by_one(monkeypatch):
    vectors, _ = blobs(np.random.default_rng(3), (40, 30))
    monkeypatch.setattr("listing_vibes.insight.map.vibe_map.AT_ONCE", 7 * len(vectors))
    rows, away = nearest_neighbors(vectors, 6)
    for row, vector in enumerate(vectors):
        cosine = vectors @ vector
        assert rows[row].tolist() == np.argsort(-cosine, kind="stable")[:6].tolist() and rows[row, 0] == row
        np.testing.assert_allclose(away[row], 1 - cosine[rows[row]], atol=1e-6)
    assert (away[:, 0] == 0).all(), (
        "umap-learn takes the first distance above 0 for that to the nearest other"
    )
    assert (away >= 0).all()


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
def test_the_same_seed_draws_the_same_map_and_a_handful_can_be_drawn():
    vectors, _ = blobs(np.random.default_rng(1), (30, 30))
    first, again, other = draw_map(vectors, 3), draw_map(vectors, 3), draw_map(vectors, 4)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    places, cluster = draw_map(vectors[:6])
    assert np.isfinite(places).all() and len(cluster) == 6
