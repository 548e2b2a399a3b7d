"""Opening a market folder: what it may lack, that its format does not matter, its fingerprint, and market.toml."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.io import TABLES
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run

TYPES = {"title": "text", "room_type": "category", "price": "number", "pets": "flag", "amenities": "multi", "place": "place"}  # fmt: skip


def test_a_market_is_read_whole_and_its_types_are_the_same_when_inferred(tiny_market):
    path = tiny_market(listings=40, users=8, events_per_user=5, photos=2)
    market = Market.open(path)
    assert (len(market.listings), len(market.events), len(market.photos)) == (40, 40, 80)
    assert (market.issues, market.timed, market.name) == ([], True, "Tiny town")
    order = market.events.sort_values(["user_id", "timestamp"], kind="stable")
    assert order.index.equals(market.events.index)
    assert "review_scores_rating" in pd.read_parquet(path / "listings.parquet").columns
    assert "review_scores_rating" not in market.listings  # it is excluded
    (path / "market.toml").write_text("excluded = ['review_scores_rating']")
    for opened in (market, Market.open(path)):
        assert {attribute.name: attribute.kind for attribute in opened.attributes} == TYPES
    assert {attribute.name: attribute.label for attribute in opened.attributes}["room_type"] == "Room type"


@pytest.mark.parametrize(
    "lacks", [{"photos": 0}, {"users": 0}, {"photos": 0, "users": 0}, {"listings": 1}], ids=str
)
def test_a_market_that_lacks_something_opens(tiny_market, lacks):
    market = Market.open(tiny_market(**lacks))
    assert (len(market.photos) == 0, len(market.events) == 0) == ("photos" in lacks, "users" in lacks)
    assert {"listing_id", "position", "path"} <= set(market.photos.columns)
    log = EventLog.from_market(market)
    assert len(log) == len(market.events) and log.counts().shape == (len(market.listings),)
    assert market.listing_row["l000"] == 0


def test_a_folder_that_is_none_is_one_sentence(tmp_path):
    with pytest.raises(VibesError, match="There is no market folder"):
        Market.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VibesError, match=r"is not a market: it holds no listings\.parquet"):
        Market.open(tmp_path / "empty")


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
    assert market.attributes == expected.attributes and market.issues == []
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(market, name), getattr(expected, name))


def test_when_listings_are_active(folder):
    listings = "listing_id,published_at,expires_at\na,2024-01-01,2024-02-01\nb,,2024-02-01\nc,2024-01-01,9999-12-31\nd,,\n"
    since, until = Market.open(folder(listings=listings)).live_interval()
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    january, february = (pd.Timestamp(day).value for day in ("2024-01-01", "2024-02-01"))
    assert since.tolist() == [january, low, january, low] and until.tolist()[:2] == [february, february]
    assert until[2] > pd.Timestamp("2262-01-01").value and until[3] == high


@pytest.mark.parametrize("name", ["review_score_rating", "Review_Scores_Rating", "review_scores_ratings"])
def test_a_misspelled_exclusion_is_refused_since_the_column_would_reach_the_model(tiny_market, name):
    path = tiny_market()
    (path / "market.toml").write_text(f"excluded = ['{name}']")
    with pytest.raises(VibesError, match=f"lists '{name}' as excluded.* not 'review_scores_rating'"):
        Market.open(path)
    (path / "market.toml").write_text(f"excluded = ['review_scores_rating', '{name}', 'host_id']")
    assert [issue.value for issue in Market.open(path).issues] == [name, "host_id"]


def test_the_fingerprint_changes_with_each_table_and_only_then(tiny_market):
    path = tiny_market()
    seen = {Market.open(path).fingerprint, Market.open(path).fingerprint}
    for name in TABLES:
        table = pd.read_parquet(path / f"{name}.parquet")
        table.iloc[:-1].to_parquet(path / f"{name}.parquet", index=False)
        seen.add(Market.open(path).fingerprint)
    with (path / "market.toml").open("a") as stream:
        stream.write("\n# a remark\n")
    seen.add(Market.open(path).fingerprint)
    (path / "events.parquet").unlink()
    assert len(seen | {Market.open(path).fingerprint}) == 6


def test_a_fingerprint_is_that_of_the_tables_which_the_object_holds(tiny_market, tmp_path):
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
    homes = pd.DataFrame({"listing_id": [str(n) for n in range(20)], "rooms": [1, 2] * 10, "rent": range(20)})
    market = Market.from_frames(homes).save(tmp_path / "homes")
    Market.from_frames(homes.assign(rent=5.0)).save(tmp_path / "homes", overwrite=True)
    embed_market(market, tmp_path / "run", None)  # a run has the fingerprint of what it was made of
    assert Run.open(tmp_path / "run").market_changed and not Run.open(tmp_path / "run", market).market_changed


@pytest.mark.parametrize("kind", ["link to nothing", "link to itself", "folder"])
def test_a_file_that_cannot_be_read_does_not_count_as_missing(tmp_path, kind):
    (tmp_path / "listings.csv").write_text("listing_id,rating\na,5\n")
    path = tmp_path / "market.toml"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("market.toml" if kind == "link to itself" else tmp_path / "gone.toml")
    with pytest.raises(VibesError, match=r"(Cannot read .*market\.toml|market\.toml is a link)"):
        Market.open(tmp_path)


def test_what_is_saved_is_loaded_and_a_byte_order_mark_is_skipped(tmp_path):
    path, price = tmp_path / "market.toml", AttributeConfig(kind="number", label="Price", unit="€")
    assert MarketConfig.load(path) == MarketConfig()
    path.write_bytes(b"\xef\xbb\xbfname = 'Ulm'")
    assert MarketConfig.load(path).name == "Ulm"
    config = MarketConfig(
        name='Märkte "am See"', title="name", attributes={"price": price}, actions=["view"], excluded=["x"]
    )
    config.save(path)
    assert MarketConfig.load(path) == config
