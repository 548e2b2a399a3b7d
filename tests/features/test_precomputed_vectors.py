"""Vectors that a market brings are a space, and a token that the model reads."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.commands import vibes
from listing_vibes.errors import VibesError
from listing_vibes.features.feature_config import FeatureConfig
from listing_vibes.features.featurizer import Featurizer
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.precomputed_vectors import precomputed_vectors
from listing_vibes.run.run import Run


def with_vectors(folder: Path, **setting: object) -> Path:
    """The market in `folder`, whose `market.toml` names vectors `clip`."""
    path = folder / "market.toml"
    config = MarketConfig.load(path).model_dump(exclude_defaults=True, exclude_none=True)
    MarketConfig.model_validate(config | {"vectors": {"clip": setting}}).save(path)
    return folder


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)


@pytest.fixture
def folder(tiny_market, vectors) -> Path:
    market = tiny_market(photos=0)
    np.save(market / "clip.npy", vectors)
    return with_vectors(market, path="clip.npy", tokens=True)


def test_a_file_is_a_space_and_a_refresh_may_add_listings_without_a_vector(folder, vectors, tmp_path):
    vibes("embed", folder, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert run.spaces == ["attributes", "clip"]
    cosine = vectors @ vectors[3] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[3])
    cosine[3] = -1
    found = run.similar("l003", k=3, space="clip")
    assert found["listing_id"].tolist() == [f"l{row:03d}" for row in np.argsort(-cosine)[:3]]
    assert found["score"].to_numpy() == pytest.approx(np.sort(cosine)[::-1][:3], abs=1e-3)
    (tmp_path / "news").mkdir()
    table = pd.read_parquet(folder / "listings.parquet").iloc[:1].assign(listing_id="new")
    for name in ("new", "newer"):  # the second refresh reads tables that have grown
        table.assign(listing_id=name).to_parquet(tmp_path / "news" / f"{name}.parquet")
        vibes("refresh", tmp_path / "run", "--listings", tmp_path / "news")
        run = Run.open(tmp_path / "run")
        assert not run.vectors("clip")[run.row(name)].any() and run.vectors("attributes")[run.row(name)].any()
        assert name not in run.similar("l003", k=12, space="clip")["listing_id"].tolist()
    assert "12 rows for the 14 listings" in vibes("embed", folder, tmp_path / "run", check=None).stderr
    before = Market.open(folder).fingerprint
    np.save(folder / "clip.npy", -vectors)
    assert Market.open(folder).fingerprint != before


def test_a_column_is_a_space_and_no_attribute(tiny_market, vectors):
    folder = tiny_market(photos=0)
    table = pd.read_parquet(folder / "listings.parquet")
    table["embedding"] = [None if row == 2 else list(map(float, one)) for row, one in enumerate(vectors)]
    table.sample(frac=1, random_state=0).to_parquet(folder / "listings.parquet")
    market = Market.open(with_vectors(folder, column="embedding"))
    assert "embedding" not in {one.name for one in market.attributes}
    found, row = precomputed_vectors(market, "clip"), market.listing_row
    assert found is not None and not found[row["l002"]].any()
    assert found[row["l005"]] == pytest.approx(vectors[5] / np.linalg.norm(vectors[5]), abs=1e-6)


def test_the_model_reads_them_as_a_token(folder, tmp_path):
    market = Market.open(folder)
    fitted, without = (
        Featurizer.fit(market, FeatureConfig(text=False, vectors=reads), 16, np.arange(12), np.zeros(0), None)
        for reads in (True, False)
    )
    read, bare = fitted.transform(market, None), without.transform(market, None)
    assert (np.diff(read.tokens.offset) - np.diff(bare.tokens.offset) == 1).all()
    assert read.photo.shape == (12, 16) and len(np.unique(read.photo, axis=0)) == 12
    assert fitted.longest_listing == without.longest_listing + 1
    fitted.save(tmp_path)
    again = Featurizer.load(tmp_path).transform(market, None)
    assert np.array_equal(again.photo, read.photo) and np.array_equal(again.tokens.key, read.tokens.key)
    np.save(folder / "clip.npy", np.ones((12, 4)))
    with pytest.raises(VibesError, match="'clip'"):
        fitted.transform(Market.open(folder), None)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((11, 5), np.float32),
        np.zeros(12, np.float32),
        np.array([["a"]] * 12),
        np.array([{}] * 12, object),
        np.where(np.arange(60).reshape(12, 5) == 13, np.nan, 1.0),
    ],
    ids=["rows", "one axis", "words", "objects", "nan"],
)
def test_arrays_that_are_not_vectors_are_refused(folder, array):
    np.save(folder / "clip.npy", array)
    with pytest.raises(VibesError, match="clip"):
        precomputed_vectors(Market.open(folder), "clip")


def test_a_file_outside_the_market_and_an_absent_column_are_refused(folder, tmp_path):
    np.save(tmp_path / "clip.npy", np.ones((12, 2)))
    for setting in ({"path": "../clip.npy"}, {"column": "clip"}):
        with pytest.raises(VibesError, match="clip"):
            precomputed_vectors(Market.open(with_vectors(folder, **setting)), "clip")
    with pytest.raises(ValueError, match="model"):
        MarketConfig.model_validate({"vectors": {"model": {"path": "clip.npy"}}})


def test_vectors_that_a_run_lacks_are_explained_as_check_does(tiny_market, tmp_path):
    folder, run = tiny_market(photos=0), tmp_path / "run"
    assert vibes("embed", folder, run).returncode == 0
    np.save(with_vectors(folder, path="clip.npy") / "clip.npy", np.ones((5, 2)))
    with pytest.raises(VibesError) as caught:
        precomputed_vectors(Market.open(folder), "clip")
    listing = Market.open(folder).listings["listing_id"].iat[0]
    for says in (str(caught.value), r"vibes embed"):
        with pytest.raises(VibesError) as other:
            Run.open(run).similar(listing, space="clip")
        assert says in str(other.value)
        np.save(folder / "clip.npy", np.ones((12, 2)))
