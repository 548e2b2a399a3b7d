"""Writing a market folder: whole or not at all, and nothing outside of it."""

import errno
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from tests.faults.dying import die_before, renames

from listing_vibes.errors import VibesError
from listing_vibes.market import durable
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.documents import read_json, read_toml, write_json, write_text
from listing_vibes.market.durable import atomic_path, only_writer, sweep_left
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
            replace()
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
    with pytest.raises(VibesError, match=r"is a link that leaves .*market"):
        write_market(tmp_path / "market", None, LISTINGS, photos, photo_root=tmp_path / "source")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert [file.name for file in (tmp_path / "market").iterdir()] == ["photos"]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    weight: float


def test_temporary_files_of_a_killed_writer_are_removed_and_others_stay(tmp_path):
    child = os.fork()
    if not child:
        with only_writer(tmp_path, "vibes train"), atomic_path(tmp_path / "weights") as temporary:
            temporary.write_text("half")
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (left,) = tmp_path.glob(".writing-*")
    with only_writer(tmp_path, "vibes embed"), atomic_path(tmp_path / ("x" * 255)) as temporary:
        temporary.write_text("complete")
        sweep_left(tmp_path)
        assert temporary.exists() and not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x" * 255]


def test_a_second_writer_is_refused_with_the_name_of_the_first(tmp_path):
    run, says = tmp_path / "run", rf"`vibes train` \(process {os.getpid()}\)"
    with only_writer(run, "vibes train"), pytest.raises(VibesError, match=says), only_writer(run, "other"):
        pass
    assert not run.exists()  # nothing was written into it
    with only_writer(run, "vibes evaluate"), only_writer(run, "vibes embed", name=".other"):
        (run / "file").touch()
    assert [path.name for path in run.iterdir()] == ["file"]


def test_file_and_folder_are_synced_before_and_after_the_rename(tmp_path, monkeypatch):
    order: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(opened: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{opened}") else "file")
        real_sync(opened)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *paths: order.append("rename") or real_replace(*paths))
    for is_durable, expected in ((True, ["file", "rename", "folder"]), (False, ["rename"])):
        order.clear()
        with atomic_path(tmp_path / "a", durable=is_durable) as temporary:
            temporary.write_text("a")
        assert order == expected


def test_documents_are_read_as_written_and_a_failed_write_leaves_the_old_file(tmp_path):
    content, path = {"name": "Café", "numbers": [1, 2.5, None]}, tmp_path / "new" / "a.json"
    write_json(path, content, indent=1)
    assert read_json(path, "fix") == content and read_json(tmp_path / "none.json", "fix") is None
    write_json(tmp_path / "b.json", {"weight": 0.5})
    assert read_json(tmp_path / "b.json", "fix", Settings.model_validate) == Settings(weight=0.5)
    write_text(tmp_path / "c.toml", 'name = "Café"')
    assert read_toml(tmp_path / "c.toml", "check the path") == {"name": "Café"}
    with pytest.raises(TypeError):
        write_json(path, [object()])
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert json.loads(path.read_text()) == content and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize(
    "content",
    [b"{", b'"caf\xe9"', b"[]", b"[" * 100_000, b'{"weight": ' + b"9" * 5000 + b"}", b'{"heavy": 1}', b'{"weight": "much"}', b'{"weight": null}'],
)  # fmt: skip
@pytest.mark.parametrize("parse", [lambda content: float(content["weight"]), Settings.model_validate])
def test_a_damaged_json_file_is_one_sentence_with_the_fix(tmp_path, content, parse):
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(VibesError) as caught:
        read_json(path, "evaluate the run again", parse)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} is damaged (") and sentence.endswith("); evaluate the run again.")
    assert "\n" not in sentence


@pytest.mark.parametrize("content", [b"a = " + b"[" * 5000, b"a = " + b"9" * 5000, b"a = ", b"a = 'caf\xe9'"])
def test_invalid_toml_is_one_sentence(tmp_path, content):
    (tmp_path / "market.toml").write_bytes(content)
    with pytest.raises(VibesError, match="is not valid TOML"):
        read_toml(tmp_path / "market.toml", "check the path")
    for read, path in ((read_json, tmp_path), (read_toml, tmp_path / "none.toml")):
        with pytest.raises(VibesError, match="check the path"):
            read(path, "check the path")


def test_an_error_of_a_library_that_is_not_of_python_says_that_the_disk_is_full(tmp_path):
    def write() -> None:
        with atomic_path(tmp_path / "a.safetensors"):
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(VibesError, match="disk is full"):
        write()
    assert list(tmp_path.iterdir()) == []
