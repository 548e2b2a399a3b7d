"""Opening a market folder: what it may lack, that its format does not matter, and its fingerprint."""

import gzip
import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.io import TABLES
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market


def test_a_market_is_read_whole(tiny_market):
    market = Market.open(tiny_market(listings=12, users=8, events_per_user=5, photos=2))
    assert (len(market.listings), len(market.events), len(market.photos)) == (12, 40, 24)
    kinds = {attribute.name: attribute.kind for attribute in market.attributes}
    assert kinds == {
        "title": "text", "room_type": "category", "price": "number", "pets": "flag", "amenities": "multi", "place": "place",
    }  # fmt: skip
    assert market.defects == []
    assert market.timed
    assert market.name == "Tiny town"
    order = market.events.sort_values(["user_id", "timestamp"], kind="stable")
    assert order.index.equals(market.events.index)


def test_an_excluded_column_is_neither_a_column_nor_an_attribute(tiny_market):
    path = tiny_market()
    assert "review_scores_rating" in pd.read_parquet(path / "listings.parquet").columns
    market = Market.open(path)
    assert "review_scores_rating" not in market.listings.columns
    assert "review_scores_rating" not in [attribute.name for attribute in market.attributes]


@pytest.mark.parametrize("lacks", ["photos", "events", "both"])
def test_a_market_without_photos_or_events_opens(tiny_market, lacks):
    market = Market.open(
        tiny_market(photos=0 if lacks != "events" else 2, users=0 if lacks != "photos" else 4)
    )
    assert (len(market.photos) == 0) == (lacks != "events")
    assert (len(market.events) == 0) == (lacks != "photos")
    assert {"listing_id", "position", "path"} <= set(market.photos.columns)
    log = EventLog.from_market(market)
    assert len(log) == len(market.events)
    assert log.counts().shape == (12,)


def test_a_market_of_one_listing_opens(tiny_market):
    market = Market.open(tiny_market(listings=1, users=3))
    assert len(market.listings) == 1
    assert market.listing_row == {"l000": 0}


def test_a_folder_that_is_none_is_one_sentence(tmp_path):
    with pytest.raises(VibesError, match="There is no market folder"):
        Market.open(tmp_path / "nowhere")
    with pytest.raises(VibesError, match=r"holds no listings\.parquet"):
        Market.open(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_folder_that_run_toml_could_not_name_is_one_sentence(tiny_market):
    path = tiny_market(listings=1, users=0)
    with pytest.raises(VibesError, match="name that is not UTF-8"):
        Market.open(path.rename(path.with_name("m\udcff")))


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_csv_and_parquet_give_the_same_market(tiny_market, suffix):
    path = tiny_market(lifetimes=True)
    expected = Market.open(path)
    for name in TABLES:
        table = pd.read_parquet(path / f"{name}.parquet")
        if name == "listings":
            table["amenities"] = [json.dumps(list(members)) for members in table["amenities"]]
        (path / f"{name}.parquet").unlink()
        text = table.to_csv(index=False).encode()
        (path / f"{name}{suffix}").write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    market = Market.open(path)
    assert market.attributes == expected.attributes
    assert market.defects == []
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(market, name), getattr(expected, name))


def test_kinds_are_the_same_when_inferred(tiny_market):
    path = tiny_market(listings=40)
    expected = {attribute.name: attribute.kind for attribute in Market.open(path).attributes}
    (path / "market.toml").write_text("excluded = ['review_scores_rating']")
    market = Market.open(path)
    assert {attribute.name: attribute.kind for attribute in market.attributes} == expected
    assert {attribute.name: attribute.label for attribute in market.attributes}["room_type"] == "Room type"


def test_an_empty_column_or_a_bare_identifier_is_no_attribute(folder):
    rows = "".join(f"l{n},x{n},,\n" for n in range(30))
    market = Market.open(folder(listings="listing_id,code,empty,description\n" + rows))
    assert market.attributes == []
    assert [(d.column, d.message.split(";")[0]) for d in market.defects] == [
        ("code", "holds only identifiers or dates"),
        ("empty", "is empty"),
        ("description", "is empty"),
    ]


@pytest.mark.slow
def test_the_fingerprint_changes_with_each_table_and_only_then(tiny_market):
    path = tiny_market()
    seen = {Market.open(path).fingerprint}
    assert Market.open(path).fingerprint in seen
    for name in TABLES:
        table = pd.read_parquet(path / f"{name}.parquet")
        table.iloc[:-1].to_parquet(path / f"{name}.parquet", index=False)
        seen.add(Market.open(path).fingerprint)
    with (path / "market.toml").open("a") as stream:
        stream.write("\n# a remark\n")
    seen.add(Market.open(path).fingerprint)
    (path / "events.parquet").unlink()
    seen.add(Market.open(path).fingerprint)
    assert len(seen) == 6


def test_when_listings_are_live(folder):
    listings = "listing_id,published_at,expires_at\na,2024-01-01,2024-02-01\nb,,2024-02-01\nc,2024-01-01,9999-12-31\nd,,\n"
    since, until = Market.open(folder(listings=listings)).live_interval()
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    january, february = (pd.Timestamp(day).value for day in ("2024-01-01", "2024-02-01"))
    assert since.tolist() == [january, low, january, low]
    assert until.tolist()[:2] == [february, february]
    assert until[2] > pd.Timestamp("2262-01-01").value
    assert until[3] == high


@pytest.mark.parametrize("name", ["review_score_rating", "Review_Scores_Rating", "review_scores_ratings"])
def test_a_misspelt_exclusion_is_refused_since_the_column_would_reach_the_model(tiny_market, name):
    path = tiny_market()
    (path / "market.toml").write_text(f"excluded = ['{name}']")
    with pytest.raises(VibesError, match=f"lists '{name}' as excluded.* not 'review_scores_rating'"):
        Market.open(path)
    (path / "market.toml").write_text(f"excluded = ['review_scores_rating', '{name}', 'host_id']")
    assert [defect.value for defect in Market.open(path).defects] == [name, "host_id"]  # in vain, but named


def test_a_fingerprint_is_that_of_the_tables_which_the_object_holds(tiny_market):
    path = tiny_market()
    table = pd.read_parquet(path / "listings.parquet")
    market, again = Market.open(path), Market.open(path)
    on_disk = Market.open(path).fingerprint
    fewer = replace(market, events=market.events.iloc[:-1])
    assert fewer.fingerprint not in (on_disk, replace(market, photos=market.photos.iloc[:0]).fingerprint)
    assert market.renamed({}).fingerprint == on_disk
    table.to_parquet(path / "listings.parquet", index=False, compression="gzip")  # the same in another file
    assert Market.open(path).fingerprint != on_disk
    table.iloc[:-1].to_parquet(path / "listings.parquet", index=False)
    assert market.fingerprint == again.fingerprint != Market.open(path).fingerprint
    assert Market.from_frames(table).fingerprint == Market.from_frames(table).fingerprint


def test_a_run_has_the_fingerprint_of_the_market_that_it_was_made_of(tmp_path):
    homes = pd.DataFrame({"listing_id": [str(n) for n in range(20)], "rooms": [1, 2] * 10, "rent": range(20)})
    market = Market.from_frames(homes, path=tmp_path / "market")
    Market.from_frames(homes.assign(rent=5.0), path=tmp_path / "market", overwrite=True)
    embed_market(market, tmp_path / "run", None)
    assert Run.open(tmp_path / "run").market_changed
    assert not Run.open(tmp_path / "run", market).market_changed
