"""The page of users: histories, moments, and what was touched later."""

import shutil
from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from looking import components, texts

from browser.painted import embed_run
from listing_vibes import Run
from listing_vibes.insight.selection.pages import as_of
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.run.fits import Fit, save_fits
from listing_vibes.run.manifest import Manifest
from listing_vibes_app.app_pages.users.user_picker import find_users
from listing_vibes_app.view.market import MarketView


def events_of(run, user):
    events = Market.open(run.parent / "market").events
    return events[events["user_id"] == user].reset_index(drop=True)


def test_choosing_lists_users_with_their_events(show, trained):
    page = show("users", trained)
    table = page.dataframe[0].value
    assert table["User"].tolist() == [f"User u{user}" for user in range(6)]
    assert table["Events"].tolist() == [6] * 6
    assert table["First event"][0] == "1 Mar 2024" and table["Last event"][0] == "6 Mar 2024"


def test_the_timeline_has_days_actions_durations_and_the_moment(show, trained):
    strip, _ = components(show("users", trained, user="u1", at="4"), "gallery")
    events = events_of(trained, "u1")
    assert [card["step"] for card in strip["cards"]] == [f"{day} Mar 2024" for day in range(1, 7)]
    assert [card["href"].split("listing=")[1] for card in strip["cards"]] == events["listing_id"].tolist()
    assert [card["tone"] for card in strip["cards"]] == ["", "", "", "start", "later", "later"]
    assert [card["divider"] for card in strip["cards"]][3:5] == ["As of here", "Later"]
    assert strip["cards"][0]["facts"] == [["Add to favourites", ""], ["Time spent", "5 min"]]


def test_recommendations_are_those_of_the_run_at_that_moment(show, trained):
    page = show("users", trained, user="u1", at="4", k="6")
    _, shown = components(page, "gallery")
    events = events_of(trained, "u1")
    expected = Run.open(trained).recommend("u1", k=6, at=events["timestamp"][4])["listing_id"].tolist()
    assert [card["href"].split("listing=")[1] for card in shown["cards"]] == expected
    later = set(events["listing_id"][4:]) - set(events["listing_id"][:4])
    marked = [
        card["href"].split("listing=")[1] for card in shown["cards"] if card["badge"] == "touched later"
    ]
    assert marked == [listing for listing in expected if listing in later] != []
    assert f"**{len(marked)} of these 6**" in texts(page)


@pytest.mark.slow
def test_after_the_last_event_they_equal_those_of_the_command_line(show, trained):
    for user in ("u0", "u3"):
        page = show("users", trained, user=user, at="6", k="6")
        expected = Run.open(trained).recommend(user, k=6)["listing_id"].tolist()
        assert [
            card["href"].split("listing=")[1] for card in components(page, "gallery")[1]["cards"]
        ] == expected
        assert "Nothing is kept back here" in texts(page)


def test_the_slider_goes_to_the_url(show, trained):
    page = show("users", trained, user="u1")
    assert page.slider(key="at").value == 5
    page.slider(key="at").set_value(2).run()
    assert page.query_params == {"user": "u1", "at": "2"}
    assert "Known here: 2. Kept back: 4." in texts(page)


def test_a_day_shows_the_list_of_its_morning_and_lights_what_was_touched_on_it(show, trained):
    page = show("users", trained, user="u1", day="2024-03-04", k="12")
    strip, shown = components(page, "gallery")
    events = events_of(trained, "u1")
    assert [card["divider"] for card in strip["cards"]] == ["", "", "As of here", "That day", "Later", ""]
    assert [card["tone"] for card in strip["cards"]] == ["", "", "start", "hit", "later", "later"]
    expected = Run.open(trained).recommend("u1", k=12, at="2024-03-04")["listing_id"].tolist()
    assert [card["href"].split("listing=")[1] for card in shown["cards"]] == expected
    badges = {card["href"].split("listing=")[1]: card["badge"] for card in shown["cards"]}
    assert badges[events["listing_id"][3]] == "touched that day"
    assert set(badges.values()) == {"", "touched that day", "touched later"}
    assert "on the morning of 4 Mar 2024" in texts(page) and "**1 of 1 new listing** touched" in texts(page)


@pytest.mark.slow
def test_from_an_event_to_its_day_and_back(show, trained):
    page = show("users", trained, user="u1", at="3")
    page.segmented_control(key="as-of").set_value("day").run()
    assert page.query_params == {"user": "u1", "at": "3", "day": "2024-03-04"}
    page.slider(key="at-day").set_value(date(2024, 3, 6)).run()
    assert page.query_params["day"] == "2024-03-06" and "Known here: 5." in texts(page)
    page.segmented_control(key="as-of").set_value("event").run()
    assert page.query_params == {"user": "u1", "at": "3"}


def test_before_the_first_event_a_day_says_so_with_a_way_out(show, trained):
    page = show("users", trained, user="u1", day="2024-03-01")
    assert "Nothing is known of this user before that day" in texts(page)
    page.button(key="to-last-day").click().run()
    assert page.query_params["day"] == "2024-03-06" and len(components(page, "gallery")) == 2


def test_an_unknown_user_is_told_with_a_way_out(show, trained):
    page = show("users", trained, user="ghost")
    assert "There is no user “ghost” in this market" in texts(page)
    (shown,) = components(page, "gallery")
    expected = Run.open(trained).recommend("ghost", k=12)["listing_id"].tolist()
    assert [card["href"].split("listing=")[1] for card in shown["cards"]] == expected
    assert "popular and recent listings" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params == {} and len(page.dataframe) == 1


def test_a_market_without_events_says_why_and_points_on(show, eventless):
    page = show("users", eventless, user="u1")
    assert "This market has no events" in texts(page)
    assert [link.label for link in page.page_link] == ["Simulate a user", "Go to similar listings"]


def test_a_run_without_a_model_recommends_untrained_neighbors(show, trained, tmp_path):
    run = embed_run(Run.open(trained).market.path, tmp_path / "run")
    page = show("users", run, user="u1", at="3")
    assert "untrained neighbors" in texts(page)
    _, shown = components(page, "gallery")
    name, moment, _ = as_of(Run.open(run), 1, 3)
    found = Run.open(run).recommend(name, k=12, at=moment)
    assert [card["href"].split("listing=")[1] for card in shown["cards"]] == found["listing_id"].tolist()


@pytest.mark.slow
def test_a_market_without_times_actions_and_photos_shows_places_in_order(show, bare):
    page = show("users", bare, user="u1", at="3")
    strip, shown = components(page, "gallery")
    assert [card["step"] for card in strip["cards"]] == [f"Event {place}" for place in range(1, 8)]
    assert all(card["facts"] == [] and card["photo"] is None for card in strip["cards"])
    assert strip["photos"] is False and len(shown["cards"]) == 9
    assert "First event" not in show("users", bare).dataframe[0].value.columns


def test_finding_users_by_a_part_of_the_id(show, trained):
    page = show("users", trained)
    page.text_input(key="who").set_value("3").run()
    assert page.dataframe[0].value["User"].tolist() == ["User u3"]
    page.text_input(key="who").set_value("zebra").run()
    assert "No user matches “zebra”" in texts(page)
    page.button(key="clear-users").click().run()
    assert len(page.dataframe[0].value) == 6


def test_any_user_draws_one_by_chance(show, trained):
    page = show("users", trained)
    next(button for button in page.button if button.label == "Any user").click().run()
    assert page.title[0].value == f"User {page.query_params['user']}"


@pytest.mark.slow
def test_a_listing_is_recommended_only_while_it_is_live(show, trained):
    events = Market.open(trained.parent / "market").events
    early = events.groupby("user_id").head(2)
    user = next(name for name, rows in early.groupby("user_id") if "l00" not in rows["listing_id"].tolist())
    for at, live in (("2", True), ("6", False)):
        cards = components(show("users", trained, user=user, at=at, k="12"), "gallery")[1]["cards"]
        assert any("listing=l00" in card["href"] for card in cards) == live


def test_a_listing_touched_again_is_not_counted_as_touched_later(show, bare):
    page = show("users", bare, user="u1", at="6")
    assert "were in the history already" in texts(page)
    assert not any(card["badge"] for card in components(page, "gallery")[1]["cards"])


@pytest.mark.slow
def test_what_serving_adds_can_be_added_once_it_was_fitted(show, trained, tmp_path):
    asked = {"user": "u1", "at": "4", "k": "6"}
    assert "with" not in [control.key for control in show("users", trained, **asked).segmented_control]
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    recency = Fit(name="model only + recency", days=60, weight=5.0)
    near = Fit(name="model only + neighbors", space="attributes", share=2.0)
    both = near.model_copy(update={"name": "model only + neighbors + recency", "days": 60, "weight": 5.0})
    save_fits(run, [recency, near, both])
    moment = events_of(trained, "u1")["timestamp"][4]
    orders = set()
    for added in ("recency", "neighbors", "neighbors+recency"):
        page = show("users", run, **asked, **{"with": added})
        _, shown = components(page, "gallery")
        expected = Run.open(run).recommend("u1", 6, moment, beside=added)["listing_id"].tolist()
        assert [card["href"].split("listing=")[1] for card in shown["cards"]] == expected
        assert all(card["score"].startswith("Score ") for card in shown["cards"])
        orders.add(tuple(expected))
    assert len(orders) > 1
    (control,) = [one for one in page.segmented_control if one.key == "with"]
    assert list(control.options) == ["Nothing", "Recency", "Neighbors", "Both"]
    control.set_value("nothing").run()
    assert "with" not in page.query_params
    assert all(card["score"].startswith("Similarity ") for card in components(page, "gallery")[1]["cards"])


@pytest.mark.slow
def test_a_run_that_was_trained_beside_recency_is_first_shown_with_it(show, trained, tmp_path):
    run, asked = tmp_path / "run", {"user": "u1", "at": "4", "k": "6"}
    shutil.copytree(trained, run)
    save_fits(run, [Fit(name="model only + recency", days=60, weight=5.0)])
    manifest = Manifest.load(run)
    training = manifest.settings.training.model_copy(update={"recency_days": 60})
    settings = manifest.settings.model_copy(update={"training": training})
    manifest.model_copy(update={"settings": settings}).save(run)
    page = show("users", run, **asked)
    (control,) = [one for one in page.segmented_control if one.key == "with"]
    assert control.value == "recency" and "with" not in page.query_params
    assert all(card["score"].startswith("Score ") for card in components(page, "gallery")[1]["cards"])
    control.set_value("nothing").run()
    assert page.query_params["with"] == "nothing"
    for alone in (page, show("users", run, **asked, **{"with": "nothing"})):
        cards = components(alone, "gallery")[1]["cards"]
        assert all(card["score"].startswith("Similarity ") for card in cards)


@pytest.mark.slow
def test_a_run_that_adds_recency_of_its_own_offers_to_leave_it_out(show, trained, tmp_path):
    path, asked = tmp_path / "run", {"user": "u1", "at": "4", "k": "6"}
    shutil.copytree(trained, path)
    near = Fit(name="model only + neighbors", space="attributes", share=0.6)
    save_fits(path, [Fit(name="model only + recency", days=60, weight=5.0), near])
    manifest = Manifest.load(path)
    training = manifest.settings.training.model_copy(update={"recency_days": 60, "recency_served": True})
    settings = manifest.settings.model_copy(update={"training": training})
    manifest.model_copy(update={"settings": settings}).save(path)
    page, run, moment = show("users", path, **asked), Run.open(path), events_of(trained, "u1")["timestamp"][4]
    (control,) = [one for one in page.segmented_control if one.key == "with"]
    assert list(control.options) == ["Recency", "Nothing", "Neighbors"] and "with" not in page.query_params
    orders = []
    for beside, word in ((None, "Score "), ("nothing", "Similarity ")):
        cards = components(page, "gallery")[1]["cards"]
        orders.append([card["href"].split("listing=")[1] for card in cards])
        assert orders[-1] == run.recommend("u1", 6, moment, beside=beside)["listing_id"].tolist()
        assert all(card["score"].startswith(word) for card in cards)
        control.set_value("nothing").run()
    assert orders[0] != orders[1]


@pytest.mark.slow
def test_what_changes_nothing_is_not_offered(show, trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    nothing = Fit(name="model only + neighbors", space="attributes")
    recency = Fit(name="model only + recency", days=60, weight=0.5)
    for fits, options in (
        ([nothing], []),
        ([nothing, recency], ["Nothing", "Recency"]),
        (
            [recency, recency.model_copy(update={"name": "model only + neighbors + recency"})],
            ["Nothing", "Recency"],
        ),
        (
            [nothing, nothing.model_copy(update={"name": "model only + neighbors + recency", "share": 1.0})],
            ["Nothing", "Neighbors and recency"],
        ),
    ):
        save_fits(run, fits)
        page = show("users", run, user="u1")
        found = [list(one.options) for one in page.segmented_control if one.key == "with"]
        assert found == ([options] if options else [])


@pytest.mark.slow
def test_where_nothing_is_live_any_more_the_page_says_why_and_leads_on(show, trained, tmp_path):
    shutil.copytree(trained.parent, tmp_path / "copy")
    run, market = tmp_path / "copy" / "run", tmp_path / "copy" / "market"
    Manifest.load(run).model_copy(update={"market": str(market)}).save(run)
    listings = pd.read_parquet(market / "listings.parquet")
    listings["expires_at"] = pd.Timestamp("2024-02-03", tz="UTC")
    listings.to_parquet(market / "listings.parquet", index=False)
    page = show("users", run, user="u1", at="4", k="6")
    assert "No listing is live at that moment" in texts(page) and "ended on 3 Feb 2024" in texts(page)
    page.button(key="also-ended").click().run()
    assert page.query_params["live"] == "0"
    assert len(components(page, "gallery")[1]["cards"]) == 6


def test_an_exact_id_comes_first_and_then_the_longest_histories():
    names = ["a1", "a12", "A11", "b1"]
    log = SimpleNamespace(users=names, start=np.array([0, 3, 4, 9, 11]))
    view = SimpleNamespace(log=log, user_row={name: row for row, name in enumerate(names)})
    assert find_users(view, "a1", 1).tolist() == [0, 2, 1]
    assert find_users(view, "a1", 3).tolist() == [0, 2]
    assert find_users(view, "", 1).tolist() == [2, 0, 3, 1]


def test_a_hashed_user_is_found_by_the_id_as_well(tiny_market):
    path = tiny_market(photos=0)
    user = EventLog.from_market(Market.open(path)).users[0]
    with (path / "market.toml").open("a") as stream:
        stream.write('\n[privacy]\nusers = "hashed"\n')
    market = Market.open(path)
    view = MarketView(market, lambda: EventLog.from_market(market))
    assert user not in view.log.users
    assert find_users(view, user, 1).tolist() == [view.user_row[user]]
    assert not len(find_users(view, user, 1_000)) and not len(find_users(view, "nobody", 1))
