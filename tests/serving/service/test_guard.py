"""Who may ask: hosts, a token, other sites' pages; and what every answer tells a browser."""

import base64

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from listing_vibes.errors import VibesError
from listing_vibes.serving.service.guard import (
    COOKIE,
    HOSTS,
    TOKEN,
    Access,
    Guarded,
    exposure_warning,
    is_json,
)

SECRET = "a-token-of-many-characters"


async def _talk(socket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def client(access: Access, browser: bool = False, **told) -> TestClient:
    routes = [Route("/", lambda request: PlainTextResponse("hello")), WebSocketRoute("/talk", _talk)]
    app = Guarded(Starlette(routes=routes), access, browser=browser)
    return TestClient(app, base_url="http://localhost:8000", **told)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True), ("LOCALHOST:8000", True), ("127.0.0.1:8000", True), ("[::1]:8000", True), ("10.0.0.7", True),
        ("shop.example.com", True), ("shop.example.com.:443", True), ("a.b.example.org", True),
        ("evil.example.com", False), ("example.org", False), ("badexample.org", False), ("127.0.0.1.evil.example.com", False),
        ("localhost.evil.example.com", False), ("", False), ("127.1", False), ("[::1", True), ("shop.example.com@evil.com", False),
    ],
)  # fmt: skip
def test_names_have_to_be_allowed_and_addresses_may_be_asked(host, allowed):
    access = Access(hosts=("shop.example.com", "*.example.org"))
    assert access.allows(host) is allowed
    answer = client(access).get("/", headers={"host": host})
    assert answer.status_code == (200 if allowed else 421)
    if not allowed:
        assert HOSTS in answer.json()["error"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_two_hosts_are_none():
    messages: list = []

    async def send(message):
        messages.append(message)

    async def inner(scope, receive, send):
        raise AssertionError("it was asked")

    import asyncio

    headers = [(b"host", b"localhost"), (b"host", b"evil.example.com")]
    asyncio.run(Guarded(inner, Access())({"type": "http", "headers": headers}, None, send))
    assert messages[0]["status"] == 421


def test_a_token_is_asked_of_everybody_in_the_header_alone():
    guarded = client(Access(SECRET.encode()))
    for told in ({}, {"authorization": f"Bearer {SECRET}x"}, {"authorization": SECRET}, {"authorization": "Bearer"},
                 {"cookie": f"{COOKIE}={SECRET}"}, {"authorization": _basic(SECRET)}):  # fmt: skip
        refused = guarded.get("/", headers=told)
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer TOKEN" in refused.json()["error"]
    assert guarded.get(f"/?token={SECRET}").status_code == 401
    assert guarded.get("/", headers={"authorization": f"bearer {SECRET}"}).text == "hello"
    with pytest.raises(WebSocketDisconnect), guarded.websocket_connect("ws://localhost:8000/talk"):
        pass
    with guarded.websocket_connect(
        "ws://localhost:8000/talk", headers={"authorization": f"Bearer {SECRET}"}
    ) as socket:
        assert socket.receive_text() == "hello"


def test_a_browser_gives_the_token_as_a_password_once_and_carries_a_cookie_then():
    guarded = client(Access(SECRET.encode()), browser=True)
    prompt = guarded.get("/")
    assert prompt.status_code == 401 and prompt.headers["www-authenticate"].startswith("Basic ")
    assert guarded.get("/", headers={"authorization": _basic("wrong")}).status_code == 401
    assert guarded.get("/", headers={"authorization": "Basic %%%"}).status_code == 401
    let_in = guarded.get("/", headers={"authorization": _basic(SECRET)})
    cookie = let_in.headers["set-cookie"]
    assert let_in.text == "hello" and SECRET not in cookie
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    assert guarded.get("/").text == "hello"  # the client carries the cookie
    with guarded.websocket_connect("ws://localhost:8000/talk") as socket:
        assert socket.receive_text() == "hello"
    other = client(Access(b"another-token-of-many-characters"), browser=True)
    assert other.get("/", headers={"cookie": cookie.split(";")[0]}).status_code == 401


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_a_cookie_that_was_given_over_tls_goes_over_nothing_else(scheme, secure):
    guarded = client(Access(SECRET.encode()), browser=True)
    answer = guarded.get(f"{scheme}://localhost:8000/", headers={"authorization": _basic(SECRET)})
    assert ("Secure" in answer.headers["set-cookie"].split("; ")) is secure


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def test_a_page_of_another_site_opens_no_socket():
    guarded = client(Access(hosts=("shop.example.com",)))
    for origin in (
        "http://evil.example.com",
        "null",
        "http://localhost:9999",
        "http://[",
        "http://localhost:8000.evil.com",
    ):
        with (
            pytest.raises(WebSocketDisconnect),
            guarded.websocket_connect("ws://localhost:8000/talk", headers={"origin": origin}),
        ):
            pass
    for origin in ("http://localhost:8000", "https://shop.example.com"):
        with guarded.websocket_connect("ws://localhost:8000/talk", headers={"origin": origin}) as socket:
            assert socket.receive_text() == "hello"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://shop.example.com", "sec-fetch-site": "cross-site"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_a_page_of_another_site_posts_nothing_and_may_link_here(headers, status):
    guarded = client(Access(hosts=("shop.example.com",)))
    assert guarded.post("/", headers=headers).status_code == (405 if status == 200 else 403)
    assert guarded.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True), ("Application/JSON ; charset=utf-8", True), ("text/plain;x=json", False),
        ("text/plain;x=application/json", False), ("multipart/form-data; boundary=json", False), ("", False),
        ("application/jsonp", False), ("text/json", False),
    ],
)  # fmt: skip
def test_only_the_media_type_itself_makes_json(content_type, expected):
    assert is_json(content_type) is expected


@pytest.mark.parametrize(
    ("host", "token", "warns"),
    [
        ("127.0.0.1", None, False), ("localhost", None, False), ("::1", None, False), ("0.0.0.0", None, True),
        ("::", None, True), ("10.0.0.7", None, True), ("shop.example.com", None, True), ("0.0.0.0", SECRET.encode(), False),
    ],
)  # fmt: skip
def test_listening_beyond_this_machine_without_a_token_is_warned_of(host, token, warns):
    assert bool(exposure_warning(host, Access(token))) is warns


def test_the_environment_says_who_may_ask(monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setenv(HOSTS, " Shop.example.com, ,*.example.org ")
    assert Access.of_environment() == Access(None, ("shop.example.com", "*.example.org"))
    monkeypatch.setenv(TOKEN, SECRET)
    access = Access.of_environment()
    assert access.knows(SECRET.encode()) and SECRET not in repr(access)
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(VibesError, match="has 5 characters; give at least 16"):
        Access.of_environment()
