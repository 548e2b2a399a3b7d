"""What new rows change in a table of listings: cell by cell, whatever kind of attribute it is."""

from datetime import date

import pandas as pd
import pytest

from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import read_table
from listing_vibes.market.market import Market
from listing_vibes.serving.refresh.changes import Changes, merge_listings, merge_photos, new_events
from listing_vibes.serving.refresh.sources import Frame
from listing_vibes.serving.refresh.tables import (
    day_first,
    pinned,
    raw_table,
    whole_events,
    whole_listings,
    with_unread,
)


@pytest.fixture
def market(tiny_market):
    return Market.open(tiny_market(photos=0, lifetimes=True))


def whole(market: Market) -> pd.DataFrame:
    return whole_listings(market, raw_table(market, "listings"))


def merged(market: Market, rows: pd.DataFrame) -> tuple[pd.DataFrame, Changes]:
    changes = Changes(day_first=day_first(raw_table(market, "listings")))
    frame = Frame("new.csv", rows, None, {}, 0.0)
    return merge_listings(whole(market), market, pinned(market), [frame], changes), changes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("column", "told", "read"),
    [
        ("title", "Another", "Another"),
        ("room_type", "Boat", "Boat"),
        ("price", "$1,250.00", 1250.0),
        ("pets", "yes", True),
        ("pets", "no", False),
        ("amenities", "Wifi|Moat", ["Wifi", "Moat"]),
        ("latitude", "53.9", 53.9),
        ("price", None, None),
        ("pets", None, None),
        ("amenities", None, None),
        ("title", None, None),
    ],
)
def test_a_changed_cell_is_found_read_and_leaves_all_others(market, column, told, read):
    row = market.listings.iloc[[3]].reset_index(drop=True)
    given = pd.DataFrame({C.LISTING: row[C.LISTING], column: pd.Series([told], dtype=object)})
    before = whole(market)
    table, changes = merged(market, given)
    value, old = table[column][3], before[column][3]
    assert (
        (pd.isna(value) if read is None else value == read) if not isinstance(value, list) else value == read
    )
    same = (old is None and read is None) or old is read or old == read
    assert changes.changed == (set() if same else {row[C.LISTING][0]})
    assert not changes.new and not changes.touched and not changes.problems
    rest = table.drop(index=3)
    pd.testing.assert_frame_equal(rest, before.drop(index=3))
    pd.testing.assert_frame_equal(table.drop(columns=column), before.drop(columns=column))


def test_the_same_rows_as_text_change_nothing(market, tmp_path):
    market.listings.assign(amenities=market.listings["amenities"].map("|".join)).to_csv(
        tmp_path / "a.csv", index=False
    )
    from listing_vibes.market.io import read_table

    table, changes = merged(market, read_table(tmp_path / "a.csv"))
    assert not changes.any
    pd.testing.assert_frame_equal(table, whole(market))


def test_new_rows_come_behind_and_the_last_of_several_counts(market):
    rows = pd.DataFrame(
        {
            C.LISTING: ["a", "b", "a", "", None],
            "price": ["1", "2", "3", "4", "5"],
            "review_scores_rating": ["5"] * 5,
            "stranger": ["x"] * 5,
        }
    )
    table, changes = merged(market, rows)
    assert changes.new == ["b", "a"] and not changes.problems
    assert [str(defect) for _, defect in changes.defects] == [
        "new.csv, column stranger is no column of this table; it is not used",
        "new.csv, column listing_id, row 4 is empty; the row is skipped (2 rows)",
    ]
    assert table[C.LISTING].tolist() == [*market.listings[C.LISTING], "b", "a"]
    assert table["price"].tolist()[-2:] == [2, 3]
    assert "stranger" not in table
    assert table["review_scores_rating"].tolist()[-2:] == [5, 5]  # excluded, and yet in the table
    assert table["pets"].dtype == "boolean" and table["pets"].tail(2).isna().all()


def test_a_listing_that_came_with_an_earlier_file_of_the_same_look_is_new_and_not_changed(market):
    known, changes = market.listings[C.LISTING][0], Changes()
    frames = [
        Frame(name, pd.DataFrame({C.LISTING: ["a", known], "price": price}), None, {}, 0.0)
        for name, price in (("one.csv", ["1", "12345"]), ("two.csv", ["2", "12345"]))
    ]
    table = merge_listings(whole(market), market, pinned(market), frames, changes)
    assert (changes.new, changes.changed) == (["a"], {known})
    assert table["price"].iloc[-1] == 2 and table["price"][0] == 12345


def test_a_file_that_was_read_before_an_embedding_brings_only_listings_that_are_not_there(market):
    rows = market.listings.head(2).assign(title="as it was delivered")
    rows[C.LISTING] = [market.listings[C.LISTING].iloc[0], "never there"]
    older, newer = Frame("a.csv", rows, None, {}, 0.0, again=True), Frame("b.csv", rows, None, {}, 0.0)
    changes = Changes()
    table = merge_listings(whole(market), market, pinned(market), [older], changes)
    assert (changes.new, changes.changed) == (["never there"], set())
    assert table["title"].iloc[0] == market.listings["title"].iloc[0]
    assert table["title"].iloc[-1] == "as it was delivered"
    table = merge_listings(table, market, pinned(market), [newer], changes)
    assert table["title"].iloc[0] == "as it was delivered" and len(changes.changed) == 1


def test_new_photos_come_behind_those_that_a_listing_has_each_once():
    table = pd.DataFrame(
        {C.LISTING: ["a", "a", "b"], C.POSITION: [0.0, 1.0, 4.0], C.PATH: ["a0", "a1", "b0"]}
    )
    rows = pd.DataFrame(
        [("a", "a2"), ("new", "n0"), ("a", "a1"), ("new", "n1"), ("new", "n0"), ("later", "l0"), ("b", "b1")],
        columns=[C.LISTING, C.PATH],
    )
    changes = Changes(new=["new"])
    found = merge_photos(table, pd.Index(["a", "b", "new"]), rows, changes)
    assert list(found[3:].itertuples(index=False, name=None)) == [
        ("a", 2, "a2"), ("new", 0, "n0"), ("new", 1, "n1"), ("later", 0, "l0"), ("b", 5, "b1"),
    ]  # fmt: skip
    pd.testing.assert_frame_equal(found[:3], table)
    assert changes.changed == {"a", "b"}
    assert merge_photos(table, pd.Index(["a"]), rows[2:3], Changes()) is table


def test_users_of_new_events_are_those_whose_events_were_not_there(market):
    have, changes = whole_events(market, raw_table(market, "events")), Changes()
    own = have[have[C.USER] == have[C.USER].iloc[0]]
    others = have[have[C.USER] != have[C.USER].iloc[0]].head(3)
    later = own.head(2).assign(**{C.TIMESTAMP: own[C.TIMESTAMP].max() + pd.Timedelta(1, "h")})
    rows = pd.concat([others, own, later, later.head(1)], ignore_index=True)
    frame, now = Frame("new.csv", rows, None, {}, 0.0), pd.Timestamp.now("UTC")
    new_events(
        have,
        True,
        pinned(market),
        pd.Index(market.listings[C.LISTING]),
        [frame],
        pd.DataFrame(),
        now,
        changes,
    )
    assert (changes.fresh, changes.users) == (2, [own[C.USER].iloc[0]])
    assert len(changes.events) == len(have) + 2


def test_only_the_time_it_is_live_changes(market):
    ids = market.listings[C.LISTING].iloc[:2]
    moment = market.listings[C.EXPIRES][0]
    table, changes = merged(
        market, pd.DataFrame({C.LISTING: ids, C.EXPIRES: [moment.isoformat(), "2024-01-05"]})
    )
    assert changes.touched == {ids[1]} and not changes.changed and changes.any
    assert table[C.EXPIRES][1] == pd.Timestamp("2024-01-05", tz="UTC")


def test_what_the_market_does_not_read_comes_along_as_it_is(tmp_path):
    (tmp_path / "market.toml").write_text('excluded = ["seller"]\n')
    rows = "".join(f"a{i},{i},{7 + i % 2},x-{i:06d},\n" for i in range(30))
    (tmp_path / "listings.csv").write_text("listing_id,price,seller,reference,nothing\n" + rows)
    market = Market.open(tmp_path)
    rows = pd.DataFrame({C.LISTING: ["a0", "a1", "b"], "price": ["0", "9", "5"], "seller": [7, 9, 9]})
    table, changes = merged(market, rows.assign(reference=["x-000000", "y", "z"]))
    assert (changes.new, changes.changed, changes.touched) == (["b"], {"a1"}, {"a1"})
    told = table.iloc[[0, 1, 2, -1]]
    assert told["seller"].tolist() == ["7", "9", "7", "9"]
    assert told["reference"].tolist() == ["x-000000", "y", "x-000002", "z"]
    (tmp_path / "listings.csv").unlink()
    table.to_parquet(tmp_path / "listings.parquet")
    again, changes = merged(Market.open(tmp_path), rows)
    assert not changes.any and again["seller"].tolist() == table["seller"].tolist()


def test_columns_that_nobody_reads_stay_what_parquet_can_hold(tmp_path):
    ids = [2**60 + i for i in range(3)]
    frame = pd.DataFrame({C.LISTING: list("abc"), "seller": ids, "tags": [["x"], ["y"], None], "seen": 1.5})
    frame.to_parquet(tmp_path / "listings.parquet", index=False)
    (tmp_path / "market.toml").write_text('excluded = ["seller", "tags", "seen"]\n')
    market = Market.open(tmp_path)
    rows = pd.DataFrame({C.LISTING: ["c", "d"], "seller": [str(2**60 + 2), None], "seen": ["1.5", "2"]})
    table, changes = merged(market, rows.assign(tags=[["y"], "z"]))
    assert changes.new == ["d"] and changes.touched == {"c"}
    assert table["seller"].dropna().tolist() == [str(one) for one in ids]
    assert table["seen"].tolist() == [1.5, 1.5, 1.5, 2]
    table.to_parquet(tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("had", "told", "held"),
    [
        (pd.Series([2**60 + 1, None], dtype="Int64"), [2**60 + 3, 4], [2**60 + 1, 2**60 + 3, 4]),
        (pd.Series([1, None], dtype="Int64"), pd.to_datetime(["2024-01-02"] * 2), ["1", *["2024-01-02"] * 2]),
        ([1.5, None], [True, False], ["1.5", "True", "False"]),
        ([date(2024, 1, 1), None], [["x"], ["y"]], ["2024-01-01", "['x']", "['y']"]),
    ],
    ids=["whole numbers, some missing", "numbers and times", "numbers and flags", "days and lists"],
)
def test_a_column_that_nobody_reads_may_come_in_another_type(tmp_path, had, told, held):
    pd.DataFrame({C.LISTING: list("ab"), "price": [1, 2], "other": had}).to_parquet(
        tmp_path / "listings.parquet"
    )
    (tmp_path / "market.toml").write_text('excluded = ["other"]\n')
    pd.DataFrame({C.LISTING: list("cd"), "price": [3, 4], "other": told}).to_parquet(tmp_path / "new.parquet")
    table, changes = merged(Market.open(tmp_path), read_table(tmp_path / "new.parquet"))
    assert changes.new == ["c", "d"] and table["other"].dropna().tolist() == held
    table.to_parquet(tmp_path / "out.parquet")


def test_columns_of_events_that_nobody_reads_come_along(tmp_path):
    (tmp_path / "listings.csv").write_text("listing_id,price\na,1\nb,2\n")
    (tmp_path / "events.csv").write_text(
        "user_id,listing_id,timestamp,duration_s,device\nu,a,2024-01-05,3,tv\nu,b,soon,soon,tv\n"
    )
    market, changes, nobody = Market.open(tmp_path), Changes(), pd.DataFrame()
    raw = raw_table(market, "events")
    have, now = whole_events(market, raw), pd.Timestamp.now("UTC")
    rows = pd.DataFrame({C.USER: ["u", None, "v"], C.LISTING: "b", C.TIMESTAMP: "2024-01-06"})
    frame = Frame("new.csv", rows.assign(device=[1, 2, 3], other="x"), None, {}, 0.0)
    new_events(have, True, pinned(market), pd.Index(["a", "b"]), [frame], nobody, now, changes)
    assert changes.events["device"].tolist() == ["tv", "tv", "1", "3"] and "other" not in changes.events
    kept = with_unread(changes.events, "events", have, raw, market, pinned(market))
    assert kept["timestamp"].tolist()[1] == kept["duration_s"].tolist()[1] == "soon"
    (tmp_path / "events.csv").unlink()
    kept.to_parquet(tmp_path / "events.parquet", index=False)
    assert len(Market.open(tmp_path).events) == 3


def test_cells_of_the_market_that_were_not_read_stay_as_they_are(tmp_path):
    rows = "".join(f'a{i},"{i}.200,50",yes,2024-01-{i:02d}\n' for i in range(1, 20))
    rows += "b1,gratis,tak,soon\nb2,,nie,\n"
    (tmp_path / "listings.csv").write_text("listing_id,price,free,expires_at\n" + rows)
    (tmp_path / "market.toml").write_text('attributes.free.kind = "flag"\nattributes.price.decimal = ","\n')
    market = Market.open(tmp_path)
    given = pd.DataFrame({C.LISTING: ["a1", "b2", "c"], "price": ["2.000,25", "3,5", "dear"], "free": "no"})
    table, changes = merged(market, given.assign(expires_at=["2024-03-01", None, "later"]))
    assert changes.changed == {"a1", "b2"}
    kept = with_unread(
        table, "listings", market.listings, raw_table(market, "listings"), market, pinned(market)
    )
    assert kept["price"].tolist()[:1] + kept["price"].tolist()[-3:-1] == ["2000.25", "gratis", "3.5"]
    assert kept["free"].tolist()[-3:] == ["tak", "False", "False"]
    assert kept["expires_at"].tolist()[-3] == "soon" and kept.tail(1).isna().sum(axis=1).item() == 2
    (tmp_path / "listings.csv").unlink()
    kept.to_parquet(tmp_path / "listings.parquet", index=False)
    pinned(market).save(tmp_path / "market.toml")
    again = Market.open(tmp_path)
    pd.testing.assert_frame_equal(again.listings, table)
    unread = [one.value for one in market.defects if one.rows is not None]
    assert unread == ["gratis", "tak", "soon"] == [one.value for one in again.defects]


@pytest.mark.parametrize(
    ("own", "days"),
    [
        ("13/01/2024", ["2024-06-05", "2024-01-24"]),
        ("01/13/2024", ["2024-05-06", "NaT"]),
        ("05/06/2024", ["2024-06-05", "2024-01-24"]),
    ],
)
def test_new_rows_begin_with_the_day_where_the_markets_own_or_else_they_do(tmp_path, own, days):
    (tmp_path / "listings.csv").write_text(f"listing_id,price,published_at\na,1,{own}\nb,2,\n")
    rows = pd.DataFrame({C.LISTING: ["b", "c"], C.PUBLISHED: ["05/06/2024", "24/01/2024"]})
    table, changes = merged(Market.open(tmp_path), rows)
    assert [str(moment)[:10] for moment in table[C.PUBLISHED].tolist()[1:]] == days
    assert len(changes.defects) == days.count("NaT")


def test_new_rows_do_not_say_whether_the_day_comes_first(market):
    rows = pd.DataFrame({C.LISTING: ["a"], C.PUBLISHED: ["04/01/2024"]})
    table, changes = merged(market, rows)
    assert table[C.PUBLISHED].isna().iloc[-1]
    assert [(defect.column, defect.value) for _, defect in changes.defects] == [
        ("published_at", "04/01/2024")
    ]


def test_a_cell_that_is_none_is_named_with_the_row_that_it_has_in_the_file(market):
    rows = pd.DataFrame({C.LISTING: ["", "a", "a", "b"], "price": ["1", "2", "abc", "x"]})
    table, changes = merged(market, rows)
    assert changes.new == ["a", "b"] and table["price"].tail(2).isna().all()
    told = [str(defect) for _, defect in changes.defects]
    assert told[1] == "new.csv, column price, row 3: 'abc' is no finite number; read as missing (2 rows)"


def test_events_that_waited_too_long_are_told(market, monkeypatch):
    monkeypatch.setattr("listing_vibes.serving.refresh.waiting.MOST_WAITING", 2)
    changes, nobody = Changes(), pd.DataFrame()
    rows = pd.DataFrame({C.USER: list("abc"), C.LISTING: "not there yet", C.TIMESTAMP: "2024-01-05"})
    frame = Frame("new.csv", rows, None, {}, 0.0)
    now = pd.Timestamp.now("UTC")
    new_events(nobody, None, pinned(market), pd.Index([]), [frame], nobody, now, changes)
    assert (
        len(changes.waiting["events"]) == 2 and "the 1 that wait longest are given up" in changes.problems[0]
    )
    assert changes.waiting["events"][C.USER].tolist() == ["b", "c"]
    again = Changes()  # told once more, as a query does at each look
    frame = Frame("new.csv", rows[1:], None, {}, 0.0)
    new_events(nobody, None, pinned(market), pd.Index([]), [frame], changes.waiting["events"], now, again)
    assert again.waiting["events"][C.USER].tolist() == ["b", "c"] and not again.problems


def test_what_is_not_wanted_is_none_in_a_market_without_actions(market):
    have = market.events[[C.USER, C.LISTING, C.TIMESTAMP]]
    config, known = pinned(market).model_copy(update={"actions": []}), pd.Index(market.listings[C.LISTING])
    rows = pd.DataFrame(
        {C.USER: "new", C.LISTING: known[:3], C.TIMESTAMP: "2024-01-05", C.ACTION: ["view", "hide", None]}
    )
    now, nobody = pd.Timestamp.now("UTC"), pd.DataFrame()
    for some, actions in ((rows, [None, "hide", None]), (rows.iloc[:1], None)):
        changes = Changes()
        new_events(have, True, config, known, [Frame("new.csv", some, None, {}, 0.0)], nobody, now, changes)
        assert changes.fresh == len(some)
        if actions is None:
            assert C.ACTION not in changes.events
            continue
        told = changes.events[C.ACTION]
        assert told.astype(object).where(told.notna(), None).tolist() == [None] * len(have) + actions
        again, then = (
            Changes(),
            config.model_copy(update={"actions": ["hide"]}),
        )  # the same rows are there now
        new_events(
            changes.events, True, then, known, [Frame("new.csv", some, None, {}, 0.0)], nobody, now, again
        )
        assert not again.any


@pytest.mark.parametrize("order", [1, -1])
def test_the_first_events_of_a_market_decide_how_they_are_ordered(tiny_market, order):
    market = Market.open(tiny_market(events_per_user=0))
    (one, two), changes = market.listings[C.LISTING][:2], Changes()
    tables = [
        pd.DataFrame({C.USER: ["u"], C.LISTING: [one], C.TIMESTAMP: ["2024-01-01"]}),
        pd.DataFrame({C.USER: ["u"], C.LISTING: [two], C.POSITION: ["1"]}),
    ][::order]
    frames = [Frame(f"{number}.csv", table, None, {}, 0.0) for number, table in enumerate(tables)]
    known = pd.Index(market.listings[C.LISTING])
    now = pd.Timestamp.now("UTC")
    new_events(market.events, None, market.config, known, frames, pd.DataFrame(), now, changes)
    assert changes.fresh == 1 and changes.events[C.LISTING].tolist() == [one if order == 1 else two]
    (problem,) = changes.problems
    assert problem.startswith("1.csv lacks the column") and len(changes.taken) == 1


def test_new_rows_are_read_with_the_decimal_comma_that_the_market_was_read_with(tmp_path):
    rows = "".join(f'a{i},"1.{100 + i},50 EUR",Ulm\n' for i in range(9))
    (tmp_path / "listings.csv").write_text("listing_id,price,town\n" + rows)
    (tmp_path / "market.toml").write_text('attributes.price.decimal = ","\n')
    market = Market.open(tmp_path)
    given = pd.DataFrame({C.LISTING: ["b1", "b2"], "price": ["2.500", "900"]})
    table, changes = merged(market, given)
    assert table["price"].tolist() == [*market.listings["price"], 2500, 900] and not changes.problems
    assert market.listings["price"][0] == 1100.5
    from_elsewhere = pd.DataFrame({C.LISTING: ["b1"], "price": ["2500.25"]})
    assert merged(market, from_elsewhere)[0]["price"].tolist()[-1] == 2500.25
