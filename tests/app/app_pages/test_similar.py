"""Similar listings: choosing one, its neighbors in each space and view, filters, and why two are alike."""

import datetime as dt
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from looking import click, components, labelled, links, texts

from browser.painted import embed_run, paint_market
from listing_vibes import Run, search_photos
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.insight.market_view import MarketView
from listing_vibes.insight.selection.url_parameters import Filters, Params
from listing_vibes.insight.similarity import Match, explain_similarity, match, same_and_different
from listing_vibes.market.attribute_types import Attribute
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes_app.app_pages.similar.filters import describe_filters

NAME = "Home {} by the *old* harbour"


@pytest.mark.parametrize(
    ("kind", "mine", "theirs", "expected"),
    [
        ("category", "flat", "flat", Match("same", "flat")),
        ("category", "flat", "house", Match("different", "house")),
        ("flag", False, False, Match("same", "False")),
        ("number", 100.0, 92.0, Match("close", "92.0", "−$8")),
        ("number", 0.3, 0.1 + 0.2, Match("same", "0.30000000000000004")),
        ("number", 100.0, 150.0, Match("different", "150.0", "+$50")),
        ("number", None, 1.0, Match("unknown", "1.0")),
        ("category", "flat", None, Match("unknown", "—")),
        ("multi", ["a", "b"], ["b", "a"], Match("same", "b, a")),
        ("multi", ["a", "b", "c"], ["a", "b"], Match("close", "2 of 3 shared", "a, b")),
        ("multi", ["a", "b", "c"], ["a", "d"], Match("different", "1 of 3 shared", "a")),
        ("multi", ["a"], ["d"], Match("different", "d", "none shared")),
        ("multi", [], [], Match("same", "None")),
        ("place", (42.65, -73.76), (42.66, -73.76), Match("close", "1.1 km away")),
        ("place", (42.65, -73.76), (40.71, -74.0), Match("different", "217 km away")),
        ("year", 1975.0, 1980.0, Match("close", "1980.0", "+$5")),
        ("year", 1975.0, 1981.0, Match("different", "1981.0", "+$6")),
    ],
)
def test_two_values_of_an_attribute_are_the_same_close_or_different(kind, mine, theirs, expected):
    values = (mine, theirs)
    view = SimpleNamespace(
        raw=lambda row, _: values[row],
        text=lambda row, _: "—" if values[row] is None else str(values[row]),
        is_year=lambda _: kind == "year",
        unit=lambda _: "$",
    )
    attribute = Attribute("x", "number" if kind == "year" else kind, "X")
    assert match(view, attribute, 0, 1) == expected


def test_a_card_says_what_is_the_same_and_what_differs(trained, tmp_path):
    view = MarketView(Market.open(trained.parent / "market"), lambda: None)
    differs = "Price per night +€30, Amenities: 1 of 1 shared, Year built +3"
    assert same_and_different(view, 4, 7) == ("Private room", differs)
    assert "Year built" not in same_and_different(view, 4, 1)[1]  # it is unknown there
    # The same word of two attributes appears once; a sign stays in front of its amount behind a right-to-left label.
    rows = "a,black,black,2,10\nb,white,white,2,7\nc,black,black,3,9\n"
    (tmp_path / "listings.csv").write_text(f"listing_id,shade,color,floors,السعر\n{rows}")
    kinds = "".join(f'[attributes."{name}"]\nkind = "number"\n' for name in ("floors", "السعر"))
    (tmp_path / "market.toml").write_text(kinds)
    view = MarketView(Market.open(tmp_path), lambda: None)
    assert same_and_different(view, 0, 1) == ("Floors 2", "white, السعر \u2066−3\u2069")


def test_choosing_by_cover_words_order_and_chance(show, trained):
    page = show("similar", trained)
    (covers,) = components(page)
    assert links(covers) == [f"l{row:02d}" for row in range(12)]
    assert covers["cards"][3]["photo"].startswith("/photo/run/320/0?listing=l03")
    assert covers["cards"][11]["photo"] is None and covers["cards"][0]["title"] == NAME.format(0)
    facts = [["Price per night", "€80"], ["Room type", "Entire home"], ["Year built", "1990"]]
    assert covers["cards"][0]["facts"] == facts
    page.text_input(key="q").set_value("private 4").run()
    assert links(components(page)[0])[0] == "l04" and page.query_params == {"q": "private 4"}
    page.text_input(key="q").set_value("*lighthouse*").run()
    assert "No listing matches “*lighthouse*”" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params == {} and page.text_input(key="q").value == ""
    expected = [f"l{row:02d}" for row in np.random.default_rng(5).permutation(12)]
    assert links(components(show("similar", trained, sample="5"))[0]) == expected
    click(page, "Any listing")
    assert page.query_params["listing"] in links(covers)


@pytest.mark.parametrize("space", ["model", "photos", "attributes"])
def test_neighbors_are_those_of_the_run_in_each_space(show, trained, space):
    page = show("similar", trained, listing="l04", space=space, k="6")
    expected = Run.open(trained).similar("l04", k=6, space=space)
    shown = labelled(page, "6 neighbors by")
    assert links(shown) == expected["listing_id"].tolist()
    assert shown["cards"][0]["score"] == f"Similarity {expected['score'][0]:.2f}"
    why, photos = shown["cards"][0]["why"], labelled(page, "Photos of this listing")["cards"]
    assert "listing=l04" in why and f"why={expected['listing_id'][0]}" in why and f"space={space}" in why
    assert [url.split("?")[0] for url in photos[0]["photos"]] == [f"/photo/run/800/{at}" for at in (0, 1)]


@pytest.mark.slow
def test_the_space_goes_to_the_url_and_its_defaults_are_those_of_a_list(show, trained):
    page = show("similar", trained, listing="l04", space="taste", k="many", view="cake")
    assert (page.segmented_control(key="space").value, page.segmented_control(key="view").value) == (
        "model",
        "cards",
    )
    assert len(labelled(page, "neighbors by")["cards"]) == 11 and "Load more" not in [
        one.label for one in page.button
    ]
    page = show("similar", trained, listing="l04", k="3")
    click(page, "Load more")
    assert page.query_params["k"] == "33" and len(labelled(page, "neighbors by")["cards"]) == 11
    page = show("similar", trained, listing="l04")
    page.segmented_control(key="space").set_value("photos").run()
    assert page.query_params == {"listing": "l04", "space": "photos"}
    expected = Run.open(trained).similar("l04", space="photos")["listing_id"].tolist()
    assert links(labelled(page, "neighbors by")) == expected


def test_the_lineup_marks_what_is_shared_by_more_than_color(show, trained):
    page = show("similar", trained, listing="l04", space="attributes", view="lineup")
    table = page.dataframe[0].value.set_index("Listing")
    assert table.index[0] == NAME.format(4) and table["Score"].iloc[0] == "This listing"
    assert table["Photo"].iloc[0].startswith("/photo/run/320/0?listing=l04")
    assert table["Room type"][NAME.format(1)] == "✓ Private room"
    assert table["Room type"][NAME.format(2)] == "Shared room"
    assert table["Price per night"][NAME.format(5)] == "≈ €130 (+€10)"
    assert table["Year built"][NAME.format(1)] == "—"
    assert "room_type" not in texts(page) + table.to_string()


def test_all_spaces_side_by_side_with_what_they_have_in_common(show, trained):
    page, run = show("similar", trained, listing="l04", view="spaces", k="6"), Run.open(trained)
    lists = {space: run.similar("l04", k=6, space=space)["listing_id"].tolist() for space in run.spaces}
    for shown, (space, expected) in zip(components(page)[1:], lists.items(), strict=True):
        assert links(shown) == expected
        for card, listing in zip(shown["cards"], expected, strict=True):
            others = [other for other in lists if other != space and listing in lists[other]]
            assert card["badge"] == (f"also by {' and '.join(others)}" if others else "")
    assert f"**{len(set.intersection(*map(set, lists.values())))}** in all 3 lists" in texts(page)


@pytest.mark.slow
def test_the_explanation_is_that_of_the_space(show, trained):
    page = show("similar", trained, listing="l04", space="model", why="l07")
    expected = explain_similarity(Run.open(trained), "l04", "l07", "model")
    assert expected.headline in texts(page)
    pairs, table = (item.proto.body for item in page.get("html")[-2:])
    best = expected.photos[0]
    assert f"/{best['photo']}?listing=l04" in pairs and f"/{best['other']}?listing=l07" in pairs
    lines = [line for line in expected.attributes if line.match != "unknown" and line.name != "photos"]
    assert table.count("<tr>") == 1 + min(6, len(lines))
    assert [table.index(f">{line.label}<") for line in lines[:2]] == sorted(
        table.index(f">{line.label}<") for line in lines[:2]
    )
    assert "✓" in table and "width: 100%" in table
    for other in ("l04", "nobody"):
        assert expected.headline not in texts(show("similar", trained, listing="l04", why=other))


@pytest.mark.slow
def test_photos_are_classified_once_and_then_searched(show, trained, bare, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    page = show("similar", run, by="look", q="a lamp")
    assert "These photos were not classified yet" in texts(page)
    page.button(key="look").click().run(timeout=1200)
    covers = labelled(page, "by their nearest photo")
    expected = search_photos(Run.open(run), "a lamp", k=24)["listing_id"].tolist()
    assert links(covers) == expected and len(expected) == 11 and (run / "looks.npz").is_file()
    assert all(card["score"].startswith("Recognized as: ") for card in covers["cards"])
    narrowed = show("similar", run, by="look", q="a lamp", price="-90")
    assert len(labelled(narrowed, "by their nearest photo")["cards"]) == 2
    # Words that no listing has together find those with some of them, and lead to the photos.
    page = show("similar", run, q="home lamp")
    assert "No listing has every word" in texts(page) and len(components(page)[0]["cards"]) == 12
    click(page, "Look for “home lamp” in the photos")
    assert page.query_params["by"] == "look" and len(labelled(page, "by their nearest photo")["cards"]) == 11
    without = show("similar", bare, by="look", q="home")
    assert not without.segmented_control and "matches “home”" not in texts(without)


@pytest.mark.slow
def test_an_uploaded_photo_finds_its_listing_first_and_the_filters_hold(show):
    market = Run.open(bundled_run()).market
    listing = market.listings["listing_id"].iloc[7]
    photo = (market.path / market.cover[listing]).read_bytes()
    page = show("similar", bundled_run(), by="photo")
    page.file_uploader(key="photo-query").set_value(("mine.webp", photo, "image/webp")).run(timeout=300)
    covers = labelled(page, "look most like the photo")
    assert links(covers)[0] == listing and len(links(covers)) == 24
    (uploaded,) = labelled(page, "The photo to compare with")["cards"]
    assert uploaded["photo"].startswith("data:image/webp;base64,")
    assert "Listings by the photo that looks most like mine.webp" in texts(page)
    page.query_params["price"] = "-1"
    page.run()
    assert "No photo passes the filters" in texts(page) and len(components(page)) == 1


@pytest.mark.slow
def test_looks_and_colors_are_offered_each_with_a_photo_and_found(show):
    page = show("similar", bundled_run(), by="look", price="-1000", on="photos")
    offers = labelled(page, "Looks and colors")["cards"]
    assert [card["title"] for card in offers if "tones" in card["title"]][:2] == ["White tones", "Gray tones"]
    assert all("price=-1000" in card["href"] and card["photo"] for card in offers)
    page = show("similar", bundled_run(), by="look", q="blue tones")
    covers = labelled(page, "by their nearest photo")["cards"]
    found = search_photos(Run.open(bundled_run()), "blue tones", k=24)
    assert [card["id"] for card in covers] == found["listing_id"].tolist()
    assert "Covers with blue tones" in texts(page) and not any(card["score"] for card in covers)


@pytest.mark.slow
def test_markets_that_lack_something_say_why_and_lead_on(show, trained, bare, eventless, tmp_path):
    page = show("similar", trained, listing="nobody")
    assert "There is no listing “nobody” in this market" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params == {}
    page = show("similar", trained, listing="l11", space="photos")
    assert "This listing has nothing in the space “Photos”" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params["space"] == "model" and len(labelled(page, "neighbors by")["cards"]) == 11
    page = show("similar", bare, listing="l04")
    (neighbors,) = components(page)
    assert neighbors["photos"] is False and page.title[0].value == "Listing l04"
    page = show("similar", eventless, listing="l04")
    assert page.segmented_control(key="space").options == ["Photos", "Attributes"]
    assert "This run has no trained model: its market has no events to learn from." in texts(page)
    one = embed_run(paint_market(tmp_path / "one" / "market", listings=1, users=0), tmp_path / "one" / "run")
    assert "There are no neighbors" in texts(show("similar", one, listing="l00"))


def test_a_run_or_a_market_that_is_gone_is_one_sentence(show, tmp_path):
    page = show("similar", tmp_path / "nothing")
    assert len(page.error) == 1 and str(tmp_path / "nothing") in texts(page)
    run = embed_run(paint_market(tmp_path / "market", listings=3, users=0), tmp_path / "run")
    (tmp_path / "market").rename(tmp_path / "elsewhere")
    page = show("similar", run)
    assert len(page.error) == 1 and "no longer at" in page.error[0].value


@pytest.mark.slow
def test_a_market_that_lost_a_listing_since_is_refused_in_one_sentence(show, tmp_path):
    market = paint_market(tmp_path / "market", listings=6, users=0)
    run = embed_run(market, tmp_path / "run")
    opened = Market.open(market)
    listings = opened.listings.assign(listing_id=["l00", "new", "l02", "l03", "l04", "l05"]).iloc[::-1]
    write_market(market, opened.config, listings, opened.photos[opened.photos["listing_id"] != "l01"])
    page = show("similar", run, listing="l02", space="attributes")
    assert "no longer has 1 listing" in page.error[0].value


@pytest.mark.slow
def test_two_runs_have_names_and_stay_in_the_url(show, trained, eventless):
    page = show("similar", trained, eventless, listing="l04")
    labels = ["The model", "Untrained 2"]
    assert page.selectbox(key="run").options == labels
    page.selectbox(key="run").select_index(1).run()
    assert page.query_params == {"listing": "l04", "run": "run-2"}
    photos, neighbors = components(page)
    assert all("run=run-2" in card["href"] for card in neighbors["cards"])
    assert photos["cards"][0]["photo"].startswith("/photo/run-2/")


@pytest.mark.slow
def test_main_attributes_are_a_line_and_all_wait_behind_a_click(show, trained):
    page = show("similar", trained, listing="l04")
    assert "Room type: Private room · Price per night: €120 · Amenities: Wifi · Year built: 1994" in texts(
        page
    )
    unknown = show("similar", trained, listing="l01")
    assert (
        "Amenities: Wifi, Sauna" in unknown.markdown[-1].value
        and "Year built" not in unknown.markdown[-1].value
    )
    (more,) = [one for one in page.expander if one.label == "All attributes"]
    assert "Amenities" in [label for table in more.table for label in table.value.index]


@pytest.fixture(scope="module")
def view(tmp_path_factory) -> MarketView:
    market = Market.open(paint_market(tmp_path_factory.mktemp("n") / "market", ending=True, users=0))
    return MarketView(market, lambda: None)


def test_each_filter_leaves_what_it_says(view, tiny_market):
    def left(filters, view=view, row=None):
        return np.flatnonzero(filters.mask(view.market, row)).tolist()

    assert left(Filters(low=100, high=130)) == [2, 3, 4, 5]
    assert left(Filters(values=(("room_type", "Shared room"),))) == [2, 5, 8, 11]
    assert left(Filters(low=100, same=("room_type",)), row=1) == [4, 7, 10]
    assert left(Filters(on=dt.date(2024, 3, 3))) == list(range(12))
    assert left(Filters(on=dt.date(2024, 3, 4))) == list(range(1, 12))  # the first expired that midnight
    near = MarketView(Market.open(tiny_market()), lambda: None)
    assert 0 < len(left(Filters(km=6), near, row=3)) < len(near)


def test_the_url_has_the_filters_and_the_page_says_them(view):
    filters = Filters(100, None, (("room_type", "Shared room"),), ("room_type",), None, dt.date(2024, 3, 3))
    params = {name: value for name, value in filters.params().items() if value}
    expected = {"price": "100-", "is": "room_type:Shared room", "same": "room_type", "on": "2024-03-03"}
    assert params == expected and Filters.read(view.market, Params(params)) == filters
    lines = ["Price per night from €100", *["Room type: Shared room"] * 2, "active on 3 Mar 2024"]
    assert describe_filters(filters, view, 2) == lines


@pytest.mark.slow
def test_filters_narrow_neighbors_and_what_is_chosen_from(show, trained, tmp_path):
    page = show("similar", trained, listing="l04", space="attributes", same="room_type", price="-150")
    every = Run.open(trained).similar("l04", k=11, space="attributes")["listing_id"].tolist()
    shown = labelled(page, "neighbors by")
    assert links(shown) == [listing for listing in every if listing in ("l01", "l07")]
    assert "same=room_type" in shown["cards"][0]["href"] and "3 of 12 listings: " in texts(page)
    page = show("similar", trained, listing="l04", price="5000-")
    assert "No neighbor passes the filters" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params == {"listing": "l04"}
    page = show("similar", trained)
    page.number_input(key="narrow-low").set_value(100.0)
    page.number_input(key="narrow-high").set_value(130.0)
    page.selectbox(key="narrow-is-room_type").set_value("Private room").run()  # three changes at once
    assert page.query_params == {"price": "100-130", "is": "room_type:Private room"}
    assert [card["title"] for card in components(page)[0]["cards"]] == [NAME.format(4)]
    page.number_input(key="narrow-low").set_value(150.0).run()
    assert "No listing passes the filters" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params == {}
    frame = pd.DataFrame({"listing_id": ["a", "b", "c"], "weight": [1.0, 2.0, 3.0]})
    write_market(tmp_path / "market", None, frame)
    page = show("similar", embed_run(tmp_path / "market", tmp_path / "run"), listing="a")
    assert "no-filters" not in [button.key for button in page.button]
