"""The page of similar listings in every state it can be in."""

import numpy as np
import pytest
from looking import components, texts

from browser.painted import embed_run, paint_market
from listing_vibes import Run
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes_app.server.photos import SMALL
from listing_vibes_app.view.formats import plain
from listing_vibes_app.view.market import MarketView


def links(gallery):
    return [card["href"].split("listing=")[1].split("&")[0] for card in gallery["cards"]]


def test_choosing_shows_every_listing_as_a_link_with_its_cover(show, trained):
    (covers,) = components(show("similar", trained), "gallery")
    assert links(covers) == [f"l{row:02d}" for row in range(12)]
    assert covers["cards"][3]["photo"].startswith(f"/photo/run/{SMALL}/0?listing=l03")
    assert covers["cards"][11]["photo"] is None  # the last listing has no photo
    assert covers["cards"][0]["title"] == "Home 0 by the *old* harbour"
    assert covers["cards"][0]["facts"] == [
        ["Price per night", "€80"],
        ["Room type", "Entire home"],
        ["Year built", "1990"],
    ]


@pytest.mark.parametrize("space", ["model", "photos", "attributes"])
def test_neighbours_are_those_of_the_run_in_each_space(show, trained, space):
    page = show("similar", trained, listing="l04", space=space, k="6")
    photos, neighbours = components(page, "gallery")
    expected = Run.open(trained).similar("l04", k=6, space=space)
    assert links(neighbours) == expected["listing_id"].tolist()
    assert neighbours["cards"][0]["score"] == f"Similarity {expected['score'][0]:.2f}"
    assert [card["photo"].split("?")[0] for card in photos["cards"]] == [
        "/photo/run/800/0",
        "/photo/run/800/1",
    ]


@pytest.mark.slow
def test_switching_the_space_goes_to_the_url(show, trained):
    page = show("similar", trained, listing="l04")
    assert page.segmented_control(key="space").value == "model"
    page.segmented_control(key="space").set_value("photos").run()
    assert page.query_params == {"listing": "l04", "space": "photos"}
    expected = Run.open(trained).similar("l04", k=12, space="photos")["listing_id"].tolist()
    assert links(components(page, "gallery")[1]) == expected


@pytest.mark.slow
def test_what_the_url_cannot_mean_reads_as_the_default(show, trained):
    page = show("similar", trained, listing="l04", space="taste", k="many", view="cake")
    assert (page.segmented_control(key="space").value, page.segmented_control(key="k").value) == ("model", 12)
    assert show("similar", trained, listing="l04", k="7000").segmented_control(key="k").value == 100


def test_an_unknown_listing_is_told_with_a_way_out(show, trained):
    page = show("similar", trained, listing="nobody")
    assert "There is no listing “nobody” in this market" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params == {}
    assert len(components(page, "gallery")[0]["cards"]) == 12


@pytest.mark.slow
def test_search_ranks_and_says_when_there_is_nothing(show, trained):
    page = show("similar", trained)
    page.text_input(key="q").set_value("private 4").run()
    assert links(components(page, "gallery")[0]) == ["l04"]
    assert page.query_params == {"q": "private 4"}
    page.text_input(key="q").set_value("lighthouse").run()
    assert "No listing matches “lighthouse”" in texts(page)
    page.button(key="clear-search").click().run()
    assert page.query_params == {} and page.text_input(key="q").value == ""


def test_lining_up_marks_what_is_shared_by_more_than_colour(show, trained):
    page = show("similar", trained, listing="l04", space="attributes", view="lineup", k="11")
    table = page.dataframe[0].value.set_index("Listing")
    assert table.index[0] == "Home 4 by the *old* harbour" and table["Score"].iloc[0] == "This listing"
    assert table["Photo"].iloc[0].startswith("/photo/run/320/0?listing=l04")
    room, price, built = table["Room type"], table["Price per night"], table["Year built"]
    assert room["Home 1 by the *old* harbour"].startswith("✓ ")
    assert room["Home 2 by the *old* harbour"] == "Shared room"
    assert price["Home 5 by the *old* harbour"] == "≈ €130 (+€10)"
    assert built["Home 1 by the *old* harbour"] == "—"


@pytest.mark.slow
def test_a_listing_without_photos_has_no_neighbours_by_photo_and_a_way_out(show, trained):
    page = show("similar", trained, listing="l11", space="photos")
    assert "This listing has nothing in the space “Photos”" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params["space"] == "model"
    assert len(components(page, "gallery")[-1]["cards"]) == 11


def test_a_market_without_photos_has_cards_without_boxes_and_says_why(show, bare):
    page = show("similar", bare, listing="l04")
    (neighbours,) = components(page, "gallery")
    assert neighbours["photos"] is False and len(neighbours["cards"]) == 11
    assert "There is no photo space: the market has no photos." in texts(page)
    assert page.title[0].value == "Listing l04"  # it has no titles either


@pytest.mark.slow
def test_a_market_without_events_offers_the_other_spaces(show, eventless):
    page = show("similar", eventless, listing="l04")
    assert page.segmented_control(key="space").options == ["Photos", "Attributes"]
    assert "This run has no trained model: its market has no events to learn from." in texts(page)


@pytest.mark.slow
def test_a_market_of_one_listing_says_why_it_has_no_neighbours(show, tmp_path):
    run = embed_run(paint_market(tmp_path / "market", listings=1, users=0), tmp_path / "run")
    page = show("similar", run, listing="l00")
    assert "This market has one listing only" in texts(page)


def test_a_run_that_is_gone_is_told_in_one_sentence(show, tmp_path):
    page = show("similar", tmp_path / "nothing")
    assert len(page.error) == 1 and plain(str(tmp_path / "nothing")) in page.error[0].value


def test_a_market_that_is_gone_is_told_in_one_sentence(show, tmp_path):
    run = embed_run(paint_market(tmp_path / "market", listings=3, users=0), tmp_path / "run")
    (tmp_path / "market").rename(tmp_path / "elsewhere")
    page = show("similar", run)
    assert len(page.error) == 1 and "no longer at" in page.error[0].value


def test_words_in_a_search_are_shown_as_they_are(show, trained):
    assert "“\\*private\\*”" in texts(show("similar", trained, q="*private*"))


@pytest.mark.slow
def test_two_runs_are_told_apart_in_the_url(show, trained, eventless):
    page = show("similar", trained, eventless, listing="l04")
    assert page.selectbox(key="run").options == ["tiny, listing-vectors", "without a model"]
    page.selectbox(key="run").select_index(1).run()
    assert page.query_params == {"listing": "l04", "run": "run-2"}
    photos, neighbours = components(page, "gallery")
    assert all("run=run-2" in card["href"] for card in neighbours["cards"])
    assert photos["cards"][0]["photo"].startswith("/photo/run-2/")


def test_no_raw_name_of_a_column_reaches_the_screen(show, trained):
    page = show("similar", trained, listing="l04", view="lineup")
    shown = texts(page) + page.dataframe[0].value.to_string() + page.table[0].value.to_string()
    for name in Market.open(trained.parent / "market").listings.columns:
        if "_" in name:
            assert name not in shown.replace("listing_id", "") or name == "listing_id"


@pytest.mark.slow
@pytest.mark.parametrize("listing", ["l04", "l11"], ids=["with photos", "without"])
def test_of_many_attributes_those_behind_the_first_wait_to_be_asked_for(show, trained, monkeypatch, listing):
    told = [(f"Label {place}", f"{place} cm") for place in range(60)]
    monkeypatch.setattr(
        MarketView, "facts", lambda self, row, attributes=None: told[: 1 if attributes else 60]
    )
    page = show("similar", trained, listing=listing)
    (more,) = [one for one in page.expander if one.label == "44 more attributes"]
    hidden = [label for table in more.table for label in table.value.index]
    assert hidden == [label for label, _ in told[16:]]
    assert [label for table in page.table for label in table.value.index] == [label for label, _ in told]
    told = told[:24]
    page = show("similar", trained, listing=listing)
    assert not [one for one in page.expander if "attribute" in one.label]


@pytest.mark.slow
def test_any_listing_draws_one_by_chance(show, trained):
    page = show("similar", trained)
    seen = set()
    for _ in range(6):
        next(button for button in page.button if button.label == "Any listing").click().run()
        seen.add(page.query_params["listing"])
        assert page.title[0].value.startswith("Home ")
    assert len(seen) > 1 and seen <= set(Run.open(trained).listing_ids)


def test_shuffled_covers_are_a_permutation_that_the_url_keeps(show, trained):
    (first,) = components(show("similar", trained, sample="5"), "gallery")
    (second,) = components(show("similar", trained, sample="5"), "gallery")
    expected = [f"l{row:02d}" for row in np.random.default_rng(5).permutation(12)]
    assert links(first) == links(second) == expected


@pytest.mark.slow
def test_a_market_that_lost_a_listing_since_is_refused_in_one_sentence(show, tmp_path):
    market = paint_market(tmp_path / "market", listings=6, users=0)
    run = embed_run(market, tmp_path / "run")
    opened = Market.open(market)
    listings = opened.listings.assign(listing_id=["l00", "new", "l02", "l03", "l04", "l05"]).iloc[::-1]
    write_market(market, opened.config, listings, opened.photos[opened.photos["listing_id"] != "l01"])
    page = show("similar", run, listing="l02", space="attributes")
    assert "no longer has 1 listing" in page.error[0].value
