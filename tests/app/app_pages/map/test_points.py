"""The routes of the map: bytes in listing order, cards, and nothing of other runs."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from starlette.requests import Request

from browser.mapped import write_map
from browser.painted import colour_of, embed_run, paint_market
from listing_vibes import Run
from listing_vibes.insight.map.region import grid_places
from listing_vibes.widgets.colours import UNKNOWN, VALUES
from listing_vibes_app.app_pages.map.routes import serve_day, serve_listing, serve_photo, serve_space
from listing_vibes_app.kit import palettes
from listing_vibes_app.kit.days import market_days
from listing_vibes_app.kit.map_points import SpaceMap, export_frame, load_maps
from listing_vibes_app.server.runs import open_run


@pytest.fixture
def run(tmp_path, monkeypatch):
    made = embed_run(paint_market(tmp_path / "market", listings=9, users=4), tmp_path / "run")
    write_map(made)
    monkeypatch.setattr(sys, "argv", ["main.py", str(made)])
    return made


def asked(what, space="photos", run="run", query="", **more):
    return Request(
        {
            "type": "http", "method": "GET", "path": "/points", "headers": [], "query_string": query.encode(),
            "path_params": {"run": run, "space": space, "what": what, **more},
        }
    )  # fmt: skip


def ask(what, **more):
    request = asked(what, **more)
    return serve_listing(request) if what == "listing" else serve_space(request)


def one_map(run, space="photos") -> SpaceMap:
    return load_maps(open_run(run.name))[space]


@pytest.mark.slow
def test_places_and_groups_come_as_plain_bytes(run):
    answer = ask("places")
    frame = pd.read_parquet(run / "map.parquet")
    mine = frame[frame["space"] == "photos"]
    assert len(mine) == 8  # the last listing has no photo
    xy = np.frombuffer(answer.body[: 4 * 8], "<u2").reshape(8, 2)
    assert (xy == grid_places(mine[["x", "y"]].to_numpy())).all()
    assert np.frombuffer(answer.body[4 * 8 :], "<i2").tolist() == mine["cluster"].tolist()
    assert "immutable" in answer.headers["cache-control"]


def test_colours_are_one_code_a_listing(run):
    codes = np.frombuffer(ask("colours", query="by=room_type").body, np.uint8)
    colours = one_map(run).colours("room_type")
    assert codes.tolist() == [
        {"Entire home": 0, "Private room": 1, "Shared room": 2}[n]
        for n in ["Entire home", "Private room", "Shared room"] * 2 + ["Entire home", "Private room"]
    ]
    assert [label for label, _, _ in colours.legend] == ["Entire home", "Private room", "Shared room"]


def test_a_listing_comes_as_a_card(run):
    default, other = Run.open(run).spaces[:2]
    card = json.loads(ask("listing", space=default, number=2).body)
    assert card["title"] == "Home 2 by the *old* harbour"
    assert card["href"] == "/similar?listing=l02" and card["photo"].startswith("/photo/run/320/0?listing=l02")
    assert json.loads(ask("listing", space=other, number=2).body)["href"].endswith(f"&space={other}")


def test_a_cover_comes_small_by_the_number_on_the_map(run):
    answer = serve_photo(asked("", number=2))
    with Image.open(answer.path) as cover:
        seen = cover.convert("RGB").getpixel((cover.width // 2, cover.height // 2))
    assert max(abs(a - b) for a, b in zip(seen, colour_of(2, 0, 2), strict=True)) < 12
    assert serve_photo(asked("", space="attributes", number=8)).status_code == 404  # without a photo
    assert serve_photo(asked("", number=8)).status_code == 404
    assert serve_photo(asked("", run="other", number=0)).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        {"what": "places", "run": "other"},
        {"what": "places", "space": "model"},
        {"what": "places", "space": ".."},
        {"what": "colours", "query": "by=title"},
        {"what": "colours", "query": "by=nonsense"},
        {"what": "listing", "number": 8},
        {"what": "listing", "number": 0, "run": "other"},
    ],
)
def test_nothing_else_can_be_asked_for(run, wrong):
    assert ask(**wrong).status_code == 404


def test_without_a_map_there_is_nothing(run):
    (run / "map.parquet").unlink()
    assert ask("places").status_code == 404


def test_listings_that_the_market_lost_are_left_out(run):
    frame = pd.read_parquet(run / "map.parquet")
    more = frame.head(1).assign(listing_id="gone")
    pd.concat([frame, more]).to_parquet(run / "map.parquet", index=False)
    assert len(one_map(run).rows) == 8


def test_the_export_holds_exactly_the_chosen_with_all_columns(run):
    one = one_map(run)
    chosen = np.array([True, False] * 4)
    frame = export_frame(one, chosen)
    assert frame["listing_id"].tolist() == ["l00", "l02", "l04", "l06"]
    assert frame["price"].tolist() == [80.0, 100.0, 120.0, 140.0]
    assert frame["map_x"].tolist() == one.places[chosen, 0].tolist()
    assert frame["group"].tolist() == [one.portraits[0].name] * 4


def test_numbers_are_coloured_by_fifths_and_unknown_ones_apart(run):
    colours = one_map(run, "attributes").colours("built_year")
    assert colours.scale and colours.legend[-1] == ("Unknown", UNKNOWN, 1)
    assert colours.legend[0] == ("1990 to 1992", 0, 2) and colours.legend[-2][0] == "1998"
    assert colours.codes[1] == UNKNOWN and sum(count for _, _, count in colours.legend) == 9
    assert one_map(run).colours("photos").legend == [("2", 2, 8)]


def test_every_choice_can_be_drawn(run):
    one = one_map(run)
    for by in palettes.choices(open_run(run.name).view):
        assert len(one.colours(by).codes) == 8


@pytest.mark.parametrize("palette", [VALUES, palettes.SCALE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_stand_out_from_the_ground(palette, theme):
    from contrast import THEME, contrast

    for colour in palette[theme]:
        assert contrast(colour, THEME[theme]["backgroundColor"]) >= 3, colour
    assert len(palette[theme]) == UNKNOWN + 1


def test_a_day_says_of_each_listing_whether_it_was_live_and_how_often_it_was_touched(run):
    days, one = market_days(open_run(run.name)), one_map(run)
    for number in (0, 4):
        told = np.frombuffer(serve_day(asked("day", number=number)).body, np.uint8)
        assert ((told & 128) > 0).tolist() == days.live(number)[one.rows].tolist()
        assert (told & 127).tolist() == days.touched(number)[one.rows].tolist()
    assert serve_day(asked("day", number=len(days))).status_code == 404
    assert serve_day(asked("day", number=0, space="model")).status_code == 404


def test_unmet_demand_without_a_model_is_a_sentence(run):
    answer = ask("unmet")
    assert answer.status_code == 404 and b"no trained model" in answer.body
    assert ask("unmet", query="at=zebra").status_code == 404
