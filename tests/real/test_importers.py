"""All importers on the real data: counts equal the raw files as the csv module reads them, and nothing leaks."""

import csv
import fnmatch
import gzip
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.importers import import_market
from listing_vibes.market.leaks import leaks_by_text
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes.market.profile_text import render
from listing_vibes.market.splits import Catalogue, make_split

pytestmark = pytest.mark.real

MARKETS = {
    "albany-2024-01": ("inside-airbnb", "inside-airbnb/albany-2024-01"),
    "albany-2024-11": ("inside-airbnb", "inside-airbnb/albany-2024-11"),
    "singapore-2023-09": ("inside-airbnb", "inside-airbnb/singapore-2023-09"),
    "houses": ("houses", "houses"),
    "movielens-1m": ("movielens-1m", "movielens-1m"),
    "amazon-scientific": ("unisrec", "amazon-scientific"),
}
SNAPSHOTS = [name for name, (source, _) in MARKETS.items() if source == "inside-airbnb"]
#: The leaking columns, as the README of the data lists them.
LEAKING = (
    "number_of_reviews*", "review_scores_*", "reviews_per_month", "estimated_*", "availability_*", "has_availability",
    "first_review", "last_review", "calendar_*",
)  # fmt: skip


@pytest.fixture(scope="module")
def opened(real_data, tmp_path_factory):
    """Open a real market by name, imported once."""
    done: dict[str, Market] = {}

    def get(name: str) -> Market:
        if name not in done:
            source, folder = MARKETS[name]
            if not (real_data / folder).is_dir():
                pytest.skip(f"no real data at {real_data / folder}")
            target = tmp_path_factory.mktemp("markets") / name
            import_market(source, real_data / folder, target)
            done[name] = Market.open(target)
        return done[name]

    return get


def raw(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, read without any code of ours."""
    with (
        gzip.open(path, "rt", encoding="utf-8", newline="")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8", newline="") as stream
    ):
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_has_the_listings_and_reviews_of_its_files(opened, real_data, name):
    folder, market = real_data / MARKETS[name][1], opened(name)
    listings, reviews = raw(folder / "listings.csv.gz"), raw(folder / "reviews.csv.gz")
    assert market.listings["listing_id"].tolist() == [row["id"] for row in listings]
    key = zip(
        market.events["user_id"],
        market.events["listing_id"],
        market.events["timestamp"].dt.strftime("%F"),
        strict=True,
    )
    assert Counter(key) == Counter((row["reviewer_id"], row["listing_id"], row["date"]) for row in reviews)
    prices = [
        float(row["price"].replace("$", "").replace(",", "")) if row["price"] else np.nan for row in listings
    ]
    assert np.array_equal(market.listings["price"], prices, equal_nan=True)
    assert len(market.photos) == 0


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_excludes_every_leaking_column(opened, real_data, name):
    market = opened(name)
    header = list(raw(real_data / MARKETS[name][1] / "listings.csv.gz")[0])
    leaking = [column for column in header if any(fnmatch.fnmatch(column, rule) for rule in LEAKING)]
    assert len(leaking) >= 20
    assert set(leaking) <= set(market.config.excluded)
    assert not set(leaking) & {*market.listings.columns, *(attribute.name for attribute in market.attributes)}
    assert len(market.attributes) <= 20
    assert profile(market).leaks == {}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_tells_no_rating_in_its_names(opened, real_data, name):
    market = opened(name)
    before = [row["name"] for row in raw(real_data / MARKETS[name][1] / "listings.csv.gz")]
    rated = [row for row, text in enumerate(before) if "· ★" in text and name != "albany-2024-11"]
    assert len(rated) == {"albany-2024-01": 348, "albany-2024-11": 0, "singapore-2023-09": 1372}[name]
    after = market.listings["name"].tolist()
    assert not any("★" in after[row] for row in rated)
    assert leaks_by_text(market.listings[["name"]], threshold=1e-9) == []
    assert all(after[row] == before[row] for row in range(len(after)) if row not in set(rated))


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_snapshot_has_bedrooms_and_bathrooms_though_its_columns_are_empty(opened, name):
    listings = opened(name).listings
    assert listings["bedrooms"].isna().mean() < 0.02
    assert listings["bathrooms"].isna().mean() < 0.01
    assert listings["bathroom_shared"].isna().mean() < 0.01


def test_houses_have_all_homes_and_photos(opened, real_data):
    market, folder = opened("houses"), real_data / "houses"
    homes, shots = raw(folder / "houses.csv"), raw(folder / "photos.csv")
    assert market.listings["listing_id"].tolist() == [row["item_id"] for row in homes]
    assert market.listings["zipcode"].tolist() == [row["zipcode"] for row in homes]
    assert market.listings["price_usd"].tolist() == [float(row["price_usd"]) for row in homes]
    assert sorted(market.photos["path"]) == sorted(row["path"] for row in shots)
    assert all(path.endswith("_frontal.jpg") for path in market.cover.values())
    found = profile(market)
    assert (found.photos.count, found.photos.missing, found.photos.broken) == (2140, 0, 0)
    assert found.events is None
    sample = shots[7]["path"]
    assert (market.path / sample).read_bytes() == (folder / sample).read_bytes()


def test_films_have_all_events_and_the_split_is_leave_one_out(opened, real_data):
    market, folder = opened("movielens-1m"), real_data / "movielens-1m"
    films, history = raw(folder / "items.csv"), raw(folder / "events.csv.gz")
    assert market.listings["listing_id"].tolist() == [row["item_id"] for row in films]
    assert market.listings["plot"].fillna("").tolist() == [row["plot"].strip() for row in films]
    assert len(market.events) == len(history) == 1_000_209
    sequences = defaultdict(list)
    for row in history:
        sequences[row["user_id"]].append((int(row["position"]), row["item_id"], row["split"]))
    log = EventLog.from_market(market)
    ids = market.listings["listing_id"].to_numpy()[log.listing]
    split = make_split(log, Catalogue(*market.live_interval()))
    tests, valids = (
        dict(zip(q.user.tolist(), q.event.tolist(), strict=True)) for q in (split.test, split.valid)
    )
    for number, user in enumerate(log.users):
        ordered = sorted(sequences[user])
        assert ids[log.start[number] : log.start[number + 1]].tolist() == [item for _, item, _ in ordered]
        assert [part for *_, part in ordered[-2:]] == ["val", "test"]
        assert {part for *_, part in ordered[:-2]} == {"train"}
        assert ids[tests[number]] == ordered[-1][1]
        assert ids[valids[number]] == ordered[-2][1]
    assert len(market.photos) == len(raw(folder / "photos.csv")) == 3256
    assert "split" not in pd.read_parquet(market.path / "events.parquet").columns


def test_amazon_has_every_event_in_its_order(opened, real_data):
    market, folder = opened("amazon-scientific"), real_data / "amazon-scientific"
    items = dict(
        line.split("\t")[::-1] for line in (folder / "Scientific.item2index").read_text().splitlines()
    )
    users = dict(
        line.split("\t")[::-1] for line in (folder / "Scientific.user2index").read_text().splitlines()
    )
    assert (len(market.listings), market.events["user_id"].nunique(), len(market.events)) == (
        4385,
        8442,
        59_427,
    )
    assert set(market.listings["listing_id"]) == set(items.values())
    assert market.listings["listing_id"].is_monotonic_increasing
    numbers = [list(items.values()).index(listing) for listing in market.listings["listing_id"].head(200)]
    assert numbers != sorted(numbers)  # the numbering by first appearance is gone
    sequences = market.events.groupby("user_id")["listing_id"].apply(list)
    for part, cut in (("test", 1), ("valid", 2)):
        for line in (folder / f"Scientific.{part}.inter").read_text().splitlines()[1:]:
            user, history, item = line.split("\t")
            sequence = sequences[users[user]]
            assert sequence[-cut] == items[item]
            assert sequence[:-cut][-50:] == [items[number] for number in history.split()]
    assert market.listings["text"].notna().all()


@pytest.mark.parametrize("name", list(MARKETS))
def test_the_profile_of_a_real_market_fits_a_screen(opened, name):
    market = opened(name)
    lines = render(profile(market)).split("\n")
    assert len(lines) <= 45
    assert max(map(len, lines[1:])) <= 100  # the first names the folder
    assert len(market.issues) <= 3
