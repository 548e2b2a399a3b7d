"""The checked listings of a large market are kept, and are the same as those that are read anew."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market import cached_listings, market
from listing_vibes.market.cached_listings import FILE
from listing_vibes.market.market import Market


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(cached_listings, "FEWEST", 3)


@pytest.fixture
def folder(tmp_path):
    """A market with every kind of column, missing cells, defects and an excluded column."""
    homes = pd.DataFrame(
        {
            "listing_id": ["a", "b", "c", "d"],
            "title": ["Loft", None, "Häuschen", "Hut"],
            "kind": ["flat", "flat", None, "house"],
            "rooms": ["2", "3", "many", "4"],
            "pets": ["yes", "no", "maybe", None],
            "amenities": ["wifi|sauna", None, "", "lift|wifi"],
            "tags": ["x|y", "y|z", "x|z", "z|x"],
            "latitude": [48.1, 48.2, np.nan, 148.0],
            "longitude": [11.5, 11.6, 11.7, 11.8],
            "published_at": ["2024-01-01", "someday", None, "2024-01-02"],
            "host": ["u", "v", "w", "x"],
        }
    )
    homes.to_csv(tmp_path / "listings.csv", index=False)
    (tmp_path / "market.toml").write_text(
        'title = "title"\nexcluded = ["host"]\n[attributes.amenities]\nkind = "multi"\n[attributes.tags]\nkind = "multi"\n'
        '[attributes.rooms]\nkind = "number"\nlabel = "Rooms, all"\n[attributes.pets]\nkind = "flag"\n'
    )
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """How often the listings were read and checked."""
    asked, check = [], market.listings_table

    def listings_table(*given):
        asked.append(given)
        return check(*given)

    monkeypatch.setattr(market, "listings_table", listings_table)
    return asked


def same(one: Market, other: Market) -> None:
    pd.testing.assert_frame_equal(one.listings, other.listings)
    assert one.attributes == other.attributes
    assert [str(defect) for defect in one.defects] == [str(defect) for defect in other.defects]
    for mine, theirs in zip(one.defects, other.defects, strict=True):
        assert (mine.rows is None) == (theirs.rows is None)
        assert mine.rows is None or (mine.rows == theirs.rows).all()


def test_what_is_kept_is_what_was_read(folder, reads):
    first, again = Market.open(folder), Market.open(folder)
    assert len(reads) == 1 and (folder / ".cache" / FILE).is_file()
    same(first, again)
    assert len(first.defects) >= 3
    assert again.listings["amenities"].tolist() == [["wifi", "sauna"], None, None, ["lift", "wifi"]]
    again.listings.loc[0, "longitude"] = 1.0  # it is nobody else's
    again.listings["tags"][0].append("more")
    same(first, Market.open(folder))


def test_sets_are_made_once_somebody_asks_for_them(folder, monkeypatch):
    Market.open(folder)
    made, cells = [], cached_listings._cells

    def counted(column):
        made.append(column)
        return cells(column)

    monkeypatch.setattr(cached_listings, "_cells", counted)
    opened = Market.open(folder)
    assert opened.plain.columns.tolist() == [
        name for name in Market.open(folder).listings.columns if name not in ("amenities", "tags")
    ]
    made.clear()
    assert opened.listing_row == {"a": 0, "b": 1, "c": 2, "d": 3} and "4 listings" in repr(opened)
    assert opened.live_interval()[0].shape == (4,) and opened.column("kind")[3] == "house" and not made
    assert opened.column("tags")[0] == ["x", "y"]
    assert opened.listings is opened.listings is opened.plain
    assert len(made) == 2  # one a column


@pytest.mark.slow
@pytest.mark.parametrize("file", ["listings.csv", "market.toml"])
def test_a_changed_file_is_read_anew(folder, reads, file):
    Market.open(folder)
    path = folder / file
    was = path.stat()
    path.write_text(path.read_text().replace("sauna", "sofas").replace("Rooms, all", "Rooms, now"))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))  # as large and as old as before
    again = Market.open(folder)
    assert len(reads) == 2
    told = "sofas" in again.listings["amenities"][0], again.attributes[2].label == "Rooms, now"
    assert told == (file == "listings.csv", file == "market.toml")
    same(again, Market.open(folder))
    assert len(reads) == 2


@pytest.mark.slow
def test_a_damaged_file_is_made_anew(folder, reads):
    whole = Market.open(folder)
    path = folder / ".cache" / FILE
    good = path.read_bytes()
    broken = [good[: len(good) // 2], b"", b"ARROW1" + bytes(100), good.replace(b'"names"', b'"nomes"')]
    for count, bad in enumerate(broken, 2):
        path.write_bytes(bad)
        same(whole, Market.open(folder))
        assert len(reads) == count
        assert path.read_bytes() == good


def test_a_state_of_the_tables_is_kept_as_well_and_is_that_of_the_market_that_gets_it(
    folder, reads, tmp_path_factory
):
    state = tmp_path_factory.mktemp("state")
    for name in ("market.toml", "listings.csv"):
        (state / name).write_text((folder / name).read_text().replace("sauna", "sofas"))
    assert Market.open(folder).listings["amenities"][0] == ["wifi", "sauna"]
    reads.clear()
    first, again = Market.open(folder, tables=state), Market.open(folder, tables=state)
    assert first.listings["amenities"][0] == ["wifi", "sofas"]
    assert len(reads) == 1 and "listings" not in vars(again)
    same(first, again)
    shutil.copyfile(state / "listings.csv", folder / "listings.csv")
    same(first, Market.open(folder))
    assert len(reads) == 1


def test_a_table_that_is_replaced_while_it_is_read_is_read_anew(folder, monkeypatch):
    check = market.listings_table

    def listings_table(*given):
        found = check(*given)
        table = pd.read_csv(folder / "listings.csv", dtype=str)
        table.assign(title="Castle").to_csv(folder / "new.csv", index=False)
        (folder / "new.csv").replace(folder / "listings.csv")
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(market, "listings_table", listings_table)
        assert Market.open(folder).listings["title"].iat[0] == "Loft"
    assert Market.open(folder).listings["title"].tolist() == ["Castle"] * 4
