"""The profile: its counts against slow ones, its notes, and that it fits a screen."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.market import Market
from listing_vibes.market.photo_files import PhotoProblem, locate, read
from listing_vibes.market.profile import profile
from listing_vibes.market.profile_text import WIDTH, render
from listing_vibes.market.thumbnails import thumbnail

LISTINGS = "listing_id,town\na,Ulm\nb,Ulm\nc,Bonn\n"
EVENTS = "user_id,listing_id,timestamp\n"


def test_counts_of_a_market(tiny_market):
    market = Market.open(tiny_market(listings=12, users=8, events_per_user=5, photos=2))
    counts = profile(market)
    assert (counts.listings, counts.photos.count, counts.photos.opened, counts.photos.missing) == (
        12,
        24,
        24,
        0,
    )
    assert counts.photos.listings_with == 1
    events, raw = counts.events, market.events
    assert (events.count, events.users, events.per_user.median, events.users_with_two) == (40, 8, 5, 1)
    per_listing = [int((raw["listing_id"] == listing).sum()) for listing in market.listings["listing_id"]]
    assert events.per_listing.max == max(per_listing) and events.per_listing.median == np.median(per_listing)
    assert events.listings_without == per_listing.count(0) / 12
    assert (events.first, events.last) == tuple(
        str(raw["timestamp"].agg(end).date()) for end in ("min", "max")
    )
    attributes = {attribute.name: attribute for attribute in counts.attributes}
    assert attributes["price"].missing == market.listings["price"].isna().mean()
    assert attributes["price"].distinct == market.listings["price"].nunique()
    assert attributes["amenities"].distinct == len(
        {one for cell in market.listings["amenities"] for one in cell}
    )
    assert counts.excluded == ["review_scores_rating"] and counts.defects == []
    assert counts.fingerprint == market.fingerprint


def notes(path) -> str:
    return "\n".join(profile(Market.open(path)).notes)


def test_what_is_active_is_counted_and_what_is_not_known_is_noted(folder):
    listings = "listing_id,published_at,expires_at\na,2024-01-01,2024-02-01\nb,2024-01-05,\nc,2024-03-01,\n"
    events = f"{EVENTS}1,a,2024-01-03\n1,b,2024-01-04\n1,a,2024-02-01\n2,b,2024-02-02\n"
    counts = profile(Market.open(path := folder(listings=listings, events=events))).events
    assert (counts.active_at_end, counts.on_inactive) == (1, 0.5)  # b; before b, and at the very end of a
    assert "published_at" not in notes(path) and "expires_at" not in notes(path)
    assert "no expires_at" in notes(folder(listings=listings.replace("2024-02-01", ""), events=events))
    assert "no published_at" in notes(folder(listings=LISTINGS, events=events))
    ordered = events.replace("timestamp", "position").replace("2024-", "").replace("-", "")
    assert profile(Market.open(folder(listings=LISTINGS, events=ordered))).events.active_at_end is None


def test_users_who_return_and_events_that_say_not_this_are_noted(folder):
    rows = "".join(f"1,{listing},2024-01-{day:02d},view\n" for day, listing in enumerate("ababc", 1))
    path = folder(
        listings=LISTINGS, events=f"user_id,listing_id,timestamp,action\n{rows}2,a,2024-01-09,hide\n"
    )
    events = profile(Market.open(path)).events
    assert (events.returning, events.unwanted, events.listings_without) == (0.5, 1, 0)
    assert "their user interacted with before" in notes(path) and 'say "not this"' in notes(path)
    (path / "market.toml").write_text("unwanted = []\n")
    assert "not this" not in notes(path)


def test_a_log_that_leaves_nothing_to_validate_is_noted(folder):
    listings = "listing_id,town\n" + "".join(f"l{i},Ulm\n" for i in range(40))
    for days, is_noted in ((3, True), (10, False)):
        rows = "".join(
            f"{user},l{(7 * user + i) % 40},2024-01-{1 + i:02}\n" for user in range(20) for i in range(days)
        )
        assert (
            "No query lies between T1 and T2" in notes(folder(listings=listings, events=EVENTS + rows))
        ) is is_noted


def test_no_name_moves_the_cursor_or_turns_the_text_beside_it(folder):
    listings = "listing_id,to\x1b[2Jwn,\u202eprice\na,Ulm,1\nb,Bonn,2\n"
    text = render(profile(Market.open(folder(listings=listings))))
    assert "to\\x1b[2Jwn" in text and "\\u202eprice" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_photos_that_are_missing_or_broken_are_counted_for_each_listing(tiny_market):
    path = tiny_market()
    table = pd.read_parquet(path / "photos.parquet")
    table.loc[table["position"] == 1, "path"] = "photos/l002_0.jpg"
    table.to_parquet(path / "photos.parquet", index=False)
    (path / "photos" / "l000_0.jpg").unlink()
    (path / "photos" / "l001_0.jpg").write_bytes(b"no picture")
    (path / "photos" / "l002_0.jpg").write_bytes((path / "photos" / "l002_0.jpg").read_bytes()[:-300])
    market = Market.open(path)
    counts = profile(market)
    of_many = int((market.photos["path"] == "photos/l002_0.jpg").sum())
    assert (counts.photos.missing, counts.photos.broken, of_many > 5) == (1, 1 + of_many, True)
    assert any("'photos/l000_0.jpg' is missing" in defect for defect in counts.defects)
    assert any(f"({of_many} rows)" in defect for defect in counts.defects)
    few = profile(market, most_photos=2).photos  # of many a sample is opened, and all are looked up
    assert (few.opened, few.missing, few.broken <= 1 + of_many) == (2, 1, True)


def test_a_linked_folder_of_photos_is_outside_of_the_market_unless_photo_root_names_it(tiny_market, tmp_path):
    path, elsewhere = tiny_market(), tmp_path / "elsewhere"
    names = Market.open(path).photos["path"].tolist()
    (path / "photos").rename(elsewhere)
    (path / "photos").symlink_to(elsewhere)
    photos = profile(Market.open(path)).photos
    assert (photos.outside, photos.broken, photos.missing) == (len(names), 0, 0)
    (path / "market.toml").write_text(f"photo_root = '{elsewhere}'\n")
    counts = profile(Market.open(path))
    assert (counts.photos.outside, counts.photos.missing, counts.defects) == (0, 0, [])
    assert locate(path, names[0]) == elsewhere / names[0].removeprefix("photos/")
    assert all(read(locate(path, name)) for name in names)
    (elsewhere / "secret").symlink_to(tmp_path)
    (tmp_path / "a.jpg").write_bytes((elsewhere / names[0].removeprefix("photos/")).read_bytes())
    for left in ("secret/a.jpg", "photos/secret/a.jpg"):
        with pytest.raises(PhotoProblem, match="outside of the market folder"):
            locate(path, left)


@pytest.mark.parametrize("is_absolute", [True, False])
def test_paths_start_at_photo_root_as_well_and_nothing_is_written_there(tiny_market, tmp_path, is_absolute):
    path, elsewhere = tiny_market(), tmp_path / "elsewhere"
    (path / "photos").rename(elsewhere)
    table = pd.read_parquet(path / "photos.parquet")
    table.assign(path=table["path"].str.removeprefix("photos/")).to_parquet(path / "photos.parquet")
    root = elsewhere if is_absolute else os.path.relpath(elsewhere, path)
    (path / "market.toml").write_text(f"photo_root = '{root}'\n")
    before = {file: file.stat().st_mtime_ns for file in elsewhere.rglob("*")}
    market = Market.open(path)
    assert (
        profile(market).photos.missing == 0
        and thumbnail(market.path, market.photos["path"].iloc[0]).is_file()
    )
    assert {file: file.stat().st_mtime_ns for file in elsewhere.rglob("*")} == before
    elsewhere.rename(tmp_path / "gone")
    assert any("is not a folder on this machine" in defect for defect in profile(Market.open(path)).defects)
    (path / "market.toml").write_text("photo_root = '/'\n")
    with pytest.raises(VibesError, match="'photo_root' is '/'"):
        Market.open(path)


def test_suspects_are_named_unless_excluded(tiny_market):
    path = tiny_market(listings=80, users=60, events_per_user=8)
    table = pd.read_parquet(path / "listings.parquet")
    counts = pd.read_parquet(path / "events.parquet").groupby("listing_id").size()
    table["demand"] = table["listing_id"].map(counts).fillna(0)
    table["last_seen"] = np.arange(80)
    table["title"] = [f"Flat · ★4.{row:02d} · 2 beds" for row in range(80)]
    table.to_parquet(path / "listings.parquet", index=False)
    assert sorted(profile(Market.open(path)).leaks) == ["demand", "last_seen", "title"]
    with (path / "market.toml").open("a") as stream:
        stream.write("\n")
    text = (path / "market.toml").read_text().replace("excluded = [", "excluded = [\n    'demand',")
    (path / "market.toml").write_text(text)
    assert sorted(profile(Market.open(path)).leaks) == ["last_seen", "title"]


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [(np.ones((3, 4)), None), (np.eye(3, 4)[[0, 1, 1]] * [[1], [1], [0]], "1 listing"), (np.ones((2, 4)), "2 rows for the 3 listings"),
     (np.full((3, 4), np.nan), "holds NaN"), (None, "there is no file clip.npy")],
)  # fmt: skip
def test_vectors_that_market_toml_names_are_checked(folder, vectors, problem):
    path = folder("[vectors.clip]\npath = 'clip.npy'\n", listings=LISTINGS)
    if vectors is not None:
        np.save(path / "clip.npy", vectors)
    defects = profile(Market.open(path)).defects
    assert defects == [] if problem is None else len(defects) == 1 and problem in defects[0]


@pytest.mark.parametrize(
    "changes", [{"users": 0}, {"photos": 0}, {"listings": 1, "users": 1}, {"timed": False}], ids=str
)
def test_a_market_that_lacks_something_has_a_profile_that_is_json(tiny_market, changes):
    counts = profile(Market.open(tiny_market(**changes)))
    assert (counts.events is None) == ("users" in changes and "listings" not in changes)
    assert (counts.photos.per_listing is None) == ("photos" in changes)
    assert (counts.split is None) == ("users" in changes) == (counts.split_problem is not None)
    assert json.loads(json.dumps(counts.to_dict(), allow_nan=False))["listings"] == counts.listings
    assert len(render(counts).splitlines()) > 15


def test_the_text_fits_one_screen(tiny_market):
    path = tiny_market()
    table = pd.read_parquet(path / "listings.parquet")
    more = {f"attribute_with_a_rather_long_name_number_{number}": range(12) for number in range(60)}
    more |= {f"excluded_{number}": range(12) for number in range(60)}
    pd.concat([table, pd.DataFrame(more)], axis=1).to_parquet(path / "listings.parquet", index=False)
    hidden = ",".join(f"'excluded_{number}'" for number in range(60))
    (path / "market.toml").write_text(f"excluded = ['review_scores_rating',{hidden}]")
    lines = render(profile(Market.open(path))).split("\n")
    assert len(lines) <= 45 and max(map(len, lines)) <= WIDTH
