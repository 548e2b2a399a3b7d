"""`vibes embed` encodes what is new or changed, and nothing else."""

import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from helpers.copies import resealed
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.engine import Engine
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """How many listings each call encoded."""
    seen, plain = [], Engine.encode_listings

    def counting(self, report=None, rows=None):
        seen.append(self.features.tokens.listings if rows is None else len(rows))
        return plain(self, report, rows)

    monkeypatch.setattr(Engine, "encode_listings", counting)
    return seen


@pytest.fixture
def place(trained, tmp_path):
    """The run and its market, to be changed."""
    shutil.copytree(trained.market.path, tmp_path / "market")
    shutil.copytree(trained.path, tmp_path / "run")
    return tmp_path


def distinct(run: Run) -> int:
    return len(set(run.engine.features.digests()))


@pytest.mark.slow
def test_known_content_is_not_encoded_again_and_twins_once(place, trained, encoded):
    frame = trained.market.listings
    twin = frame.iloc[[5]].assign(**{C.LISTING: "twin"})
    other = frame.iloc[[7]].assign(**{C.LISTING: "other", "price": 12345.0})
    changed = frame.assign(price=frame["price"].where(frame.index != 3, 4321.0))
    pd.concat([changed, twin, other]).to_parquet(place / "market/listings.parquet", index=False)
    market = Market.open(place / "market")
    embed_market(market, place / "new", None, place / "run")
    assert encoded == [2]  # the changed one and the one with another price

    (place / "run/prepared.safetensors").unlink()  # nothing is known any more
    embed_market(market, place / "whole", None, place / "run")
    whole, new = Run.open(place / "whole"), Run.open(place / "new")
    assert encoded == [2, distinct(whole)] and distinct(whole) < len(market.listings)
    np.testing.assert_allclose(new.vectors("model"), whole.vectors("model"), atol=2e-3)
    vectors = new.vectors("model")
    assert np.array_equal(vectors[new.listing_row["twin"]], vectors[5])

    embed_market(market, place / "new", None, place / "run")  # from its own earlier state
    assert encoded[2:] == []


def test_vectors_of_other_weights_are_not_taken(place, trained, encoded):
    market = Market.open(place / "market")
    path = place / "run/model.safetensors"
    save_file({name: tensor * 1.01 for name, tensor in load_file(path).items()}, path)
    resealed(place / "run")
    embed_market(market, place / "run", None, place / "run")
    assert encoded == [distinct(trained)]
    assert not np.allclose(Run.open(place / "run").vectors("model"), trained.vectors("model"), atol=1e-3)
