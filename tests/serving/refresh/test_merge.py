"""What new rows change in the tables of a market, and new photos: embedded once, and seen as after a full rebuild."""

import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.market.download.hosting import hosting

import listing_vibes.serving.refresh.refresher as refresher_module
from helpers.copies import copied
from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import AttributeSpace
from listing_vibes.features.photos.encoders import market_photos
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.download.guard import Limits
from listing_vibes.market.io import read_table
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.serving.refresh.merge import Changes, merge_events, merge_listings
from listing_vibes.serving.refresh.new_photos import append_photos
from listing_vibes.serving.refresh.polls import FileSource, Frame
from listing_vibes.serving.refresh.publication import STATE, pinned_config, raw_table
from listing_vibes.serving.refresh.refresher import Refresher


@pytest.fixture
def market(tiny_market):
    return Market.open(tiny_market(photos=0, lifetimes=True))


def own_listings(market: Market) -> pd.DataFrame:
    raw = raw_table(market, "listings")
    return pd.concat([market.listings, raw[[name for name in raw if name not in market.listings]]], axis=1)


def merged(market: Market, *tables: pd.DataFrame, known: frozenset[str] = frozenset()):
    """The listings of a market with those of `tables`, and what changed."""
    changes = Changes()
    frames = [Frame("new.csv", rows, key=str(number)) for number, rows in enumerate(tables)]
    merge_listings(market, pinned_config(market), frames, changes, known)
    return changes.tables.get("listings", own_listings(market)), changes


@pytest.mark.parametrize(
    ("column", "cell", "read"),
    [
        ("title", "Another", "Another"),
        ("room_type", "Boat", "Boat"),
        ("price", "$1,250.00", 1250.0),
        ("pets", "yes", True),
        ("amenities", "Wifi|Moat", ["Wifi", "Moat"]),
        ("latitude", "53.9", 53.9),
        ("price", None, None),
        ("pets", None, None),
        ("amenities", None, None),
    ],
)
def test_a_changed_cell_is_read_and_leaves_all_others(market, column, cell, read):
    listing, before = market.listings[C.LISTING][3], own_listings(market)
    table, changes = merged(
        market, pd.DataFrame({C.LISTING: [listing], column: pd.Series([cell], dtype=object)})
    )
    value, old = table[column][3], before[column][3]
    assert value == read if read is not None else pd.api.types.is_scalar(value) and pd.isna(value)
    is_same = pd.api.types.is_scalar(old) and pd.isna(old) if read is None else old == read
    assert changes.changed == (set() if is_same else {listing}) and not changes.new and not changes.problems
    pd.testing.assert_frame_equal(table.drop(index=3), before.drop(index=3))
    pd.testing.assert_frame_equal(table.drop(columns=column), before.drop(columns=column))


def test_the_same_rows_as_text_change_nothing(market, tmp_path):
    rows = market.listings.assign(amenities=market.listings["amenities"].map("|".join))
    rows.to_csv(tmp_path / "a.csv", index=False)
    _, changes = merged(market, read_table(tmp_path / "a.csv"))
    assert not changes.tables and not changes.changed and len(changes.taken) == 1


def test_new_rows_come_behind_and_the_last_of_several_counts(market):
    rows = pd.DataFrame({C.LISTING: ["a", "b", "a", "", None], "price": ["1", "2", "abc", "4", "x"]})
    known = market.listings[C.LISTING][0]
    rows = rows.assign(review_scores_rating="5", stranger="x")
    second = pd.DataFrame({C.LISTING: ["b", known], "price": ["7", "12345"]})
    table, changes = merged(market, rows, second)
    assert (changes.new, changes.changed, changes.problems) == (["b", "a"], {known}, [])
    assert [(issue.column, issue.row, issue.count) for issue in changes.issues] == [
        ("stranger", 0, 1), (C.LISTING, 4, 2), ("price", 3, 1),
    ]  # fmt: skip
    assert table[C.LISTING].tolist() == [*market.listings[C.LISTING], "b", "a"]
    assert table["price"].iloc[[-2, 0]].tolist() == [7, 12345] and pd.isna(table["price"].iloc[-1])
    assert "stranger" not in table and table["pets"].dtype == "boolean"
    assert table["review_scores_rating"].tolist()[-2:] == ["5", "5"]  # excluded, and yet in the table


def test_a_file_that_was_read_before_an_embedding_brings_only_listings_that_are_not_there(market):
    rows = market.listings.head(2).assign(title="as it was delivered")
    rows[C.LISTING] = [market.listings[C.LISTING].iloc[0], "never there"]
    table, changes = merged(market, rows, known=frozenset("0"))
    assert (changes.new, changes.changed) == (["never there"], set())
    assert table["title"].iloc[0] == market.listings["title"].iloc[0]
    assert table["title"].iloc[-1] == "as it was delivered"


def test_only_the_time_it_is_active_changes(market):
    ids, moment = market.listings[C.LISTING].iloc[:2], market.listings[C.EXPIRES][0].isoformat()
    table, changes = merged(market, pd.DataFrame({C.LISTING: ids, C.EXPIRES: [moment, "2024-01-05"]}))
    assert changes.changed == {ids[1]} and not changes.encoded and list(changes.tables) == ["listings"]
    assert table[C.EXPIRES][1] == pd.Timestamp("2024-01-05", tz="UTC")


@pytest.mark.parametrize(
    ("had", "cells", "expected"),
    [
        ([2**60 + 1, 2**60 + 3], None, [2**60 + 1, 2**60 + 3]),
        ([2**60 + 1, 2**60 + 3], [str(2**60 + 5), None], [str(2**60 + one) for one in (1, 3, 5)]),
        (pd.Series([2**60 + 1, None], dtype="Int64"), [2**60 + 3, 4], [str(2**60 + 1), str(2**60 + 3), "4"]),
        ([1.5, None], [True, False], ["1.5", "True", "False"]),
        ([date(2024, 1, 1), None], [["x"], ["y"]], ["2024-01-01", "['x']", "['y']"]),
        ([["x"], None], [["y"], ["z"]], [["x"], ["y"], ["z"]]),
    ],
    ids=["not told", "text", "missing numbers", "flags", "days and lists", "lists"],
)
def test_columns_that_are_not_read_come_along_whatever_their_type(tmp_path, had, cells, expected):
    pd.DataFrame({C.LISTING: list("ab"), "price": [1, 2], "other": had}).to_parquet(
        tmp_path / "listings.parquet"
    )
    (tmp_path / "market.toml").write_text('excluded = ["other"]\n')
    rows = pd.DataFrame({C.LISTING: list("cd"), "price": [3, 4]})
    rows = rows if cells is None else rows.assign(other=cells)
    table, changes = merged(Market.open(tmp_path), rows)
    values = [
        list(one) if hasattr(one, "__len__") and not isinstance(one, str) else one
        for one in table["other"].dropna()
    ]
    assert changes.new == ["c", "d"] and values == expected
    table.to_parquet(tmp_path / "listings.parquet")
    assert not merged(Market.open(tmp_path), rows)[1].tables


def test_cells_of_the_market_that_were_not_read_stay_as_they_are(tmp_path):
    rows = "".join(f'a{i},"{i}.200,50",yes,2024-01-{i:02d}\n' for i in range(1, 20))
    rows += "b1,gratis,tak,soon\nb2,,nie,\n"
    (tmp_path / "listings.csv").write_text("listing_id,price,free,expires_at\n" + rows)
    (tmp_path / "market.toml").write_text('attributes.free.kind = "flag"\nattributes.price.decimal = ","\n')
    market = Market.open(tmp_path)
    given = pd.DataFrame({C.LISTING: ["a1", "b2", "c"], "price": ["2.000,25", "3,5", "dear"], "free": "no"})
    stored, changes = merged(market, given.assign(expires_at=["2024-03-01", None, "later"]))
    assert changes.changed == {"a1", "b2"}
    config = pinned_config(market)
    assert stored["price"].tolist()[:1] + stored["price"].tolist()[-3:-1] == ["2000.25", "gratis", "3.5"]
    (tmp_path / "listings.csv").unlink()
    stored.to_parquet(tmp_path / "listings.parquet", index=False)
    config.save(tmp_path / "market.toml")
    again = Market.open(tmp_path)
    pd.testing.assert_frame_equal(again.listings[1:20], market.listings[1:20])
    rows = again.listings.set_index(C.LISTING)
    assert rows["price"][["a1", "b2"]].tolist() == [2000.25, 3.5] and pd.isna(rows["price"]["c"])
    assert not rows["free"][["a1", "b2", "c"]].any()
    assert rows[C.EXPIRES]["a1"] == pd.Timestamp("2024-03-01", tz="UTC")
    assert [one.value for one in again.issues] == ["gratis", "tak", "soon"]


def test_new_photos_come_behind_those_that_a_listing_has_each_once(tmp_path):
    table = pd.DataFrame({C.LISTING: ["a", "a", "b"], C.POSITION: [0, 1, 4], C.PATH: ["a0", "a1", "b0"]})
    table.to_parquet(tmp_path / "photos.parquet")
    (tmp_path / "listings.csv").write_text("listing_id,price\na,1\nb,2\n")
    rows = [("a", "a2"), ("new", "n0"), ("a", "a1"), ("new", "n1"), ("new", "n0"), ("later", "l0")]
    rows, changes = pd.DataFrame(rows, columns=[C.LISTING, C.PATH]), Changes(new=["new"])
    append_photos(Market.open(tmp_path), rows, changes)
    assert list(changes.tables["photos"][3:].itertuples(index=False, name=None)) == [
        ("a", 2, "a2"), ("new", 0, "n0"), ("new", 1, "n1"), ("later", 0, "l0"),
    ]  # fmt: skip
    assert changes.changed == {"a"}
    again = Changes()
    changes.tables["photos"].to_parquet(tmp_path / "photos.parquet")
    append_photos(Market.open(tmp_path), rows, again)
    assert not again.tables


class Events:
    """Events of a market, and new ones."""

    def __init__(self, market: Market, events: pd.DataFrame | None = None) -> None:
        if events is not None:
            events.to_parquet(market.path / "events.parquet")
            market = Market.open(market.path)
        self.market, self.config, self.events = market, pinned_config(market), market.events

    def merge(self, *tables: pd.DataFrame, **config) -> Changes:
        changes, given = Changes(), self.config.model_copy(update=config)
        frames = [Frame(f"{number}.csv", rows) for number, rows in enumerate(tables)]
        merge_events(self.market, given, frames, changes)
        return changes


def test_users_of_new_events_are_those_whose_events_were_not_there(market):
    events = Events(market)
    had = events.events
    own, others = had[had[C.USER] == had[C.USER].iloc[0]], had[had[C.USER] != had[C.USER].iloc[0]].head(3)
    later = own.head(2).assign(**{C.TIMESTAMP: own[C.TIMESTAMP].max() + pd.Timedelta(1, "h")})
    changes = events.merge(pd.concat([others, own, later, later.head(1)], ignore_index=True))
    assert (changes.events, changes.users) == (2, [own[C.USER].iloc[0]])
    assert len(changes.tables["events"]) == len(had) + 2


def test_columns_of_events_that_are_not_read_come_along(tmp_path):
    (tmp_path / "listings.csv").write_text("listing_id,price\na,1\nb,2\n")
    (tmp_path / "events.csv").write_text(
        "user_id,listing_id,timestamp,duration_s,device\nu,a,2024-01-05,3,tv\nu,b,soon,soon,tv\n"
    )
    events = Events(Market.open(tmp_path))
    rows = pd.DataFrame({C.USER: ["u", None, "v"], C.LISTING: "b", C.TIMESTAMP: "2024-01-06"})
    table = events.merge(rows.assign(device=[1, 2, 3], other="x")).tables["events"]
    assert table["device"].tolist() == ["tv", "tv", "1", "3"] and "other" not in table
    assert table["timestamp"].tolist()[1] == table["duration_s"].tolist()[1] == "soon"
    (tmp_path / "events.csv").unlink()
    table.to_parquet(tmp_path / "events.parquet", index=False)
    assert len(Market.open(tmp_path).events) == 3


def test_what_is_not_wanted_is_none_in_a_market_without_actions(market):
    events = Events(market, market.events[[C.USER, C.LISTING, C.TIMESTAMP]])
    rows = pd.DataFrame({C.USER: "new", C.LISTING: market.listings[C.LISTING][:3], C.TIMESTAMP: "2024-01-05"})
    rows[C.ACTION] = ["view", "hide", None]
    assert C.ACTION not in events.merge(rows[:1], actions=[]).tables["events"]
    table = events.merge(rows, actions=[]).tables["events"]
    actions = table[C.ACTION].astype(object).where(table[C.ACTION].notna(), None)
    assert actions.tolist() == [None] * len(events.events) + [None, "hide", None]
    assert not Events(market, table).merge(rows, actions=["hide"]).tables


@pytest.mark.parametrize("order", [1, -1])
def test_the_first_events_of_a_market_decide_how_they_are_ordered(tiny_market, order):
    market = Market.open(tiny_market(events_per_user=0))
    one, two = market.listings[C.LISTING][:2]
    tables = [
        pd.DataFrame({C.USER: ["u"], C.LISTING: [one], C.TIMESTAMP: ["2024-01-01"]}),
        pd.DataFrame({C.USER: ["u"], C.LISTING: [two], C.POSITION: ["1"]}),
    ][::order]
    changes = Events(market).merge(*tables)
    assert changes.tables["events"][C.LISTING].tolist() == [one if order == 1 else two]
    assert len(changes.problems) == len(changes.taken) == 1


@pytest.fixture(scope="module")
def embedded_run(tiny_pattern, tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("pictured")
    shutil.copytree(tiny_pattern(5, 4, 5, 1, True, False, 0), folder / "market")
    market = Market.open(folder / "market")
    embed_market(market, folder / "run", market_photos(market))
    return Run.open(folder / "run")


@pytest.fixture
def run(embedded_run, tmp_path) -> Run:
    return copied(embedded_run, tmp_path)


@pytest.fixture
def embedded(monkeypatch) -> list[int]:
    """How many photos each call of a photo encoder gets."""
    from listing_vibes.features.photos.photo_encoder import PhotoEncoder

    calls: list[int] = []
    encode = PhotoEncoder.encode
    monkeypatch.setattr(
        PhotoEncoder, "encode", lambda self, images: calls.append(len(images)) or encode(self, images)
    )
    return calls


@pytest.mark.slow
def test_only_photos_that_were_never_seen_are_embedded_also_before_their_listing_is_there(
    run, tmp_path, embedded
):
    for name in ("listings", "photos/pictures"):
        (tmp_path / name).mkdir(parents=True)
    new, pictures = tmp_path / "photos", tmp_path / "photos" / "pictures"
    for number, color in enumerate(((200, 30, 30), (30, 200, 30))):
        Image.new("RGB", (60, 40), color).save(pictures / f"{number}.png")
    seen = run.market.path / run.market.photos[C.PATH][0]
    (pictures / "seen.jpg").write_bytes(seen.read_bytes())
    old = run.market.listings[C.LISTING][1]
    rows = [
        ("fresh", 3, "pictures/1.png"), ("fresh", 1, "pictures/0.png"), (old, 1, "pictures/0.png"),
        ("fresh", 2, "pictures/seen.jpg"), ("fresh", 4, "../run/run.toml"), (old, 9, "lost.png"),
    ]  # fmt: skip
    pd.DataFrame(rows, columns=[C.LISTING, C.POSITION, C.PATH]).to_csv(new / "a.csv", index=False)
    sources = {name: FileSource(tmp_path / name) for name in ("listings", "photos")}
    refresher = Refresher(run.path, sources)

    result = refresher.refresh()
    assert (result.new, result.changed, embedded) == (0, 1, [1])
    assert "leaves" in result.problems[0] and "lost.png" in result.problems[1]
    run.market.listings.iloc[[0]].assign(**{C.LISTING: "fresh"}).to_parquet(
        tmp_path / "listings" / "a.parquet"
    )
    result = refresher.refresh()
    assert (result.new, result.changed, embedded) == (1, 0, [1, 1])
    opened, market = Run.open(run.path), Market.open(run.market.path)
    mine = market.photos[market.photos[C.LISTING] == "fresh"]
    assert [(market.path / path).suffix for path in mine[C.PATH]] == [".png", ".jpg", ".png"]  # by position
    assert len(market.photos[market.photos[C.LISTING] == old]) == 2
    embed_market(market, tmp_path / "whole", market_photos(market))
    whole = Run.open(tmp_path / "whole")
    np.testing.assert_array_equal(opened.vectors("photos"), whole.vectors("photos"))
    attributes = AttributeSpace.of(market, opened.manifest.attribute_weights)  # a refresh fits no weights
    np.testing.assert_allclose(opened.vectors("attributes"), attributes.vectors(), atol=2e-3)
    assert not Refresher(run.path, sources).refresh().published


class Pictures:
    """A folder of photos for a refresh, of which a table names two: one whole, one missing or cut short."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.folder, self.old = run, folder, run.market.listings[C.LISTING][1]
        folder.mkdir()
        self.sources = {"photos": FileSource(folder)}
        self.save("whole.png", (200, 30, 30))
        paths = ["whole.png", "late.png"]
        pd.DataFrame({C.LISTING: self.old, C.PATH: paths}).to_csv(folder / "a.csv", index=False)

    def save(self, name: str, color: tuple[int, int, int]) -> bytes:
        Image.new("RGB", (60, 40), color).save(self.folder / name)
        return (self.folder / name).read_bytes()

    def shown(self) -> int:
        return int((Market.open(self.run.market.path).photos[C.LISTING] == self.old).sum())


@pytest.fixture
def pictures(run, tmp_path):
    return Pictures(run, tmp_path / "new")


@pytest.mark.slow
def test_a_photo_that_is_cut_short_or_missing_is_tried_again_by_the_next_refresh(pictures):
    whole = pictures.save("late.png", (30, 30, 200))
    (pictures.folder / "late.png").write_bytes(whole[: len(whole) // 2])  # it is still being written
    result = Refresher(pictures.run.path, pictures.sources).refresh()
    assert (result.changed, result.photos_waiting, result.rejected) == (1, 1, 1)
    (pictures.folder / "late.png").unlink()
    result = Refresher(pictures.run.path, pictures.sources).refresh()
    assert (result.published, result.photos_waiting, len(result.problems)) == (False, 1, 1)
    (pictures.folder / "late.png").write_bytes(whole)
    result = Refresher(pictures.run.path, pictures.sources).refresh()
    assert (result.published, result.photos_waiting, pictures.shown()) == (True, 0, 3)


@pytest.mark.slow
def test_a_photo_is_tried_again_for_a_day(pictures, monkeypatch):
    clock, problems = [1e9], []
    monkeypatch.setattr(refresher_module.time, "time", lambda: clock[0])
    for hour in (0, 23, 25, 26):  # each by a command of its own, as cron starts them
        clock[0] = 1e9 + 3600 * hour
        result = Refresher(pictures.run.path, pictures.sources).refresh()
        assert result.photos_waiting == (hour < 25)
        problems += [hour for _ in result.problems]
    assert problems == [0, 23, 25]


@pytest.mark.slow
def test_photos_are_downloaded_again_after_an_error_and_never_from_this_machine(pictures):
    with hosting() as host:
        table = pd.DataFrame({C.LISTING: [pictures.old], C.URL: [f"{host.url}/once-500/a.jpg"]})
        table.to_csv(pictures.folder / "a.csv", index=False)
        result = Refresher(pictures.run.path, pictures.sources, limits=Limits()).refresh()
        assert (result.published, result.photos_waiting, host.photos) == (False, 1, 0)
        limits = Limits(private=True, delay=0.0, retries=0)
        for published, waiting, fetched in ((False, 1, 1), (True, 0, 2), (False, 0, 2)):
            result = Refresher(pictures.run.path, pictures.sources, limits=limits).refresh()
            assert (result.published, result.photos_waiting, host.photos) == (published, waiting, fetched)
        assert pictures.shown() == 2


@pytest.mark.slow
def test_a_damaged_state_is_an_error(pictures):
    (pictures.run.path / STATE).write_text("{")
    with pytest.raises(VibesError, match="remove it, and refresh again"):
        Refresher(pictures.run.path, pictures.sources).refresh()
