"""Prepared features come back as they were, and only for the market they are of."""

import shutil

import numpy as np
import pytest

from listing_vibes.market.market import Market
from listing_vibes.run.contents import DERIVED as FILE
from listing_vibes.run.engine import Engine
from listing_vibes.run.prepared import load_prepared


def test_a_trained_run_keeps_its_features_and_needs_no_cache(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.path, run)
    settings, market = trained.manifest.settings, trained.market
    kept = Engine.load(run, market, settings)
    (run / FILE).unlink()
    made = Engine.load(run, market, settings)
    for name in ("offset", "key", "value", "bin", "fraction", "photo", "text", "set_offset", "set_member"):
        np.testing.assert_array_equal(
            getattr(kept.features.tokens, name), getattr(made.features.tokens, name), err_msg=name
        )
    np.testing.assert_array_equal(kept.encode_listings(), made.encode_listings())


@pytest.mark.parametrize("content", [b"", b"x" * 100])
def test_a_damaged_file_is_as_good_as_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert load_prepared(tmp_path, "one") is None
    assert load_prepared(tmp_path / "nowhere", "one") is None


def test_the_engine_makes_features_anew_when_the_market_changed(trained, tmp_path):
    market, run = tmp_path / "market", tmp_path / "run"
    shutil.copytree(trained.market.path, market)
    shutil.copytree(trained.path, run)
    opened = Market.open(market)
    cheaper = opened.listings.assign(price=opened.listings["price"] * 3)
    cheaper.to_parquet(market / "listings.parquet", index=False)
    changed = Engine.load(run, Market.open(market), trained.manifest.settings)
    assert not np.array_equal(changed.features.tokens.bin, trained.engine.features.tokens.bin)
