"""All importers on the real data: counts equal the raw files as the csv module reads them, and nothing leaks."""

import csv
import fnmatch
import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from listing_vibes.market.importers import import_market
from listing_vibes.market.leaks import RATING_WORDS
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.profile import profile
from listing_vibes.market.splits import Catalogue, make_split

pytestmark = pytest.mark.real

#: The leaking columns, as the README of the data lists them.
LEAKING = (
    "number_of_reviews*", "review_scores_*", "reviews_per_month", "estimated_*", "availability_*", "has_availability",
    "first_review", "last_review", "calendar_*",
)  # fmt: skip


def raw(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, read without any code of ours."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("name", "rated"), [("albany-2024-01", 348), ("albany-2024-11", 0), ("singapore-2023-09", 1372)]
)
def test_a_snapshot_has_the_rows_of_its_files_and_no_leak(real_data, tmp_path, name, rated):
    folder = real_data / "inside-airbnb" / name
    listings, reviews = raw(folder / "listings.csv.gz"), raw(folder / "reviews.csv.gz")
    import_market("inside-airbnb", folder, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    table, days = market.listings, market.events["timestamp"].dt.strftime("%F")
    assert table["listing_id"].tolist() == [row["id"] for row in listings]
    keys = zip(market.events["user_id"], market.events["listing_id"], days, strict=True)
    assert Counter(keys) == Counter((row["reviewer_id"], row["listing_id"], row["date"]) for row in reviews)
    prices = [float(row["price"].strip("$").replace(",", "") or "nan") for row in listings]
    assert np.array_equal(table["price"], prices, equal_nan=True)
    leaking = {column for column in listings[0] if any(fnmatch.fnmatch(column, rule) for rule in LEAKING)}
    assert len(leaking) >= 20 and leaking <= set(market.config.excluded)
    assert not leaking & {*table.columns, *(attribute.name for attribute in market.attributes)}
    assert profile(market).leaks == {} and len(market.attributes) <= 20 and len(market.issues) <= 3
    before, after = [row["name"] for row in listings], table["name"].tolist()
    changed = [row for row, text in enumerate(before) if after[row] != text]
    assert len(changed) == rated and not any("★" in after[row] for row in changed)
    assert not table["name"].str.contains(RATING_WORDS, case=False).any()
    # Its columns of bedrooms and bathrooms may be empty.
    assert table[["bedrooms", "bathrooms", "bathroom_shared"]].isna().mean().max() < 0.02


def test_films_have_all_events_and_the_split_is_leave_one_out(real_data, tmp_path):
    import_market("movielens-1m", real_data / "movielens-1m", tmp_path / "market")
    market = Market.open(tmp_path / "market")
    history = raw(real_data / "movielens-1m" / "events.csv.gz")
    assert len(market.events) == len(history) == 1_000_209 and len(market.photos) == 3256
    log = EventLog.from_market(market)
    split = make_split(log, Catalogue(*market.live_interval()))
    for queries, part in ((split.valid, "val"), (split.test, "test")):
        users, listings = (
            market.events[name].to_numpy()[queries.event] for name in ("user_id", "listing_id")
        )
        expected = {(row["user_id"], row["item_id"]) for row in history if row["split"] == part}
        assert set(zip(users, listings, strict=True)) == expected


def test_amazon_has_every_event_in_its_order(real_data, tmp_path):
    folder = real_data / "amazon-scientific"
    import_market("unisrec", folder, tmp_path / "market")
    market = Market.open(tmp_path / "market")
    items, users = (
        dict(
            line.split("\t")[::-1] for line in (folder / f"Scientific.{kind}2index").read_text().splitlines()
        )
        for kind in ("item", "user")
    )
    events = market.events
    assert (len(market.listings), events["user_id"].nunique(), len(events)) == (4385, 8442, 59_427)
    assert market.listings["listing_id"].tolist() == sorted(items.values())
    sequences = events.groupby("user_id")["listing_id"].apply(list)
    for part, cut in (("test", 1), ("valid", 2)):
        for line in (folder / f"Scientific.{part}.inter").read_text().splitlines()[1:]:
            user, history, item = line.split("\t")
            sequence = sequences[users[user]]
            assert sequence[-cut] == items[item]
            assert sequence[:-cut][-50:] == [items[number] for number in history.split()]
