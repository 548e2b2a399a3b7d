"""The explorer's server: starting it, who has access, photos and decks, opened runs, and errors as sentences."""

import base64
import errno
import http.client
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import types
import urllib.request
from pathlib import Path

import pytest
import streamlit as st
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from browser.painted import colour_of, embed_run, paint_market
from browser.served import wait_for
from helpers.waiting import PATIENCE_S
from listing_vibes import Run
from listing_vibes.errors import DEBUG, VibesError
from listing_vibes.report.deck import Slide, deck_html
from listing_vibes.run.manifest import Manifest
from listing_vibes.serving.service.access import HOSTS, TOKEN
from listing_vibes_app.app_pages.map import drawing_job
from listing_vibes_app.kit import deck_routes
from listing_vibes_app.server import command_line, params, runs
from listing_vibes_app.server.boundary import catch_errors
from listing_vibes_app.server.pages import NUMBER
from listing_vibes_app.server.photos import photo_url, serve_photo
from listing_vibes_app.view.photo_box import photo_box

SECRET = "a-token-of-many-characters"
BEARER = {"Authorization": f"Bearer {SECRET}"}
ERRORS = {
    "full": OSError(errno.ENOSPC, "No space left on device", "run/model"),
    "nested": RecursionError("maximum recursion depth exceeded"),
    "value": ValueError("Cannot load file containing pickled data when allow_pickle=False"),
    "other": KeyError("![x](http://hostile.invalid/x.png)"),
}


# starting


def option(arguments, name):
    return arguments[arguments.index(name) + 1]


def test_the_command_listens_on_this_machine_at_a_free_port(eventless, monkeypatch):
    arguments = command_line.command([eventless], None, browser=False)
    assert option(arguments, "--server.address") == "127.0.0.1"
    assert option(arguments, "--server.headless") == "true"
    assert arguments[arguments.index("--") + 1 :] == [str(eventless.resolve())]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", int(option(arguments, "--server.port"))))
        probe.listen()
        with pytest.raises(VibesError, match=r"Port \d+ on 127.0.0.1 cannot be used"):
            command_line.command([eventless], probe.getsockname()[1])
    monkeypatch.setenv("LISTING_VIBES_HOST", "0.0.0.0")  # a container
    assert option(command_line.command([eventless], 8501), "--server.address") == "0.0.0.0"
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(VibesError, match="at least 16"):
        command_line.command([eventless])


NOTEBOOK = (
    "import subprocess, sys; from pathlib import Path; from listing_vibes_app.server.command_line import command;"
    "sys.exit(subprocess.call(command([Path(sys.argv[1])], int(sys.argv[2]), False)))"
)


@pytest.fixture
def shadowing(tmp_path):
    """A working directory whose modules have the names of ours and of libraries, and fail where anything imports them."""
    for name in ("app/__init__", "core/__init__", "torch", "streamlit", "umap"):
        (tmp_path / f"{name}.py").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text("raise ImportError('of the working directory')\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("start", ["explore", "notebook"])
def test_the_explorer_prints_one_line_also_where_the_folder_shadows_modules(eventless, shadowing, start):
    port, script = command_line.free_port(), str(Path(sys.executable).with_name("vibes"))
    tail = ["--no-browser", "--port", str(port)]
    arguments = {
        "explore": [script, "explore", str(eventless), *tail],
        "notebook": [sys.executable, "-c", NOTEBOOK, str(eventless), str(port)],
    }[start]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "start_new_session": True}
    server = subprocess.Popen(arguments, cwd=shadowing, **pipes)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url + "/_stcore/health", server)
        with urllib.request.urlopen(url + "/similar?listing=l00", timeout=PATIENCE_S) as answer:
            assert b"<title>" in answer.read()
        line = server.stdout.readline().decode()
    finally:
        os.killpg(server.pid, signal.SIGINT if start == "explore" else signal.SIGTERM)
        rest = server.communicate(timeout=PATIENCE_S)[0].decode()
    assert url in line and "Streamlit" not in line + rest and rest.strip() == ""


@pytest.mark.slow
def test_a_map_is_drawn_where_the_folder_shadows_modules(trained, shadowing, monkeypatch):
    monkeypatch.chdir(shadowing)
    drawing_job.start(trained)
    job = drawing_job.job_of(trained)
    job.process.wait(PATIENCE_S)
    assert job.error == ""
    drawing_job.forget(trained)


@pytest.mark.slow
def test_an_error_of_the_start_is_seen_and_the_settings_are_those_beside_the_server(
    eventless, tmp_path, monkeypatch
):
    code = (
        "import streamlit.config as c, listing_vibes_app.server.command_line as l; from pathlib import Path;"
        "c._main_script_path = str(Path(l.__file__).parents[1] / 'asgi.py');"
        "print(c.get_option('browser.gatherUsageStats'), c.get_option('client.toolbarMode'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "minimal"]
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "none")  # Streamlit cannot read it
    arguments = command_line.command([eventless], None, browser=False)
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode and "Error" in done.stderr


# access


@pytest.fixture(scope="module")
def server(eventless, tmp_path_factory):
    """host:port of an explorer that requires a token."""
    patch = pytest.MonkeyPatch()
    patch.setenv(TOKEN, SECRET)
    patch.setenv(HOSTS, "shop.example.com")
    log = tmp_path_factory.mktemp("explorer") / "log"
    arguments = command_line.command([eventless], None, browser=False)
    with log.open("wb") as stream:
        process = subprocess.Popen(arguments, stdout=stream, stderr=subprocess.STDOUT, cwd=log.parent)
    patch.undo()
    try:
        url = command_line.address(arguments)
        wait_for(urllib.request.Request(url + "/_stcore/health", headers=BEARER), process, log)
        yield url.removeprefix("http://")
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def ask(place: str, path: str = "/", **headers: str) -> http.client.HTTPResponse:
    client = http.client.HTTPConnection(place, timeout=PATIENCE_S)
    client.request("GET", path, headers=headers)
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer


@pytest.mark.slow
def test_only_allowed_hosts_with_the_token_have_access(server):
    photo = "/photo/run/320/0?listing=l00"
    for path in ("/", "/similar?listing=l00", photo, "/_stcore/health", "/_stcore/host-config"):
        assert ask(server, path).status == 401
        assert ask(server, path, Host="evil.example.com", **BEARER).status == 421
        assert ask(server, path, Host="shop.example.com", **BEARER).status in (200, 404)
        answer = ask(server, path, **BEARER)
        assert answer.status in (200, 404) and answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    password = base64.b64encode(f"me:{SECRET}".encode()).decode()
    cookie = ask(server, "/", Authorization=f"Basic {password}").headers["set-cookie"].split(";")[0]
    stream, own = f"ws://{server}/_stcore/stream", {"Cookie": cookie}
    same = {
        "origin": f"http://{server}", "additional_headers": own, "subprotocols": ["streamlit"], "open_timeout": PATIENCE_S,
    }  # fmt: skip
    with connect(stream, **same) as opened:
        assert opened.subprotocol == "streamlit"
    for origin, headers in ((f"http://{server}", {}), ("http://evil.example.com", own), ("null", own)):
        with pytest.raises(InvalidStatus, match="403"):
            connect(stream, origin=origin, additional_headers=headers, open_timeout=PATIENCE_S)


# photos and decks


@pytest.fixture
def run(tmp_path, monkeypatch):
    made = embed_run(paint_market(tmp_path / "market", listings=4, users=0), tmp_path / "run")
    monkeypatch.setattr(sys, "argv", ["main.py", str(made)])
    return made


def ask_photo(run="run", size=320, position=0, listing="l00", known=""):
    path = {"run": run, "size": size, "position": position}
    headers = [(b"if-none-match", known.encode())] if known else []
    query = f"listing={listing}".encode()
    scope = {"type": "http", "method": "GET", "path": "/photo", "headers": headers, "query_string": query}
    return serve_photo(Request({**scope, "path_params": path}))


def test_a_photo_comes_small_and_a_browser_keeps_it_until_the_file_changes(run):
    answer = ask_photo(position=1, listing="l02")
    with Image.open(answer.path) as image:
        seen = image.convert("RGB").getpixel((5, 5))
        assert max(image.size) <= 320
    assert max(abs(a - b) for a, b in zip(seen, colour_of(2, 1, 2), strict=True)) < 12
    first = ask_photo(listing="l02")
    assert ask_photo(listing="l02", known=first.headers["etag"]).status_code == 304
    photos = run.parent / "market" / "photos"
    Image.new("RGB", (120, 90), (1, 2, 250)).save(photos / "l02_0.png")
    assert ask_photo(listing="l02", known=first.headers["etag"]).status_code == 200
    (photos / "l01_0.png").write_bytes(b"no picture")
    assert ask_photo(listing="l01").media_type == "image/svg+xml"
    view = runs.open_run(run.name).view
    assert photo_url("run", view, 2, 1) == f"/photo/run/320/1?listing=l02&v={view.market.fingerprint[:8]}"
    for wrong in ({"run": ".."}, {"size": 99999}, {"position": 2}, {"listing": "../../etc/passwd"}):
        assert ask_photo(**wrong).status_code == 404
    assert ask_photo(listing="l03").status_code == 404  # it has no photo


@pytest.mark.slow
@pytest.mark.parametrize(("size", "box"), [((120, 90), "4 / 3"), ((200, 300), "2 / 3"), ((90, 90), "1 / 1")])
def test_the_box_has_the_shape_of_the_covers(run, size, box):
    for photo in (run.parent / "market" / "photos").iterdir():
        Image.new("RGB", size).save(photo)
    (run.parent / "market" / "photos" / "l00_0.png").write_bytes(b"broken")
    assert photo_box(runs.open_run("run").view) == box


@pytest.mark.slow
def test_a_deck_takes_json_of_slides_that_is_not_too_long(run):
    client = TestClient(Starlette(routes=deck_routes.routes()))
    slide = {"title": "Mine", "url": "/similar?listing=l02&k=2", "note": "Look"}
    slides, largest = json.dumps([slide]).encode(), deck_routes.LARGEST

    def post(content: bytes, kind: str = "application/json; charset=utf-8", name: str = "run"):
        answer = client.post(f"/deck/{name}", content=content, headers={"content-type": kind})
        return answer.status_code, answer.text

    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert post(slides, kind)[0] == 415  # what a page of another site can send
    assert post(slides + b" " * (largest - len(slides)))[0] == 200
    assert post(slides + b" " * (largest - len(slides) + 1))[0] == 413
    assert post(slides, name="other")[0] == 404 and post(b'{"url": 1}')[0] == 400
    assert post(slides) == (200, deck_html({"run": Run.open(run)}, [Slide(**slide)]))
    assert post(b"[]") == (200, deck_html({"run": Run.open(run)}))
    result = client.get("/find/run", params={"q": "l02"}).json()
    assert result[0]["kind"] == "Listing" and "listing=l02" in result[0]["href"]


# opened runs and the URL


def test_runs_go_by_their_folder_and_are_opened_again_once_written(eventless, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["main.py", "a/run", "b/run", "other", "c/run"])
    assert [*runs.run_paths()] == ["run", "run-2", "other", "run-3"] and runs.run_label("other") == "Other"
    shutil.copytree(eventless, tmp_path / "run")
    monkeypatch.setattr(sys, "argv", ["main.py", str(tmp_path / "run")])
    first = runs.open_run("run")
    assert runs.open_run("run") is first and runs.run_label("run") == "Untrained"
    Manifest.load(tmp_path / "run").save(tmp_path / "run")
    assert runs.open_run("run") is not first and runs.open_run("run").number != first.number
    again = runs.open_run("run")
    (tmp_path / "run" / "metrics.json").write_text("{}")
    assert runs.open_run("run") is not again


def test_parameters_are_read_within_their_range(monkeypatch):
    given = {"k": "7000", "page": "-3", "at": "x", "n": "9" * 30, "space": "taste"}
    monkeypatch.setattr(st, "query_params", types.SimpleNamespace(to_dict=lambda: given, get=given.get))
    asked = [("k", 12, 1, 100), ("page", 1, 1, 9), ("at", 5, 1, 9), ("n", 4, 1, 9), ("missing", 3, 1, 9)]
    assert [params.link().number(*one) for one in asked] == [100, 1, 5, 4, 3]
    assert params.link().choice("space", ["model", "photos"], "model") == "model"
    assert params.take_unused() == [("at", "x"), ("n", "9" * 30), ("space", "taste")]


# errors


def _page():
    import streamlit as st
    from tests_errors import ERRORS

    from listing_vibes_app.server.boundary import boundary

    with boundary():
        raise ERRORS[st.query_params["kind"]]
    st.markdown("the rest")  # type: ignore[unreachable]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_on_the_page_is_one_sentence_and_the_rest_goes_on(monkeypatch, kind, caplog):
    monkeypatch.setitem(sys.modules, "tests_errors", types.SimpleNamespace(ERRORS=ERRORS))
    driver = AppTest.from_function(_page)
    driver.query_params["kind"] = kind
    with caplog.at_level(logging.WARNING):
        driver.run(timeout=PATIENCE_S)
    assert not driver.exception and len(driver.error) == 1 and driver.markdown[0].value == "the rest"
    sentence = driver.error[0].value
    assert "\n" not in sentence and "allow_pickle" not in sentence and "![" not in sentence
    assert not any(record.exc_info for record in caplog.records)
    monkeypatch.setenv(DEBUG, "1")
    with caplog.at_level(logging.WARNING):
        driver.run(timeout=PATIENCE_S)
    assert any(record.exc_info for record in caplog.records)


def test_a_route_answers_with_a_sentence_and_takes_short_numbers():
    def fail(request):
        name = request.path_params["name"]
        raise VibesError("There is no such thing.") if name == "vibes" else ERRORS[name]

    def number(request):
        return PlainTextResponse(str(request.path_params["at"]))

    numbers = Route(f"/number/{{at:{NUMBER}}}", number)
    client = TestClient(Starlette(routes=[Route("/{name}", catch_errors(fail)), numbers]))
    assert (client.get("/vibes").status_code, client.get("/vibes").text) == (404, "There is no such thing.")
    assert client.get("/full").status_code == 500
    statuses = [client.get(f"/number/{text}").status_code for text in ("12", "9" * 10, "9" * 5000, "-1")]
    assert statuses == [200, 404, 404, 404]
