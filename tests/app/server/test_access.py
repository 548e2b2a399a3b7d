"""The explorer's server: who may ask it, and what it tells a browser of what its pages may load."""

import base64
import http.client
import subprocess
import urllib.request

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from browser.served import wait_for
from listing_vibes.errors import VibesError
from listing_vibes.serving.service.access import HOSTS, TOKEN
from listing_vibes_app.server import launch

SECRET = "a-token-of-many-characters"


def test_a_short_token_is_told_before_the_server_starts(eventless, monkeypatch):
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(VibesError, match="at least 16"):
        launch.command([eventless], None, browser=False)


@pytest.fixture(scope="module")
def server(eventless, tmp_path_factory):
    """host:port of an explorer that asks for a token."""
    patch = pytest.MonkeyPatch()
    patch.setenv(TOKEN, SECRET)
    patch.setenv(HOSTS, "shop.example.com")
    log = tmp_path_factory.mktemp("explorer") / "log"
    arguments = launch.command([eventless], None, browser=False)
    with log.open("wb") as stream:
        process = subprocess.Popen(arguments, stdout=stream, stderr=subprocess.STDOUT, cwd=log.parent)
    patch.undo()
    try:
        place = launch.address(arguments)
        asked = urllib.request.Request(
            place + "/_stcore/health", headers={"Authorization": f"Bearer {SECRET}"}
        )
        wait_for(asked, process, log)
        yield place.removeprefix("http://")
    finally:
        process.terminate()
        process.wait(30)


def ask(place: str, path: str = "/", **headers: str) -> http.client.HTTPResponse:
    client = http.client.HTTPConnection(place, timeout=60)
    client.request("GET", path, headers=headers)
    answer = client.getresponse()
    answer.text = answer.read().decode(errors="replace")
    client.close()
    return answer


BEARER = {"Authorization": f"Bearer {SECRET}"}


@pytest.mark.slow
def test_only_allowed_hosts_with_the_token_see_pages_photos_and_streamlit_s_own_routes(server):
    for path in (
        "/",
        "/similar?listing=l00",
        "/photo/run/320/0?listing=l00",
        "/_stcore/health",
        "/_stcore/host-config",
    ):
        assert ask(server, path).status == 401
        assert ask(server, path, Host="evil.example.com", **BEARER).status == 421
        assert ask(server, path, Host="shop.example.com", **BEARER).status in (200, 404)
        answer = ask(server, path, **BEARER)
        assert answer.status in (200, 404)
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.slow
def test_a_socket_is_opened_by_the_cookie_of_a_browser_and_by_no_page_of_another_site(server):
    password = base64.b64encode(f"me:{SECRET}".encode()).decode()
    cookie = ask(server, "/", Authorization=f"Basic {password}").headers["set-cookie"].split(";")[0]
    stream, own = f"ws://{server}/_stcore/stream", {"Cookie": cookie}
    with connect(
        stream, origin=f"http://{server}", additional_headers=own, subprotocols=["streamlit"]
    ) as socket:
        assert socket.subprotocol == "streamlit"
    for origin, headers in ((f"http://{server}", {}), ("http://evil.example.com", own), ("null", own)):
        with (
            pytest.raises(InvalidStatus, match="403"),
            connect(stream, origin=origin, additional_headers=headers),
        ):
            pass
