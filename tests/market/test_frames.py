"""A market of frames is the market of its folder, with the same messages."""

import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.download.job import download
from listing_vibes.market.io import TABLES
from listing_vibes.market.market import Market
from listing_vibes.market.precomputed_vectors import precomputed_vectors
from listing_vibes.market.profile import profile

HOMES = pd.DataFrame({"listing_id": [11, 12, 13], "rooms": [2, 2, 4], "rent": [800.0, 750.0, np.nan]})
CLICKS = pd.DataFrame({"user_id": [7, 7], "listing_id": [11, 13], "timestamp": ["2024-05-01", "2024-05-02"]})


def assert_same(first: Market, second: Market) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))
    assert (first.attributes, first.actions, first.name) == (second.attributes, second.actions, second.name)
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize("timed", [True, False])
def test_frames_and_their_folder_are_one_market(tiny_market, tmp_path, timed):
    folder, copied = tiny_market(timed=timed, lifetimes=True), tmp_path / "copy"
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    market = Market.from_frames(**tables, photo_root=folder, config=folder / "market.toml")
    assert market.issues == [] and not market.is_stored
    assert market.save(copied) is market and market.is_stored and market.path == copied
    assert_same(market, Market.open(copied))
    assert_same(market, Market.open(folder))
    assert_same(market, Market.open(folder).save(tmp_path / "again"))
    assert all((copied / path).read_bytes() == (folder / path).read_bytes() for path in market.photos["path"])


def test_ids_may_be_numbers_or_the_index_and_settings_an_object_or_keys(tmp_path):
    text = Market.from_frames(HOMES.astype({"listing_id": "str"}), CLICKS)
    days = [dt.date(2024, 5, 1), dt.date(2024, 5, 2)]
    clicks = CLICKS.assign(timestamp=days, listing_id=CLICKS["listing_id"].astype(float))
    other = Market.from_frames(HOMES.set_index("listing_id"), clicks.set_index("user_id"))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(text, name), getattr(other, name))
    assert other.listings["listing_id"].tolist() == ["11", "12", "13"] and set(other.events["user_id"]) == {
        "7"
    }
    assert_same(other, Market.open(other.save(tmp_path / "other").path))
    attributes = {"rooms": {"kind": "category", "label": "Rooms"}}
    config = MarketConfig.model_validate({"name": "Town", "currency": "EUR", "attributes": attributes})
    for given_config in (config, config.model_dump()):
        market = Market.from_frames(HOMES, CLICKS, config=given_config, name="City")
        assert (market.name, market.config.currency) == ("City", "EUR")
        assert [(a.name, a.kind) for a in market.attributes] == [("rooms", "category"), ("rent", "number")]
    assert repr(market) == "Market 'City': 3 listings, 2 attributes (rooms, rent), 0 photos, 2 events"
    homes = HOMES.assign(rent=["800", "dear", "900"])
    clicks = pd.concat([CLICKS, CLICKS.assign(listing_id=99)])
    issues = Market.from_frames(homes, clicks, attributes={"rent": "number"}).issues
    assert [(issue.file, issue.column, issue.row, issue.count) for issue in issues] == [
        ("listings frame", "rent", 2, 1), ("events frame", "listing_id", 3, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"listings": HOMES.drop(columns="listing_id")}, "listings frame lacks the column listing_id"),
        ({"listings": HOMES.assign(listing_id=[11, 12, 11])}, r"listings frame, column listing_id: 1 id .* '11' \(rows 1 and 3\)"),
        ({"listings": HOMES.iloc[:0]}, "listings frame has no listing"),
        ({"listings": pd.concat([HOMES, HOMES[["rooms"]]], axis=1)}, "listings frame has the column 'rooms' twice"),
        ({"listings": pd.DataFrame({("id", "listing_id"): [1], ("price", "mean"): [3.0]})}, "lacks the column listing_id"),
        ({"listings": HOMES.assign(town=pd.Series(["Ulm", "a\ud83d", "Bonn"], dtype=object))}, "lone surrogate"),
        ({"listings": "market"}, "type str.*Market.open"), ({"events": CLICKS.drop(columns="timestamp")}, "events frame lacks the column timestamp or position"),
        ({"photos": pd.DataFrame({"listing_id": [11]})}, "photos frame lacks the column path"),
        ({"photos": pd.DataFrame({"listing_id": [11], "path": ["no.jpg"]})}, "none of 1 files exists .* photo_root"),
        ({"nmae": "Town"}, "unknown key 'nmae'"), ({"attributes": {"rent": "money"}}, "'attributes.rent.kind' is 'money'"),
        ({"attributes": {"size": "number"}}, "listings frame lacks the column 'size'"), ({"config": "nowhere.toml"}, "no file nowhere.toml"),
    ],
)  # fmt: skip
def test_invalid_frames_are_one_sentence(changes, says):
    with pytest.raises(VibesError, match=says) as caught:
        Market.from_frames(**{"listings": HOMES, "events": CLICKS, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_a_market_is_replaced_only_with_overwrite(tmp_path, ending):
    folder = tmp_path / "market"
    folder.mkdir()
    for name, table in (("listings", HOMES), ("events", CLICKS)):
        file = folder / f"{name}{ending}"
        table.to_parquet(file) if ending == ".parquet" else table.to_csv(file, index=False)
    (folder / "market.toml").write_text("name = 'Mine'")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(VibesError, match="overwrite=True"):
        Market.from_frames(HOMES.iloc[:1]).save(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    market = Market.from_frames(HOMES.iloc[:1], name="Other").save(folder, overwrite=True)
    assert {file.name for file in folder.iterdir()} == {"listings.parquet", "market.toml"}
    assert_same(market, Market.open(folder))
    for name in ("a.txt", "run.toml"):  # other content is never replaced
        other = tmp_path / f"other {name}"
        other.mkdir()
        (other / name).write_text("a")
        for path in (other, other / name):
            with pytest.raises(VibesError, match="name a new folder"):
                Market.from_frames(HOMES).save(path, overwrite=True)
        assert [file.name for file in other.iterdir()] == [name]


@pytest.mark.parametrize("how", ["absolute", "from root", "from here", "climbing"])
def test_photos_are_read_and_saved_from_any_folder(tmp_path, monkeypatch, how):
    files = [tmp_path / "deep" / "a.jpg", tmp_path / "deep" / "b" / "b.jpg"]
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes([number]))
    root = tmp_path / "deep" if how == "from root" else None
    names: list[object] = ["a.jpg", "b/b.jpg"] if how == "from root" else list(files)
    if how in ("from here", "climbing"):
        start = tmp_path / ("notebooks" if how == "climbing" else ".")
        start.mkdir(exist_ok=True)
        monkeypatch.chdir(start)
        names = [("../" if how == "climbing" else "") + name for name in ("deep/a.jpg", "deep/b/b.jpg")]
    photos = pd.DataFrame({"listing_id": [11, 12], "path": names})
    market = Market.from_frames(HOMES, photos=photos, photo_root=root)
    assert [(market.path / path).read_bytes() for path in market.photos["path"]] == [b"\0", b"\1"]
    assert market.issues == []
    assert_same(market, Market.open(market.save(tmp_path / "saved").path))
    assert [(market.path / path).read_bytes() for path in market.photos["path"]] == [b"\0", b"\1"]
    inside = Market.from_frames(HOMES, photos=photos.assign(path=files), photo_root=tmp_path / "deep" / "b")
    assert inside.photos["path"].tolist() == ["b.jpg"] and inside.issues[0].column == "path"


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["x", "y", "x"], dtype="category"), pd.cut(pd.Series([1, 2, 3]), 2), pd.Series(pd.period_range("2024-01", periods=3, freq="M")),
        pd.Series([1, None, 0], dtype="Int8"), pd.Series([True, None, False], dtype="boolean"), pd.Series(pd.to_timedelta([1, 2, 60], unit="s")),
        pd.Series([Decimal("1.5"), Decimal("2.5"), None]), pd.Series([Path("a"), Path("b"), None]), pd.Series([{"a": 1}, {"b": 2}, None]),
        pd.Series([10**30, 10**31, 3]), pd.Series(pd.arrays.SparseArray([0, 0, 7])), pd.Series([1j, 2j, 1j]),
    ],
    ids=lambda column: str(column.dtype),
)  # fmt: skip
def test_every_type_of_column_is_stored(column, tmp_path):
    market = Market.from_frames(pd.DataFrame({"listing_id": [1, 2, 3], "odd": column}))
    assert_same(market, Market.open(market.save(tmp_path / "market").path))


def test_large_ids_are_exact_and_time_spans_are_seconds(tmp_path):
    clicks = CLICKS.assign(duration_s=pd.to_timedelta([90, 1.5], unit="s"))
    assert Market.from_frames(HOMES, clicks).events["duration_s"].tolist() == [90.0, 1.5]
    large = 10**16
    homes = pa.table({"listing_id": [large + 1, large + 3], "rooms": [1, 2]})
    cells = {"user_id": [large + 5, None], "listing_id": [large + 3, None], "position": [1, 2]}
    for number, clicks in enumerate((pa.table(cells), pd.DataFrame(cells, dtype=object))):
        market = Market.from_frames(homes, clicks)
        assert market.events[["user_id", "listing_id"]].to_numpy().tolist() == [
            [str(large + 5), str(large + 3)]
        ]
        assert_same(market, Market.open(market.save(tmp_path / str(number)).path))


def test_a_market_in_memory_writes_nothing(tmp_path, monkeypatch):
    for variable in ("LISTING_VIBES_CACHE", "TMPDIR", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o500)
    homes = HOMES.assign(seller=["a", "b", "a"], vector=[[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    config = {
        "excluded": ["seller"],
        "vectors": {"own": {"column": "vector"}},
        "privacy": {"users": "hashed"},
    }
    market = Market.from_frames(homes, CLICKS, config=config)
    assert market.path.resolve() == tmp_path / "market in memory" and market.name == "market in memory"
    assert profile(market).excluded == ["seller"] and market.fingerprint
    assert np.allclose(precomputed_vectors(market, "own")[:2], np.eye(2))
    assert market.renamed({"rent": "price"}).events["user_id"].iat[0] == market.names.of("7") != "7"
    with pytest.raises(VibesError, match=r"market\.save"):
        download(market)
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []
    hashes = market.events["user_id"].tolist()
    assert_same(market.save(tmp_path / "saved"), Market.open(tmp_path / "saved"))
    assert Market.open(tmp_path / "saved").events["user_id"].tolist() == hashes


def test_files_of_vectors_are_saved_with_their_market(tmp_path):
    source = tmp_path / "source"
    config = {"vectors": {"own": {"path": "own.npy"}}}
    Market.from_frames(HOMES, config=config).save(source)
    np.save(source / "own.npy", np.eye(3))
    copied = Market.open(source).save(tmp_path / "copy")
    assert np.array_equal(precomputed_vectors(copied, "own"), np.eye(3))
    assert copied.fingerprint == Market.open(source).fingerprint
