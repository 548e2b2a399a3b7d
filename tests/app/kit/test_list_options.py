"""The rules and additions of a list: from the address and back, and said where they cannot be meant."""

import shutil

import pytest
from looking import components, texts

from listing_vibes import Run
from listing_vibes.run.fits import Fit, save_fits
from listing_vibes.run.manifest import Manifest

FITS = [
    Fit(name="model only + recency", days=60, weight=5.0),
    Fit(name="model only + neighbors", space="attributes", share=2.0),
    Fit(name="model only + neighbors + recency", space="attributes", share=2.0, days=60, weight=5.0),
    Fit(name="model only + ids", ids="itemknn", id_settings={"shrink": 20.0, "decay": 0.9}, id_share=0.5),
]


def recommended(page):
    return next(one for one in components(page, "gallery") if one["label"].startswith("Recommendations"))


@pytest.fixture
def fitted(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    save_fits(run, FITS)
    return run


@pytest.mark.slow
def test_all_additions_stand_in_a_row_and_both_beside_what_it_is_both_of(show, fitted):
    page = show("users", fitted, user="u1", at="4", k="6")
    (control,) = [one for one in page.segmented_control if one.key == "with"]
    assert control.options == ["Nothing", "Recency", "Neighbors", "Both", "Ids"]
    control.set_value("ids").run()
    assert page.query_params["with"] == ["ids"] or page.query_params["with"] == "ids"
    assert all(card["score"].startswith("Score ") for card in recommended(page)["cards"])


@pytest.mark.slow
def test_what_lists_add_of_their_own_is_left_out_part_by_part(show, fitted):
    manifest = Manifest.load(fitted)
    training = manifest.settings.training.model_copy(
        update={"recency_days": 60, "recency_served": True, "neighbours_served": 0.5}
    )
    settings = manifest.settings.model_copy(update={"training": training})
    manifest.model_copy(update={"settings": settings}).save(fitted)
    page = show("users", fitted, user="u1", at="4", k="6")
    (control,) = [one for one in page.segmented_control if one.key == "with"]
    assert (
        control.options == ["Both", "Nothing", "Recency", "Neighbors", "Ids"] and control.value == "trained"
    )
    control.set_value("recency").run()
    events = Run.open(fitted).market.events.query("user_id == 'u1'")
    moment = events["timestamp"].sort_values().iloc[4]
    expected = Run.open(fitted).recommend("u1", 6, moment, beside="recency")["listing_id"].tolist()
    assert [card["href"].split("listing=")[1] for card in recommended(page)["cards"]] == expected


def test_a_rule_goes_to_the_address_and_no_rules_takes_it_away_again(show, trained):
    page = show("users", trained, user="u1", at="4", k="6")
    before = [card["href"] for card in recommended(page)["cards"]]
    page.text_input(key="where").set_value("room_type=Shared room").run()
    assert "where" in page.query_params
    after = [card["href"] for card in recommended(page)["cards"]]
    assert 0 < len(after) < len(before)
    page.button(key="no-rules").click().run()
    assert "where" not in page.query_params
    assert [card["href"] for card in recommended(page)["cards"]] == before


@pytest.mark.slow
def test_what_is_pinned_blocked_or_filled_up_is_said_on_the_cards(show, trained):
    page = show("users", trained, user="u1", at="4", k="6")
    ids = [card["href"].split("listing=")[1].split("&")[0] for card in recommended(page)["cards"]]
    page = show("users", trained, user="u1", at="4", k="6", pin=ids[3], block=f"{ids[0]}; {ids[1]}")
    cards = recommended(page)["cards"]
    shown = [card["href"].split("listing=")[1].split("&")[0] for card in cards]
    assert shown[0] == ids[3] and not {ids[0], ids[1]} & set(shown)
    assert cards[0]["score"].endswith(" · pinned") and not page.button(key="no-rules").disabled
    page = show("users", trained, user="u1", at="4", k="6", where="room_type=Shared room")
    few = len(recommended(page)["cards"])
    page.checkbox(key="fill").set_value(True).run()
    cards = recommended(page)["cards"]
    assert page.query_params["fill"] in ("1", ["1"]) and len(cards) == 6 > few
    assert ["beyond “only where”" in card["score"] for card in cards] == [
        number >= few for number in range(6)
    ]


def test_a_condition_that_cannot_be_read_is_a_sentence_and_the_page_goes_on(show, trained):
    page = show("users", trained, user="u1", where="colour=red")
    assert "colour" in texts(page) and not page.exception
    page.text_input(key="where").set_value("").run()
    assert recommended(page)["cards"]


def test_what_the_address_cannot_mean_is_left_out(show, trained):
    usual = recommended(show("users", trained, user="u1", at="4", k="6"))["cards"]
    page = show("users", trained, user="u1", at="4", k="6", per="taste", same="mood", variety="x", live="2")
    assert recommended(page)["cards"] == usual
