"""The vibe map: groups, regions, colors, days, unmet demand, the drawing of a map, and its routes."""

import json
import shutil
import sys
import time

import numpy as np
import pandas as pd
import pytest
from contrast import THEME, contrast
from looking import click, components, labelled, links, texts
from PIL import Image
from safetensors.numpy import load_file, save_file
from starlette.requests import Request

from browser.mapped import short_run, write_map
from browser.painted import colour_of, embed_run, paint_market
from helpers.copies import resealed
from listing_vibes import Run, demand
from listing_vibes.insight.map.region import grid_places, inside, read_outline
from listing_vibes.widgets.colors import UNKNOWN, VALUES
from listing_vibes_app.app_pages.map import drawing_job
from listing_vibes_app.app_pages.map.routes import serve_day, serve_listing, serve_photo, serve_space
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.days import market_days
from listing_vibes_app.kit.map_points import export_frame, load_maps
from listing_vibes_app.server.runs import open_run

LEFT = "-10,-10;25000,-10;25000,50000;-10,50000"
SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def mapped(trained, tmp_path):
    shutil.copytree(trained.parent, tmp_path / "one")
    write_map(tmp_path / "one" / "run")
    return tmp_path / "one" / "run"


def drawn(page):
    (shown,) = components(page, "vibe_map")
    return shown


@pytest.mark.slow
def test_the_map_its_groups_and_their_listings(show, mapped):
    assert drawn(show("map", mapped))["n"] == 11  # it opens on the photos
    page = show("map", mapped, space="model")
    shown = drawn(page)
    assert shown["n"] == 12 and shown["outline"] == "" and shown["group"] is None
    assert shown["places"].startswith("/points/run/model/places?v=") and "{number}" in shown["listing"]
    assert [(code, count) for _, code, count in shown["legend"]] == [(0, 6), (1, 5), (8, 1)]
    strips = components(page)
    assert len(strips) == 2 and len(strips[0]["cards"]) == 6
    page.button(key="look-1").click().run()
    assert page.query_params == {"space": "model", "group": "1"} and drawn(page)["group"] == 1
    assert "**5 listings** over all days, 41.7% of the map" in texts(page)
    assert page.header[0].value.replace("\\", "") == shown["labels"][1]["text"]
    page.selectbox(key="by").set_value("price").run()
    assert drawn(page)["legend"][0][0] == "€80 to €100" and "by=price" in drawn(page)["colours"]
    assert page.query_params["by"] == "price"
    page.segmented_control(key="space").set_value("attributes").run()
    assert page.query_params == {"space": "attributes", "by": "price"}


@pytest.mark.slow
def test_a_region_is_exactly_what_lies_inside_the_line(show, mapped):
    page = show("map", mapped, space="model", region=LEFT, group="1")  # a region goes before a group
    frame = pd.read_parquet(mapped / "map.parquet").query("space == 'model'")
    grid = grid_places(frame[["x", "y"]].to_numpy())
    expected = frame["listing_id"][inside(grid, read_outline(LEFT))].tolist()
    assert 0 < len(expected) < 12 and drawn(page)["outline"] == LEFT
    assert links(labelled(page, "Listings of the region")) == expected
    assert f"**{len(expected)} listings**" in texts(page)
    attributes = ["Room type, most frequent", "Price per night, median", "Amenities, median number"]
    assert page.table[0].value["Attribute"].tolist() == [*attributes, "Year built, median"]
    assert [button.label for button in page.get("download_button")][-2:] == ["CSV", "Parquet"]
    click(page, "Show all listings")
    assert page.query_params == {"space": "model"}
    page = show("map", mapped, region="49990,0;50000,0;50000,5")
    assert "No listing lies in this region" in texts(page)
    page = show("map", mapped, region="1,2;zebra")
    assert "The region in the link cannot be read" in texts(page) and drawn(page)["outline"] == ""


@pytest.mark.slow
def test_groups_that_are_gone_and_maps_without_any(show, mapped, bare, tmp_path):
    path = mapped / "map.parquet"
    frame = pd.read_parquet(path)
    frame.loc[frame["cluster"] == 0, "cluster"] = -1
    frame.to_parquet(path, index=False)
    page = show("map", mapped, space="model")
    assert len(drawn(page)["labels"]) == 1 and "1 group; 7 listings between them" in texts(page)
    frame.assign(cluster=np.int32(-1)).to_parquet(path, index=False)
    page = show("map", mapped)
    assert "no group stands out" in texts(page) and [box.key for box in page.selectbox] == ["by"]
    path.write_bytes(b"nonsense")
    assert "map.parquet cannot be read as a table" in show("map", mapped).error[0].value
    shutil.copytree(bare.parent, tmp_path / "bare")
    write_map(tmp_path / "bare" / "run")
    page = show("map", tmp_path / "bare" / "run", group="0")
    assert drawn(page)["photos"] is False and drawn(page)["days"] is None
    few = embed_run(paint_market(tmp_path / "few" / "market", listings=3, users=0), tmp_path / "few" / "run")
    assert "A map needs at least 5 listings; this market has 3." in texts(show("map", few))


def until(what, seconds=30.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_map_is_drawn_beside_the_page(show, trained, tmp_path, monkeypatch):
    shutil.copytree(trained.parent, tmp_path / "one")
    run, go = tmp_path / "one" / "run", tmp_path / "go"
    go.write_text("")
    updates = 'print("a word of a library")\nprint(\'["placing listings", 40, 100, 75.0]\', flush=True)\n'
    waits = f"import pathlib, time\n{updates}while pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)"
    monkeypatch.setattr(drawing_job, "_SCRIPT", waits)
    drawing_job.start(run)
    job = drawing_job.job_of(run)
    until(lambda: job.progress)
    page = show("map", run)
    assert page.status[0].label.endswith("s, about 1 min left")
    (bar,) = page.get("progress")
    assert bar.proto.value == 40 and bar.proto.text == "Placing listings: 40 of 100"
    drawing_job.start(run)
    assert drawing_job.job_of(run) is job and job.is_running
    write_map(run)
    go.unlink()
    until(lambda: not job.is_running)
    page.run()
    assert drawn(page)["n"]
    # A map of other embeddings is drawn again; one that fails says why.
    monkeypatch.setattr(drawing_job, "_SCRIPT", "import sys; sys.exit('The disk is full.')")
    arrays = load_file(run / "listings.safetensors")
    save_file(arrays | {"photos": -arrays["photos"]}, run / "listings.safetensors")
    resealed(run)
    page.run()
    drawing_job.job_of(run).process.wait()
    page.run()
    assert "The disk is full." in texts(page)
    monkeypatch.setattr(drawing_job, "_SCRIPT", SLEEP)
    page.button(key="way-out").click().run()
    assert page.status[0].label.startswith("Drawing the map")
    drawing_job.job_of(run).process.kill()


@pytest.mark.slow
def test_a_large_market_asks_before_it_draws(show, tmp_path, monkeypatch):
    run = embed_run(paint_market(tmp_path / "market", listings=6, users=0, photos=0), tmp_path / "run")
    monkeypatch.setattr("listing_vibes.run.run.Run.listing_ids", [f"l{row}" for row in range(20_001)])
    monkeypatch.setattr(drawing_job, "_SCRIPT", SLEEP)
    page = show("map", run)
    assert "With 20,001 listings this takes some minutes" in texts(page) and not page.status
    page.button(key="way-out").click().run()
    assert page.status[0].label.startswith("Drawing the map")
    drawing_job.job_of(run).process.kill()


@pytest.mark.slow
def test_days_and_unmet_demand_are_layers_that_the_link_keeps(show, mapped, tmp_path):
    shown = drawn(show("map", mapped, day="2024-03-04"))
    assert (shown["days"]["at"], shown["days"]["count"]) == (3, 6) and "{day}" in shown["days"]["address"]
    for wrong in ("2030-01-01", "zebra"):
        assert drawn(show("map", mapped, day=wrong))["days"]["at"] is None
    page = show("map", mapped)
    page.toggle(key="unmet").set_value(True).run()
    assert page.query_params == {"unmet": "1"} and drawn(page)["unmet"]["places"] == 0
    run = short_run(tmp_path)
    page = show("map", run, unmet="1")
    (place, *_) = demand(Run.open(run)).regions
    assert f"{place.figures[-1].users:,.0f} of {place.figures[-1].all_users} users want this" in texts(page)
    wanted, nearest = components(page)[:2]
    assert links(wanted) == place.wanted and not any(card["step"] for card in nearest["cards"])
    assert "No longer active" in [card["step"] for card in wanted["cards"]]
    assert "By month, CSV" in {button.label for button in page.get("download_button")}
    page.button(key="place-1").click().run()
    assert page.query_params == {"unmet": "1", "place": "1"} and drawn(page)["unmet"]["chosen"] == 1
    page.toggle(key="unmet").set_value(False).run()
    assert page.query_params == {}


# the routes


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nine")
    run = embed_run(paint_market(folder / "market", listings=9, users=4), folder / "run")
    write_map(run)
    return run


@pytest.fixture
def run(nine, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["main.py", str(nine)])
    return nine


def ask(serve, space="photos", run="run", query="", **path):
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/points",
        "headers": [],
        "query_string": query.encode(),
    }
    return serve(Request({**scope, "path_params": {"run": run, "space": space, **path}}))


def test_positions_groups_and_colors_come_as_bytes(run):
    answer = ask(serve_space, what="places")
    mine = pd.read_parquet(run / "map.parquet").query("space == 'photos'")
    assert len(mine) == 8 and "immutable" in answer.headers["cache-control"]  # the last listing has no photo
    xy = np.frombuffer(answer.body[: 4 * 8], "<u2").reshape(8, 2)
    assert (xy == grid_places(mine[["x", "y"]].to_numpy())).all()
    assert np.frombuffer(answer.body[4 * 8 :], "<i2").tolist() == mine["cluster"].tolist()
    codes = np.frombuffer(ask(serve_space, what="colours", query="by=room_type").body, np.uint8)
    assert codes.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    days, one = market_days(open_run("run")), load_maps(open_run("run"))["photos"]
    codes = np.frombuffer(ask(serve_day, number=4).body, np.uint8)
    assert ((codes & 128) > 0).tolist() == days.live(4)[one.rows].tolist()
    assert (codes & 127).tolist() == days.touched(4)[one.rows].tolist()


def test_a_listing_comes_as_a_card_and_its_cover_small(run):
    card = json.loads(ask(serve_listing, number=2).body)
    assert card["title"] == "Home 2 by the *old* harbour" and card["href"].endswith(
        "listing=l02&space=photos"
    )
    with Image.open(ask(serve_photo, number=2).path) as cover:
        seen = cover.convert("RGB").getpixel((cover.width // 2, cover.height // 2))
    assert max(abs(a - b) for a, b in zip(seen, colour_of(2, 0, 2), strict=True)) < 12


@pytest.mark.parametrize(
    ("serve", "wrong"),
    [
        (serve_space, {"what": "places", "run": "other"}),
        (serve_space, {"what": "places", "space": ".."}),
        (serve_space, {"what": "colours", "query": "by=title"}),
        (serve_space, {"what": "unmet"}),  # there is no model
        (serve_space, {"what": "unmet", "query": "at=zebra"}),
        (serve_listing, {"number": 8}),
        (serve_listing, {"number": 0, "run": "other"}),
        (serve_photo, {"number": 8, "space": "attributes"}),  # it has no photo
        (serve_photo, {"number": 0, "run": "other"}),
        (serve_day, {"number": 99}),
        (serve_day, {"number": 0, "space": "model"}),
    ],
)
def test_nothing_else_can_be_asked_for(run, serve, wrong):
    assert ask(serve, **wrong).status_code == 404


def test_the_export_has_exactly_the_chosen_with_all_columns(run):
    one = load_maps(open_run("run"))["photos"]
    frame = export_frame(one, np.array([True, False] * 4))
    assert frame["listing_id"].tolist() == ["l00", "l02", "l04", "l06"]
    assert frame["price"].tolist() == [80.0, 100.0, 120.0, 140.0]
    assert frame["group"].tolist() == [one.portraits[0].name] * 4


def test_numbers_are_colored_by_fifths_and_unknown_ones_apart(run):
    maps = load_maps(open_run("run"))
    colors = maps["attributes"].colors("built_year")
    assert colors.scale and colors.legend[-1] == ("Unknown", UNKNOWN, 1)
    assert colors.legend[0] == ("1990 to 1992", 0, 2) and colors.codes[1] == UNKNOWN
    for by in palettes.choices(open_run("run").view):
        assert len(maps["photos"].colors(by).codes) == 8
    with pytest.raises(KeyError):
        maps["photos"].colors("title")


@pytest.mark.parametrize("palette", [VALUES, palettes.SCALE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colors_stand_out_from_the_ground(palette, theme):
    assert len(palette[theme]) == UNKNOWN + 1
    for color in palette[theme]:
        assert contrast(color, THEME[theme]["backgroundColor"]) >= 3, color
