"""Writing a market folder: whole or not at all, and nothing outside of it."""

import errno
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.faults.dying import die_before, renames

from listing_vibes.errors import VibesError
from listing_vibes.market import durable
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.writer import replacing, write_market

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
    synced = {one.relative_to(market).parts[2:] for one in done[:first] if isinstance(one, Path)}
    assert {("a", "1.jpg"), ("a", "2.jpg"), ("b", "1.jpg"), ("a",), ("b",)} <= synced
    assert {("named", market / name) for name in photos["path"]} <= set(done[:first])


def test_a_disk_that_is_full_of_photos_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "1.jpg").write_bytes(b"photo")

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "sync", full)
    photos = pd.DataFrame({"listing_id": ["a"], "path": ["1.jpg"]})
    with pytest.raises(VibesError, match=r"^The disk is full while writing .*; free some space"):
        write_market(tmp_path / "market", MarketConfig(), LISTINGS, photos, photo_root=tmp_path)
    assert not (tmp_path / "market" / "listings.parquet").exists()


def test_tables_that_are_not_given_are_removed_whatever_their_format(tiny_market):
    path = tiny_market()
    (path / "events.csv").write_text("user_id,listing_id,position\nu,a,0\n")
    (path / "listings.csv").write_text("listing_id\nold\n")
    write_market(path, MarketConfig(), LISTINGS)
    market = Market.open(path)
    assert (len(market.listings), len(market.photos), len(market.events)) == (2, 0, 0)


def test_a_writer_that_dies_at_any_file_leaves_the_old_market_or_the_new_one(tmp_path):
    for name, content in (("old", b"old"), ("new", b"new")):
        (tmp_path / name / "photos").mkdir(parents=True)
        (tmp_path / name / "photos" / "a.jpg").write_bytes(content)
    photos = pd.DataFrame({"listing_id": ["a"], "path": ["photos/a.jpg"]})
    events = pd.DataFrame({"user_id": ["u"], "listing_id": ["a"], "position": [0]})

    def begin() -> Path:
        shutil.rmtree(tmp_path / "market", ignore_errors=True)
        write_market(
            tmp_path / "market", MarketConfig(name="old"), LISTINGS, photos, events, tmp_path / "old"
        )
        return tmp_path / "market"

    def replace() -> None:
        write_market(
            tmp_path / "market", MarketConfig(name="new"), LISTINGS.head(1), photos, None, tmp_path / "new"
        )

    begin()
    seen, number = [], renames(replace)
    for each in range(1, number + 1):
        folder = begin()
        die_before(replace, each)
        market = Market.open(folder)
        photo = (folder / "photos" / "a.jpg").read_bytes().decode()
        seen.append((market.name, photo, len(market.listings), len(market.events)))
        with replacing(folder, True, "vibes import"):  # the next writer removes what is left
            pass
        assert {file.name for file in folder.iterdir()} <= {
            "photos", "market.toml", "listings.parquet", "photos.parquet", "events.parquet",
        }  # fmt: skip
    assert set(seen) == {("old", "old", 2, 1), ("new", "new", 1, 0)} and number > 3


@pytest.mark.parametrize(
    "name", ["listings.parquet", "market.toml", ".user-key", ".cache/a.jpg", ".commit/a.jpg"]
)
def test_a_photo_never_takes_the_place_of_a_table_or_a_hidden_file(tmp_path, name):
    (tmp_path / "source" / name).parent.mkdir(parents=True)
    (tmp_path / "source" / name).write_bytes(b"photo")
    photos = pd.DataFrame({"listing_id": ["a"], "path": [name]})
    write_market(tmp_path / "market", None, LISTINGS, photos, photo_root=tmp_path / "source")
    assert {file.name for file in (tmp_path / "market").iterdir()} == {"listings.parquet", "photos.parquet"}
    assert len(Market.open(tmp_path / "market").listings) == 2


def test_a_folder_of_photos_that_is_a_link_out_of_the_market_is_not_written_to(tmp_path):
    for name in ("market", "elsewhere", "source/photos"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "source" / "photos" / "a.jpg").write_bytes(b"photo")
    (tmp_path / "market" / "photos").symlink_to(tmp_path / "elsewhere")
    photos = pd.DataFrame({"listing_id": ["a"], "path": ["photos/a.jpg"]})
    with pytest.raises(VibesError, match="is a link that leaves the market"):
        write_market(tmp_path / "market", None, LISTINGS, photos, photo_root=tmp_path / "source")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert [file.name for file in (tmp_path / "market").iterdir()] == ["photos"]
