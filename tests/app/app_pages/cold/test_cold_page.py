"""The page of cold listings: the ones of the market, one entered by hand, and the figures."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from looking import components, texts

from browser.mapped import write_map
from browser.painted import embed_run, paint_market, train_run
from listing_vibes import Run, launch
from listing_vibes.insight.audience import Audience
from listing_vibes.insight.launch.crowd import Crowd
from listing_vibes.insight.map.region import grid_places
from listing_vibes.insight.map.vibe_map import place_among
from listing_vibes.market.market import Market
from listing_vibes.market.writer import write_market
from listing_vibes.run.newcomers import Newcomers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chilly(tmp_path_factory) -> Path:
    """A run whose listings l08 and l10 nobody touched, and l09 only after training ended."""
    folder = tmp_path_factory.mktemp("chilly")
    market = Market.open(paint_market(folder / "market", users=8, events=8))
    events = market.events[~market.events["listing_id"].isin(["l08", "l09", "l10"])]
    late = pd.DataFrame(
        {
            "user_id": ["u1", "u2"],
            "listing_id": "l09",
            "timestamp": pd.Timestamp("2024-03-20", tz="UTC"),
            "action": "view",
            "duration_s": 9.0,
        }
    )
    write_market(folder / "market", market.config, market.listings, market.photos, pd.concat([events, late]))
    return train_run(folder / "market", folder / "run")


def links(gallery):
    return [card["href"].split("listing=")[1].split("&")[0] for card in gallery["cards"]]


def metrics(
    groups=(
        ("events", "51+"),
        ("events", "0"),
        ("history", "10+"),
        ("history", "1"),
        ("week", "10"),
        ("week", "2"),
    ),
):
    estimate = {"recall@30": {"value": 0.4, "low": 0.3, "high": 0.5}}
    return {
        "results": {"default ranking": estimate, "ease": estimate},
        "stability": [
            {"by": by, "group": group, "scorer": scorer, "value": 0.25, "low": 0.2, "high": None if by == "week" else 0.4,
             "queries": 3, "users": 1}
            for by, group in groups
            for scorer in ("ease", "default ranking", "als")
        ],
    }  # fmt: skip


def measured(run, tmp_path, content):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "metrics.json").write_text(json.dumps(content))
    return copy


def test_the_listings_without_an_event_are_offered(show, chilly):
    page = show("cold", chilly)
    (shown,) = components(page, "gallery")
    assert links(shown) == ["l08", "l10"]
    assert all(card["href"].startswith("/cold?listing=") for card in shown["cards"])
    assert [card["score"] for card in shown["cards"]] == ["No event", "No event"]
    assert "2 of 12 listings have no event at all" in texts(page)


def test_those_first_touched_after_training_are_a_second_set(show, chilly):
    page = show("cold", chilly)
    page.segmented_control(key="set").set_value("later").run()
    assert page.query_params == {"set": "later"}
    (shown,) = components(page, "gallery")
    assert links(shown) == ["l09"] and shown["cards"][0]["score"] == "2 events, all after training"


@pytest.mark.parametrize("space", ["model", "photos", "attributes"])
def test_a_cold_listing_has_its_neighbours_in_each_space(show, chilly, space):
    page = show("cold", chilly, listing="l08", space=space)
    assert page.title[0].value.startswith("Home 8")
    assert "Nobody touched this listing yet" in texts(page)
    near = components(page, "gallery")[-1]
    assert links(near) == Run.open(chilly).similar("l08", k=12, space=space)["listing_id"].tolist()
    assert "is drawn, its place there is shown here" in texts(page) and not page.get("plotly_chart")


def test_the_users_who_would_get_it_first(show, chilly):
    page = show("cold", chilly, listing="l08")
    run = Run.open(chilly)
    row = run.listing_row["l08"]
    expected = Audience.of(run).first(run.vectors("model")[row], row)
    table = page.dataframe[0].value
    assert table["User"].tolist() == [f"User {user}" for user in expected["user_id"]]
    assert table["Place"].tolist() == expected["rank"].tolist()
    assert "Touched it later" not in table
    log, first = run.log, expected["user_id"].iloc[0]
    number = run.user_number[first]
    last = run.listing_ids[log.listing[log.start[number + 1] - 1]]
    assert (f"listing={last}" in str(table["Last"].iloc[0])) == (last in run.market.cover)


def test_those_who_came_later_are_marked_as_of_the_end_of_training(show, chilly):
    page = show("cold", chilly, listing="l09")
    assert "all after training ended: the model never saw one of them" in texts(page)
    table = page.dataframe[0].value
    came = table[table["Touched it later"] != ""]["User"].tolist()
    assert came and set(came) <= {"User u1", "User u2"}
    assert "Really touched later by 2 users" in texts(page)
    assert "those active last before training ended" in texts(page)


def test_how_many_would_have_it_high_in_their_lists_is_counted(show, chilly, monkeypatch):
    monkeypatch.setattr("listing_vibes_app.app_pages.cold.placement.SHORT", 4)
    run, row = Run.open(chilly), Run.open(chilly).listing_row["l09"]
    found = Audience.of(run, before=run.trained_until).first(run.vectors("model")[row], row)
    among = found["rank"] <= 4
    assert among.any() and not among.all()
    told = texts(show("cold", chilly, listing="l09"))
    assert f"Among the 4 recommendations of **{among.sum()} of {len(found)} users**" in told
    came = found["user_id"].isin(["u1", "u2"])
    assert f"**{(among & came).sum()}** had it among their 4" in told


def test_a_warm_listing_is_told_to_be_none(show, chilly):
    assert "This listing is not cold" in texts(show("cold", chilly, listing="l03"))


def test_an_unknown_listing_is_told_with_a_way_out(show, chilly):
    page = show("cold", chilly, listing="nobody")
    assert "There is no listing “nobody” in this market" in texts(page)
    page.button(key="way-out").click().run()
    assert page.query_params == {} and len(components(page, "gallery")) == 1


def test_a_listing_entered_by_hand_gets_neighbours_and_users(show, chilly):
    page = show("cold", chilly, view="new")
    (offered,) = components(page, "gallery")
    assert [card["href"].split("&")[0] for card in offered["cards"]] == ["/cold?view=new"] * 6
    next(button for button in page.button if button.label == "Begin with empty fields").click().run()
    assert "Fill in what is known" in texts(page)
    page.text_input(key="new-title").set_value("A new place")
    page.selectbox(key="new-room_type").set_value("Private room")
    page.number_input(key="new-price").set_value(120)
    page.multiselect(key="new-amenities").set_value(["Wifi", "Sauna"]).run()
    cells = {
        "amenities": ["Wifi", "Sauna"],
        "price": 120,
        "room_type": "Private room",
        "title": "A new place",
    }
    assert json.loads(page.query_params["draft"]) == cells
    run = Run.open(chilly)
    found = Newcomers(run).encode(cells, spaces=["model"])
    assert links(components(page, "gallery")[-1]) == found.nearest(run, "model", 12)["listing_id"].tolist()
    crowd = Crowd.of(run)
    reached = crowd.table(*(one[:, 0] for one in crowd.places(found.vectors["model"][None])))
    assert page.dataframe[0].value["User"].tolist() == [f"User {one}" for one in reached["user_id"]]
    assert page.metric[0].value == f"{len(reached['user_id'])} of {len(crowd)} users"
    assert "A new place" in texts(page)


@pytest.mark.slow
def test_what_is_dragged_and_what_is_taken_moves_the_draft_and_its_audience(show, chilly):
    run = Run.open(chilly)
    page = show("cold", chilly, view="new", like="l04")
    assert page.slider(key="drag-price").value == run.market.listings["price"].iloc[4]
    page.slider(key="drag-price").set_value(150.0).run()
    cells = json.loads(page.query_params["draft"])
    assert cells["price"] == 150 and page.number_input(key="new-price").value == 150
    found = launch(run, cells)
    assert page.metric[0].value == f"{len(found.audience)} of {found.users} users"
    best = found.changes.drop_duplicates("attribute").iloc[0]
    assert page.table[-1].value["Gain"].iloc[0] == f"{best.gain:+,} ({best.low:+,} to {best.high:+,})"
    page.pills(key="try-change").set_value(0).run()
    assert json.loads(page.query_params["draft"])[best.attribute] == best.after
    (code,) = [one.value for one in page.code if "found = launch" in one.value]
    names: dict = {}
    exec(code, names)
    assert page.metric[0].value.startswith(f"{len(names['found'].audience)} of")


@pytest.mark.slow
def test_a_draft_is_shown_on_the_map_that_stands_and_moves_as_it_is_dragged(show, chilly, tmp_path):
    for name in ("run", "market"):
        shutil.copytree(chilly.parent / name, tmp_path / name)
    frame = write_map(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    mine = frame[frame["space"] == "model"].set_index("listing_id").loc[run.listing_ids]
    grid = grid_places(frame[frame["space"] == "model"][["x", "y"]].to_numpy()).astype(float)

    def shown(page):
        dots = json.loads(page.get("plotly_chart")[0].proto.spec)["data"]
        assert sorted(x for kind in dots[:2] for x in kind["x"]) == sorted(grid[:, 0])
        return dots[2]["x"][0], dots[2]["y"][0]

    def expected(cells):
        vector = Newcomers(run).encode(cells, [], ["model"]).vectors["model"]
        return place_among(run.vectors("model") @ vector, grid, mine["cluster"].to_numpy(int))

    page = show("cold", tmp_path / "run", view="new", like="l04", photos="0")
    before = shown(page)
    page.slider(key="drag-price").set_value(150.0).run()
    at, group = expected(json.loads(page.query_params["draft"]))
    assert shown(page) == pytest.approx(tuple(at), rel=1e-4) and before != shown(page)
    assert ("In the group" in texts(page)) == (group >= 0) != ("Between the groups of the" in texts(page))


def test_a_link_brings_the_entered_values_back(show, chilly):
    draft = json.dumps(
        {"title": "Home", "price": 90, "room_type": "Loft", "colour": "red", "built_year": "old"}
    )
    page = show("cold", chilly, view="new", draft=draft)
    assert page.text_input(key="new-title").value == "Home"
    assert page.number_input(key="new-price").value == 90
    assert page.selectbox(key="new-room_type").value == "Loft"  # none that the market has yet
    assert page.number_input(key="new-built_year").value is None
    assert len(components(page, "gallery")[-1]["cards"]) == 12


def test_the_values_of_a_listing_go_into_the_form(show, chilly):
    page = show("cold", chilly, listing="l08")
    next(button for button in page.button if button.label == "Change its values").click().run()
    assert page.query_params["view"] == "new" and "listing" not in page.query_params
    assert page.number_input(key="new-price").value == 160
    assert page.multiselect(key="new-amenities").value == ["Wifi"]
    # Every change is followed at once, and the link keeps what it began with.
    page.number_input(key="new-price").set_value(170).run()
    assert json.loads(page.query_params["draft"])["price"] == 170 and page.query_params["like"] == "l08"
    assert "Its photos do not count here" in texts(page)  # their encoder is not at hand
    assert len(links(components(page, "gallery")[-1])) == 12
    next(button for button in page.button if button.label == "Empty the form").click().run()
    assert page.number_input(key="new-price").value is None and page.query_params["draft"] == "{}"
    assert "like" not in page.query_params


def test_columns_may_be_called_as_the_forms_own_keys(show, tmp_path):
    market = Market.open(paint_market(tmp_path / "market", users=0))
    rows = np.arange(len(market.listings))
    more = {"photos": 2.0 + rows, "loaded": np.where(rows % 3, "partly", "fully"), "cover": 10.0 + rows}
    write_market(tmp_path / "market", market.config, market.listings.assign(**more), market.photos)
    page = show("cold", embed_run(tmp_path / "market", tmp_path / "run"), view="new", like="l03")
    assert not page.error and page.number_input(key="new-photos").value == 5
    assert page.selectbox(key="new-loaded").value == "fully"


def test_a_space_without_anything_of_it_says_what_to_add(show, chilly):
    page = show("cold", chilly, view="new", draft='{"price":90}', space="photos")
    assert "Add a photo." in texts(page)


def test_a_market_without_events_is_all_cold_and_works_without_a_model(show, eventless):
    page = show("cold", eventless)
    assert "every listing is cold" in texts(page) and len(components(page, "gallery")[0]["cards"]) == 12
    page = show("cold", eventless, listing="l04")
    assert (
        links(components(page, "gallery")[-1])
        == Run.open(eventless).similar("l04", 11)["listing_id"].tolist()
    )
    assert "its market has no events to learn from" in texts(page)
    page = show("cold", eventless, view="new", draft='{"room_type":"Shared room"}', space="attributes")
    near = links(components(page, "gallery")[-1])[:4]
    rooms = Market.open(eventless.parent / "market").listings.set_index("listing_id")["room_type"]
    assert set(rooms[near]) == {"Shared room"}
    page = show("cold", eventless, view="figures")
    assert "nothing to measure" in texts(page) and "its market has no events to learn from" in texts(page)
    assert page.page_link[0].label == "Go to similar listings"


def test_a_market_without_photos_and_times(show, bare):
    assert "No listing is cold" in texts(show("cold", bare))
    page = show("cold", bare, view="new", draft='{"price":90}')
    assert "This run was made without photos" in texts(page)
    assert components(page, "gallery")[-1]["photos"] is False


def test_figures_are_those_of_the_metrics(show, chilly, tmp_path):
    page = show("cold", measured(chilly, tmp_path, metrics()), view="figures")
    events, history, week = (table.value for table in page.dataframe)
    assert events.iloc[:, 0].tolist() == ["0", "0", "51+", "51+"]
    assert events["Method"].tolist() == 2 * ["Default ranking", "EASE"] and set(events["Recall@30"]) == {
        "25.0%"
    }
    assert history.iloc[:, 0].tolist()[::2] == ["1", "10+"] and week.iloc[:, 0].tolist()[::2] == ["2", "10"]
    assert set(history["95 % interval"]) == {"20.0% to 40.0%"} and set(week["95 % interval"]) == {"—"}


def test_without_weeks_and_without_metrics_it_says_why(show, chilly, tmp_path):
    found = metrics([("events", "0"), ("history", "1")])
    page = show("cold", measured(chilly, tmp_path, found), view="figures")
    assert "This evaluation has no weeks" in texts(page) and len(page.dataframe) == 2
    page = show("cold", chilly, view="figures")
    assert "Not measured yet" in texts(page) and page.code[0].value.startswith("vibes evaluate")
