"""Launch a listing: a draft of a new one, listings of the market without events, and the figures."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from looking import click, components, labelled, links, texts
from PIL import Image

from browser.mapped import write_map
from browser.painted import embed_run, paint_market, train_run
from helpers.pictures import encoded, png, text_bomb
from listing_vibes import Run, launch
from listing_vibes.demo.shipped import bundled_run
from listing_vibes.errors import VibesError
from listing_vibes.insight.audience import Crowd, audience_share, recent_lists, share_gain
from listing_vibes.insight.demand import demand
from listing_vibes.insight.drafts import trial_range
from listing_vibes.insight.launch import best_price, example_draft
from listing_vibes.insight.map.region import SIZE, grid_places
from listing_vibes.insight.map.vibe_map import place_among
from listing_vibes.insight.market_view import MarketView
from listing_vibes.insight.page_evidence import evidence_of
from listing_vibes.insight.selection.url_parameters import Params
from listing_vibes.market.market import Market
from listing_vibes.market.photo_decoding import preview
from listing_vibes.market.writer import write_market
from listing_vibes.run.newcomers import Newcomers
from listing_vibes_app.app_pages.cold.draft import cells_of, fields, read_draft
from listing_vibes_app.app_pages.cold.price_curve import TICKS, even_ticks


@pytest.fixture(scope="module")
def chilly(tmp_path_factory) -> Path:
    """A run whose listings l08 and l10 have no event, and l09 only events after training ended."""
    folder = tmp_path_factory.mktemp("chilly")
    market = Market.open(paint_market(folder / "market", users=8, events=8))
    events = market.events[~market.events["listing_id"].isin(["l08", "l09", "l10"])]
    late = pd.DataFrame({"user_id": ["u1", "u2"], "listing_id": "l09", "action": "view", "duration_s": 9.0})
    late["timestamp"] = pd.Timestamp("2024-03-20", tz="UTC")
    write_market(folder / "market", market.config, market.listings, market.photos, pd.concat([events, late]))
    return train_run(folder / "market", folder / "run")


def test_cold_listings_are_offered_in_two_sets(show, chilly, eventless, bare):
    page = show("cold", chilly, view="listings")
    (shown,) = components(page)
    assert links(shown) == ["l08", "l10"] and "2 of 12 listings have no event at all" in texts(page)
    assert all(card["href"].startswith("/cold?listing=") for card in shown["cards"])
    lists, population = recent_lists(Run.open(chilly))
    sizes = lists["listing_id"].value_counts()
    shares = [audience_share(population.share(sizes[listing])) for listing in ("l08", "l10")]
    assert [card["score"] for card in shown["cards"]] == [f"{share} · No event" for share in shares]
    page.segmented_control(key="set").set_value("later").run()
    assert page.query_params == {"view": "listings", "set": "later"}
    (shown,) = components(page)
    assert links(shown) == ["l09"] and shown["cards"][0]["score"].endswith(" · 2 events, all after training")
    assert len(components(show("cold", eventless, view="listings"))[0]["cards"]) == 12
    assert "No listing is cold" in texts(show("cold", bare, view="listings"))


@pytest.mark.slow
def test_a_cold_listing_has_neighbors_and_first_users(show, chilly, eventless, tmp_path):
    run = Run.open(chilly)
    page = show("cold", chilly, listing="l08", space="attributes")
    assert page.title[0].value.startswith("Home 8") and "No user interacted with this listing" in texts(page)
    near = labelled(page, "by attributes")
    assert links(near) == run.similar("l08", space="attributes")["listing_id"].tolist()
    expected = recent_lists(run)[0].query("listing_id == 'l08'").sort_values("rank", kind="stable")
    users = labelled(page, "Users who would get")["cards"]
    assert [card["title"] for card in users] == [f"User {user}" for user in expected["user_id"]]
    ranks = [int(card["step"].split("its rank is ")[1]) for card in users]
    assert ranks == expected["rank"].tolist()
    page = show("cold", chilly, listing="l09")
    assert "all after training ended: the model never saw one of them" in texts(page)
    users = labelled(page, "Users who would get")["cards"]
    assert {card["title"] for card in users if card["badge"]} == {"User u1", "User u2"}
    assert "2 users interacted with it later; **2 of the 2** asked" in texts(page)
    assert "This listing is not cold" in texts(show("cold", chilly, listing="l03"))
    page = show("cold", chilly, listing="nobody")
    page.button(key="way-out").click().run()
    assert page.query_params == {"view": "listings"}
    page = show("cold", eventless, listing="l04")
    assert links(components(page)[-1]) == Run.open(eventless).similar("l04")["listing_id"].tolist()
    assert "no events, so there are no users" in texts(page)
    untrained = embed_run(run.market.path, tmp_path / "untrained")
    page = show("cold", untrained, listing="l08")
    lists, _ = recent_lists(Run.open(untrained))
    assert "untrained neighbors" in texts(page)
    assert len(labelled(page, "Users who would get")["cards"]) == (lists["listing_id"] == "l08").sum() > 0


@pytest.mark.slow
def test_every_audience_is_a_share_of_the_same_users(show, chilly):
    run = Run.open(chilly)
    population = recent_lists(run)[1]
    newcomer, draft = show("cold", chilly, listing="l08"), show("cold", chilly, view="new", like="l08")
    pages = [texts(newcomer), texts(draft), *(metric.help for metric in draft.metric)]
    slides = [evidence_of({"run": run}, url) for url in ("/cold?listing=l08", "/cold?view=new&like=l08")]
    said = [
        *pages,
        launch(run, "l08").to_text(run),
        repr(demand(run)),
        *(f"of {item.population}," for item in slides),
    ]
    denominators = [
        found for text in said for found in re.findall(r"[\d,]+ users(?: active in[\w ]+days)?", text)
    ]
    assert set(denominators) == {population.describe()} and len(denominators) >= 6
    # One listing has one audience wherever it is shown.
    share = audience_share(launch(run, "l08").share)
    assert f"**{share}**" in texts(newcomer) and draft.metric[0].value == share
    assert all(share in item.headline for item in slides)


@pytest.mark.slow
def test_the_page_opens_with_an_example_and_a_change_keeps_its_photos(show, chilly):
    run = Run.open(chilly)
    listing, page = example_draft(run, Crowd.of(run)), show("cold", chilly)
    known = launch(run, {"like": listing})
    assert not page.query_params and page.title[0].value == "Launch a listing"
    assert (
        page.text_input(key="new-title").value
        == run.market.listings["title"][run.market.listing_row[listing]]
    )
    assert page.metric[0].value == audience_share(known.share)
    slide = evidence_of({"run": run}, "/cold")
    assert slide.lead == listing and slide.sentence == best_price(run, known.prices, known.share)
    curve = known.prices["audience"].tolist()
    assert {bar.value for bar in slide.bars} <= set(curve) and max(curve) in [bar.value for bar in slide.bars]
    assert best_price(run, known.prices, known.share)[:20] in texts(page)
    page.number_input(key="new-price").set_value(250).run()
    assert page.query_params["like"] == listing and json.loads(page.query_params["draft"])["price"] == 250
    changed = launch(run, {"like": listing, "price": 250}, advise=False)
    assert page.metric[0].value == audience_share(changed.share)
    assert "By what was changed, in points: Price per night" in texts(page)


def test_the_labels_of_the_axis_of_prices_are_round_and_equally_far_apart():
    assert even_ticks(300, 1200) == [400, 600, 800, 1000, 1200]
    for low, high in ((490, 2_280_000), (3.5, 9.1), (0.02, 0.051)):
        ticks = even_ticks(low, high)
        assert low <= ticks[0] + 1e-9 and ticks[-1] <= high + 1e-9 and 3 <= len(ticks) <= TICKS + 1
        np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0])
    assert len(even_ticks(5, 5)) == 1


@pytest.mark.slow
def test_new_listings_are_sorted_by_their_audience(show):
    page, run = show("cold", bundled_run(), view="listings"), Run.open(bundled_run())
    lists, population = recent_lists(run)
    sizes, (shown,) = lists["listing_id"].value_counts(), components(page)
    audience = [int(sizes.get(card["id"], 0)) for card in shown["cards"]]
    assert audience == sorted(audience, reverse=True) and audience[0] > audience[-1]
    assert shown["cards"][0]["score"].startswith(audience_share(population.share(audience[0])))


@pytest.mark.slow
def test_a_best_change_is_one_click_and_a_price_needs_its_deal(show):
    page, run = show("cold", bundled_run()), Run.open(bundled_run())
    crowd = Crowd.of(run)
    found = launch(run, {"like": example_draft(run, crowd)}, crowd=crowd)
    assert found.share >= crowd.typical_audience()
    best = found.changes.drop_duplicates("attribute").iloc[0]
    assert f"**{100 * best.gain:+.1f}**" in page.button(key="take-0").label
    page.button(key="take-0").click().run()
    assert json.loads(page.query_params["draft"])[best.attribute] == best.after
    assert page.metric[0].value == audience_share(best.audience) and f"{100 * best.gain:+.1f}" in texts(page)
    page = show("cold", bundled_run(), draft='{"price":900}')
    assert "Deal is not filled in" in texts(page)
    page.pills(key="missing-deal").set_value("rent").run()
    assert json.loads(page.query_params["draft"]) == {"deal": "rent", "price": 900}


@pytest.mark.slow
def test_a_draft_from_empty_fields_gets_neighbors_and_an_audience(show, chilly):
    page = show("cold", chilly)
    click(page, "Empty the form")
    assert "Fill in what is known" in texts(page)
    assert page.number_input(key="new-price").value is None and not page.slider  # unknown is empty, not 0
    page.text_input(key="new-title").set_value("A new place")
    page.selectbox(key="new-room_type").set_value("Private room")
    page.number_input(key="new-price").set_value(120)
    page.multiselect(key="new-amenities").set_value(["Wifi", "Sauna"]).run()
    cells = {"amenities": ["Wifi", "Sauna"], "price": 120, "room_type": "Private room"}
    cells["title"] = "A new place"
    assert json.loads(page.query_params["draft"]) == cells
    run = Run.open(chilly)
    nearest = run.nearest(Newcomers(run).encode(cells, spaces=["model"]).scores["model"])
    assert links(labelled(page, "by model")) == nearest["listing_id"].tolist()
    found = launch(run, cells)
    assert page.metric[0].value == audience_share(found.share)
    users = labelled(page, "Users who would get")["cards"]
    assert [card["title"] for card in users] == [f"User {user}" for user in found.audience["user_id"]]


def landed(page) -> list[int]:
    """Return the position of the draft on the map."""
    return components(page, "evidence")[-1]["dots"]["here"]


@pytest.mark.slow
def test_a_price_and_advice_change_the_draft(show, chilly, tmp_path):
    shutil.copytree(chilly.parent, tmp_path / "one")
    path = tmp_path / "one" / "run"
    frame, run = write_map(path).query("space == 'model'"), Run.open(path)
    page = show("cold", path, view="new", like="l04", photos="0")
    before = landed(page)
    page.number_input(key="new-price").set_value(150).run()
    cells = json.loads(page.query_params["draft"])
    assert cells["price"] == 150
    found = launch(run, cells)
    assert page.metric[0].value == audience_share(found.share)
    # Its position on the map moves with it.
    grid = grid_places(frame[["x", "y"]].to_numpy()).astype(float)
    vector = Newcomers(run).encode(cells, [], ["model"]).vectors["model"]
    at, group = place_among(run.vectors("model") @ vector, grid, frame["cluster"].to_numpy(int))
    assert landed(page) == (at.astype(int) * 1000 // SIZE).tolist() and landed(page) != before
    assert ("In the group" in texts(page)) == (group >= 0)
    best = found.changes.drop_duplicates("attribute").iloc[0]
    assert page.dataframe[-1].value["Gain in points"].iloc[0] == share_gain(best.gain, best.low, best.high)
    assert best.gain == 0 and "No change of a single value would gain anything" in texts(page)  # all get all
    (code,) = [one.value for one in page.code if "result = launch" in one.value]
    names: dict = {}
    exec(code, names)
    assert page.metric[0].value == audience_share(names["result"].share)


@pytest.mark.slow
def test_a_draft_starts_from_a_listing_or_a_link(show, chilly, bare, tmp_path):
    page = show("cold", chilly, listing="l08")
    click(page, "Change its values")
    assert page.query_params["view"] == "new" and "listing" not in page.query_params
    assert page.number_input(key="new-price").value == 160
    page.number_input(key="new-price").set_value(170).run()
    assert json.loads(page.query_params["draft"])["price"] == 170 and page.query_params["like"] == "l08"
    assert "Its photos do not count here" not in texts(
        page
    )  # the market has their vectors, without their encoder
    click(page, "Empty the form")
    assert page.number_input(key="new-price").value is None and page.query_params["draft"] == "{}"
    draft = {"title": "Home", "price": 90, "room_type": "Loft", "color": "red", "built_year": "old"}
    page = show("cold", chilly, view="new", draft=json.dumps(draft))
    assert page.text_input(key="new-title").value == "Home" and page.number_input(key="new-price").value == 90
    assert page.selectbox(key="new-room_type").value == "Loft"  # no value of the market yet
    assert page.number_input(key="new-built_year").value is None
    assert "“color=red” and “built_year=old”" in texts(page)
    assert "Add a photo." in texts(show("cold", chilly, view="new", draft='{"price":90}', space="photos"))
    page = show("cold", bare, view="new", draft='{"price":90}')
    assert not page.get("file_uploader")
    # Columns may be named as keys of the form.
    market = Market.open(paint_market(tmp_path / "market", users=0))
    more = {"photos": 2.0 + np.arange(12), "cover": 10.0 + np.arange(12)}
    write_market(tmp_path / "market", market.config, market.listings.assign(**more), market.photos)
    page = show("cold", embed_run(tmp_path / "market", tmp_path / "run"), view="new", like="l03")
    assert not page.error and page.number_input(key="new-photos").value == 5


def test_fields_hold_what_they_can_and_prices_are_tried_in_whole_steps(tmp_path):
    rows = np.arange(24)
    columns = {"rooms": 1.0 + rows % 6, "area": 20.5 + rows, "parcel": 1e17 + 1e15 * rows}
    frame = pd.DataFrame({"listing_id": [f"l{row}" for row in rows], **columns, "price": 9.0})
    frame.loc[:20, "area"] = np.nan
    write_market(tmp_path / "market", None, frame)
    opened = SimpleNamespace(view=MarketView(Market.open(tmp_path / "market"), lambda: None))
    assert cells_of(opened, 23) == {"rooms": 6.0, "area": 43.5, "price": 9.0}  # no field holds a parcel
    assert [item.name for item in fields(opened)][-1] == "area"  # few listings have it
    ends = {item.name: trial_range(opened.view.market, {}, item.name) for item in opened.view.attributes}
    assert ends["rooms"] == (1.0, 6.0, 1.0) and ends["area"][2] == 0.02
    for text in ("{", "[1]", "[" * 9999):
        params = Params({"draft": text})
        assert read_draft(opened, params) == {} and params.unused == [("draft", text)]
    params = Params({"draft": '{"rooms": true, "area": NaN, "price": 3}'})
    assert read_draft(opened, params) == {"price": 3}
    assert params.unused == [("rooms", "True"), ("area", "nan")]


@pytest.mark.parametrize("content", [png(30_000, 30_000), text_bomb(80_000_000), b"no photo", b""])
def test_an_upload_that_cannot_be_read_is_one_sentence(content):
    with pytest.raises(VibesError, match=r"pixels|damaged|not an image"):
        preview(content)


@pytest.mark.slow
def test_uploads_come_first_the_chosen_cover_before_the_others(show, chilly):
    page = show("cold", chilly, view="new", draft='{"price":90}', space="attributes", cover="2")
    files = [("broken.jpg", b"no photo", "image/jpeg")]
    for name in ("a.png", "b.png"):
        files.append((name, encoded(Image.new("RGB", (40, 30), (200, 20, 20))), "image/png"))
    page.file_uploader(key="photos-of-new").set_value(files).run()
    shown = labelled(page, "Photos of the draft")["cards"]
    assert [card["alt"] for card in shown] == ["Photo 1 of the listing", "Photo 2 of the listing"]
    assert page.segmented_control(key="cover").value == 2 and "broken.jpg is left out" in texts(page)


@pytest.mark.slow
def test_figures_are_those_of_the_evaluation(show, chilly, eventless, tmp_path):
    copy, estimate = tmp_path / "run", {"recall@30": {"value": 0.4, "low": 0.3, "high": 0.5}}
    shutil.copytree(chilly, copy)
    groups = [("events", "51+"), ("events", "0"), ("history", "10+"), ("history", "1")]
    stability = [
        {"by": by, "group": group, "scorer": scorer, "value": 0.25, "low": 0.2, "high": 0.4, "queries": 3}
        for by, group in groups
        for scorer in ("EASE", "default ranking", "ALS")
    ]
    metrics = {"results": {"default ranking": estimate, "EASE": estimate}, "stability": stability}
    (copy / "metrics.json").write_text(json.dumps(metrics))
    page = show("cold", copy, view="figures")
    events, history = (shown["bars"] for shown in components(page, "evidence"))
    labels = ["0 training events", "0 training events", "51+ training events", "51+ training events"]
    assert [bar["label"] for bar in events] == labels and {bar["value"] for bar in history} == {0.25}
    assert [bar["kind"] for bar in events] == 2 * ["model", "other"]
    assert [bar["note"] for bar in events[:2]] == ["Default ranking, 3 queries", "EASE, 3 queries"]
    assert [bar["label"] for bar in history[::2]] == ["1 event in the history", "10+ events in the history"]
    assert "This evaluation has no weeks" in texts(page)
    assert "Not measured yet" in texts(show("cold", chilly, view="figures"))
    assert "nothing to measure" in texts(show("cold", eventless, view="figures"))
