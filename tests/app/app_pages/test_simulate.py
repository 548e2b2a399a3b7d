"""Simulate a user: histories in the URL, recommendations, what a change moves, and ways to start."""

import json

import pandas as pd
import pytest
from looking import click, components, links, texts

from listing_vibes import Run
from listing_vibes.insight.explain import explain
from listing_vibes.insight.personas import personas
from listing_vibes.insight.selection.url_parameters import MOST_EVENTS, as_text, document, parse
from listing_vibes.insight.taste import different_listings, taste, taste_in_words
from listing_vibes.market.market import Market
from listing_vibes.run.histories import Event, read_history, to_events
from listing_vibes_app.app_pages.simulate.history_cards import Moves, moves

EVENTS = [
    Event("l01"),
    Event("a,b*c d/é?&=%", "add_to_favourites", 12.5),
    Event("l02", None, 90.0),
    Event("l03", "view"),
]


def test_histories_in_the_url_are_read_back(tmp_path):
    text = as_text(EVENTS)
    assert [parse(token) for token in text.split(",")] == EVENTS and as_text([Event("l01")]) == "l01"
    for token in ("l01*view*soon", "l01*view*-4", "l01*view*nan", "l01*view*inf", "l01*view**9"):
        assert parse(token) == Event("l01", "view")
    assert as_text(Event(f"l{number}") for number in range(70)).split(",")[0] == "l20"
    path = tmp_path / "history.json"
    path.write_text(document(EVENTS), encoding="utf-8")
    assert as_text(to_events(read_history(path))) == text
    assert as_text(to_events(pd.DataFrame({"listing_id": ["7"], "action": [None]}))) == "7"


def test_moves_name_what_came_rose_fell_and_went():
    found = moves(["a", "b", "c", "d"], ["c", "a", "x", "y", "b"], 4, ["d"])
    assert found.marks == ["up 2", "down 1", "new", "new"] and found.new == 2
    assert found.out == [("b", "now no. 5"), ("d", "in the history now")]
    assert moves(["a", "b"], ["b", "c"], 2).out == [("a", "beyond the first 2")]
    assert moves([], ["a"], 3) == Moves([""], [])
    assert moves(["a", "b"], ["a", "b"], 2) == Moves(["", ""], [])


def cards(page, label):
    return next(
        one for one in [*components(page, "history_cards"), *components(page)] if label in one["label"]
    )


def recommended(page, target="the history"):
    return cards(page, f"Recommended for {target}")


def tokens(page):
    return [card["token"] for card in cards(page, "The history, oldest first")["cards"]]


def from_history(*events):
    return pd.DataFrame(events, columns=["listing_id", "action", "duration_s"])


def test_it_starts_empty_with_ways_to_start(show, trained):
    page = show("simulate", trained)
    assert not components(page, "history_cards") and len(cards(page, "Listings to add")["cards"]) == 12
    starts = [one for one in page.button if (one.key or "").startswith("persona-")]
    assert len(components(page)) == len(starts) + 2 > 3
    assert next(button for button in page.button if button.label == "Undo").disabled


def test_three_picks_of_different_listings_show_a_taste(show, trained):
    run, page = Run.open(trained), show("simulate", trained)
    different = different_listings(run)
    picks = cards(page, "Very different listings")
    assert links(picks) == different and [parse(card["add"]).listing for card in picks["cards"]] == different
    assert "Pick three that you like" in texts(page)
    liked = ["l03", "l06"]  # two private rooms
    page = show("simulate", trained, h=",".join(liked))
    assert links(cards(page, "Very different listings")) == [one for one in different if one not in liked]
    assert "Pick one more" in texts(page)
    assert f"**The taste**: {taste_in_words(taste(run, liked))}." in texts(page)
    page = show("simulate", trained, h="l03,l06,l09,l01*hide", k="6")
    assert not [one for one in components(page) if one["label"] == "Very different listings"]
    assert f"**The taste**: {taste_in_words(taste(run, [*liked, 'l09']))}." in texts(page)
    assert "The taste" not in texts(show("simulate", trained, h="l03"))


@pytest.mark.slow
def test_a_history_gets_the_list_of_the_run_and_a_change_shows_what_moved(show, trained):
    page = show("simulate", trained, h="l04,l07*add_to_favourites*40", k="6")
    frame = from_history(("l04", None, None), ("l07", "add_to_favourites", 40.0))
    expected = Run.open(trained).recommend(frame, k=6)
    assert links(recommended(page)) == expected["listing_id"].tolist()
    assert [card["rank"] for card in recommended(page)["cards"]] == list(range(1, 7))
    last = expected["listing_id"].iloc[-1]
    assert f"why={last}" in recommended(page)["cards"][-1]["why"]
    assert explain(Run.open(trained), frame, last)[0].sentence in texts(
        show("simulate", trained, h="l04,l07*add_to_favourites*40", k="6", why=last)
    )
    assert recommended(page)["cards"][0]["unwanted"] == f"{expected['listing_id'][0]}*hide"
    assert not any(card["unwanted"] for card in cards(page, "Very different listings")["cards"])
    assert tokens(page) == ["l04", "l07*add_to_favourites*40"] and not page.expander[0].proto.expanded
    strip = cards(page, "The history, oldest first")
    assert [one["label"] for one in strip["actions"]] == ["View", "Add to favourites", "Hide"]
    assert strip["durations"]
    page = show("simulate", trained, h="l04", k="6")
    first = links(recommended(page))
    page.query_params["h"] = f"l04,{first[0]}"
    page.run()
    now = links(recommended(page))
    marks = [card["marks"][0]["text"] if card["marks"] else "" for card in recommended(page)["cards"]]
    assert marks == moves(first, now, 6).marks
    gone = cards(page, "Moved out")
    assert set(links(gone)) == set(first) - set(now)
    assert gone["cards"][links(gone).index(first[0])]["score"] == "In the history now"
    assert f"{len(set(now) - set(first))} moved in, {len(links(gone))} moved out" in texts(page)
    click(page, "Undo")
    assert page.query_params["h"] == "l04" and links(recommended(page)) == first
    click(page, "Start empty")
    assert "h" not in page.query_params
    click(page, "Undo")
    assert tokens(page) == ["l04"]


@pytest.mark.slow
def test_ways_to_start_a_persona_a_user_and_a_file(show, trained):
    page = show("simulate", trained)
    persona = personas(Run.open(trained))[0]
    page.button(key="persona-0").click().run()
    assert page.query_params["h"] == as_text(persona.history)
    page.text_input(key="simulate-user").set_value("u2").run()
    events = Market.open(trained.parent / "market").events
    mine = events[events["user_id"] == "u2"]["listing_id"].tolist()
    assert links(cards(page, "The history, oldest first")) == mine
    assert links(recommended(page)) == Run.open(trained).recommend("u2")["listing_id"].tolist()
    page.text_input(key="simulate-user").set_value("ghost").run()
    assert "There is no user “ghost”" in page.toast[0].value
    click(page, "Any user")
    assert len(tokens(page)) == 6
    given = json.dumps({"history": [{"listing_id": "l03", "action": "view"}, {"listing_id": "l09"}]}).encode()
    page.file_uploader(key="simulate-file").set_value(("mine.json", given, "application/json")).run()
    assert tokens(page) == ["l03*view", "l09"]
    page.file_uploader(key="simulate-file").set_value(("mine.json", b"{", "application/json")).run()
    assert "mine.json is not valid JSON" in page.toast[0].value.replace("\\", "") and tokens(page) == [
        "l03*view",
        "l09",
    ]


@pytest.mark.slow
def test_two_histories_side_by_side(show, trained):
    page = show("simulate", trained, h="l04", k="6")
    page.toggle(key="two").set_value(True).run()
    assert page.query_params["h2"] == "l04" and page.query_params["to"] == "h2"
    page.query_params["h2"] = "l11"
    page.run()
    first, second = (links(recommended(page, f"history {side}")) for side in "AB")
    expected = Run.open(trained).recommend(from_history(("l11", None, None)), k=6)
    assert second == expected["listing_id"].tolist()
    for card, listing in zip(recommended(page, "history A")["cards"], first, strict=True):
        assert any(one["text"] == "in both" for one in card["marks"]) == (listing in second)
    assert f"{len(set(first) & set(second))} of 6 are in both" in texts(page)
    page.button(key="add-h2").click().run()
    chooser = cards(page, "Listings to add")["history"]
    assert chooser["name"] == "h2" and chooser["target"] == "history B"


@pytest.mark.slow
def test_what_a_history_cannot_have_is_said(show, trained):
    page = show("simulate", trained, h="ghost,l04*dance*9,l05")
    strip = cards(page, "The history, oldest first")["cards"]
    assert [(card["at"], card["token"]) for card in strip] == [(1, "l04*dance*9"), (2, "l05")]
    assert "1 event on listings that this market does not have" in texts(page)
    full = ["l04"] * (MOST_EVENTS - 1)
    assert "replaces the oldest" not in texts(show("simulate", trained, h=",".join(full)))
    assert "replaces the oldest" in texts(show("simulate", trained, h=",".join([*full, "l07"])))
    page = show("simulate", trained, h=",".join(f"l{row:02d}" for row in range(12)))
    assert "There is nothing to recommend" in texts(page)


@pytest.mark.slow
def test_listings_to_add_are_searched_and_the_page_is_saved(show, trained):
    page = show("simulate", trained, h="l04")
    assert not [one for one in components(page) if "Listings to add" in one["label"]]
    page.button(key="add-h").click().run()
    page.text_input(key="q").set_value("private").run()
    shown = cards(page, "Listings to add")
    assert links(shown) == ["l01", "l04", "l07", "l10"]
    assert [one["text"] for one in shown["cards"][1]["marks"]] == ["in the history"]
    page.text_input(key="q").set_value("lighthouse").run()
    assert "No listing matches “lighthouse”" in texts(page)
    page.button(key="way-out").click().run()
    assert len(cards(page, "Listings to add")["cards"]) == 12
    page.button(key="add-h").click().run()
    assert "add" not in page.query_params
    page = show("simulate", trained, h="l04*view", h2="l05", two="1")
    assert page.code[0].value.endswith("?h=l04%2Aview&h2=l05&two=1")
    assert {"History A as JSON", "History B as JSON"} <= {one.label for one in page.get("download_button")}


@pytest.mark.slow
def test_markets_without_events_photos_and_times_work_as_well(show, eventless, bare):
    page = show("simulate", eventless, h="l04")
    assert "untrained neighbors" in texts(page)
    assert links(recommended(page)) == Run.open(eventless).recommend(["l04"])["listing_id"].tolist()
    page = show("simulate", bare, h="l04,l05")
    strip = cards(page, "The history, oldest first")
    assert strip["photos"] is False and strip["durations"] is False and "Of all listings" in texts(page)
    expected = Run.open(bare).recommend(
        from_history(("l04", None, None), ("l05", None, None))[["listing_id"]]
    )
    assert links(recommended(page)) == expected["listing_id"].tolist()
