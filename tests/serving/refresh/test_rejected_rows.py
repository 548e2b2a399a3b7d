"""What a refresh does not take as it came: named as `vibes check` names it, kept, and an error where that is asked for."""

import json

import pandas as pd
import pytest

from helpers.commands import vibes
from helpers.copies import copied
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.market.user_names import UserNames
from listing_vibes.run.run import Run
from listing_vibes.serving.refresh import state
from listing_vibes.serving.refresh.sources import Frame
from listing_vibes.serving.refresh.state import REJECTED, save_rejected


@pytest.fixture
def shop(bare, tmp_path) -> Run:
    """A run whose market has events, and folders with rows of which several are no good."""
    folder = tmp_path / "shop"
    folder.mkdir()
    run = copied(bare, folder)
    for name in ("events", "listings"):
        (folder / name).mkdir()
    ids = run.market.listings[C.LISTING]
    listings = run.market.listings.iloc[:2].assign(**{C.LISTING: ["new-1", "new-2"], "amenities": "Wifi"})
    listings.assign(price=["abc", "70"]).to_csv(folder / "listings" / "new.csv", index=False)
    times = ["2024-02-01", "yesterday", "2024-02-02", None, "2024-02-03"]
    events = pd.DataFrame(
        {C.USER: ["a", "b", None, "c", "d"], C.LISTING: ids[:5], C.TIMESTAMP: times, "device": "tv"}
    )
    events.to_csv(folder / "events" / "new.csv", index=False)
    return run


def refresh(run: Run, *options: str, check: int = 0):
    place = run.path.parent
    return vibes(
        "refresh",
        run.path,
        "--events",
        place / "events",
        "--listings",
        place / "listings",
        *options,
        check=check,
    )


@pytest.mark.slow
def test_it_names_what_check_names(shop, tmp_path):
    look = json.loads(refresh(shop, "--json").stdout)
    assert (look["events"], look["new"], look["rejected"], look["unread"]) == (2, 2, 4, 0)
    market = tmp_path / "same"  # the same rows as a market of their own
    market.mkdir()
    for name in ("events", "listings"):
        table = (shop.path.parent / name / "new.csv").read_bytes()
        (market / f"{name}.csv").write_bytes(table)
    toml = (shop.market.path / "market.toml").read_text()
    (market / "market.toml").write_text(toml)
    told = json.loads(vibes("check", market, "--json").stdout)["defects"]
    by_check = {
        line.split(" ", 1)[1] for line in told if "is not a listing" not in line and "excluded" not in line
    }
    assert {line.split(" ", 1)[1] for line in look["problems"]} == by_check and len(by_check) == 4


@pytest.mark.slow
def test_the_rows_are_kept_once_with_all_their_cells(shop):
    refresh(shop)
    (shop.path.parent / "events" / "new.csv").touch()  # read again
    refresh(shop)
    kept = pd.read_csv(shop.path / REJECTED)
    assert list(zip(kept["file"], kept["row"], kept["column"], strict=True)) == [
        ("new.csv", 1, "price"), ("new.csv", 2, C.TIMESTAMP), ("new.csv", 4, C.TIMESTAMP), ("new.csv", 3, C.USER),
    ]  # fmt: skip
    assert json.loads(kept["cells"][0])["price"] == "abc"
    assert json.loads(kept["cells"][3]) == {
        C.LISTING: shop.listing_ids[2], C.TIMESTAMP: "2024-02-02", "device": "tv",
    }  # fmt: skip


@pytest.mark.slow
def test_they_are_an_error_only_where_it_is_asked_for(shop):
    assert "problem: " in refresh(shop).stderr
    for name in ("events", "listings"):
        (shop.path.parent / name / "new.csv").touch()
    assert "'abc' is not a finite number" in refresh(shop, "--strict", check=2).stderr
    assert "new-2" in Run.open(shop.path).listing_ids  # what is good was taken in all the same


@pytest.mark.slow
def test_a_cell_moves_no_cursor(shop):
    path = shop.path.parent / "listings" / "new.csv"
    path.write_text(path.read_text().replace("abc", "\x1b[2Jabc"))
    said = refresh(shop).stderr
    assert "\x1b" not in said and "\\x1b[2Jabc" in said


def test_only_the_newest_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "MOST_REJECTED", 2)
    from listing_vibes.market.defects import Notes

    for number in range(3):
        frame = Frame("a.csv", pd.DataFrame({"price": [f"x{number}"]}))
        notes = Notes("a.csv")
        notes.add("price", pd.Series([True]).to_numpy(), frame.rows["price"], "is no number")
        assert save_rejected(tmp_path, [(frame, notes.defects[0])], UserNames(tmp_path, False)) == 1
    assert [json.loads(cells)["price"] for cells in pd.read_csv(tmp_path / REJECTED)["cells"]] == ["x1", "x2"]


def test_check_writes_the_same_rows_and_can_be_strict(tiny_market, tmp_path):
    path = tiny_market(photos=0)
    assert vibes("check", path, "--strict").stderr == ""
    events = pd.read_parquet(path / "events.parquet").astype({C.TIMESTAMP: "str"})
    events.loc[[1, 4], C.TIMESTAMP] = "soon"
    events.loc[4, C.USER] = None
    events.assign(device="tv").to_parquet(path / "events.parquet", index=False)
    done = vibes("check", path, "--strict", "--rejects", tmp_path / "out.csv", check=2)
    assert "events.parquet, column device is not a column of this table" in done.stdout
    assert "has 3 defects" in done.stderr
    kept = pd.read_csv(tmp_path / "out.csv")
    assert kept[["row", "column"]].to_numpy().tolist() == [[2, C.TIMESTAMP], [5, C.TIMESTAMP], [5, C.USER]]
    assert json.loads(kept["cells"][0])["device"] == "tv"
    vibes("check", path, "--rejects", tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), kept, check_dtype=False)
    assert len(Market.open(path).events) == len(events) - 2
