"""Requests to the service: bodies, parameters and addresses, over the demo, as the server hands them to the application."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote_from_bytes

from tests.fuzz.harness import target
from tests.fuzz.mutate import mutated

from listing_vibes.errors import VibesError, printable

T = TypeVar("T")
DEMO = Path(__file__).parents[3] / "assets" / "demo" / "run"
#: Statuses that the OpenAPI document names for bad input.
REFUSED = (404, 405, 413, 422)
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def _seeds() -> Sequence[bytes]:
    """The method and the address in the first line, the body below it."""
    history = [{"listing_id": "home-0001", "action": "view", "duration_s": 12.5}, {"listing_id": "home-0002"}]
    rules = {
        "k": 5,
        "at": "now",
        "where": ["price<=300000"],
        "same": ["district"],
        "diversity": 0.3,
        "live_only": True,
    }
    cells = {
        "price": 120,
        "district": "Orchard",
        "pets": "yes",
        "latitude": 49.97,
        "longitude": 9.94,
        "title": "A room",
    }
    posted: dict[str, list[Any]] = {
        "/recommend": [
            {"history": history, "k": 5},
            {"history": history} | rules,
            {"history": history, "blend": "neighbors+recency"},
        ],
        "/embed": [
            {"attributes": cells, "k": 3},
            {"attributes": cells, "spaces": ["attributes"]},
            {"photos": [PNG[:-8]]},
        ],
    }
    event = {"user_id": "user-00000", "listing_id": "home-0001", "action": "view", "duration_s": 3.5}
    posted["/events"] = [
        event,
        [event | {"timestamp": "2025-02-01", "event_id": "e1"}, event | {"request_id": "r"}],
    ]
    bodies = [f"POST {path}\n{json.dumps(body)}" for path, some in posted.items() for body in some]
    asked = ("/similar/home-0001?k=5&space=model", "/similar/home-0002?where=price%3C%3D300000&same=district&at=now&live_only=true",
             "/recommend/user-00000?k=3&at=2025-02-01&drop_seen=false", "/recommend/user-00001?at_most=1&seller=district&diversity=0.5",
             "/health", "/metrics", "/openapi.json")  # fmt: skip
    return [one.encode() for one in (*bodies, *(f"GET {path}\n" for path in asked))]


def _draw(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A mutated seed; mostly of its body or its parameters alone, since another address is soon refused."""
    seed = rng.choice(corpus)
    head, _, body = seed.partition(b"\n")
    if body and rng.random() < 0.8:
        return head + b"\n" + mutated(rng, [body])
    address, mark, parameters = head.partition(b"?")
    if mark and rng.random() < 0.8:
        return address + b"?" + mutated(rng, [parameters]).replace(b"\n", b"") + b"\n" + body
    return mutated(rng, [seed])


@target("service-requests", _seeds, _draw)
def service_requests(folder: Path) -> Callable[[bytes], object]:
    from helpers.serving import app_of

    app = app_of(DEMO, folder / "events", folder / "shown", follow_s=3600)
    loop = asyncio.new_event_loop()
    # On a thread of its own: the caller's may have a loop already.
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def answer(asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, loop).result()

    answer(app.router.lifespan_context(app).__aenter__())

    def feed(content: bytes) -> object:
        status, told = answer(_asked(app, content))
        if status == 200:
            return json.loads(told) if told.startswith(b"{") else told
        sentence = json.loads(told)["error"]
        if status not in REFUSED or printable(sentence) != sentence or len(sentence) > 600:
            raise AssertionError(f"{status} {sentence!r}")
        raise VibesError(sentence)

    for seed in _seeds():  # what is opened on first use is no hang of an input
        feed(seed)
    return feed


async def _asked(app: Callable, content: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to `METHOD address` in the first line and a body below it."""
    head, _, body = content.partition(b"\n")
    method, _, address = head.partition(b" ")
    path, _, parameters = address.partition(b"?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
        "method": "POST" if method == b"POST" else "GET", "path": path.decode("utf-8", "replace"),
        "raw_path": path, "query_string": quote_from_bytes(parameters, safe="%&=+;/?:@").encode(),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
        "server": ("localhost", 80), "client": ("127.0.0.1", 1), "state": {},
    }  # fmt: skip
    parts = [{"type": "http.request", "body": body, "more_body": False}]
    found: list[dict] = []
    over = asyncio.Event()

    async def receive() -> dict:
        if parts:
            return parts.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        found.append(message)

    await app(scope, receive, send)
    over.set()
    return found[0]["status"], b"".join(message.get("body", b"") for message in found[1:])
