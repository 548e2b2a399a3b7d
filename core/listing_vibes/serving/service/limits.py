"""Limits that neither uvicorn nor FastAPI has: bytes of bodies, values of JSON, characters, pixels, and time of a connection.

uvicorn waits forever for an incomplete request, and at its limit of connections refuses every client. granian 2.8 replaces dead workers
and has a deadline for headers, but none for bodies (its issue 728, not planned), and no limit of their size.
"""

import asyncio
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from listing_vibes.market.photo_decoding import count_pixels
from listing_vibes.request_errors import RequestError
from listing_vibes.serving.service.access import problem

#: Maximum bytes of a body by path, and the default for all other paths; bodies up to the default do not count towards `MAX_HELD`.
MAX_BODIES, SMALL = {"/recommend": 2**20, "/embed": 32 * 2**20, "/events": 2**20}, 64 * 2**10
#: Maximum total bytes of larger bodies in memory at a time.
MAX_HELD = 256 * 2**20
MAX_VALUES = 20_000  # approximate limit of JSON values per body; a history of 1,000 events has 6,000
MAX_CHARACTERS = 100_000
MAX_PIXELS = 64_000_000  # thirty photos of 1600 x 1200 have 58 million
MAX_INTEGER = 2**63
READ_S = 10.0  # time limit of a request's arrival, plus one second for each `RATE` bytes
RATE = 64 * 2**10
WRITE_S = 30.0  # time limit for a client to read a response
MAX_HEAD = 64 * 2**10  # maximum bytes of a request's first line and headers
#: The header by which Java's client and `curl --http2` offer HTTP/2. The parser would take it for the end of HTTP, and drop the body.
UPGRADE = re.compile(rb"\r\nupgrade[ \t]*:", re.IGNORECASE)
BARE_END = re.compile(rb"\n\r?\n")  # the end of headers by line feeds alone, which the parser refuses
TASKS = 2  # maximum number of tasks in units of that of connections
BACKLOG = 1024  # maximum number of connections that wait to be accepted
SPARE_FILES = 128  # file descriptors for the run, the databases and the logs
#: Seconds after the stop signal after which connections of slow clients are closed.
CLOSE_S = 6.5


class BodyLimit:
    """ASGI middleware that reads the body of a request and refuses one that is too large, with or without a length header."""

    def __init__(self, app: ASGIApp, bodies: Mapping[str, int] = MAX_BODIES, held: int = MAX_HELD) -> None:
        self.app, self.bodies, self.max_held, self.held = app, bodies, held, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        request, limit = Request(scope, receive), self.bodies.get(scope["path"], SMALL)
        size = f"{limit / 2**20:g} MiB" if limit >= 2**20 else f"{limit / 2**10:g} KiB"
        too_large = "too_large", f"The body is larger than {size}; send less, for example smaller photos."
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and (len(length) > 18 or int(length) > limit):
            return await _refuse(scope, receive, send, *too_large)
        body, held = bytearray(), 0
        try:
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    return await _refuse(scope, receive, send, *too_large)
                if len(body) > SMALL:
                    self.held += len(body) - held
                    held = len(body)
                if self.held > self.max_held and held:
                    error = "The service is busy with other large requests; send this one again in a moment."
                    return await _refuse(scope, receive, send, "busy", error)
            # Counted before parsing: ten million empty lists fit into 30 MB but take gigabytes as objects. Every value except
            # the first of each list or mapping follows a comma; text may contain commas as well, so the count is an upper bound.
            if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
                error = f"The body holds more than {MAX_VALUES:,} values; send less at once."
                return await _refuse(scope, receive, send, "too_many_values", error)
            messages: list[Message] = [{"type": "http.request", "body": bytes(body)}]

            async def receive_body() -> Message:
                return messages.pop() if messages else await receive()

            await self.app(scope, receive_body, send)
        except ClientDisconnect:
            return
        finally:
            self.held -= held


async def _refuse(scope: Scope, receive: Receive, send: Send, code: str, error: str) -> None:
    # The rest of the body is not read, so the connection cannot be used again.
    await problem(code, error, {"connection": "close"})(scope, receive, send)


def check_attributes(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a listing after checking that each is a text, a number, a flag or a list of these, within limits.

    Raises:
        VibesError: a value has another type, a number is out of range, or there is too much text.
    """
    characters = 0
    for name, value in cells.items():
        characters += len(name)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                characters += len(item)
            elif not isinstance(item, int | float | None):
                names = {"name": f"attributes.{name[:100]}", "value": type(item).__name__}
                expected = "a text, a number, yes or no, or a list of these"
                raise RequestError("bad_value", names, expected=expected)
            elif item is not None and not abs(item) < MAX_INTEGER:  # also excludes NaN
                names = {"name": f"attributes.{name[:100]}", "value": str(item)[:40]}
                raise RequestError("bad_value", names, expected="a number below 2^63")
    if characters > MAX_CHARACTERS:
        raise RequestError("too_much_text", limit=MAX_CHARACTERS)
    return dict(cells)


def decode_photos(texts: Sequence[str]) -> list[bytes]:
    """Return image files from base64; a `VibesError` where all together have more than `MAX_PIXELS` pixels.

    Raises:
        VibesError: a text is not base64, or all photos together have more than `MAX_PIXELS` pixels.
    """
    photos, pixels = [], 0
    for number, text in enumerate(texts):
        try:
            photos.append(binascii.a2b_base64(text, strict_mode=True))
        except (binascii.Error, ValueError) as error:
            raise RequestError("not_base64", name=f"photos.{number}", reason=str(error)) from error
        pixels += count_pixels(photos[-1])
        if pixels > MAX_PIXELS:
            raise RequestError("too_many_pixels", limit=MAX_PIXELS // 10**6)
    return photos


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 protocol of uvicorn with a deadline for each request; at the limit the oldest idle connection is closed for a new one.

    Attributes:
        waiting_since: when the server started to wait for the client, in seconds of the loop's clock.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head, self._expects_head = b"", True  # bytes of the next request, none of which is parsed yet
        self.waiting_since, self._received = self.loop.time(), 0
        self._reads_head, self._has_request = True, False
        self._unread_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_working(self) -> bool:
        """Return whether a complete request waits for its response."""
        return self._has_request and self.cycle is not None and not self.cycle.response_complete

    def close_now(self) -> None:
        """Close the connection and drop unread and unwritten data."""
        self.connections.discard(self)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(1, self._close_if_late)
        if self.limit_concurrency is None:
            return
        is_full = len(self.connections) >= self.limit_concurrency
        # uvicorn also counts tasks, of which a closed connection with a part of a body has one for some more turns of the loop.
        self.limit_concurrency *= TASKS
        if not is_full:
            return
        others = [
            connection
            for connection in self.connections
            if isinstance(connection, BoundedProtocol) and connection is not self
        ]
        if waiting := [other for other in others if not other.is_working]:
            min(waiting, key=lambda item: item.waiting_since).close_now()
        else:
            self.limit_concurrency = 0  # uvicorn refuses the request

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(CLOSE_S, self.close_now)

    def _close_if_late(self) -> None:
        now = self.loop.time()
        is_read_late = not self.is_working and now - self.waiting_since > READ_S + self._received / RATE
        is_write_late = self._unread_since is not None and now - self._unread_since > WRITE_S
        if is_read_late or is_write_late:
            self.close_now()
        else:
            self._timer = self.loop.call_later(1, self._close_if_late)

    def data_received(self, data: bytes) -> None:
        if self._expects_head:  # the first line and the headers are parsed at once
            self._unset_keepalive_if_required()
            data, self._head = self._head + data, b""
            head, end, body = data.partition(b"\r\n\r\n")
            if not end and len(data) <= MAX_HEAD and not BARE_END.search(data):
                self._head = data
                return
            data = UPGRADE.sub(b"\r\nx-upgrade:", head) + end + body
        super().data_received(data)
        self._received += len(data)
        if self._reads_head and self._received > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The headers are too large.")

    def on_message_begin(self) -> None:
        self.waiting_since, self._received = self.loop.time(), 0
        self._expects_head, self._reads_head, self._has_request = False, True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._reads_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._expects_head = self._has_request = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._unread_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._unread_since = None
        super().resume_writing()


def connection_limits(requested: int) -> tuple[int, int]:
    """Return how many connections to hold and to queue: the requested number, or fewer by the limit of open files."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return requested, BACKLOG
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, most = (2**31 if limit == resource.RLIM_INFINITY else limit for limit in (soft, hard))
    if soft < (enough := requested + BACKLOG + SPARE_FILES):
        soft = min(most, enough)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    backlog = min(BACKLOG, soft // 4)  # all queued connections may be accepted before the first is closed
    return max(1, min(requested, soft - backlog - SPARE_FILES)), backlog
