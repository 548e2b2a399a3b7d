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
    spread = rng.normal(size=(200, 12)) * np.linspace(3, 0.2, 12)
    return spread @ np.linalg.qr(rng.normal(size=(12, 12)))[0] + 5


@pytest.mark.parametrize("width", [1, 5, 12])
def test_it_agrees_with_a_plain_svd_of_mean_norm_one(vectors, width):
    centered = vectors - vectors.mean(axis=0)
    projected = centered @ np.linalg.svd(centered, full_matrices=False)[2][:width].T
    reducer = Reducer.fit(vectors, width)
    out = reducer.transform(vectors)
    assert out.shape == (200, width) and out.dtype == np.float32
    expected = projected / np.linalg.norm(projected, axis=1).mean()
    np.testing.assert_allclose(np.abs(out), np.abs(expected), atol=1e-5)
    assert (np.diff(reducer.explained) <= 0).all()
    half = vectors.astype(np.float16)
    np.testing.assert_allclose(Reducer.fit(half, width).transform(half), out, atol=2e-3)
    shuffled = Reducer.fit(np.random.default_rng(1).permutation(vectors), width)
    np.testing.assert_allclose(shuffled.matrix, reducer.matrix, atol=1e-5)  # no sign turns


def test_whitening_evens_out_and_shrinkage_tempers_it(vectors):
    def spread(**options) -> float:
        out = Reducer.fit(vectors, 12, **options).transform(vectors)
        assert np.linalg.norm(out, axis=1).mean() == pytest.approx(1, abs=1e-5)
        return out.std(axis=0).max() / out.std(axis=0).min()

    assert spread(whiten=True, shrinkage=0.0) == pytest.approx(1, abs=1e-3)
    assert 1.1 < spread(whiten=True) < spread(whiten=True, shrinkage=0.5) < spread(whiten=False)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize(("rows", "width", "rank"), [(200, 20, 12), (5, 8, 4), (2, 4, 1), (1, 4, 0)])
def test_missing_dimensions_are_zero(vectors, rows, width, rank, whiten):
    out = Reducer.fit(vectors[:rows], width, whiten).transform(vectors[:rows])
    assert out.shape == (rows, width) and np.isfinite(out).all()
    assert not out[:, rank:].any() and (out[:, :rank] != 0).any(axis=0).all()
    flat = vectors[:, :2] @ np.ones((2, 6))
    assert not Reducer.fit(flat, 6, whiten=True, shrinkage=0.0).transform(flat)[:, 1:].any()


def test_many_rows_are_sampled_by_seed_and_transformed_in_pieces(vectors, monkeypatch):
    monkeypatch.setattr(reduce, "FIT_ROWS", 50)
    monkeypatch.setattr(reduce, "CHUNK_ROWS", 7)
    first, again, other = (Reducer.fit(vectors, 4, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert not np.allclose(first.matrix, other.matrix)
    out, ok = first.transform(vectors, np.arange(200) != 3), np.arange(200) != 3
    expected = (vectors.astype(np.float32) - first.mean) @ first.matrix
    np.testing.assert_allclose(out[ok], expected[ok], atol=1e-6)
    assert not out[~ok].any() and first.transform(vectors[:0]).shape == (0, 4)


def test_it_survives_a_safetensors_file_and_names_a_damaged_one(vectors, tmp_path):
    reducer = Reducer.fit(vectors, 20, whiten=True)
    save_file(reducer.to_arrays(), tmp_path / "reducer.safetensors")
    arrays = load_file(tmp_path / "reducer.safetensors")
    np.testing.assert_array_equal(Reducer.from_arrays(arrays).transform(vectors), reducer.transform(vectors))
    for wrong in ({"matrix": arrays["matrix"]}, arrays | {"mean": np.zeros(3)}):
        with pytest.raises(VibesError):
            Reducer.from_arrays(wrong)


def test_bad_input_is_refused(vectors):
    holed = vectors.copy()
    holed[3, 3] = np.nan
    for bad, width in [(vectors[:0], 4), (vectors[0], 4), (vectors, 0), (holed, 4)]:
        with pytest.raises(VibesError):
            Reducer.fit(bad, width)
    with pytest.raises(VibesError):
        Reducer.fit(vectors, 4).transform(vectors[:, :5])
