"""Reduction to the model's width: distances are kept, missing components are zero, and a damaged file is refused."""

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
def test_it_equals_a_plain_svd_of_mean_norm_one(vectors, width):
    centered = vectors - vectors.mean(axis=0)
    projected = centered @ np.linalg.svd(centered, full_matrices=False)[2][:width].T
    reducer = Reducer.fit(vectors, width)
    out = reducer.transform(vectors)
    assert out.shape == (200, width) and out.dtype == np.float32
    expected = projected / np.linalg.norm(projected, axis=1).mean()
    np.testing.assert_allclose(np.abs(out), np.abs(expected), atol=1e-5)
    shuffled = Reducer.fit(np.random.default_rng(1).permutation(vectors), width)
    np.testing.assert_allclose(shuffled.matrix, reducer.matrix, atol=1e-5)  # the signs are the same


def test_whitening_equalizes_the_variances_and_shrinkage_tempers_it(vectors, monkeypatch):
    def ratio(shrinkage: float, whiten: bool) -> float:
        monkeypatch.setattr(reduce, "SHRINKAGE", shrinkage)
        out = Reducer.fit(vectors, 12, whiten).transform(vectors)
        assert np.linalg.norm(out, axis=1).mean() == pytest.approx(1, abs=1e-5)
        return out.std(axis=0).max() / out.std(axis=0).min()

    assert ratio(0.0, True) == pytest.approx(1, abs=1e-3)
    assert 1.1 < ratio(0.1, True) < ratio(0.5, True) < ratio(0.1, False)


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize(("rows", "width", "rank"), [(200, 20, 12), (5, 8, 4), (1, 4, 0)])
def test_missing_components_are_zero(vectors, rows, width, rank, whiten):
    out = Reducer.fit(vectors[:rows], width, whiten).transform(vectors[:rows])
    assert out.shape == (rows, width) and np.isfinite(out).all()
    assert not out[:, rank:].any() and (out[:, :rank] != 0).any(axis=0).all()


def test_it_survives_a_file_and_what_is_damaged_is_refused(vectors, tmp_path):
    reducer = Reducer.fit(vectors, 20, whiten=True)
    save_file(reducer.to_arrays(), tmp_path / "reducer.safetensors")
    arrays = load_file(tmp_path / "reducer.safetensors")
    np.testing.assert_array_equal(Reducer.from_arrays(arrays).transform(vectors), reducer.transform(vectors))
    for wrong in ({"matrix": arrays["matrix"]}, arrays | {"mean": np.zeros(3)}):
        with pytest.raises(VibesError):
            Reducer.from_arrays(wrong)
    vectors[3, 3] = np.nan
    with pytest.raises(VibesError):
        Reducer.fit(vectors, 4)
