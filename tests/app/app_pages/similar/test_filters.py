"""Filters: each leaves what a plain loop leaves, the URL keeps them, and neighbours are drawn from what is left."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from looking import components, texts

from browser.painted import embed_run, paint_market
from listing_vibes import Run
from listing_vibes.insight.selection.filters import Filters
from listing_vibes.market.market import Market
from listing_vibes_app.app_pages.similar.filters import told
from listing_vibes_app.view.market import MarketView


@pytest.fixture(scope="module")
def view(tmp_path_factory) -> MarketView:
    market = Market.open(paint_market(tmp_path_factory.mktemp("n") / "market", ending=True, users=0))
    return MarketView(market, lambda: None)


def left(filters, view, row=None):
    return np.flatnonzero(filters.mask(view.market, row)).tolist()


def test_each_filter_leaves_what_it_says(view):
    assert left(Filters(low=100, high=130), view) == [2, 3, 4, 5]
    assert left(Filters(high=90), view) == [0, 1]
    assert left(Filters(values=(("room_type", "Shared room"),)), view) == [2, 5, 8, 11]
    assert left(Filters(same=("room_type",)), view, row=1) == [1, 4, 7, 10]
    assert left(Filters(on=dt.date(2024, 3, 3)), view) == list(range(12))
    assert left(Filters(on=dt.date(2024, 3, 4)), view) == list(
        range(1, 12)
    )  # the first expired that midnight
    assert left(Filters(low=100, same=("room_type",)), view, row=1) == [4, 7, 10]


def test_the_url_keeps_them_and_leaves_out_what_it_cannot_mean(view):
    whole = Filters(100, None, (("room_type", "Shared room"),), ("room_type",), None, dt.date(2024, 3, 3))
    params = {name: value for name, value in whole.params().items() if value}
    assert params == {
        "price": "100-",
        "is": "room_type:Shared room",
        "same": "room_type",
        "on": "2024-03-03",
    }
    assert Filters.read(view.market, params) == whole
    strange = {"price": "cheap", "is": "taste:good", "same": "nose", "km": "5", "on": "soon"}
    assert Filters.read(view.market, strange) == Filters()
    assert told(whole, view, 2) == [
        "Price per night from €100",
        "Room type: Shared room",
        "Room type: Shared room",
        "live on 3 Mar 2024",
    ]


def test_a_price_band_is_counted_as_the_table_is_where_a_comma_parts_decimals():
    cells = ["9,99", "12,345", "12,5", "1.250,75", "1.250,76"]
    frame = pd.DataFrame({"listing_id": list("abcde"), "price": cells})
    settings = {"price": {"kind": "number", "unit": "EUR", "decimal": ","}}
    view = MarketView(Market.from_frames(frame, attributes=settings), lambda: None)
    assert left(Filters(low=12.345, high=1250.75), view) == [1, 2, 3]
    assert left(Filters(low=12.346), view) == [2, 3, 4]


def test_near_means_kilometres_on_the_ground(tiny_market):
    view = MarketView(Market.open(tiny_market()), lambda: None)
    table = view.market.listings
    from listing_vibes_app.view.formats import distance_km

    places = list(zip(table["latitude"], table["longitude"], strict=True))
    expected = [row for row, place in enumerate(places) if distance_km(places[3], place) <= 6]
    assert left(Filters(km=6), view, row=3) == expected and 0 < len(expected) < len(view)


@pytest.mark.slow
def test_neighbours_are_drawn_from_what_is_left(show, trained):
    page = show("similar", trained, listing="l04", space="attributes", same="room_type", price="-150")
    (_, neighbours) = components(page, "gallery")
    shown = [card["href"].split("listing=")[1].split("&")[0] for card in neighbours["cards"]]
    every = Run.open(trained).similar("l04", k=11, space="attributes")["listing_id"].tolist()
    assert shown == [listing for listing in every if listing in ("l01", "l07")]
    assert "same=room_type" in neighbours["cards"][0]["href"]
    assert "Among 3 of 12 listings" in texts(page)
    none = show("similar", trained, listing="l04", price="5000-")
    assert "No neighbour passes the filters" in texts(none)
    none.button(key="clear-filters").click().run()
    assert none.query_params == {"listing": "l04"}


@pytest.mark.slow
def test_listings_are_chosen_from_what_is_left(show, trained):
    page = show("similar", trained, price="100-130")
    page.selectbox(key="narrow-is-room_type").set_value("Private room").run()
    assert page.query_params == {"price": "100-130", "is": "room_type:Private room"}
    (covers,) = components(page, "gallery")
    assert [card["title"] for card in covers["cards"]] == ["Home 4 by the *old* harbour"]
    page.number_input(key="narrow-low").set_value(150.0).run()
    assert "No listing passes the filters" in texts(page)
    page.button(key="clear-filters").click().run()
    assert page.query_params == {}


@pytest.mark.slow
def test_filters_that_are_changed_at_once_all_count(show, trained):
    page = show("similar", trained)
    page.number_input(key="narrow-low").set_value(100.0)
    page.number_input(key="narrow-high").set_value(130.0)
    page.selectbox(key="narrow-is-room_type").set_value("Private room").run()
    assert page.query_params == {"price": "100-130", "is": "room_type:Private room"}


@pytest.mark.slow
def test_a_market_without_prices_values_or_dates_has_no_filters(show, tmp_path):
    from listing_vibes.market.config import MarketConfig
    from listing_vibes.market.writer import write_market

    table = pd.DataFrame({"listing_id": ["a", "b", "c"], "weight": [1.0, 2.0, 3.0]})
    write_market(tmp_path / "market", MarketConfig(name="Bare"), table, None, None)
    page = show("similar", embed_run(tmp_path / "market", tmp_path / "run"), listing="a")
    assert not [button for button in page.button if button.key == "no-filters"]
    assert len(components(page, "gallery")[-1]["cards"]) == 2
