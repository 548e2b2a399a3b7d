"""Vibe dials on the pages: made of listings of the list, moved by the slider, kept in the address, and taken away again."""

import pytest
from looking import components, texts

from listing_vibes import Run, selection

pytestmark = pytest.mark.slow


def ids(page, label):
    found = next(one for one in components(page, "gallery") if label in one["label"])
    return [card["href"].split("listing=")[1].split("&")[0] for card in found["cards"]]


def marks(page, label):
    return next(one for one in components(page, "gallery") if label in one["label"])["examples"]


@pytest.mark.parametrize(
    ("where", "params", "label"),
    [
        ("similar", {"listing": "l05", "k": "6"}, "neighbours by"),
        ("users", {"user": "u1", "at": "4", "k": "6"}, "Recommendations"),
    ],
)
def test_a_dial_is_made_moved_and_taken_away(show, trained, where, params, label):
    page = show(where, trained, **params)
    plain = ids(page, label)
    page.button(key="open-dial").click().run()
    assert page.button(key="make-dial").disabled
    page.text_input(key="dial-name").set_value("more; rustic")
    page.multiselect(key="dial-more").set_value(plain[4:6]).run()
    page.multiselect(key="dial-less").set_value([plain[0], plain[5]]).run()
    assert marks(page, label) == {"more": [plain[4]], "less": [plain[0], plain[5]]}
    assert page.multiselect(key="dial-more").value == [plain[4]]
    page.multiselect(key="dial-more").set_value(plain[4:6]).run()
    page.button(key="make-dial").click().run()
    made = page.query_params["dial"]
    made = made[0] if isinstance(made, list) else made
    assert made == f"more rustic 1 model +{plain[4]} +{plain[5]} -{plain[0]}"
    assert page.slider(key="dial-0").value == 1.0 and marks(page, label) is None
    page.slider(key="dial-0").set_value(3.0).run()
    moved = ids(page, label)
    assert moved != plain and not page.exception
    kept = {**params, "dial": made.replace(" 1 ", " 3 ")}
    query = "&".join(
        f"{name}={value.replace(' ', '%20').replace('+', '%2B')}" for name, value in kept.items()
    )
    assert selection(Run.open(trained), f"/{where}?{query}")["listing_id"].tolist() == moved
    page.slider(key="dial-0").set_value(0.0).run()
    assert ids(page, label) == plain
    page.button(key="no-dial-0").click().run()
    assert "dial" not in page.query_params and ids(page, label) == plain


@pytest.mark.parametrize(
    ("where", "params"),
    [
        ("similar", {"listing": "l05", "where": "price>=1000000"}),
        ("similar", {"listing": "l11", "space": "photos"}),
        ("users", {"user": "u1", "at": "4", "where": "price>=1000000"}),
        ("simulate", {"h": "l05", "where": "price>=1000000"}),
    ],
)
def test_the_place_of_a_new_dial_is_there_where_the_list_is_empty(show, trained, where, params):
    page = show(where, trained, **params)
    page.button(key="open-dial").click().run()
    assert any(
        why in texts(page)
        for why in ("passes the", "has nothing in the space", "No listing of the market fulfils")
    )
    assert "Click on cards" in page.multiselect(key="dial-more").placeholder
    page.button(key="open-dial").click().run()
    assert "make-dial" not in [one.key for one in page.button]


@pytest.mark.parametrize(
    ("where", "params"), [("users", {"user": "u1", "at": "4"}), ("simulate", {"h": "l05"})]
)
def test_rules_that_leave_nothing_are_taken_away_by_one_click(show, trained, where, params):
    page = show(where, trained, **params, where="price>=1000000", live="0")
    (away,) = [one.key for one in page.button if "nothing-recommended" in str(one.key)]
    page.button(key=away).click().run()
    assert "where" not in page.query_params and "live" not in page.query_params
    assert "There is nothing to recommend" not in texts(page) and not page.exception


def test_two_lists_of_which_rules_leave_nothing_have_a_way_out_each(show, trained):
    page = show("simulate", trained, h="l05", h2="l06", two="1", where="price>=1000000")
    assert len([one for one in page.button if "nothing-recommended" in str(one.key)]) == 2


def test_a_link_opens_a_dial_that_is_being_made(show, trained):
    page = show(
        "similar", trained, **{"listing": "l05", "new-dial": "1", "more": "l01,l02,l01", "less": "l03,nobody"}
    )
    assert [page.multiselect(key=f"dial-{side}").value for side in ("more", "less")] == [
        ["l01", "l02"],
        ["l03", "nobody"],
    ]
    page.button(key="make-dial").click().run()
    assert not page.exception
    assert page.query_params["dial"] in (
        "like these 1 model +l01 +l02 -l03",
        ["like these 1 model +l01 +l02 -l03"],
    )
    assert not {"new-dial", "more", "less"} & set(page.query_params)


def test_a_dial_moves_what_a_made_up_history_gets(show, trained):
    page = show("simulate", trained, h="l05,l06", k="6", dial="lighter 3 attributes +l01 -l02")
    found = next(one for one in components(page, "history_cards") if "Recommended" in one["label"])
    shown = [card["href"].split("listing=")[1].split("&")[0] for card in found["cards"]]
    rules = {"dial": "lighter 3 attributes +l01 -l02"}
    assert shown == Run.open(trained).recommend(["l05", "l06"], 6, rules=rules)["listing_id"].tolist()


def test_a_link_with_a_dial_that_is_none_is_a_sentence(show, trained):
    page = show("users", trained, user="u1", at="4", dial="lighter 1 model +nobody")
    assert "names 'nobody'" in texts(page) and not page.exception
    assert "write for example" in texts(show("users", trained, user="u1", at="4", dial="lighter"))
