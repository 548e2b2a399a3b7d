"""A market as the screen shows it: values, labels, colors, and listings found by words."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from browser.painted import paint_market
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.run.describe import describe_listings
from listing_vibes_app.app_pages.similar.matching import match, same_and_different
from listing_vibes_app.kit.palettes import EVENTS, coloring
from listing_vibes_app.view import formats
from listing_vibes_app.view.history import later_listings
from listing_vibes_app.view.market import MarketView
from listing_vibes_app.view.search import SearchIndex


def view_of(path) -> MarketView:
    market = Market.open(path)
    return MarketView(market, lambda: EventLog.from_market(market))


@pytest.fixture
def shop(tmp_path) -> MarketView:
    listings = pd.DataFrame(
        {
            "listing_id": ["a", "b"],
            "price_total": [1200.0, np.nan],
            "instant": [True, None],
            "tags": [["x", "y"], []],
            "kind": ["flat", None],
            "latitude": [42.65, np.nan],
            "longitude": [-73.76, np.nan],
        }
    )
    config = MarketConfig(
        currency="GBP",
        attributes={
            "kind": AttributeConfig(kind="category", label="Kind of home"),
            "price_total": AttributeConfig(kind="number", label="Price", unit="currency"),
            "instant": AttributeConfig(kind="flag", label="Instantly bookable"),
            "tags": AttributeConfig(kind="multi", label="Tags"),
        },
    )
    write_market(tmp_path / "shop", config, listings)
    return view_of(tmp_path / "shop")


def test_values_carry_labels_units_and_a_dash_where_they_are_missing(shop):
    assert dict(shop.facts(0)) == {
        "Price": "£1,200",
        "Instantly bookable": "Yes",
        "Tags": "x, y",
        "Kind of home": "flat",
        "Location": "42.65° N, 73.76° W",
    }
    assert [item.label for item in shop.headline] == ["Price", "Kind of home", "Tags"]
    assert dict(shop.facts(1)) == {
        "Price": "—",
        "Instantly bookable": "—",
        "Tags": "None",
        "Kind of home": "—",
        "Location": "—",
    }


def test_each_listing_has_the_colour_of_its_own_value(tmp_path):
    frame = pd.DataFrame({"listing_id": list("abcd"), "pets": [True, False, None, True]})
    touched = list("aaaabc")
    events = pd.DataFrame({"user_id": "u", "listing_id": touched, "position": range(len(touched))})
    write_market(tmp_path / "shop", MarketConfig(), frame, None, events)
    view, rows = view_of(tmp_path / "shop"), np.array([2, 3, 0, 1])
    for by, told in ((EVENTS, ["1", "0", "4", "1"]), ("pets", ["Unknown", "Yes", "Yes", "No"])):
        found = coloring(view, rows, np.zeros(4), by)
        said = {code: label for label, code, _ in found.legend}
        assert [said[code] for code in found.codes] == told
        assert {label: size for label, _, size in found.legend} == {one: told.count(one) for one in told}


def test_a_category_of_ids_is_told_by_numbers_the_most_frequent_first(tmp_path):
    frame = pd.DataFrame({"listing_id": list("abcd"), "host_id": ["4621559", "81", "121680792", "121680792"]})
    frame["postcode"] = ["560001", "560001", "560034", None]
    config = MarketConfig(attributes={name: AttributeConfig(kind="category") for name in frame.columns[1:]})
    write_market(tmp_path / "stays", config, frame)
    view = view_of(tmp_path / "stays")
    host, postcode = view.attributes
    assert [view.text(row, host) for row in range(4)] == ["no. 2", "no. 3", "no. 1", "no. 1"]
    assert view.is_id(host) and view.word(host, "new") == "new"
    assert [view.text(row, postcode) for row in range(4)] == ["560001", "560001", "560034", "—"]
    assert (
        same_and_different(view, 3, 2)[0] == "the same host id"
        and "another host id" in same_and_different(view, 3, 0)[1]
    )
    assert match(view, host, 3, 2).text == "no. 1"
    assert [name for name, _, _ in coloring(view, np.arange(4), np.zeros(4), "host_id").legend] == [
        "no. 1",
        "no. 2",
        "no. 3",
    ]
    assert SearchIndex.build(view).find("4621559")[0].tolist() == [0]  # who knows the id finds it


def test_words_stand_before_codes_on_a_card_and_in_a_table(tmp_path):
    frame = pd.DataFrame(
        {"listing_id": list("ab"), "product_code": ["108775", "110065"], "year": ["1995", "2001"]}
    )
    frame["type"], frame["colour"], frame["group"] = ["Vest top", "Bra"], ["Black", None], "Women"
    config = MarketConfig(attributes={name: AttributeConfig(kind="category") for name in frame.columns[1:]})
    write_market(tmp_path / "shop", config, frame)
    view = view_of(tmp_path / "shop")
    assert [item.name for item in view.headline] == ["year", "type", "colour"]
    assert same_and_different(view, 0, 1) == ("Women", "Year 2001, Bra, Product code 110065")
    run = SimpleNamespace(market=view.market)
    assert list(describe_listings(run, pd.DataFrame({"listing_id": ["a"], "score": [1.0]}))) == [
        "listing", "Year", "Type", "Colour", "Group", "score",
    ]  # fmt: skip


def test_photos_are_in_their_order_and_titles_in_full(tmp_path):
    view = view_of(paint_market(tmp_path / "market", listings=3, photos=2))
    assert view.photos(1) == ["photos/l01_0.png", "photos/l01_1.png"]
    assert view.photos(2) == []
    assert view.title(0) == "Home 0 by the *old* harbour"
    assert "Title" not in dict(view.facts(0))  # it stands above them
    bare = view_of(paint_market(tmp_path / "bare", listings=2, titles=False, photos=0))
    assert bare.title(1) == "Listing l01" and not bare.has_photos


def test_years_are_told_by_their_values(tmp_path):
    listings = pd.DataFrame(
        {"listing_id": ["a", "b"], "built_in": [1895, 1975], "area": [1600.5, 1800.0], "lots": [1, 1900]}
    )
    write_market(tmp_path / "shop", MarketConfig(), listings)
    view = view_of(tmp_path / "shop")
    assert dict(view.facts(1)) == {"Built in": "1975", "Area": "1,800", "Lots": "1,900"}
    found = pd.DataFrame({"listing_id": ["b"], "score": [0.5]})
    (row,) = describe_listings(SimpleNamespace(market=view.market), found).to_dict(
        "records"
    )  # in the terminal
    assert (row["Built in"], row["Area"], row["Lots"]) == ("1975", "1,800", "1,900")


def test_a_refusal_is_no_later_interaction(make_log):
    view = SimpleNamespace(log=make_log([0, 0, 0, 0, 1], [0, 1, 2, 0, 4], range(5), 5, 2, hides=[1]))
    assert later_listings(view, 0, 1) == {2}
    assert later_listings(view, 0, 1, 1) == set() and later_listings(view, 0, 1, 2) == {2}


@pytest.fixture
def index(tmp_path) -> SearchIndex:
    table = pd.DataFrame(
        {
            "listing_id": ["10", "11", "12", "13", "14"],
            "name": [
                "Café by the lake",
                "Lakeside cabin",
                "Town flat, Müller",
                "House " + "very " * 20 + "spacious",
                "東京駅近くのマンション",
            ],
            "area": ["North", "North", "Lake District", "South", "बगीचा"],
            "about": [None, None, None, "calm " * 90 + "sauna", None],
            "extras": [["Wood stove", "Boat"], [], None, ["Boat"], ["Boat"]],
            "garden": [True, False, False, True, False],
        }
    )
    config = MarketConfig(
        title="name",
        attributes={
            "name": AttributeConfig(kind="text", label="Name"),
            "about": AttributeConfig(kind="text"),
            "extras": AttributeConfig(kind="multi"),
        },
    )
    write_market(tmp_path / "market", config, table)
    market = Market.open(tmp_path / "market")
    return SearchIndex.build(MarketView(market, lambda: EventLog.from_market(market)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("lake", [0, 1, 2]),  # a whole word in the title, the beginning of one, an attribute
        ("LAKE north", [0, 1]),  # those with every word, then
        ("cafe", [0]),  # accents do not matter
        ("muller", [2]),
        ("spacious", [3]),  # the end of a long title, and of a long text
        ("saun", [3]),
        ("boat sto", [0]),  # the members of a set
        ("garden", [0, 3]),  # a flag that holds is found by its label
        ("ake", []),  # words are found by their beginning
        ("マンション", [4]),  # a script without spaces has no beginnings
        ("駅", [4]),
        ("駅前", []),
        ("बगीचा", [4]),
        ("12", [2]),  # an exact id
        (".*", []),
        ("", []),
    ],
)
def test_search(index, query, expected):
    rows, complete = index.find(query)
    assert rows[:complete].tolist() == expected
    assert len(rows) == len(set(rows.tolist()))


def test_listings_with_some_of_the_words_follow_those_with_all(index):
    rows, complete = index.find("brick boat garden")
    assert complete == 0 and rows.tolist() == [
        0,
        3,
        4,
    ]  # two of the words, then one; the rarer word counts more
    rows, complete = index.find("lake sauna")
    assert complete == 0 and sorted(rows.tolist()) == [0, 1, 2, 3] and rows[0] == 0


def test_names_that_are_there_twice_are_numbered():
    assert formats.numbered(["a", "b", "a", "a 2", "a"], " ") == ["a", "b", "a 2", "a 2 2", "a 3"]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (869500.0, "$", "$869,500"),
        (1234567.891, "", "1,234,568"),
        (80.0, "EUR", "€80"),
        (-3.5, "USD", "-$3.50".rstrip("0")),
        (12.3456, "m²", "12.35 m²"),
        (123.456, "", "123.5"),
        (0.1 + 0.2, "", "0.3"),
        (0.0004, "", "0.0004"),  # two figures of what two decimals would not tell
        (0.00996, "", "0.01"),
        (-0.004, "EUR", "-€0.004"),
        (0.012345, "", "0.01"),
        (1.234e-9, "", "1.2e-09"),
        (-0.0, "EUR", "€0"),
        (95.0, "%", "95%"),
        (1.0, "nights", "1 night"),
        (2.0, "nights", "2 nights"),
        (1.0, "inches", "1 inch"),
        (1.0, "gross", "1 gross"),
        (math.nan, "$", "—"),
        (math.inf, "", "—"),
    ],
)
def test_numbers(value, unit, expected):
    assert formats.number(value, unit) == expected
    assert formats.number(1995.0, grouped=False) == "1995"  # a year


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (3599, "1 h"), (3900, "1 h 5 min"), (math.nan, "—")],
)
def test_durations(seconds, expected):
    assert formats.duration(seconds) == expected


def test_places_and_distances():
    assert formats.place(42.6526, -73.7562) == "42.65° N, 73.76° W"
    assert formats.place(math.nan, 1.0) == "—"
    assert [formats.distance(value) for value in (0.234, 0.999, 4.56, 255.4)] == [
        "230 m",
        "1.0 km",
        "4.6 km",
        "255 km",
    ]


def test_moments():
    assert formats.moment(1_709_251_200_000_000_000) == "1 Mar 2024"
    assert formats.moment(1_709_301_900_000_000_000, clock=True) == "1 Mar 2024, 14:05"


def test_an_id_that_nobody_can_read_becomes_a_number():
    assert formats.identity("l07", "Listing", 6) == "Listing l07"
    assert formats.identity("user-0575", "User", 6) == "user-0575"
    assert formats.identity("1f0e3dad-9990-4ee4-8a55-5c0a8f0f6b3e", "User", 1233) == "User no. 1,234"


def test_shortening_keeps_whole_words():
    assert formats.shorten("a sunny room by the park", 14) == "a sunny room…"
    assert formats.shorten("two\nlines", 20) == "two lines"
    assert len(formats.shorten("x" * 100, 10)) == 10


def test_markdown_in_data_is_shown_as_it_is():
    assert formats.plain("*old* $5 [x](y)") == "\\*old\\* \\$5 \\[x\\](y)"
    assert formats.plain("1. Street") == "1\\. Street" and formats.plain("1) Street") == "1\\) Street"
    assert formats.plain("Price (€)") == "Price (€)"  # a label, which is read aloud
    assert formats.plain("www.x.org a@b &lt;") == "www\u2060.x.org a\u2060@b \\&lt;"
    assert "https://" not in formats.plain("https://x.org")
    assert formats.plain("a\u202eb\x1b[2J\nc") == "a\\\\u202eb\\\\x1b\\[2J c"


def test_no_name_brings_a_mark_that_turns_or_moves_what_stands_beside_it():
    for shown in (
        formats.shorten("a\u202eb\x1b[2J", 40),
        formats.identity("u\u202e1", "User", 0),
        formats.words("add\u200f_it"),
    ):
        assert shown.isprintable()


def test_counting():
    assert (formats.count(1, "user"), formats.count(1200, "user")) == ("1 user", "1,200 users")
    assert formats.count(2, "oddity", "oddities") == "2 oddities"
    assert formats.words("add_to_cart") == "Add to cart"
