"""Writing a market folder: whole or not at all, and nothing outside of it."""

import errno
import os
from pathlib import Path

import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market import durable
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market

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


def test_the_disk_has_all_photos_and_their_folders_before_a_table_names_them(tmp_path, monkeypatch):
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(b"photo")
    photos = pd.DataFrame({"listing_id": ["a", "a", "b"], "path": ["a/1.jpg", "a/2.jpg", "b/1.jpg"]})
    market, done = tmp_path / "market", []
    real_sync, real_replace = durable.sync, os.replace
    monkeypatch.setattr(durable, "sync", lambda path: done.append(path) or real_sync(path))
    monkeypatch.setattr(os, "replace", lambda old, new: done.append(("named", new)) or real_replace(old, new))
    write_market(market, MarketConfig(), LISTINGS, photos, photo_root=tmp_path / "source")
    first = done.index(("named", market / "market.toml"))
    files = {market / name for name in photos["path"]}
    folders = {market / "a", market / "b"}
    synced = [one for one in done[:first] if one in files | folders]
    assert set(synced[:3]) == files and set(synced[3:]) == folders and len(synced) == 5
    assert {("named", file) for file in files} <= set(
        done[: done.index(synced[0])]
    )  # none is synced by its first name


def test_a_disk_that_is_full_of_photos_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "1.jpg").write_bytes(b"photo")

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "sync", full)
    photos = pd.DataFrame({"listing_id": ["a"], "path": ["1.jpg"]})
    with pytest.raises(VibesError, match=r"^The disk is full while writing .*1.jpg; free some space"):
        write_market(tmp_path / "market", MarketConfig(), LISTINGS, photos, photo_root=tmp_path)
    assert not (tmp_path / "market" / "listings.parquet").exists()


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
