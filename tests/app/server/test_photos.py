"""Photos on the wire: only photos of the given runs, and broken ones are calm."""

import sys

import pytest
from PIL import Image
from starlette.requests import Request

from browser.painted import colour_of, embed_run, paint_market
from listing_vibes_app.server.photo_route import serve
from listing_vibes_app.server.photos import photo_url
from listing_vibes_app.server.runs import open_run
from listing_vibes_app.view.photo_box import photo_box


@pytest.fixture
def run(tmp_path, monkeypatch):
    made = embed_run(paint_market(tmp_path / "market", listings=4, users=0), tmp_path / "run")
    monkeypatch.setattr(sys, "argv", ["main.py", str(made)])
    return made


def ask(run="run", size=320, position=0, listing="l00", known=""):
    return serve(
        Request(
            {
                "type": "http",
                "method": "GET",
                "path": "/photo",
                "headers": [(b"if-none-match", known.encode())] if known else [],
                "query_string": f"listing={listing}".encode(),
                "path_params": {"run": run, "size": size, "position": position},
            }
        )
    )


def test_a_photo_comes_as_a_small_picture(run):
    answer = ask(position=1, listing="l02")
    with Image.open(answer.path) as image:
        assert max(image.size) <= 320
        found = image.convert("RGB").getpixel((5, 5))
    assert max(abs(a - b) for a, b in zip(found, colour_of(2, 1, 2), strict=True)) < 12


def test_what_a_browser_has_it_keeps_until_the_file_is_another(run):
    first = ask(listing="l02")
    assert first.headers["cache-control"] == "public, max-age=60"
    again = ask(listing="l02", known=first.headers["etag"])
    assert again.status_code == 304 and not again.body and again.headers["etag"] == first.headers["etag"]
    Image.new("RGB", (120, 90), (1, 2, 250)).save(run.parent / "market" / "photos" / "l02_0.png")
    assert ask(listing="l02", known=first.headers["etag"]).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        {"run": "other"},
        {"run": ".."},
        {"size": 99999},
        {"position": 2},
        {"listing": "nobody"},
        {"listing": "../../etc/passwd"},
        {"listing": "l03"},  # it has no photo
    ],
)
def test_nothing_else_can_be_asked_for(run, wrong):
    assert ask(**wrong).status_code == 404


def test_a_broken_file_is_answered_by_a_calm_picture(run):
    (run.parent / "market" / "photos" / "l01_0.png").write_bytes(b"no picture")
    answer = ask(listing="l01")
    assert answer.status_code == 200 and answer.media_type == "image/svg+xml"
    assert b"cannot be read" in answer.body


def test_the_address_changes_with_the_market(run):
    view = open_run(run.name).view
    assert photo_url("run", view, 2, 1) == f"/photo/run/320/1?listing=l02&v={view.market.fingerprint[:8]}"


@pytest.mark.slow
@pytest.mark.parametrize(("size", "box"), [((120, 90), "4 / 3"), ((200, 300), "2 / 3"), ((90, 90), "1 / 1")])
def test_the_box_follows_the_covers(tmp_path, monkeypatch, size, box):
    market = paint_market(tmp_path / "market", listings=4, users=0)
    for photo in (market / "photos").iterdir():
        Image.new("RGB", size).save(photo)
    (market / "photos" / "l00_0.png").write_bytes(b"broken")
    monkeypatch.setattr(sys, "argv", ["main.py", str(embed_run(market, tmp_path / "run"))])
    assert photo_box(open_run("run").view) == open_run("run").box == box
