"""The vibe map: its data, its parts over HTTP, the drawing of a map, and its colors."""

import io
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from contrast import THEME, contrast
from looking import click, components, texts
from PIL import Image
from safetensors.numpy import load_file, save_file
from starlette.applications import Starlette
from starlette.testclient import TestClient

from browser.mapped import short_run, write_map
from browser.painted import colour_of, embed_run, paint_market
from helpers.copies import resealed
from helpers.once import once
from helpers.waiting import wait_until
from listing_vibes import Run, demand, select_on_map, selection
from listing_vibes.insight.audience import audience_share
from listing_vibes.insight.days import market_days
from listing_vibes.insight.map.colors import UNKNOWN, VALUES
from listing_vibes.insight.map.region import grid_places
from listing_vibes_app.app_pages.map import drawing_job
from listing_vibes_app.app_pages.map.map_data import routes
from listing_vibes_app.app_pages.map.vibe_map import MapSelection
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.map_points import colors, load_maps
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
def test_the_page_has_the_map_of_a_space_in_one_row_of_controls(show, mapped, bare, tmp_path):
    page = show("map", mapped)
    assert drawn(page)["n"] == 11  # it opens on the photos
    assert drawn(page)["url"].startswith("/points/run/photos?v=") and drawn(page)["days"]["count"] == 6
    page.selectbox(key="by").set_value("price").run()
    assert drawn(page)["legend"][0][0] == "€80 to €100" and page.query_params["by"] == "price"
    page.segmented_control(key="space").set_value("attributes").run()
    assert page.query_params == {"space": "attributes", "by": "price"} and drawn(page)["n"] == 12
    (mapped / "map.parquet").write_bytes(b"nonsense")
    assert "map.parquet cannot be read as a table" in show("map", mapped).error[0].value
    shutil.copytree(bare.parent, tmp_path / "bare")
    write_map(tmp_path / "bare" / "run")
    page = show("map", tmp_path / "bare" / "run", group="0")
    assert (drawn(page)["photos"], drawn(page)["days"]) == (False, None)
    few = embed_run(paint_market(tmp_path / "few" / "market", listings=3, users=0), tmp_path / "few" / "run")
    assert "A map needs at least 5 listings that are known in one space; this market has 3." in texts(
        show("map", few)
    )


@pytest.mark.slow
def test_a_coarse_map_is_shown_while_the_final_one_is_drawn(show, trained, tmp_path, monkeypatch):
    shutil.copytree(trained.parent, tmp_path / "one")
    run, go = tmp_path / "one" / "run", tmp_path / "go"
    go.write_text("")
    updates = 'print("a word of a library")\nprint(\'["placing listings", 40, 100, 75.0]\', flush=True)\n'
    waits = f"import pathlib, time\n{updates}while pathlib.Path({str(go)!r}).exists(): time.sleep(0.05)"
    monkeypatch.setattr(drawing_job, "_SCRIPT", waits)
    page = show("map", run, space="model")
    assert drawn(page)["n"] == 12  # at once
    job = drawing_job.job_of(run)
    wait_until(lambda: job.progress)
    page.run()
    (bar,) = page.get("progress")
    assert bar.proto.value == 40 and bar.proto.text.startswith("A coarse map; refining it: ")
    coarse = drawn(page)["url"]
    drawing_job.start(run)
    assert drawing_job.job_of(run) is job and job.is_running
    write_map(run)
    go.unlink()
    wait_until(lambda: not job.is_running)
    page.run()
    assert not page.get("progress") and drawn(page)["url"] != coarse
    # A map of other embeddings is drawn again; one that fails says why, and the coarse one stays.
    monkeypatch.setattr(drawing_job, "_SCRIPT", "import sys; sys.exit('The disk is full.')")
    arrays = load_file(run / "listings.safetensors")
    save_file(arrays | {"photos": -arrays["photos"]}, run / "listings.safetensors")
    resealed(run)
    drawing_job.forget(run)
    page.run()
    drawing_job.job_of(run).process.wait()
    page.run()
    assert "The disk is full." in texts(page) and drawn(page)["n"]
    monkeypatch.setattr(drawing_job, "_SCRIPT", SLEEP)
    click(page, "Try again")
    assert page.get("progress")
    drawing_job.job_of(run).process.kill()


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


@pytest.fixture
def ask(run):
    client = TestClient(Starlette(routes=routes()))

    def get(part, space="photos", name="run", **params):
        return client.get(f"/points/{name}/{space}/{part}", params=params)

    get.post = client.post
    return get


def test_positions_colors_days_and_facets_come_as_bytes(run, ask):
    answer = ask("places")
    mine = pd.read_parquet(run / "map.parquet").query("space == 'photos'")
    assert len(mine) == 8 and "immutable" in answer.headers["cache-control"]  # the last listing has no photo
    xy = np.frombuffer(answer.content[: 4 * 8], "<u2").reshape(8, 2)
    assert (xy == grid_places(mine[["x", "y"]].to_numpy())).all()
    assert np.frombuffer(answer.content[4 * 8 :], "<i2").tolist() == mine["cluster"].tolist()
    assert np.frombuffer(ask("colors", by="room_type").content, np.uint8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    days, one = market_days(open_run("run").run), load_maps(open_run("run"))["photos"]
    codes = np.frombuffer(ask("day", of="4").content, np.uint8)
    assert ((codes & 128) > 0).tolist() == days.live(4)[one.rows].tolist()
    assert (codes & 127).tolist() == days.touched(4)[one.rows].tolist()
    facets = ask("facets").json()
    assert len(ask("codes").content) == len(facets) * 8
    assert {facet["name"]: facet["kind"] for facet in facets}["amenities"] == "set"


def test_listings_come_as_cards_and_their_covers_small_and_together(run, ask):
    card = ask("cards", of="2").json()[0]
    assert card["title"] == "Home 2 by the *old* harbour" and card["href"].endswith(
        "listing=l02&space=photos"
    )
    with Image.open(io.BytesIO(ask("photo", of="2").content)) as cover:
        seen = cover.convert("RGB").getpixel((cover.width // 2, cover.height // 2))
    assert max(abs(a - b) for a, b in zip(seen, colour_of(2, 0, 2), strict=True)) < 12


def test_a_selection_is_the_same_table_by_its_link_by_python_and_as_a_file(run, ask):
    where = "price%3E%3D100;room_type%3DEntire%20home%7CShared%20room"
    item = MapSelection(
        open_run("run"), load_maps(open_run("run"))["photos"], {"region": LEFT, "where": where}
    )
    scope: dict = {}
    exec(item.python(str(run)), scope)
    python = select_on_map(
        Run.open(run), "photos", region=LEFT, where=["price>=100", "room_type=Entire home|Shared room"]
    )
    link = selection(
        Run.open(run), f"http://x/map?space=photos&region={LEFT}&where={where.replace('%', '%25')}"
    )
    ids = python["listing_id"].tolist()
    assert 0 < len(ids) < 8 and python.columns[:4].tolist() == ["listing_id", "map_x", "map_y", "group"]
    for other in (scope["result"], link, item.table(Run.open(run))):
        assert other["listing_id"].tolist() == ids and other.columns.tolist() == python.columns.tolist()
    about = ask("about", group="1").json()
    assert set(about) == {"traits"}


def test_a_group_is_named_by_anybody_and_keeps_the_name(run, ask):
    url = "/points/run/photos/name"
    assert ask.post(url, json={"group": 0, "name": " Sunny\nhomes "}).json() == {"name": "Sunny homes"}
    assert ask("groups").json()[0]["name"] == "Sunny homes"
    assert "Sunny homes" in [label["text"] for label in ask("names").json() if label["isNamed"]]
    table = select_on_map(Run.open(run), "photos", group=0)
    assert table["group"].unique().tolist() == ["Sunny homes"]
    for wrong, code in (({"group": 9, "name": "x"}, 400), ({"group": 0, "name": "x" * 61}, 400), ([], 400)):
        assert ask.post(url, json=wrong).status_code == code
    assert ask.post(url, content=b"group=0", headers={"content-type": "text/plain"}).status_code == 415
    assert ask.post(url, json={"group": 0, "name": ""}).json()["name"] != "Sunny homes"


@pytest.mark.slow
def test_regions_of_unmet_demand_come_with_their_listings(ask, tmp_path_factory, monkeypatch):
    run = once(tmp_path_factory, "short", short_run) / "run"
    monkeypatch.setattr(sys, "argv", ["main.py", str(run)])
    layer = ask("unmet").json()
    result = demand(Run.open(run))
    place = result.regions[0]
    one = load_maps(open_run("run"))["photos"]
    assert layer["regions"][0]["text"].startswith(
        f"{audience_share(place.users / result.population.users)} want this"
    )
    assert one.ids[layer["regions"][0]["wanted"]].tolist() == place.wanted
    item = MapSelection(open_run("run"), one, {"unmet": "1", "place": "1"})
    scope: dict = {}
    exec(item.python(str(run)), scope)
    assert set(item.table(Run.open(run))["listing_id"]) == {*scope["result"]} & {*one.ids}
    assert set(one.ids[layer["regions"][0]["listings"]]) <= set(place.listings)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("places", {"name": "other"}),
        ("places", {"space": "nothing"}),
        ("nothing", {}),
        ("colors", {"by": "title"}),
        ("unmet", {}),  # there is no model
        ("unmet", {"day": "zebra"}),
        ("cards", {"of": "8"}),
        ("cards", {"of": ",".join(map(str, range(65)))}),
        ("about", {"group": "7"}),
        ("about", {"region": "1,2;zebra"}),
        ("about", {"where": "taste%3Dgood"}),
        ("about", {"day": "zebra"}),
        ("cards", {"of": "-1"}),
        ("photo", {"of": "99"}),
        ("photo", {"of": "9" * 10}),
        ("day", {}),
        ("day", {"of": "99"}),
        ("day", {"of": "0", "space": "model"}),
    ],
)
def test_nothing_else_can_be_asked_for(ask, part, wrong):
    assert ask(part, **wrong).status_code == 404


def test_numbers_are_colored_by_fifths_and_unknown_ones_apart(run):
    opened = open_run("run")
    maps = load_maps(opened)
    coloring = colors(opened, maps["attributes"], "built_year")
    assert coloring.scale and coloring.legend[-1] == ("Unknown", UNKNOWN, 1)
    assert coloring.legend[0] == ("1990 to 1992", 0, 2) and coloring.codes[1] == UNKNOWN
    for by in palettes.choices(opened.view):
        assert len(colors(opened, maps["photos"], by).codes) == 8
    with pytest.raises(KeyError):
        colors(opened, maps["photos"], "title")


@pytest.mark.parametrize("palette", [VALUES, palettes.SCALE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colors_stand_out_from_the_ground(palette, theme):
    assert len(palette[theme]) == UNKNOWN + 1
    for color in palette[theme]:
        assert contrast(color, THEME[theme]["backgroundColor"]) >= 3, color
