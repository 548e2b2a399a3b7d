"""What a neighbour is shown with: what it shares, all its photos, the spaces side by side, and why it is there."""

import numpy as np
import pytest
from looking import components, texts

from listing_vibes import Run
from listing_vibes.insight.explain.listing_photos import compare_photos
from listing_vibes.insight.explain.similarity import explain_similarity
from listing_vibes.market.market import Market
from listing_vibes_app.app_pages.similar.differences import same_and_different
from listing_vibes_app.app_pages.similar.neighbours import overlap
from listing_vibes_app.view.market import MarketView


def test_a_neighbour_tells_what_is_the_same_and_what_is_not(trained):
    view = MarketView(Market.open(trained.parent / "market"), lambda: None)
    assert same_and_different(view, 4, 7) == (
        "Private room",
        "Price per night +€30, Amenities: 1 of 1 shared, Year built +3",
    )
    assert same_and_different(view, 2, 4) == (
        "Amenities",
        "Private room, Price per night +€20, Year built +2",
    )
    assert "Year built" not in same_and_different(view, 4, 1)[1]  # it is unknown there


def test_one_word_of_several_attributes_is_told_once_and_a_sign_stays_before_its_amount(tmp_path):
    cells = "shade,colour,floors,السعر\n"
    (tmp_path / "listings.csv").write_text(
        f"listing_id,{cells}a,black,black,2,10\nb,white,white,2,7\nc,black,black,3,9\n"
    )
    kinds = "".join(f'[attributes."{name}"]\nkind = "number"\n' for name in ("floors", "السعر"))
    (tmp_path / "market.toml").write_text(kinds)
    view = MarketView(Market.open(tmp_path), lambda: None)
    assert same_and_different(view, 0, 1) == ("Floors 2", "white, السعر \u2066−3\u2069")
    assert same_and_different(view, 0, 2) == ("black", "Floors +1, السعر \u2066−1\u2069")


def test_a_neighbour_has_what_it_shares_its_photos_and_a_way_to_ask_why(show, trained):
    page = show("similar", trained, listing="l04", space="attributes", k="11")
    cards = {card["title"]: card for card in components(page, "gallery")[1]["cards"]}
    card = cards["Home 7 by the *old* harbour"]
    assert card["same"] == "Private room" and card["differs"].startswith("Price per night +€30")
    assert [address.split("?")[0] for address in card["photos"]] == [
        "/photo/run/800/0",
        "/photo/run/800/1",
    ]
    assert "listing=l04" in card["why"] and "why=l07" in card["why"] and "space=attributes" in card["why"]
    assert cards["Home 11 by the *old* harbour"]["photos"] == []


@pytest.mark.slow
def test_the_explanation_is_that_of_the_space(show, trained):
    page = show("similar", trained, listing="l04", space="model", why="l07")
    expected = explain_similarity(Run.open(trained), "l04", "l07", "model")
    assert f"**Similarity by model: {expected.similarity:.3f}**" in texts(page)
    tables = [table.value for table in page.dataframe]
    alike, _ = compare_photos(Run.open(trained), "l04", "l07")
    best = sorted(alike.max(axis=1), reverse=True)
    pairs = next(table for table in tables if "Alike" in table)
    assert pairs["Alike"].tolist() == pytest.approx([round(float(value), 2) for value in best])
    assert "listing=l04" in pairs["This listing"].iloc[0] and "listing=l07" in pairs["The neighbour"].iloc[0]
    table = next(table for table in tables if "Change" in table)
    first = expected.left_out[expected.left_out["kind"] == "attribute"].iloc[0]
    labels = {"title": "Title", "room_type": "Room type", "price": "Price per night"}
    labels |= {"amenities": "Amenities", "built_year": "Year built"}
    assert table["Attribute"].iloc[0] == labels[first["name"]]
    assert table["Similarity without it"].iloc[0] == f"{first['without']:.3f}"
    photos = [one for one in components(page, "gallery") if "left out one by one" in one["label"]]
    assert len(photos[0]["cards"]) == 4


@pytest.mark.parametrize("other", ["l04", "nobody"])
def test_a_link_that_asks_for_nothing_sensible_explains_nothing(show, trained, other):
    page = show("similar", trained, listing="l04", why=other)
    assert not page.dataframe and len(components(page, "gallery")) == 2


def test_all_spaces_stand_side_by_side_with_what_they_have_in_common(show, trained):
    page = show("similar", trained, listing="l04", view="spaces", k="6")
    run = Run.open(trained)
    lists = {space: run.similar("l04", k=6, space=space)["listing_id"].tolist() for space in run.spaces}
    shown = components(page, "gallery")[1:]
    for gallery, (space, expected) in zip(shown, lists.items(), strict=True):
        assert [card["href"].split("listing=")[1][:3] for card in gallery["cards"]] == expected
        for card, listing in zip(gallery["cards"], expected, strict=True):
            elsewhere = [other for other in lists if other != space and listing in lists[other]]
            assert card["badge"] == (f"also by {' and '.join(elsewhere)}" if elsewhere else "")
    everywhere = set.intersection(*map(set, lists.values()))
    assert f"**{len(everywhere)}** are in all 3" in texts(page)


def test_overlap_counts_pairs_and_all():
    where = [["model", "photos"], ["model"], ["model", "photos", "attributes"], ["attributes"]]
    assert overlap(where, ["model", "photos", "attributes"]) == (
        "In common: **1** are in all 3, **2** are by model and photos, **1** are by model and attributes, "
        "**1** are by photos and attributes."
    )
    assert overlap([["photos"]], ["photos"]) == "Only one space knows this listing."


@pytest.mark.slow
def test_a_look_is_asked_for_once_and_then_found(show, trained, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(trained, run)
    page = show("similar", run, by="look", q="a refrigerator")
    assert "These photos were not looked at yet" in texts(page)
    page.button(key="look").click().run(timeout=1200)
    assert not page.exception and "Approximate" in texts(page)
    (covers,) = components(page, "gallery")
    assert len(covers["cards"]) == 11 and covers["cards"][0]["score"].startswith("Taken for: ")
    scores = [float(card["score"].rsplit(" · ", 1)[1]) for card in covers["cards"]]
    assert scores == sorted(scores, reverse=True)
    assert np.isfinite(scores).all() and (run / "looks.npz").is_file()
    narrowed = show("similar", run, by="look", q="a refrigerator", price="-90")
    assert len(components(narrowed, "gallery")[0]["cards"]) == 2


@pytest.mark.slow
def test_a_market_without_photos_says_that_no_look_can_be_searched(show, bare):
    page = show("similar", bare, by="look", q="a refrigerator")
    assert "This market has no photos" in texts(page)
