"""Reduction to the model's width: distances kept, zeros where nothing is left, the same result every time."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from listing_vibes.errors import VibesError
from listing_vibes.features import reduce
from listing_vibes.features.reduce import Reducer


@pytest.fixture
def vectors() -> np.ndarray:
    """(200, 12) with a clear order of variances."""
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=(200, 12)) * np.linspace(3, 0.2, 12) @ np.linalg.qr(rng.normal(size=(12, 12)))[0] + 5
    )


def twin(vectors: np.ndarray, kept: int) -> np.ndarray:
    """Principal components by a plain SVD, (N, kept), each up to its sign, mean norm 1."""
    centred = vectors - vectors.mean(axis=0)
    _, _, right = np.linalg.svd(centred, full_matrices=False)
    projected = centred @ right[:kept].T
    return projected / np.linalg.norm(projected, axis=1).mean()


@pytest.mark.parametrize("width", [1, 5, 12])
def test_it_agrees_with_a_plain_svd(vectors, width):
    out = Reducer.fit(vectors, width).transform(vectors)
    assert out.shape == (200, width) and out.dtype == np.float32
    np.testing.assert_allclose(np.abs(out), np.abs(twin(vectors, width)), atol=1e-5)


def test_full_width_keeps_angles_of_the_centred_rows(vectors):
    out = Reducer.fit(vectors, 12).transform(vectors)
    centred = vectors - vectors.mean(axis=0)
    ratio = np.linalg.norm(out, axis=1) / np.linalg.norm(centred, axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    np.testing.assert_allclose(out @ out.T, centred @ centred.T * ratio[0] ** 2, atol=1e-4)


@pytest.mark.parametrize("whiten", [False, True])
def test_rows_have_a_mean_norm_of_one(vectors, whiten):
    out = Reducer.fit(vectors, 6, whiten).transform(vectors)
    assert np.linalg.norm(out, axis=1).mean() == pytest.approx(1, abs=1e-5)


def test_explained_falls_and_sums_to_one(vectors):
    explained = Reducer.fit(vectors, 12, whiten=True).explained
    assert (np.diff(explained) <= 0).all() and explained.sum() == pytest.approx(1)


def test_whitening_evens_out_and_shrinkage_tempers_it(vectors):
    def spread(**options) -> float:
        deviation = Reducer.fit(vectors, 12, **options).transform(vectors).std(axis=0)
        return deviation.max() / deviation.min()

    assert spread(whiten=True, shrinkage=0.0) == pytest.approx(1, abs=1e-3)
    assert 1.1 < spread(whiten=True) < spread(whiten=True, shrinkage=0.5) < spread(whiten=False)


@pytest.mark.parametrize(("rows", "width", "rank"), [(200, 20, 12), (5, 8, 4), (2, 4, 1), (1, 4, 0)])
def test_missing_dimensions_are_zero(vectors, rows, width, rank):
    for whiten in (False, True):
        out = Reducer.fit(vectors[:rows], width, whiten).transform(vectors[:rows])
        assert out.shape == (rows, width)
        assert np.isfinite(out).all() and not out[:, rank:].any()
        assert (out[:, :rank] != 0).any(axis=0).all()


def test_directions_without_variance_are_zero_when_whitened():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6))
    out = Reducer.fit(flat, 6, whiten=True, shrinkage=0.0).transform(flat)
    assert not out[:, 2:].any() and out[:, :2].any()
    same = np.ones((9, 4))
    assert not Reducer.fit(same, 3, whiten=True).transform(same).any()


def test_the_order_of_rows_does_not_turn_a_sign(vectors):
    first = Reducer.fit(vectors, 6)
    again = Reducer.fit(np.random.default_rng(1).permutation(vectors), 6)
    np.testing.assert_allclose(first.matrix, again.matrix, atol=1e-5)
    few = vectors[:8]
    np.testing.assert_allclose(Reducer.fit(few, 6).matrix, Reducer.fit(few[::-1], 6).matrix, atol=1e-5)


def test_many_rows_are_sampled_by_seed(vectors, monkeypatch):
    monkeypatch.setattr(reduce, "FIT_ROWS", 50)
    monkeypatch.setattr(reduce, "CHUNK_ROWS", 7)
    first, again, other = (Reducer.fit(vectors, 4, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert not np.allclose(first.matrix, other.matrix)
    out = first.transform(vectors)
    np.testing.assert_allclose(out, (vectors.astype(np.float32) - first.mean) @ first.matrix, atol=1e-6)


def test_half_precision_goes_in(vectors):
    half = vectors.astype(np.float16)
    out = Reducer.fit(half, 4).transform(half)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, Reducer.fit(vectors, 4).transform(vectors), atol=2e-3)


def test_rows_that_are_not_ok_stay_zero(vectors):
    ok = np.ones(200, dtype=bool)
    ok[[3, 7]] = False
    reducer = Reducer.fit(vectors[ok], 4)
    out = reducer.transform(vectors, ok)
    assert not out[~ok].any() and out[ok].any(axis=1).all()
    assert reducer.transform(vectors[:0]).shape == (0, 4)


def test_it_survives_a_safetensors_file(vectors, tmp_path):
    reducer = Reducer.fit(vectors, 20, whiten=True)
    save_file(reducer.to_arrays(), tmp_path / "reducer.safetensors")
    loaded = Reducer.from_arrays(load_file(tmp_path / "reducer.safetensors"))
    assert loaded.width == 20
    np.testing.assert_array_equal(loaded.transform(vectors), reducer.transform(vectors))


def test_bad_input_is_one_clear_sentence(vectors):
    for bad, width in [(vectors[:0], 4), (vectors[0], 4), (vectors, 0)]:
        with pytest.raises(VibesError, match="Cannot reduce vectors of shape"):
            Reducer.fit(bad, width)
    holed = vectors.copy()
    holed[3, 3] = np.nan
    with pytest.raises(VibesError, match="NaN or infinity"):
        Reducer.fit(holed, 4)
    reducer = Reducer.fit(vectors, 4)
    with pytest.raises(VibesError, match="do not fit a reducer of width 12"):
        reducer.transform(vectors[:, :5])
    arrays = reducer.to_arrays()
    with pytest.raises(VibesError, match="lacks the array 'mean'"):
        Reducer.from_arrays({key: value for key, value in arrays.items() if key != "mean"})
    with pytest.raises(VibesError, match="damaged"):
        Reducer.from_arrays(arrays | {"mean": np.zeros(3)})
