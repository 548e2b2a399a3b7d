"""The page that simulates a user, in every state it can be in."""

import json

import pytest
from looking import components, texts

from listing_vibes import Run
from listing_vibes.insight.personas import personas
from listing_vibes.insight.selection.histories import MOST
from listing_vibes.market.market import Market
from listing_vibes_app.app_pages.simulate.history import from_frame


def cards(page, kind, name="h"):
    (found,) = [
        one
        for one in components(page, "history_cards")
        if one["kind"] == kind[0] and one["label"].startswith(kind[1])
    ]
    return found["cards"]


def strip(page, label="The history"):
    return cards(page, ("history", label))


def recommended(page, target="the history"):
    return cards(page, ("choice", f"Recommended for {target}"))


def listings(found):
    return [card["href"].split("listing=")[1].split("&")[0] for card in found]


def test_it_starts_empty_with_ways_to_begin(show, trained):
    page = show("simulate", trained)
    popular, chooser = components(page, "history_cards")
    assert chooser["kind"] == "choice" and len(chooser["cards"]) == 12
    expected = Run.open(trained).recommend([], k=12)["listing_id"]
    assert listings(popular["cards"]) == expected.tolist()
    assert "popular and recent listings" in texts(page)
    assert "The history** is empty" in texts(page)
    assert page.expander[0].proto.expanded
    assert next(button for button in page.button if button.label == "Undo").disabled


@pytest.mark.slow
def test_recommendations_are_those_of_the_run_for_that_history(show, trained):
    page = show("simulate", trained, h="l04,l07*add_to_favourites*40", k="6")
    frame = from_history([("l04", None, None), ("l07", "add_to_favourites", 40.0)])
    expected = Run.open(trained).recommend(frame, k=6)
    assert listings(recommended(page)) == expected["listing_id"].tolist()
    assert recommended(page)[0]["score"] == f"Similarity {expected['score'][0]:.2f}"
    assert not any(card["marks"] for card in recommended(page))
    assert [card["token"] for card in strip(page)] == ["l04", "l07*add_to_favourites*40"]
    assert not page.expander[0].proto.expanded
    told = next(one for one in components(page, "history_cards") if one["kind"] == "history")
    assert [one["label"] for one in told["actions"]] == ["View", "Add to favourites", "Hide"] and told[
        "durations"
    ]


def from_history(events):
    import pandas as pd

    return pd.DataFrame(events, columns=["listing_id", "action", "duration_s"])


@pytest.mark.slow
def test_a_change_shows_what_moved_and_undo_takes_it_back(show, trained):
    page = show("simulate", trained, h="l04", k="6")
    first = listings(recommended(page))
    page.query_params["h"] = f"l04,{first[0]}"
    page.run()
    now = listings(recommended(page))
    marks = [card["marks"][0]["text"] if card["marks"] else "" for card in recommended(page)]
    for place, listing in enumerate(now):
        step = first.index(listing) - place if listing in first else None
        assert marks[place] == (
            "new" if step is None else f"up {step}" if step > 0 else f"down {-step}" if step else ""
        )
    gone = cards(page, ("choice", "Moved out"))
    assert set(listings(gone)) == set(first) - set(now) and first[0] in listings(gone)
    assert gone[listings(gone).index(first[0])]["score"] == "In the history now"
    came = len(set(now) - set(first))
    assert f"{came} moved in, {len(gone)} moved out since the last change" in texts(page).replace("\\", "")
    next(button for button in page.button if button.label == "Undo").click().run()
    assert page.query_params["h"] == "l04" and listings(recommended(page)) == first
    assert next(button for button in page.button if button.label == "Undo").disabled


@pytest.mark.slow
def test_a_full_history_says_what_another_event_does(show, trained):
    full = ["l04"] * (MOST - 1)
    assert "takes the place of the oldest" not in texts(show("simulate", trained, h=",".join(full)))
    assert "takes the place of the oldest" in texts(show("simulate", trained, h=",".join([*full, "l07"])))


def test_starting_empty_can_be_undone(show, trained):
    page = show("simulate", trained, h="l04,l05")
    next(button for button in page.button if button.label == "Start empty").click().run()
    assert "h" not in page.query_params and "is empty" in texts(page)
    next(button for button in page.button if button.label == "Undo").click().run()
    assert [card["token"] for card in strip(page)] == ["l04", "l05"]


@pytest.mark.slow
def test_a_persona_fills_the_history(show, trained):
    page = show("simulate", trained)
    expected = personas(Run.open(trained))[0]
    button = page.button(key="persona-0")
    assert expected.user is not None and expected.name.split(" ")[0] in button.label
    button.click().run()
    assert page.query_params["h"] == from_frame(expected.history)
    assert len(strip(page)) == len(expected.history)


@pytest.mark.slow
def test_a_real_user_fills_the_history(show, trained):
    page = show("simulate", trained)
    page.text_input(key="simulate-user").set_value("u2").run()
    events = Market.open(trained.parent / "market").events
    mine = events[events["user_id"] == "u2"]
    assert listings(strip(page)) == mine["listing_id"].tolist()
    expected = Run.open(trained).recommend("u2", k=12)["listing_id"].tolist()
    assert listings(recommended(page)) == expected
    page.text_input(key="simulate-user").set_value("ghost").run()
    assert "There is no user “ghost”" in texts(page)


@pytest.mark.slow
def test_any_user_and_a_file_fill_the_history(show, trained, tmp_path):
    page = show("simulate", trained)
    next(button for button in page.button if button.label == "Any user").click().run()
    assert len(strip(page)) == 6
    given = json.dumps({"history": [{"listing_id": "l03", "action": "view"}, {"listing_id": "l09"}]}).encode()
    page.file_uploader(key="simulate-file").set_value(("mine.json", given, "application/json")).run()
    assert [card["token"] for card in strip(page)] == ["l03*view", "l09"]


@pytest.mark.slow
def test_a_file_that_is_no_history_is_told(show, trained):
    page = show("simulate", trained, h="l04")
    page.file_uploader(key="simulate-file").set_value(("mine.json", b"{", "application/json")).run()
    assert "mine.json is no JSON" in texts(page).replace("\\", "")
    assert [card["token"] for card in strip(page)] == ["l04"]


@pytest.mark.slow
def test_two_histories_stand_side_by_side(show, trained):
    page = show("simulate", trained, h="l04", k="6")
    page.toggle(key="two").set_value(True).run()
    assert page.query_params["h2"] == "l04" and page.query_params["to"] == "h2"
    assert listings(recommended(page, "history A")) == listings(recommended(page, "history B"))
    page.query_params["h2"] = "l11"
    page.run()
    first, second = (listings(recommended(page, f"history {side}")) for side in "AB")
    assert (
        second == Run.open(trained).recommend(from_history([("l11", None, None)]), k=6)["listing_id"].tolist()
    )
    both = set(first) & set(second)
    for card, listing in zip(recommended(page, "history A"), first, strict=True):
        assert any(one["text"] == "in both" for one in card["marks"]) == (listing in both)
    assert f"{len(both)} of 6 are in both" in texts(page)
    (chooser,) = [
        one for one in components(page, "history_cards") if one["label"].startswith("Listings to add")
    ]
    assert chooser["name"] == "h2" and chooser["target"] == "history B"


def test_what_a_link_names_and_the_market_lacks_is_left_out_and_told(show, trained):
    page = show("simulate", trained, h="ghost,l04*dance*9,l05")
    assert [(card["at"], card["token"]) for card in strip(page)] == [(1, "l04*dance*9"), (2, "l05")]
    assert "1 event of this link is on listings that this market does not have" in texts(page)
    expected = Run.open(trained).recommend(from_history([("l04", None, 9.0), ("l05", None, None)]), k=12)
    assert listings(recommended(page)) == expected["listing_id"].tolist()


@pytest.mark.slow
def test_all_live_listings_in_the_history_leave_nothing(show, trained):
    page = show("simulate", trained, h=",".join(f"l{row:02d}" for row in range(12)))
    assert "There is nothing to recommend" in texts(page)
    page = show("simulate", trained, h="l04", where="price<=0")
    assert "No listing of the market fulfils" in texts(page)


@pytest.mark.slow
def test_search_narrows_what_can_be_added(show, trained):
    page = show("simulate", trained, h="l04")
    page.text_input(key="q").set_value("private").run()
    shown = cards(page, ("choice", "Listings to add"))
    assert listings(shown) == ["l01", "l04", "l07", "l10"]
    assert [one["text"] for one in shown[1]["marks"]] == ["in the history"]
    page.text_input(key="q").set_value("lighthouse").run()
    assert "No listing matches “lighthouse”" in texts(page)
    page.button(key="clear-search").click().run()
    assert len(cards(page, ("choice", "Listings to add"))) == 12


def test_it_can_be_kept_as_a_link_and_a_file(show, trained):
    page = show("simulate", trained, h="l04*view", k="6", where="price<=150")
    codes = [code.value for code in page.code]
    assert codes[0].endswith("?h=l04%2Aview&k=6&where=price%3C%3D150")
    assert codes[1] == f"vibes recommend {trained} -k 6 --history history.json --where 'price<=150'"
    page = show("simulate", trained, h="l04*view", h2="l05", two="1")
    assert [code.value.split()[-1] for code in page.code[1:3]] == ["history-a.json", "history-b.json"]


def test_without_a_model_and_events_it_recommends_untrained_neighbors(show, eventless):
    page = show("simulate", eventless, h="l04")
    assert "untrained neighbors" in texts(page)
    expected = Run.open(eventless).recommend(["l04"], k=12)["listing_id"]
    assert listings(recommended(page)) == expected.tolist()


def test_without_photos_actions_and_times_it_works_as_well(show, bare):
    page = show("simulate", bare, h="l04,l05")
    told = next(one for one in components(page, "history_cards") if one["kind"] == "history")
    assert told["actions"] == [
        {"token": "view", "label": "View"},
        {"token": "add_to_favourites", "label": "Add to favourites"},
        {"token": "hide", "label": "Hide"},
    ]
    assert told["photos"] is False and told["durations"] is False
    assert "Of all listings" in texts(page)
    expected = Run.open(bare).recommend(
        from_history([("l04", None, None), ("l05", None, None)])[["listing_id"]], k=12
    )
    assert listings(recommended(page)) == expected["listing_id"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("k", ["6", "30"])
def test_how_many_goes_to_the_url(show, trained, k):
    page = show("simulate", trained, h="l04")
    page.segmented_control(key="k").set_value(int(k)).run()
    assert page.query_params["k"] == k


@pytest.mark.slow
def test_a_click_says_not_this_and_the_list_follows(show, trained):
    page = show("simulate", trained, h="l04", k="6")
    shown = recommended(page)
    assert shown[0]["unwanted"] == f"{listings(shown)[0]}*hide"
    assert not any(card.get("unwanted") for card in cards(page, ("choice", "Listings to add")))
    page.query_params["h"] = f"l04,{shown[0]['unwanted']}"
    page.run()
    expected = Run.open(trained).recommend(
        from_history([("l04", None, None), (listings(shown)[0], "hide", None)]), k=6
    )
    assert listings(recommended(page)) == expected["listing_id"].tolist()


@pytest.mark.slow
def test_without_a_list_no_card_is_an_example_of_a_dial_until_there_is_one_again(show, trained):
    page = show("simulate", trained, h="l04")
    page.button(key="open-dial").click().run()
    assert [one["examples"] for one in components(page, "history_cards") if one["kind"] == "choice"][-1]
    next(button for button in page.button if button.label == "Start empty").click().run()
    assert "make-dial" not in [button.key for button in page.button]
    assert all(one["examples"] is None for one in components(page, "history_cards"))
    next(button for button in page.button if button.label == "Undo").click().run()
    assert page.button(key="make-dial").disabled
    assert [one["examples"] for one in components(page, "history_cards") if one["kind"] == "choice"][-1]
