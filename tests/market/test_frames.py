"""A market of frames: the same market as a folder's, the same sentences, and a folder that holds it."""

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from listing_vibes.errors import VibesError
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.io import TABLES
from listing_vibes.market.market import Market

HOMES = pd.DataFrame({"listing_id": [11, 12, 13], "rooms": [2, 2, 4], "rent": [800.0, 750.0, np.nan]})
CLICKS = pd.DataFrame({"user_id": [7, 7], "listing_id": [11, 13], "timestamp": ["2024-05-01", "2024-05-02"]})


def same(one: Market, other: Market) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    assert (one.attributes, one.actions, one.name) == (other.attributes, other.actions, other.name)
    assert one.fingerprint == other.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("timed", [True, False])
def test_frames_and_their_folder_are_one_market(tiny_market, tmp_path, timed):
    folder = tiny_market(timed=timed, lifetimes=True)
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    copied = tmp_path / "copy"
    made = Market.from_frames(**tables, photo_root=folder, path=copied, config=folder / "market.toml")
    assert made.defects == []
    same(made, Market.open(copied))
    same(made, Market.open(folder))
    for path in made.photos["path"]:
        assert (copied / path).read_bytes() == (folder / path).read_bytes()


def test_ids_may_be_numbers_or_the_index_and_times_may_be_dates():
    text = Market.from_frames(HOMES.astype({"listing_id": "str"}), CLICKS)
    clicks = CLICKS.assign(
        timestamp=[dt.date(2024, 5, 1), dt.date(2024, 5, 2)], listing_id=CLICKS["listing_id"].astype(float)
    )
    other = Market.from_frames(HOMES.set_index("listing_id"), clicks.set_index("user_id"))
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(text, name), getattr(other, name))
    assert other.listings["listing_id"].tolist() == ["11", "12", "13"]
    assert other.events["user_id"].tolist() == ["7", "7"]
    same(other, Market.open(other.path))


def test_what_is_wrong_is_told_of_the_frame():
    homes = HOMES.assign(rent=["800", "dear", "900"])
    clicks = pd.concat([CLICKS, CLICKS.assign(listing_id=99)])
    market = Market.from_frames(homes, clicks, attributes={"rent": "number"})
    assert [str(defect) for defect in market.defects] == [
        "listings frame, column rent, row 2: 'dear' is no finite number; read as missing",
        "events frame, column listing_id, row 3: '99' is no listing of this market; the event is skipped (2 rows)",
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"listings": HOMES.drop(columns="listing_id")}, "listings frame lacks the column 'listing_id'"),
        ({"listings": HOMES.assign(listing_id=[11, 12, 11])}, "listings frame, column listing_id, row 3: '11' is there twice"),
        ({"listings": HOMES.iloc[:0]}, "listings frame has no listing"),
        ({"listings": pd.concat([HOMES, HOMES[["rooms"]]], axis=1)}, "listings frame has the column 'rooms' twice"),
        ({"listings": "market"}, "listings is of the type str; give a pandas DataFrame .*Market.open"),
        ({"events": CLICKS.drop(columns="timestamp")}, "events frame has neither 'timestamp' nor 'position'"),
        ({"events": CLICKS.drop(columns="user_id")}, "events frame lacks the column 'user_id'"),
        ({"photos": pd.DataFrame({"listing_id": [11]})}, "photos frame lacks the column 'path'"),
        ({"photos": pd.DataFrame({"listing_id": [11], "path": ["no.jpg"]})}, "not one of 1 files is there .* photo_root"),
        ({"nmae": "Town"}, "The market's settings: unknown key 'nmae'"),
        ({"attributes": {"rent": "money"}}, "The market's settings: 'attributes.rent.kind' is 'money'"),
        ({"attributes": {"size": "number"}}, "listings frame lacks the column 'size'"),
        ({"config": "nowhere.toml"}, "There is no file nowhere.toml"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence_and_nothing_is_written(tmp_path, given, says):
    with pytest.raises(VibesError, match=says) as caught:
        Market.from_frames(**{"listings": HOMES, "events": CLICKS, "path": tmp_path / "new", **given})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_mistake_leaves_the_market_that_was_there(tmp_path):
    Market.from_frames(HOMES, CLICKS, path=tmp_path / "market", name="First")
    before = {file.name: file.read_bytes() for file in (tmp_path / "market").iterdir()}
    with pytest.raises(VibesError):
        Market.from_frames(HOMES, CLICKS.drop(columns="user_id"), path=tmp_path / "market", name="Second")
    assert {file.name: file.read_bytes() for file in (tmp_path / "market").iterdir()} == before
    second = Market.from_frames(HOMES.iloc[:2], path=tmp_path / "market", overwrite=True, name="Second")
    assert (len(second.listings), len(second.events)) == (2, 0)
    same(second, Market.open(tmp_path / "market"))


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("also", [None, "market.toml"])
def test_a_market_that_is_there_is_replaced_only_with_overwrite(tmp_path, ending, also):
    folder = tmp_path / "market"
    folder.mkdir()
    for name, table in (("listings", HOMES), ("events", CLICKS)):
        file = folder / f"{name}{ending}"
        table.to_parquet(file) if ending == ".parquet" else table.to_csv(file, index=False)
    if also:
        (folder / also).write_text("name = 'Mine'")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(VibesError, match="holds a market; choose another folder or pass overwrite=True"):
        Market.from_frames(HOMES.iloc[:1], path=folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    Market.from_frames(HOMES.iloc[:1], path=folder, overwrite=True)
    assert {file.name for file in folder.iterdir()} == {"listings.parquet", "market.toml"}


@pytest.mark.parametrize("name", ["a.txt", "run.toml"])
def test_a_folder_that_holds_something_else_is_refused_also_with_overwrite(tmp_path, name):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / name).write_text("a")
    with pytest.raises(VibesError, match="name a new folder"):
        Market.from_frames(HOMES, path=tmp_path / "notes", overwrite=True)
    with pytest.raises(VibesError, match="is a file"):
        Market.from_frames(HOMES, path=tmp_path / "notes" / name, overwrite=True)
    assert [file.name for file in (tmp_path / "notes").iterdir()] == [name]


def shots(folder: Path) -> list[Path]:
    (folder / "deep" / "b").mkdir(parents=True)
    made = [folder / "deep" / "a.jpg", folder / "deep" / "b" / "b.jpg"]
    for number, file in enumerate(made):
        file.write_bytes(bytes([number]))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("how", ["absolute", "from root", "from here", "climbing", "absolute below root"])
def test_photos_are_found_wherever_they_lie(tmp_path, monkeypatch, how):
    files = shots(tmp_path)
    root: Path | None = None
    names: list[object] = list(files)
    if how.endswith("root"):
        root = tmp_path / "deep"
    if how == "from root":
        names = ["a.jpg", "b/b.jpg"]
    elif how == "from here":
        monkeypatch.chdir(tmp_path)
        names = ["deep/a.jpg", "deep/b/b.jpg"]
    elif how == "climbing":
        (tmp_path / "notebooks").mkdir()
        monkeypatch.chdir(tmp_path / "notebooks")
        names = ["../deep/a.jpg", "../deep/b/b.jpg"]
    photos = pd.DataFrame({"listing_id": [11, 12], "path": names})
    market = Market.from_frames(HOMES, photos=photos, photo_root=root)
    assert [(market.path / path).read_bytes() for path in market.photos["path"]] == [b"\0", b"\1"]
    assert market.defects == []
    same(market, Market.open(market.path))


def test_a_photo_outside_the_root_is_named_and_skipped(tmp_path):
    files = shots(tmp_path)
    photos = pd.DataFrame({"listing_id": [11, 12], "path": files})
    market = Market.from_frames(HOMES, photos=photos, photo_root=tmp_path / "deep" / "b")
    assert market.photos["path"].tolist() == ["b.jpg"]
    assert [defect.message for defect in market.defects] == [
        "leaves the market folder; the photo is skipped (use a path inside it)"
    ]


def test_a_configuration_may_be_given_whole_or_in_keys():
    whole = MarketConfig.model_validate(
        {"name": "Town", "currency": "EUR", "attributes": {"rooms": {"kind": "category", "label": "Rooms"}}}
    )
    for config in (whole, whole.model_dump()):
        market = Market.from_frames(HOMES, config=config, name="City")
        assert (market.name, market.config.currency) == ("City", "EUR")
        assert [(a.name, a.kind, a.label) for a in market.attributes] == [
            ("rooms", "category", "Rooms"), ("rent", "number", "Rent"),
        ]  # fmt: skip
    assert (
        repr(Market.from_frames(HOMES, CLICKS, name="Town"))
        == "Market 'Town': 3 listings, 2 attributes (rooms, rent), 0 photos, 2 events"
    )


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.text("ab1 ", max_size=3),
    st.dates(dt.date(2000, 1, 1), dt.date(2030, 1, 1)),
    st.timedeltas(dt.timedelta(0), dt.timedelta(days=1)),
    st.decimals(-5, 5, places=1),
    st.sets(st.sampled_from("xyz")),
    st.tuples(st.sampled_from([1, "a", None]), st.integers(0, 1)),
)


@pytest.mark.slow
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_whatever_a_frame_holds_its_folder_reads_the_same(rows):
    columns = [pd.Series(cells, dtype=object) for cells in zip(*rows, strict=True)]
    frame = pd.DataFrame({"listing_id": np.arange(len(rows)), "odd": columns[0], 7: columns[1]})
    market = Market.from_frames(frame)
    same(market, Market.open(market.path))


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["x", "y", "x"], dtype="category"),
        pd.cut(pd.Series([1, 2, 3]), 2),
        pd.Series(pd.period_range("2024-01", periods=3, freq="M")),
        pd.Series([1, None, 0], dtype="Int8"),
        pd.Series([True, None, False], dtype="boolean"),
        pd.Series(pd.to_timedelta([1, 2, 60], unit="s")),
        pd.Series([Decimal("1.5"), Decimal("2.5"), None]),
        pd.Series([Path("a"), Path("b"), None]),
        pd.Series([{"a": 1}, {"b": 2}, None]),
    ],
    ids=lambda column: str(column.dtype),
)
def test_every_kind_of_column_is_held(column):
    market = Market.from_frames(pd.DataFrame({"listing_id": [1, 2, 3], "odd": column}))
    same(market, Market.open(market.path))


def test_a_span_of_time_is_so_many_seconds():
    clicks = CLICKS.assign(duration_s=pd.to_timedelta([90, 1.5], unit="s"))
    assert Market.from_frames(HOMES, clicks).events["duration_s"].tolist() == [90.0, 1.5]


@pytest.mark.slow
def test_without_a_path_the_market_lasts_until_python_ends():
    code = (
        "import pandas as pd; from listing_vibes import Market;"
        "made = Market.from_frames(pd.DataFrame({'listing_id': [1, 2]})).path;"
        "print(made); print(len(Market.open(made).listings))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    path, listings = done.stdout.split()
    assert listings == "2"
    assert not Path(path).parent.exists()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([10**30, 10**31, 3], "number"),  # beyond 64 bits
        (pd.arrays.SparseArray([0, 0, 7]), "number"),
        (pd.Series([1j, 2j, 1j]), "category"),
    ],
)
def test_columns_that_parquet_does_not_know_are_held_all_the_same(tmp_path, cells, kind):
    market = Market.from_frames(HOMES.assign(more=cells), path=tmp_path / "market")
    assert [one.kind for one in market.attributes if one.name == "more"] == [kind]
    same(market, Market.open(tmp_path / "market"))


def test_names_of_several_levels_are_told():
    pivoted = pd.DataFrame({("id", "listing_id"): [1, 2], ("price", "mean"): [3.0, 4.0]})
    with pytest.raises(VibesError, match=r"listings frame has names of 2 levels"):
        Market.from_frames(pivoted)


def test_half_a_letter_is_told(tmp_path):
    """As JSON of web pages has them: one half of a pair of surrogates."""
    broken = HOMES.assign(town=pd.Series(["Ulm", "a\ud83d", "Bonn"], dtype=object))
    with pytest.raises(VibesError, match=r"listings frame, column town, holds '.ud83d', half of a letter"):
        Market.from_frames(broken, path=tmp_path / "market")


def test_large_ids_stay_the_same_ones_where_some_are_missing():
    large = 10**16
    homes = pa.table({"listing_id": [large + 1, large + 3], "rooms": [1, 2]})
    cells = {"user_id": [large + 5, None], "listing_id": [large + 3, None], "position": [1, 2]}
    for clicks in (pa.table(cells), pd.DataFrame(cells, dtype=object)):
        market = Market.from_frames(homes, clicks)
        assert market.events[["user_id", "listing_id"]].to_numpy().tolist() == [
            [str(large + 5), str(large + 3)]
        ]
        same(market, Market.open(market.path))
