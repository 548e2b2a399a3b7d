"""The profile: its counts against slow ones, its warnings, and that it fits a screen."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import listing_vibes.market.profile as profile_module
from listing_vibes.errors import VibesError
from listing_vibes.features.photos.files import PhotoProblem, locate, read
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.photo_check import photo_problem
from listing_vibes.market.profile import profile
from listing_vibes.market.profile_text import WIDTH, render
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.run.thumbs import thumbnail


def test_counts_of_a_market(tiny_market):
    market = Market.open(tiny_market(listings=12, users=8, events_per_user=5, photos=2))
    found = profile(market)
    assert (found.listings, found.photos.count, found.photos.opened, found.photos.missing) == (12, 24, 24, 0)
    assert found.photos.listings_with == 1
    events, raw = found.events, market.events
    assert (events.count, events.users, events.per_user.median, events.users_with_two) == (40, 8, 5, 1)
    per_listing = [int((raw["listing_id"] == listing).sum()) for listing in market.listings["listing_id"]]
    assert events.per_listing.max == max(per_listing)
    assert events.per_listing.median == np.median(per_listing)
    assert events.listings_without == per_listing.count(0) / 12
    assert (events.first, events.last) == tuple(
        str(raw["timestamp"].agg(end).date()) for end in ("min", "max")
    )
    price = next(attribute for attribute in found.attributes if attribute.name == "price")
    assert price.missing == market.listings["price"].isna().mean()
    assert price.distinct == market.listings["price"].nunique()
    amenities = next(attribute for attribute in found.attributes if attribute.name == "amenities")
    assert amenities.distinct == len({member for cell in market.listings["amenities"] for member in cell})
    assert found.excluded == ["review_scores_rating"]
    assert found.fingerprint == market.fingerprint
    assert found.defects == []


def test_cold_shares_agree_with_a_count_by_hand(tiny_market):
    market = Market.open(tiny_market(listings=30, users=12, events_per_user=6))
    log = EventLog.from_market(market)
    split = make_split(log, Catalogue(*market.live_interval()))
    trained = {int(listing) for listing, train in zip(log.listing, split.train, strict=True) if train}
    users = {int(user) for user, train in zip(log.user, split.train, strict=True) if train}
    found = profile(market).split
    assert found.test_queries == len(split.test) > 0
    assert found.cold_listings == np.mean([target not in trained for target in split.test.target])
    assert found.cold_users == np.mean([user not in users for user in split.test.user])
    assert 0 < found.cold_listings < 0.5


def test_what_is_live_is_counted_and_what_is_not_said_is_told(folder):
    listings = "listing_id,town,published_at,expires_at\na,Ulm,2024-01-01,2024-02-01\nb,Ulm,2024-01-05,\nc,Ulm,2024-03-01,\n"
    events = "user_id,listing_id,timestamp\n1,a,2024-01-03\n1,b,2024-01-04\n1,a,2024-02-01\n2,b,2024-02-02\n"
    found = profile(Market.open(folder(listings=listings, events=events)))
    assert (found.live.at_end, found.live.outside) == (1, 0.5)  # b; before b, and at the very end of a
    assert (
        "live         1 of 3 listings after the last event; 50.0 % of the events on listings that"
        in render(found)
    )
    assert "no published_at" not in render(found) and "no expires_at" not in render(found)
    lasting = listings.replace("2024-02-01", "")
    assert "no expires_at: no listing ends" in render(
        profile(Market.open(folder(listings=lasting, events=events)))
    )
    always = "listing_id,town\na,Ulm\nb,Ulm\nc,Bonn\n"
    text = render(profile(Market.open(folder(listings=always, events=events))))
    assert "live         3 of 3 listings after the last event\n" in text
    assert "no published_at: all listings count as live from the start" in text
    ordered = events.replace("timestamp", "position").replace("2024-", "").replace("-", "")
    assert profile(Market.open(folder(listings=always, events=ordered))).live is None


def test_a_market_where_users_buy_again_is_told_what_lists_and_tests_leave_out(folder):
    listings = "listing_id,town\na,Ulm\nb,Ulm\nc,Bonn\n"
    rows = [(1, "a"), (1, "b"), (1, "a"), (1, "b"), (1, "c"), (2, "a")]
    events = "user_id,listing_id,timestamp\n" + "".join(
        f"{user},{listing},2024-01-{day:02d}\n" for day, (user, listing) in enumerate(rows, 1)
    )
    found = profile(Market.open(folder(listings=listings, events=events)))
    assert found.events.returning == 0.5  # two of the four after the first of user 1
    said = "50.0 % of the events after a user's first go back to a listing of theirs"
    assert said in render(found)
    once = profile(
        Market.open(folder(listings=listings, events=events.replace("1,a,2024-01-03", "3,a,2024-01-03")))
    )
    assert once.events.returning == pytest.approx(1 / 3)
    none = profile(Market.open(folder(listings=listings, events="\n".join(events.splitlines()[:3]))))
    assert none.events.returning == 0 and "go back to a listing" not in render(none)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mine", "others", "told"), [(1_001, 9_009, True), (1_001, 9_010, False), (1_000, 0, False)]
)
def test_a_user_with_a_great_share_of_all_events_is_named(folder, mine, others, told):
    start = pd.Timestamp("2024-01-01")
    users = ["robot"] * mine + [f"u{row % 90}" for row in range(others)]
    moments = [str(start + pd.Timedelta(minutes=row)) for row in range(len(users))]
    lines = [
        f"{user},{'ab'[row % 2]},{moment}"
        for row, (user, moment) in enumerate(zip(users, moments, strict=True))
    ]
    events = "user_id,listing_id,timestamp\n" + "\n".join(lines)
    found = profile(Market.open(folder(listings="listing_id\na\nb\n", events=events)))
    assert (found.events.busiest, found.events.per_user.max) == ("robot", mine)
    text = " ".join(render(found).split())
    assert ("user robot has 10.0 % of all events" in text) is told
    assert ("leave its rows out of the events" in text) is told


def test_a_log_that_leaves_nothing_to_measure_is_told_why(folder):
    listings = "listing_id,town\n" + "".join(f"l{i},Ulm\n" for i in range(9))
    at_once = "user_id,listing_id,timestamp\n" + "".join(
        f"{user},l{i},2024-01-{user + 1:02d}\n" for user in range(9) for i in range(3)
    )
    text = render(profile(Market.open(folder(listings=listings, events=at_once))))
    assert "0 + 0 queries" in text and "no user has events at two moments, so nothing can be measured" in text
    later = at_once + "0,l5,2024-01-02\n"  # in training alone
    text = render(profile(Market.open(folder(listings=listings, events=later))))
    assert "no later event has a history and a live, new listing, so nothing can be measured" in text


def test_times_that_tell_few_moments_apart_are_told(folder):
    listings = "listing_id,town\n" + "".join(f"l{i},Ulm\n" for i in range(40))

    def told(times: list[str]) -> str:
        rows = "".join(
            f"{user},l{(7 * user + i) % 40},{time}\n" for user in range(20) for i, time in enumerate(times)
        )
        return render(
            profile(Market.open(folder(listings=listings, events="user_id,listing_id,timestamp\n" + rows)))
        )

    days = told(["2024-01-01", "2024-01-02", "2024-01-03"])
    assert "40 training events, 0 + 20 queries" in days
    assert "no query lies between T1 and T2" in days and "days apart" not in days
    years = told([f"{year}-01-01" for year in range(2014, 2024)])
    assert "no query lies" not in years and "events lie 365 days apart or more" in years


def test_no_name_moves_the_cursor_or_turns_the_text_beside_it(folder):
    listings = "listing_id,to\x1b[2Jwn,\u202eprice\na,Ulm,1\nb,Bonn,2\n"
    text = render(profile(Market.open(folder(listings=listings))))
    assert "to\\x1b[2Jwn" in text and "\\u202eprice" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_photos_that_are_missing_or_broken_are_named(tiny_market):
    path = tiny_market()
    (path / "photos" / "l000_0.jpg").unlink()
    (path / "photos" / "l001_0.jpg").write_bytes(b"no picture")
    (path / "photos" / "l002_0.jpg").write_bytes((path / "photos" / "l002_1.jpg").read_bytes()[:-300])
    found = profile(Market.open(path))
    assert (found.photos.missing, found.photos.broken) == (1, 2)
    text = "\n".join(found.defects)
    assert "photos.parquet, column path: 'photos/l000_0.jpg' is missing; the photo is skipped" in text
    assert "'photos/l001_0.jpg' is no image" in text
    assert "'photos/l002_0.jpg' is damaged" in text
    assert "1 missing, 2 broken" in render(found)


def test_of_many_photos_a_sample_is_opened_and_all_are_looked_up(tiny_market, monkeypatch):
    path = tiny_market()
    (path / "photos" / "l005_1.jpg").unlink()
    monkeypatch.setattr("listing_vibes.market.profile.MOST_PHOTOS", 4)
    found = profile(Market.open(path))
    assert (found.photos.opened, found.photos.missing) == (4, 1)
    assert "(of 4 opened)" in render(found)


def test_a_photo_of_several_listings_is_looked_at_once_and_counts_for_each(tiny_market, monkeypatch):
    path = tiny_market()
    table = pd.read_parquet(path / "photos.parquet")
    table.loc[table["position"] == 1, "path"] = table["path"].iloc[0]
    table.to_parquet(path / "photos.parquet", index=False)
    (path / table["path"].iloc[0]).write_bytes(b"no picture")
    looked: list[str] = []

    def problem(name, folders):
        looked.append(name)
        return photo_problem(name, folders)

    monkeypatch.setattr("listing_vibes.market.profile.photo_problem", problem)
    market = Market.open(path)
    found, photos = profile(market), market.photos["path"]
    rows = int((photos == table["path"].iloc[0]).sum())
    assert rows > 2 and len(looked) == len(set(looked)) == photos.nunique() == found.photos.opened
    assert (found.photos.count, found.photos.broken) == (len(photos), rows)
    assert any(f"is no image; the photo is skipped ({rows} rows)" in one for one in found.defects), (
        found.defects
    )


def test_suspects_are_named_unless_excluded(tiny_market):
    path = tiny_market(listings=80, users=60, events_per_user=8)
    table = pd.read_parquet(path / "listings.parquet")
    counts = pd.read_parquet(path / "events.parquet").groupby("listing_id").size()
    table["demand"] = table["listing_id"].map(counts).fillna(0)
    table["last_seen"] = np.arange(80)
    table["title"] = [f"Flat · ★4.{row:02d} · 2 beds" for row in range(80)]
    table.to_parquet(path / "listings.parquet", index=False)
    found = profile(Market.open(path))
    assert sorted(found.leaks) == ["demand", "last_seen", "title"]
    text = render(found)
    assert "demand foretells how many events a listing has; exclude it in market.toml if so" in text
    assert "title tells ratings" in text


def test_repeated_events_are_counted_and_kept(folder):
    events = "user_id,listing_id,timestamp\nu,a,2024-01-01\nu,a,2024-01-01\nu,a,2024-01-02\n"
    found = profile(Market.open(folder(listings="listing_id,price\na,1\n", events=events)))
    assert (found.events.count, found.events.repeated) == (3, 1)
    assert found.defects == ["events.csv repeats user, listing and time of an earlier event; kept"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"users": 0}, ["events       none", "split        This market has no events"]),
        ({"photos": 0}, ["photos       none"]),
        ({"listings": 1, "users": 1}, ["listings     1", "No event lies before T1"]),
        ({"timed": False}, ["in order, without times", "split        leave-one-out: "]),
    ],
)
def test_a_market_that_lacks_something_has_a_profile(tiny_market, changes, says):
    found = profile(Market.open(tiny_market(**changes)))
    for sentence in says:
        assert sentence in render(found)
    assert json.loads(json.dumps(found.to_dict()))["listings"] == found.listings


@pytest.mark.slow
def test_the_text_fits_one_screen_and_the_dictionary_is_json(tiny_market):
    path = tiny_market()
    table = pd.read_parquet(path / "listings.parquet")
    more = {f"attribute_with_a_rather_long_name_number_{number}": range(12) for number in range(60)}
    more |= {f"number_of_reviews_{number}": range(12) for number in range(60)}
    table = pd.concat([table, pd.DataFrame(more)], axis=1)
    table.to_parquet(path / "listings.parquet", index=False)
    hidden = ",".join(f"'number_of_reviews_{number}'" for number in range(60))
    (path / "market.toml").write_text(f"excluded = ['review_scores_rating',{hidden},'not_in_the_file']")
    found = profile(Market.open(path))
    lines = render(found).split("\n")
    assert len(lines) <= 45
    assert max(map(len, lines)) <= WIDTH
    assert "61 columns, 61 named like leaks: review_scores_rating" in render(found)
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_what_says_not_this_is_told_and_counts_for_no_listing(folder):
    listings = "listing_id,town\na,Ulm\nb,Ulm\n"
    events = (
        "user_id,listing_id,timestamp,action\n1,a,2024-01-03,view\n1,b,2024-01-04,hide\n2,a,2024-01-05,view\n"
    )
    found = profile(Market.open(folder(listings=listings, events=events)))
    assert (found.events.unwanted, found.events.listings_without) == (1, 0.5)
    text = render(found)
    assert '1 event says "not this" (hide): no user is after what these are about' in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= WIDTH
    without = profile(Market.open(folder("unwanted = []", "other", listings=listings, events=events)))
    assert without.events.unwanted == 0 and "not this" not in render(without)


@pytest.mark.slow
def test_what_rests_on_the_tables_is_counted_once_and_photos_are_opened_where_they_changed(
    tiny_market, monkeypatch
):
    path = tiny_market(listings=12, users=8, events_per_user=5, photos=2)
    market = Market.open(path)
    plain = profile(market)
    assert profile(market, keep=True) == plain

    def nobody(*_: object) -> None:
        raise AssertionError("counted anew")

    with monkeypatch.context() as patch:
        patch.setattr("listing_vibes.market.profile._counted", nobody)
        assert profile(Market.open(path), keep=True) == plain
        gone, cut = market.photos["path"].iloc[[0, 5]]
        (path / gone).unlink()
        found = profile(Market.open(path), keep=True)
        assert found.photos.missing == 1 and any(gone in told for told in found.defects)
        (path / cut).write_bytes((path / cut).read_bytes()[:-9])
        found = profile(Market.open(path), keep=True)
        assert (found.photos.missing, found.photos.broken) == (1, 1)
        patch.setattr("listing_vibes.market.profile.photo_problem", nobody)
        assert profile(Market.open(path), keep=True) == found
        (path / cut).chmod(0o600)  # what could not be read may be now
        with pytest.raises(AssertionError, match="counted anew"):
            profile(Market.open(path), keep=True)
    events = path / "events.parquet"
    pd.read_parquet(events).iloc[:-1].to_parquet(events)
    assert profile(Market.open(path), keep=True) == profile(Market.open(path)) != found


@pytest.mark.slow
@pytest.mark.parametrize("code", ["profile.py", "tables.py", "kinds/category.py", "kinds/__init__.py"])
def test_what_was_kept_counts_no_more_where_the_code_that_reads_or_counts_is_another(
    tiny_market, monkeypatch, code
):
    market = Market.open(tiny_market(listings=12, users=8, events_per_user=5))
    before = profile(market, keep=True)
    plain, counted, wanted = profile_module.content, [], Path(profile_module.__file__).parent / code
    assert wanted.is_file()
    monkeypatch.setattr(
        profile_module, "content", lambda path: plain(path) + b"#" * (path.resolve() == wanted.resolve())
    )
    count = profile_module._counted
    monkeypatch.setattr(profile_module, "_counted", lambda market: counted.append(market) or count(market))
    assert profile(market, keep=True) == before and counted


def test_a_catalogue_that_was_made_of_the_events_is_told(folder):
    events = "user_id,listing_id,timestamp\n" + "".join(
        f"u{user},l{(3 * user + step) % 30},2024-01-{1 + step:02}\n"
        for user in range(30)
        for step in range(9)
    )

    def told(listings: int, column: str = "") -> str:
        header = "listing_id,town" + (",published_at" if column else "")
        rows = "".join(f"l{i},Ulm{column}\n" for i in range(listings))
        found = render(profile(Market.open(folder(listings=f"{header}\n{rows}", events=events))))
        return " ".join(found.split())

    sure = "each has an event, so one that has none yet is sure to have"
    assert sure in told(30) and sure not in told(31)
    assert sure not in told(30, ",2023-01-01")  # a table that knows more than the log


def test_a_linked_folder_of_photos_is_outside_of_the_market_unless_photo_root_names_it(tiny_market, tmp_path):
    path, elsewhere = tiny_market(), tmp_path / "elsewhere"
    names = Market.open(path).photos["path"].tolist()
    (path / "photos").rename(elsewhere)
    (path / "photos").symlink_to(elsewhere)
    found = profile(Market.open(path)).photos
    assert (found.outside, found.broken, found.missing) == (len(names), 0, 0)
    (path / "market.toml").write_text(f"photo_root = '{elsewhere}'\n")
    market = Market.open(path)
    found = profile(market)
    assert (found.photos.outside, found.photos.broken, found.photos.missing, found.defects) == (0, 0, 0, [])
    assert locate(path, names[0]) == elsewhere / names[0].removeprefix("photos/")
    assert all(read(locate(path, name)) for name in names)
    (elsewhere / "secret").symlink_to(tmp_path)
    picture = tmp_path / "a.jpg"
    picture.write_bytes((elsewhere / names[0].removeprefix("photos/")).read_bytes())
    for left in ("secret/a.jpg", "photos/secret/a.jpg"):
        with pytest.raises(PhotoProblem, match="outside of the market folder"):
            locate(path, left)


@pytest.mark.parametrize("absolute", [True, False])
def test_paths_start_at_photo_root_as_well_and_nothing_is_written_there(tiny_market, tmp_path, absolute):
    path, elsewhere = tiny_market(), tmp_path / "elsewhere"
    (path / "photos").rename(elsewhere)
    table = pd.read_parquet(path / "photos.parquet")
    table.assign(path=table["path"].str.removeprefix("photos/")).to_parquet(path / "photos.parquet")
    root = elsewhere if absolute else os.path.relpath(elsewhere, path)
    (path / "market.toml").write_text(f"photo_root = '{root}'\n")
    before = {file: file.stat().st_mtime_ns for file in elsewhere.rglob("*")}
    market = Market.open(path)
    assert profile(market).photos.missing == 0 and thumbnail(market, market.photos["path"].iloc[0]).is_file()
    assert {file: file.stat().st_mtime_ns for file in elsewhere.rglob("*")} == before
    elsewhere.rename(tmp_path / "gone")
    assert any("is no folder here" in told for told in profile(Market.open(path)).defects)


def test_photo_root_may_not_be_the_root_of_all_files(tiny_market):
    path = tiny_market()
    (path / "market.toml").write_text("photo_root = '/'\n")
    with pytest.raises(VibesError, match="'photo_root' is '/'"):
        Market.open(path)
