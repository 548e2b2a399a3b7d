"""Users: choosing one, the history up to an event or a day, recommendations, and their reasons."""

import shutil
from dataclasses import dataclass, replace
from datetime import date
from html import escape
from types import SimpleNamespace

import pytest
from looking import click, components, html, labelled, links, texts

from browser.painted import embed_run
from helpers.blends import KNN, fixed_blend
from helpers.copies import change_settings
from listing_vibes import Run
from listing_vibes.insight.explain import explain
from listing_vibes.insight.selection.page_lists import as_of
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.run.blends import save_blends
from listing_vibes_app.app_pages.users.history import later_listings
from listing_vibes_app.app_pages.users.picker import checkable_users, find_users

FITS = [
    fixed_blend("recency", recent=5.0),
    fixed_blend("neighbors", attributes=2.0),
    fixed_blend("neighbors+recency", attributes=2.0, recent=5.0),
    fixed_blend("ids", KNN, ids=0.5),
]
ASKED = {"user": "u1", "at": "4", "k": "6"}


@dataclass(eq=False)
class Opened:
    """What the order of users needs of a run."""

    log: EventLog
    user_number: dict[str, int]


def events_of(run, user):
    events = Market.open(run.parent / "market").events
    return events[events["user_id"] == user].reset_index(drop=True)


def recommended(page):
    return labelled(page, "Recommendations, the best first")


def users_shown(page):
    return labelled(page, "Users with their last listings")["cards"]


def test_choosing_by_card_part_of_the_id_and_chance(show, trained):
    page, log = show("users", trained), Run.open(trained).log
    shown = users_shown(page)
    assert [card["title"] for card in shown] == [f"User u{user}" for user in range(6)]
    assert {card["step"] for card in shown} == {"6 events · until 6 Mar 2024"}
    assert shown[2]["href"] == "/users?user=u2"
    last = dict.fromkeys(log.listing[log.start[2] : log.start[3]][::-1].tolist())
    assert len(shown[2]["covers"]) == min(len(last), 4)
    page.text_input(key="who").set_value("3").run()
    assert [card["title"] for card in users_shown(page)] == ["User u3"]
    page.text_input(key="who").set_value("zebra").run()
    assert "No user matches “zebra”" in texts(page)
    page.button(key="way-out").click().run()
    assert len(users_shown(page)) == 6
    click(page, "Any user")
    assert page.title[0].value == f"User {page.query_params['user']}"


def test_an_exact_name_comes_first_then_checkable_users_of_usual_length(make_log):
    """Users a1 and b1 repeat a listing at the end, a12 and c1 end with a new one, c2 refuses one."""
    users = [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4]
    listings = [0, 1, 1, 0, 1, 2, 0, 0, 0, 1, 2, 3, 4, 0, 1, 2]
    log = make_log(users, listings, range(len(users)), 5, 5, hides=[15])
    names = ["a1", "a12", "b1", "c1", "c2"]
    log = replace(log, users=names)
    run = Opened(log, {name: row for row, name in enumerate(names)})
    assert checkable_users(run).tolist() == [False, True, False, True, False]
    assert find_users(run, "", 1).tolist() == [1, 3, 0, 4, 2]
    assert find_users(run, "a1", 1).tolist() == [0, 1] and find_users(run, "a", 1).tolist() == [1, 0]
    assert find_users(run, "", 3).tolist() == [1, 3, 0, 4]


def test_the_timeline_and_the_list_as_of_an_event(show, trained):
    page = show("users", trained, **ASKED)
    strip, events = labelled(page, "History, oldest first"), events_of(trained, "u1")
    assert [card["step"] for card in strip["cards"]] == [f"{day} Mar 2024" for day in range(1, 7)]
    assert links(strip) == events["listing_id"].tolist()
    assert [card["tone"] for card in strip["cards"]] == ["", "", "", "", "later", "later"]
    assert [card["divider"] for card in strip["cards"]] == ["", "", "", "Now", "Later", ""]
    assert strip["cards"][0]["score"] == "Add to favourites, 5 min"
    expected = Run.open(trained).recommend("u1", k=6, at=events["timestamp"][4])["listing_id"].tolist()
    shown = recommended(page)
    assert links(shown) == expected and [card["rank"] for card in shown["cards"]] == [1, 2, 3, 4, 5, 6]
    later = set(events["listing_id"][4:]) - set(events["listing_id"][:4])
    marked = [one for one, card in zip(expected, shown["cards"], strict=True) if card["badge"]]
    assert marked == [listing for listing in expected if listing in later] != []
    verb = "is" if len(marked) == 1 else "are"
    assert f"**{len(marked)} of these 6** {verb} among the {len(later)} new listings" in texts(page)
    page.slider(key="at").set_value(2).run()
    assert page.query_params == {**ASKED, "at": "2"} and "knows the first 2; 4 came later" in texts(page)
    page.slider(key="at").set_value(6).run()
    assert links(recommended(page)) == Run.open(trained).recommend("u1", k=6)["listing_id"].tolist()
    assert "The list knows all of them." in texts(page)


def test_a_day_shows_the_list_of_its_morning(show, trained):
    page = show("users", trained, user="u1", day="2024-03-04")
    strip, events = labelled(page, "History, oldest first"), events_of(trained, "u1")
    dividers = ["", "", "Now", "That day", "Later", ""]
    assert [card["divider"] for card in strip["cards"]] == dividers
    assert [card["tone"] for card in strip["cards"]] == ["", "", "", "hit", "later", "later"]
    shown = recommended(page)
    assert links(shown) == Run.open(trained).recommend("u1", at="2024-03-04")["listing_id"].tolist()
    badges = dict(zip(links(shown), (card["badge"] for card in shown["cards"]), strict=True))
    assert badges[events["listing_id"][3]] == "that day" and "interacted later" in badges.values()
    assert "morning of 4 Mar 2024: **1 of 1 new listing** of that day" in texts(page)


@pytest.mark.slow
def test_from_an_event_to_its_day_and_back(show, trained):
    page = show("users", trained, user="u1", at="3")
    page.segmented_control(key="as-of").set_value("day").run()
    assert page.query_params == {"user": "u1", "at": "3", "day": "2024-03-04"}
    page.slider(key="at-day").set_value(date(2024, 3, 6)).run()
    assert page.query_params["day"] == "2024-03-06" and "knows the first 5;" in texts(page)
    page.segmented_control(key="as-of").set_value("event").run()
    assert page.query_params == {"user": "u1", "at": "3"}
    page = show("users", trained, user="u1", day="2024-03-01")
    assert "Nothing is known of this user before that day" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params["day"] == "2024-03-06" and recommended(page)["cards"]


@pytest.mark.slow
def test_states_in_which_something_is_missing(show, trained, bare, eventless, tmp_path):
    page = show("users", trained, user="ghost")
    assert "There is no user “ghost” in this market" in texts(page)
    assert links(components(page)[0]) == Run.open(trained).recommend([])["listing_id"].tolist()
    page.button(key="way-out").click().run()
    assert page.query_params == {} and users_shown(page)
    page = show("users", eventless, user="u1")
    assert "This market has no events" in texts(page)
    assert [link.label for link in page.page_link] == ["Simulate a user", "Go to similar listings"]
    page = show("users", bare, user="u1", at="3")
    strip = labelled(page, "History, oldest first")
    assert [card["step"] for card in strip["cards"]] == [f"Event {place}" for place in range(1, 8)]
    assert strip["photos"] is False and len(recommended(page)["cards"]) == 9
    assert "no new listing later" in texts(show("users", bare, user="u1", at="6"))
    run = embed_run(Run.open(trained).market.path, tmp_path / "run")
    page = show("users", run, user="u1", at="3")
    name, moment, _ = as_of(Run.open(run), 1, 3)
    assert links(recommended(page)) == Run.open(run).recommend(name, at=moment)["listing_id"].tolist()
    assert "untrained neighbors" in texts(page)


def test_the_sentence_explains_a_hit_in_sight_or_the_first_recommendation(show, trained):
    run = Run.open(trained)
    log, first = run.log, None
    for number, user in enumerate(log.users):
        for at in range(1, int(log.start[number + 1] - log.start[number])):
            name, moment, history = as_of(run, number, at)
            if history:
                continue
            listed = run.recommend(name, 12, moment)["listing_id"].tolist()
            events = log.listing[log.start[number] : log.start[number + 1]]
            later = {run.listing_ids[row] for row in set(events[at:]) - set(events[:at])}
            hits = [rank for rank, listing in enumerate(listed, 1) if listing in later]
            if hits and hits[0] > 6:
                first = user, at
    assert first is not None, "no user of this market has the first hit out of sight"
    page = show("users", trained, user=first[0], at=str(first[1]), k="12")
    (line,) = (text for text in html(page) if 'class="because"' in text)
    assert "No. 1:" in line and "opened later" not in line


@pytest.mark.parametrize("blend", [None, "nothing"])
def test_a_sentence_says_why_and_the_figures_are_those_of_the_explanation(show, trained, blend):
    run, (user, moment, _) = Run.open(trained), as_of(Run.open(trained), 1, 4)
    listed = run.recommend(user, 6, moment, blend=blend)["listing_id"].tolist()
    log, number = run.log, run.user_number["u1"]
    seen = log.listing[log.start[number] :][:6]
    later = {run.listing_ids[row] for row in seen[4:]} - {run.listing_ids[row] for row in seen[:4]}
    rank = next((rank for rank, listing in enumerate(listed, 1) if listing in later), 1)
    params = ASKED | ({"with": blend} if blend else {})
    page = show("users", trained, **params)
    (found,) = explain(run, user, listed[rank - 1], moment, blend=blend)
    (line,) = (text for text in html(page) if 'class="because"' in text)
    assert escape(found.sentence) in line and f"No. {rank}, which" in line and line.count("<img") == 2
    last = recommended(page)["cards"][-1]
    assert last["score"] == "" and f"why={listed[5]}" in last["why"]
    page = show("users", trained, **params, why=listed[5])
    (found,) = explain(run, user, listed[5], moment, blend=blend)
    assert found.sentence in texts(
        page
    ) and f"Rank 6 by {found.ranking}, with the score {found.score:.3f}" in texts(page)
    (table,) = (text for text in html(page) if "<table" in text)
    for event in found.events[:3]:
        assert (event["adds"] < 0.0005) or f"{event['adds']:+.3f}" in table
    best = max([*found.attributes, *found.photos], key=lambda part: part["adds"])
    assert f"{best['adds']:+.3f}" in table


@pytest.mark.slow
def test_what_was_fitted_can_be_blended_in(show, trained, tmp_path):
    page = show("users", trained, **ASKED)
    assert "with" not in [control.key for control in page.segmented_control]
    run, moment = tmp_path / "run", events_of(trained, "u1")["timestamp"][4]
    shutil.copytree(trained, run)
    save_blends(run, FITS)
    orders = set()
    for blend in ("recency", "neighbors", "neighbors+recency", "ids"):
        page = show("users", run, **ASKED, **{"with": blend})
        expected = Run.open(run).recommend("u1", 6, moment, blend=blend)["listing_id"].tolist()
        assert links(recommended(page)) == expected
        orders.add(tuple(expected))
    assert len(orders) > 1
    control = page.segmented_control(key="with")
    assert list(control.options) == ["Nothing", "Recency", "Neighbors", "Neighbors and recency", "Ids"]
    control.set_value("nothing").run()
    assert "with" not in page.query_params
    # Recency in its default ranking can be left out.
    change_settings(run, {"recency_days": 60}, blend=fixed_blend(recent=0.05))
    page = show("users", run, **ASKED)
    control = page.segmented_control(key="with")
    assert control.value == "trained" and control.options[:2] == ["Recency", "Nothing"]
    control.set_value("nothing").run()
    expected = Run.open(run).recommend("u1", 6, moment, blend="nothing")["listing_id"].tolist()
    assert links(recommended(page)) == expected


def test_a_refusal_is_no_later_interaction(make_log):
    view = SimpleNamespace(log=make_log([0, 0, 0, 0, 1], [0, 1, 2, 0, 4], range(5), 5, 2, hides=[1]))
    assert later_listings(view, 0, 1) == {2}
    assert later_listings(view, 0, 1, 1) == set() and later_listings(view, 0, 1, 2) == {2}
