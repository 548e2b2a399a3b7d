"""Writing a market folder: whole or not at all, and nothing outside of it."""

import pandas as pd
import pytest

from core.errors import VibesError
from core.market.config import MarketConfig
from core.market.market import Market
from core.market.writer import write_market

LISTINGS = pd.DataFrame({"listing_id": ["a", "b"], "price": [1.0, 2.0], "rating": [5.0, 4.0]})


def test_photo_files_are_copied_but_never_out_of_the_market(tmp_path):
    source = tmp_path / "deep" / "source"
    source.mkdir(parents=True)
    (source / "a.jpg").write_bytes(b"a")
    (tmp_path / "deep" / "escaped.jpg").write_bytes(b"e")
    photos = pd.DataFrame({"listing_id": ["a", "a", "b"], "path": ["a.jpg", "../escaped.jpg", "gone.jpg"]})
    target = tmp_path / "other" / "market"
    write_market(target, MarketConfig(), LISTINGS, photos, photo_root=source)
    assert (target / "a.jpg").read_bytes() == b"a"
    assert not (tmp_path / "other" / "escaped.jpg").exists()
    assert sorted(file.name for file in target.iterdir()) == [
        "a.jpg", "listings.parquet", "market.toml", "photos.parquet",
    ]  # fmt: skip
    (source / "a.jpg").write_bytes(b"new")
    write_market(target, MarketConfig(), LISTINGS, photos, photo_root=source)
    assert (target / "a.jpg").read_bytes() == b"new"


def test_tables_that_are_not_given_are_removed_whatever_their_format(tiny_market):
    path = tiny_market()
    (path / "events.csv").write_text("user_id,listing_id,position\nu,a,0\n")
    (path / "listings.csv").write_text("listing_id\nold\n")
    write_market(path, MarketConfig(), LISTINGS)
    market = Market.open(path)
    assert (len(market.listings), len(market.photos), len(market.events)) == (2, 0, 0)


def test_a_failed_write_never_leaves_a_table_without_its_exclusions(tmp_path):
    path = tmp_path / "market"
    write_market(path, MarketConfig(name="old", excluded=["rating"]), LISTINGS)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    broken = pd.DataFrame({"user_id": ["u", 3], "listing_id": ["a", "b"], "position": [0, object()]})
    with pytest.raises(Exception, match="object"):
        write_market(path, MarketConfig(name="new"), LISTINGS.head(1), events=broken)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert "rating" not in Market.open(path).listings.columns


def test_a_path_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "market").write_text("x")
    with pytest.raises(VibesError, match="Cannot write"):
        write_market(tmp_path / "market", MarketConfig(), LISTINGS)
