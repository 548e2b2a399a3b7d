"""Hostile requests: each is answered in one sentence, soon, and without a fault; bodies are bounded."""

import asyncio
import base64
import json
import time

import pytest
from PIL import Image

from helpers.pictures import encoded, text_bomb
from helpers.serving import app_of, serving
from listing_vibes.errors import printable
from listing_vibes.serving.service.limits import MAX_CHARACTERS, SMALL, BodyLimit

JSON = {"content-type": "application/json"}
HUGE = "9" * 5000


@pytest.fixture(scope="module")
def client(trained):
    with serving(app_of(trained.path), raise_server_exceptions=False) as client:
        yield client


def refused(response, status: int = 422) -> str:
    assert response.status_code == status, (response.status_code, response.text[:300])
    sentence = response.json()["error"]
    assert (
        set(response.json()) == {"error", "code"} and printable(sentence) == sentence and len(sentence) < 600
    )
    assert sentence.endswith("."), sentence
    return sentence


EVENT = '{"listing_id": "home-0001", '


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *(
            ("/recommend", f'{{"history": [{event}]}}')
            for event in (
                '{"listing_id": "\\ud800"}', EVENT + '"action": "\\udfff"}', '{"\\ud800": 1}', EVENT + f'"duration_s": {HUGE}}}',
                EVENT + '"duration_s": 1e400}', EVENT + '"duration_s": NaN}', f'{{"listing_id": {HUGE}}}', '{"listing_id": null}',
                '{"listing_id": ["home-0001"]}', "[]", "null", HUGE, EVENT + '"action": "\\u202egnp"}', "{" * 5000, "[" * 5000,
            )
        ),
        *(
            (path, body)
            for path in ("/recommend", "/embed")
            for body in ("[]", "1", '"x"', "null", "", "\x00", HUGE, "[" * 10**6, b"\xff\xfe{}", b"\xed\xa0\x80")
        ),
        *(
            ("/embed", json.dumps({"attributes": cells}))
            for cells in (
                {"price": 10**400}, {"price": -(10**30)}, {"price": {"a": 1}}, {"price": [[1]]}, {"x" * 500: 1}, {"price": "9" * 400},
                {"price": "a" * (MAX_CHARACTERS + 1)}, {"latitude": 91, "longitude": 0}, {"price": [1] * 30_000}, {"\ud800": 1},
            )
        ),
        ("/recommend", json.dumps({"history": [], "block": ["a"] * 1001})),
    ],
)  # fmt: skip
def test_a_hostile_body_is_refused_whatever_its_type(client, path, body):
    for headers in (JSON, {}, {"content-type": "text/json; charset=utf-7"}):
        refused(client.post(path, content=body, headers=headers))


def test_unknown_ids_many_rules_and_odd_addresses_are_one_printable_sentence(client):
    for name in (
        "%ED%A0%80",
        "%00",
        "..%2f..%2fetc%2fpasswd",
        "%F0%9F%98%80",
        "%1B%5B2J",
        "%E2%80%AE",
    ):
        refused(client.get(f"/similar/{name}"), 404)
        assert client.get(f"/recommend/{name}").json()["fallback"] is True
    for route in ("similar", "recommend"):
        assert "at most 200 characters" in refused(client.get(f"/{route}/{'x' * 9000}"))
    refused(client.get("/similar/home-0001?" + "&".join(["where=price<=100"] * 30)))
    assert client.post("/recommend", json={"history": [], "block": ["home-0001"] * 1000}).is_success
    body = json.dumps({"history": [], "\u202e\x1b[2J": 1})
    assert "\\u202e\\x1b" in refused(client.post("/recommend", content=body, headers=JSON))
    assert "\\x1b" in refused(client.get("/nowhere%1B%5B2J"), 404)
    assert " … " in refused(client.get("/" + "a " * 400), 404)


def photo(width: int, height: int) -> bytes:
    return encoded(Image.new("L", (width, height)))


@pytest.mark.slow
def test_photos_have_a_budget_of_pixels(client):
    begin, bomb = time.process_time(), text_bomb(2**27)
    large, medium = (base64.b64encode(photo(width, width)).decode() for width in (9000, 2000))
    for photos in ([large], [medium] * 30, [medium] * 31):
        refused(client.post("/embed", json={"photos": photos}))
    for number in range(20):  # whatever it claims, and however it is cut short
        cut = base64.b64encode(bomb[: 40 + number]).decode()
        assert client.post("/embed", json={"photos": [cut, cut]}).status_code in (200, 422)
    assert client.post("/embed", json={"photos": [base64.b64encode(bomb).decode()]}).status_code == 200
    assert time.process_time() - begin < 10


def test_thirty_megabytes_of_empty_lists_are_refused_before_they_are_parsed(client):
    body = b'{"photos": [' + b"[]," * (10 * 2**20) + b"[]]}"
    begin = time.process_time()
    refused(client.post("/embed", content=body, headers=JSON))
    assert time.process_time() - begin < 3
    refused(client.post("/recommend", content=body, headers=JSON), 413)
    refused(client.post("/recommend", content=(b" " * 2**18 for _ in range(5)), headers=JSON), 413)


async def echo(scope, receive, send):
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


class Upload:
    """A request whose parts arrive when they are sent."""

    def __init__(self, app, path="/large", length=None):
        self.parts: asyncio.Queue = asyncio.Queue()
        self.response: list = []
        headers = [] if length is None else [(b"content-length", str(length).encode())]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        self.task = asyncio.ensure_future(app(scope, self.parts.get, self._send))

    async def _send(self, message):
        self.response.append(message)

    async def sends(self, size, more=True):
        await self.parts.put({"type": "http.request", "body": b"x" * size, "more_body": more})
        for _ in range(3):
            await asyncio.sleep(0)

    @property
    def status(self):
        return self.response[0]["status"] if self.response else None


def test_the_bytes_in_memory_are_bounded_and_small_bodies_always_fit():
    async def act():
        app = BodyLimit(echo, {"/large": 10 * SMALL}, held=12 * SMALL)
        slow = Upload(app)
        await slow.sends(9 * SMALL)
        other, small, gone = Upload(app), Upload(app), Upload(app)
        await other.sends(5 * SMALL, more=False)
        await small.sends(SMALL, more=False)
        assert (other.status, small.status) == (503, 200)
        await gone.sends(2 * SMALL)
        assert app.held == 11 * SMALL
        await gone.parts.put({"type": "http.disconnect"})
        await gone.task
        assert app.held == 9 * SMALL and gone.status is None
        await slow.sends(0, more=False)
        assert slow.status == 200 and app.held == 0

    asyncio.run(act())
