"""The cached listings of a large market are the same as those that are read again."""

import copy
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market import cached_listings, market
from listing_vibes.market.cached_listings import FILE
from listing_vibes.market.market import Market


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A market with every kind of column, missing cells, issues and an excluded column."""
    monkeypatch.setattr(cached_listings, "FEWEST", 3)
    homes = pd.DataFrame(
        {
            "listing_id": ["a", "b", "c", "d"], "title": ["Loft", None, "Häuschen", "Hut"], "kind": ["flat", "flat", None, "house"],
            "rooms": ["2", "3", "many", "4"], "pets": ["yes", "no", "maybe", None], "amenities": ["wifi|sauna", None, "", "lift|wifi"],
            "tags": ["x|y", "y|z", "x|z", "z|x"], "latitude": [48.1, 48.2, np.nan, 148.0], "longitude": [11.5, 11.6, 11.7, 11.8],
            "published_at": ["2024-01-01", "someday", None, "2024-01-02"], "host": ["u", "v", "w", "x"],
        }
    )  # fmt: skip
    homes.to_csv(tmp_path / "listings.csv", index=False)
    (tmp_path / "market.toml").write_text(
        'title = "title"\nexcluded = ["host"]\n[attributes.amenities]\nkind = "multi"\n[attributes.tags]\nkind = "multi"\n'
        '[attributes.rooms]\nkind = "number"\nlabel = "Rooms, all"\n[attributes.pets]\nkind = "flag"\n'
    )
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """How often the listings were read and validated."""
    calls, validate = [], market.listings_table
    monkeypatch.setattr(market, "listings_table", lambda *given: calls.append(given) or validate(*given))
    return calls


def assert_same(first: Market, second: Market) -> None:
    pd.testing.assert_frame_equal(first.listings, second.listings)
    assert first.attributes == second.attributes and first.issues == second.issues
    for issue, other in zip(first.issues, second.issues, strict=True):
        assert (issue.rows is None) == (other.rows is None) and (
            issue.rows is None or (issue.rows == other.rows).all()
        )


def test_cached_listings_are_those_that_were_read_and_sets_are_built_on_demand(folder, reads):
    first, again = Market.open(folder), Market.open(folder)
    assert len(reads) == 1 and (folder / ".cache" / FILE).is_file() and len(first.issues) >= 3
    assert "listings" in vars(first) and "listings" not in vars(again)
    assert set(again.plain) == set(first.listings) - {"amenities", "tags"}
    assert again.listing_row == {"a": 0, "b": 1, "c": 2, "d": 3} and "4 listings" in repr(again)
    assert again.column("kind")[3] == "house" and "listings" not in vars(again)
    assert again.column("tags")[0] == ["x", "y"] and again.listings is again.plain
    assert_same(first, again)
    assert_same(first, copy.deepcopy(Market.open(folder)))
    assert again.listings["amenities"].tolist() == [["wifi", "sauna"], None, None, ["lift", "wifi"]]
    again.listings.loc[0, "longitude"] = 1.0  # changes no other object
    again.listings["tags"][0].append("more")
    assert_same(first, Market.open(folder))
    with pytest.raises(AttributeError, match="'homes'"):
        again.homes  # noqa: B018


@pytest.mark.slow
@pytest.mark.parametrize("file", ["listings.csv", "market.toml"])
def test_a_changed_file_is_read_again(folder, reads, file):
    Market.open(folder)
    path = folder / file
    status = path.stat()
    path.write_text(path.read_text().replace("sauna", "sofas").replace("Rooms, all", "Rooms, now"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as large and as old as before
    again = Market.open(folder)
    changed = "sofas" in again.listings["amenities"][0], again.attributes[2].label == "Rooms, now"
    assert changed == (file == "listings.csv", file == "market.toml")
    assert_same(again, Market.open(folder))
    assert len(reads) == 2


@pytest.mark.slow
def test_a_damaged_cache_is_written_again(folder, reads):
    original, path = Market.open(folder), folder / ".cache" / FILE
    good = path.read_bytes()
    damaged = [good[: len(good) // 2], b"", b"ARROW1" + bytes(100), good.replace(b'"names"', b'"nomes"')]
    for count, bad in enumerate(damaged, 2):
        path.write_bytes(bad)
        assert_same(original, Market.open(folder))
        assert len(reads) == count and path.read_bytes() == good


def test_another_version_of_the_tables_is_cached_too(folder, reads, tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    for name in ("market.toml", "listings.csv"):
        (state / name).write_text((folder / name).read_text().replace("sauna", "sofas"))
    assert Market.open(folder).listings["amenities"][0] == ["wifi", "sauna"]
    reads.clear()
    first, again = Market.open(folder, tables=state), Market.open(folder, tables=state)
    assert first.listings["amenities"][0] == ["wifi", "sofas"]
    assert_same(first, again)
    shutil.copyfile(state / "listings.csv", folder / "listings.csv")
    assert_same(first, Market.open(folder))
    assert len(reads) == 1


def test_a_table_that_is_replaced_during_reading_is_read_again(folder, monkeypatch):
    validate = market.listings_table

    def listings_table(*given):
        result = validate(*given)
        table = pd.read_csv(folder / "listings.csv", dtype=str)
        table.assign(title="Castle").to_csv(folder / "new.csv", index=False)
        (folder / "new.csv").replace(folder / "listings.csv")
        return result

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(market, "listings_table", listings_table)
        assert Market.open(folder).listings["title"].iat[0] == "Loft"
    assert Market.open(folder).listings["title"].tolist() == ["Castle"] * 4
