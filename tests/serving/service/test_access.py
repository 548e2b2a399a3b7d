"""Who may send requests: hosts, a token, pages of other sites; and the headers of every response."""

import base64

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from helpers.commands import vibes
from listing_vibes.serving.service.access import (
    COOKIE,
    HOSTS,
    TOKEN,
    Access,
    AccessMiddleware,
    exposure_warning,
    is_json,
)

SECRET = "a-token-of-many-characters"
SHOP = Access(hosts=("shop.example.com", "*.example.org"))


async def talk(socket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def client(access: Access, browser: bool = False) -> TestClient:
    routes = [Route("/", lambda request: PlainTextResponse("hello")), WebSocketRoute("/talk", talk)]
    app = AccessMiddleware(Starlette(routes=routes), access, browser=browser)
    return TestClient(app, base_url="http://localhost:8000")


def talks(one: TestClient, **headers: str) -> bool:
    try:
        with one.websocket_connect("ws://localhost:8000/talk", headers=headers) as socket:
            return socket.receive_text() == "hello"
    except WebSocketDisconnect:
        return False


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True), ("LOCALHOST:8000", True), ("127.0.0.1:8000", True), ("[::1]:8000", True), ("10.0.0.7", True),
        ("shop.example.com", True), ("shop.example.com.:443", True), ("a.b.example.org", True),
        ("evil.example.com", False), ("example.org", False), ("badexample.org", False), ("127.0.0.1.evil.example.com", False),
        ("localhost.evil.example.com", False), ("", False), ("127.1", False), ("[::1", True), ("shop.example.com@evil.com", False),
    ],
)  # fmt: skip
def test_names_must_be_allowed_and_addresses_always_are(host, allowed):
    assert SHOP.allows(host) is allowed
    response = client(SHOP).get("/", headers={"host": host})
    assert response.status_code == (200 if allowed else 421)
    assert response.headers["x-content-type-options"] == "nosniff"
    two = client(SHOP).get("/", headers=[("host", "localhost"), ("host", host)])
    assert two.status_code == 421


def test_only_the_bearer_token_counts():
    guarded = client(Access(SECRET.encode()))
    for headers in ({}, {"authorization": f"Bearer {SECRET}x"}, {"authorization": SECRET}, {"authorization": "Bearer"},
                    {"cookie": f"{COOKIE}={SECRET}"}, {"authorization": basic(SECRET)}):  # fmt: skip
        refused = guarded.get("/", headers=headers)
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    assert guarded.get(f"/?token={SECRET}").status_code == 401
    assert guarded.get("/", headers={"authorization": f"bearer {SECRET}"}).text == "hello"
    assert not talks(guarded) and talks(guarded, authorization=f"Bearer {SECRET}")


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_a_browser_sends_the_token_as_a_password_once_and_then_a_cookie(scheme, secure):
    guarded, url = client(Access(SECRET.encode()), browser=True), f"{scheme}://localhost:8000/"
    prompt = guarded.get(url)
    assert prompt.status_code == 401 and prompt.headers["www-authenticate"].startswith("Basic ")
    for wrong in (basic("wrong"), "Basic %%%"):
        assert guarded.get(url, headers={"authorization": wrong}).status_code == 401
    response = guarded.get(url, headers={"authorization": basic(SECRET)})
    cookie = response.headers["set-cookie"]
    assert response.text == "hello" and SECRET not in cookie
    parts = {part.strip() for part in cookie.split(";")}
    assert {"HttpOnly", "SameSite=Strict"} <= parts and ("Secure" in parts) is secure
    assert guarded.get(url).text == "hello"  # the client sends the cookie
    assert talks(guarded, cookie=cookie.split(";")[0])
    other = client(Access(b"another-token-of-many-characters"), browser=True)
    assert other.get("/", headers={"cookie": cookie.split(";")[0]}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True), ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, True), ({"sec-fetch-site": "none"}, True),
        ({"origin": "https://shop.example.com", "sec-fetch-site": "cross-site"}, True), ({"origin": "http://evil.example.com"}, False),
        ({"origin": "null"}, False), ({"origin": "http://localhost:9999"}, False), ({"origin": "http://["}, False),
        ({"origin": "http://localhost:8000.evil.com"}, False), ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)  # fmt: skip
def test_a_page_of_another_site_posts_nothing_and_opens_no_socket_but_may_link_here(headers, allowed):
    guarded = client(SHOP)
    assert guarded.post("/", headers=headers).status_code == (405 if allowed else 403)
    assert guarded.get("/", headers=headers).status_code == 200
    assert talks(guarded, **headers) is allowed


def test_only_the_media_type_itself_is_json():
    for content_type in ("application/json", "Application/JSON ; charset=utf-8"):
        assert is_json(content_type)
    for content_type in (
        "text/plain;x=json", "text/plain;x=application/json", "multipart/form-data; boundary=json", "", "application/jsonp",
    ):  # fmt: skip
        assert not is_json(content_type)


def test_a_public_address_without_a_token_gives_a_warning():
    for host in ("127.0.0.1", "localhost", "::1"):
        assert not exposure_warning(host, Access())
    for host in ("0.0.0.0", "::", "10.0.0.7", "shop.example.com"):
        assert exposure_warning(host, Access()) and not exposure_warning(host, Access(SECRET.encode()))


def test_the_environment_has_the_token_and_the_hosts(trained, monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    monkeypatch.setenv(HOSTS, " Shop.example.com, ,*.example.org ")
    assert Access.of_environment() == SHOP
    monkeypatch.setenv(TOKEN, SECRET)
    access = Access.of_environment()
    assert access.knows(SECRET.encode()) and SECRET not in repr(access)
    monkeypatch.setenv(TOKEN, "short")
    vibes("serve", trained.path, "--port", "0", check=2)
