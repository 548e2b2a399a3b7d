"""A market as the screen shows it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from browser.painted import paint_market
from listing_vibes.insight.map.colors import OTHER
from listing_vibes.insight.market_view import MarketView
from listing_vibes.insight.similarity import match, same_and_different
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.run.query import describe_listings
from listing_vibes_app.kit.palettes import EVENTS, choices, coloring
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


def test_prices_of_rents_and_sales_are_never_colored_on_one_scale(tmp_path):
    generator, deals = np.random.default_rng(0), np.array(["rent", "sale"] * 60)
    price = np.where(
        deals == "rent", generator.integers(400, 900, 120), generator.integers(90_000, 300_000, 120)
    )
    frame = pd.DataFrame({"listing_id": [f"l{row}" for row in range(120)], "deal": deals, "price": price})
    write_market(
        tmp_path / "homes", MarketConfig(attributes={"price": AttributeConfig(kind="number")}), frame
    )
    view = view_of(tmp_path / "homes")
    labels = choices(view)
    assert "price" not in labels and labels["price@rent"] == "Price, rent" and "price@sale" in labels
    for deal in ("rent", "sale"):
        found = coloring(view, np.arange(120), np.zeros(120), f"price@{deal}")
        assert ((found.codes == OTHER) == (deals != deal)).all() and found.legend[-1] == ("Other", OTHER, 60)
    sales = np.flatnonzero(deals == "sale")  # a part of the map without any rent
    found = coloring(view, sales, np.zeros(60), "price@rent")
    assert (found.codes == OTHER).all() and found.legend == [("Other", OTHER, 60)]


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
