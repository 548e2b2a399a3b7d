"""The profile of a market: its counts, notes, leaks and issues of photos and vectors, as JSON and on one screen."""

import json

import numpy as np
import pandas as pd
import pytest

from listing_vibes.market.listings_table import leaks_by_counts, leaks_by_name, leaks_by_text
from listing_vibes.market.market import Market
from listing_vibes.market.profile import WIDTH, profile, render

LISTINGS = "listing_id,town\na,Ulm\nb,Ulm\nc,Bonn\n"
EVENTS = "user_id,listing_id,timestamp\n"


def notes(path) -> str:
    return "\n".join(profile(Market.open(path)).notes)


def test_counts_of_a_market(tiny_market):
    market = Market.open(tiny_market(listings=12, users=8, events_per_user=5, photos=2))
    result, listings, raw = profile(market), market.listings, market.events
    photos, events = result.photos, result.events
    assert (result.listings, photos.count, photos.opened, photos.missing) == (12, 24, 24, 0)
    assert (events.count, events.users, events.per_user.median, events.users_with_two) == (40, 8, 5, 1)
    per_listing = [int((raw["listing_id"] == listing).sum()) for listing in listings["listing_id"]]
    assert events.per_listing.max == max(per_listing) and events.per_listing.median == np.median(per_listing)
    assert events.listings_without == per_listing.count(0) / 12
    assert [events.first, events.last] == [str(raw["timestamp"].agg(end).date()) for end in ("min", "max")]
    attributes = {attribute.name: attribute for attribute in result.attributes}
    assert attributes["price"].missing == listings["price"].isna().mean()
    assert attributes["price"].distinct == listings["price"].nunique()
    assert attributes["amenities"].distinct == len({item for cell in listings["amenities"] for item in cell})
    assert result.excluded == ["review_scores_rating"] and result.issues == []
    assert result.fingerprint == market.fingerprint


def test_notes_name_what_the_dates_actions_and_repeats_of_events_mean(folder):
    listings = "listing_id,published_at,expires_at\na,2024-01-01,2024-02-01\nb,2024-01-05,\nc,2024-03-01,\n"
    events = f"{EVENTS}1,a,2024-01-03\n1,b,2024-01-04\n1,a,2024-02-01\n2,b,2024-02-02\n2,b,2024-02-02\n"
    result = profile(Market.open(path := folder(listings=listings, events=events)))
    # before b, and at the very end of a
    assert (result.events.active_at_end, result.events.on_inactive) == (1, 0.4)
    assert result.events.repeated == 1 == len(result.issues)
    assert "published_at" not in notes(path) and "expires_at" not in notes(path)
    assert "no expires_at" in notes(folder(listings=listings.replace("2024-02-01", ""), events=events))
    assert "no published_at" in notes(folder(listings=LISTINGS, events=events))
    ordered = events.replace("timestamp", "position").replace("2024-", "").replace("-", "")
    assert profile(Market.open(folder(listings=LISTINGS, events=ordered))).events.active_at_end is None
    rows = "".join(f"1,{listing},2024-01-{day:02d},view\n" for day, listing in enumerate("ababc", 1))
    events = f"user_id,listing_id,timestamp,action\n{rows}2,a,2024-01-09,hide\n"
    counts = profile(Market.open(path := folder(listings=LISTINGS, events=events))).events
    assert (counts.returning, counts.unwanted, counts.listings_without) == (0.5, 1, 0)
    assert "their user interacted with before" in notes(path) and 'say "not this"' in notes(path)
    (path / "market.toml").write_text("unwanted = []\n")
    assert "not this" not in notes(path)


@pytest.mark.parametrize(("days", "is_noted"), [(3, True), (10, False)])
def test_a_log_without_validation_queries_is_noted(folder, days, is_noted):
    listings = "listing_id,town\n" + "".join(f"l{i},Ulm\n" for i in range(40))
    rows = [f"{user},l{(7 * user + i) % 40},2024-01-{1 + i:02}\n" for user in range(20) for i in range(days)]
    text = notes(folder(listings=listings, events=EVENTS + "".join(rows)))
    assert ("No query lies between T1 and T2" in text) is is_noted


def test_missing_and_broken_photos_are_counted_by_row(tiny_market):
    path = tiny_market()
    table = pd.read_parquet(path / "photos.parquet")
    table.loc[table["position"] == 1, "path"] = "photos/l002_0.jpg"
    table.to_parquet(path / "photos.parquet", index=False)
    (path / "photos" / "l000_0.jpg").unlink()
    (path / "photos" / "l001_0.jpg").write_bytes(b"no picture")
    (path / "photos" / "l002_0.jpg").write_bytes((path / "photos" / "l002_0.jpg").read_bytes()[:-300])
    market = Market.open(path)
    result, rows = profile(market), int((market.photos["path"] == "photos/l002_0.jpg").sum())
    assert (result.photos.missing, result.photos.broken, rows > 5) == (1, 1 + rows, True)
    assert any("'photos/l000_0.jpg' is missing" in issue for issue in result.issues)
    assert any(f"({rows} rows)" in issue for issue in result.issues)
    few = profile(market, most_photos=2).photos  # few are opened, and the existence of all is checked
    assert (few.opened, few.missing, few.broken <= 1 + rows) == (2, 1, True)


def test_photos_elsewhere_are_outside(tiny_market, tmp_path):
    path = tiny_market()
    (path / "photos").rename(tmp_path / "elsewhere")
    (path / "photos").symlink_to(tmp_path / "elsewhere")
    photos = profile(Market.open(path)).photos
    assert (photos.outside, photos.broken, photos.missing) == (photos.count, 0, 0)


def test_likely_leaks_are_named_unless_excluded(tiny_market):
    path = tiny_market(listings=80, users=60, events_per_user=8)
    table = pd.read_parquet(path / "listings.parquet")
    counts = pd.read_parquet(path / "events.parquet").groupby("listing_id").size()
    table["demand"] = table["listing_id"].map(counts).fillna(0)
    table["last_seen"] = np.arange(80)
    table["title"] = [f"Flat · ★4.{row:02d} · 2 beds" for row in range(80)]
    table.to_parquet(path / "listings.parquet", index=False)
    assert sorted(profile(Market.open(path)).leaks) == ["demand", "last_seen", "title"]
    text = (path / "market.toml").read_text().replace("excluded = [", "excluded = [\n    'demand',")
    (path / "market.toml").write_text(text)
    assert sorted(profile(Market.open(path)).leaks) == ["last_seen", "title"]


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [(np.ones((3, 4)), None), (np.eye(3, 4)[[0, 1, 1]] * [[1], [1], [0]], "1 listing"), (np.ones((2, 4)), "2 rows for the 3 listings"),
     (np.full((3, 4), np.nan), "NaN"), (None, "no file clip.npy")],
)  # fmt: skip
def test_vectors_of_market_toml_are_checked(folder, vectors, problem):
    path = folder("[vectors.clip]\npath = 'clip.npy'\n", listings=LISTINGS)
    if vectors is not None:
        np.save(path / "clip.npy", vectors)
    issues = profile(Market.open(path)).issues
    assert issues == [] if problem is None else len(issues) == 1 and problem in issues[0]


@pytest.mark.parametrize(
    "changes", [{"users": 0}, {"photos": 0}, {"listings": 1, "users": 1}, {"timed": False}], ids=str
)
def test_a_market_that_lacks_something_has_a_profile_that_is_json(tiny_market, changes):
    result = profile(Market.open(tiny_market(**changes)))
    assert (result.events is None) == ("users" in changes and "listings" not in changes)
    assert (result.photos.per_listing is None) == ("photos" in changes)
    assert (result.split is None) == ("users" in changes) == (result.split_problem is not None)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["listings"] == result.listings
    assert len(render(result).splitlines()) > 15


def test_the_text_fits_one_screen_and_is_printable(tiny_market):
    path = tiny_market()
    table = pd.read_parquet(path / "listings.parquet")
    more = {f"attribute_with_a_rather_long_name_number_{number}": range(12) for number in range(60)}
    more |= {f"excluded_{number}": range(12) for number in range(60)}
    more |= {"to\x1b[2Jwn": "Ulm", "\u202eprice": 1}
    more = {name: more[name] for name in reversed(more)}
    pd.concat([pd.DataFrame(more, index=range(12)), table], axis=1).to_parquet(path / "listings.parquet")
    hidden = ",".join(f"'excluded_{number}'" for number in range(60))
    (path / "market.toml").write_text(f"excluded = ['review_scores_rating',{hidden}]")
    text = render(profile(Market.open(path)))
    lines = text.split("\n")
    assert len(lines) <= 45 and max(map(len, lines)) <= WIDTH and all(line.isprintable() for line in lines)
    assert "to\\x1b[2Jwn" in text and "\\u202eprice" in text


LEAKS = [
    "number_of_reviews", "number_of_reviews_ltm", "number_of_reviews_l30d", "review_scores_rating", "reviews_per_month",
    "estimated_occupancy_l365d", "estimated_revenue_l365d", "availability_365", "has_availability", "first_review",
    "last_review", "calendar_updated", "calendar_last_scraped", "host_is_superhost", "host_acceptance_rate", "Rating",
    "sold_price", "final_price", "days_on_market", "views", "number_of_views", "view_count", "num_clicks", "total_favorites",
    "likes", "favourites", "n_views", "nviews", "bookings",
]  # fmt: skip
SOUND = [
    "price", "room_type", "bedrooms", "amenities", "name", "host_id", "year", "place", "minimum_nights", "overview", "sea_view", "total_area",
]  # fmt: skip


def test_names_of_leaks_and_of_sound_columns():
    assert leaks_by_name(LEAKS + SOUND) == LEAKS


def test_a_rating_in_texts_is_seen_and_ordinary_texts_are_none():
    ratings = ["Flat · ★4.87 · 2 beds", "Flat · ★New", "4.9/5 host", "231 reviews", "4,5 out of 5"]
    for text in ratings:
        assert leaks_by_text(pd.DataFrame({"name": [text] * 3 + ["Flat"] * 7})) == ["name"]
    texts = ["★MODERN loft ★", "★New York loft", "2.5 baths", "open 24/7", None, "10 minutes to 5th avenue"]
    assert leaks_by_text(pd.DataFrame({"name": texts})) == []
    sold = ["Flat"] * 440_000 + ratings[:1] * 60_000  # some of very many are read evenly
    assert leaks_by_text(pd.DataFrame({"name": sold, "other": ["Flat"] * 500_000})) == ["name"]


def test_a_count_taken_afterwards_is_found_and_a_price_is_not():
    rng = np.random.default_rng(0)
    events = rng.poisson(5, 200)
    table = pd.DataFrame({"price": rng.lognormal(4, 1, 200), "bookings": events + rng.normal(0, 1, 200)})
    table["gaps"] = table["bookings"].where(rng.random(200) < 0.6)
    assert leaks_by_counts(table, events) == ["bookings", "gaps"]


@pytest.mark.filterwarnings("error")
def test_too_little_to_judge_accuses_nobody():
    table = pd.DataFrame({"x": np.arange(60.0)})
    assert leaks_by_counts(table, np.full(60, 3)) == []  # all listings have as many events
    assert leaks_by_counts(table, np.zeros(60, int)) == []
    assert leaks_by_counts(table[:10], np.arange(10)) == []
