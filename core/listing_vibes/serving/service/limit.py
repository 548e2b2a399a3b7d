"""A bound on what a request may send, and on what all of them may send at once, so that none fills the memory."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SMALL = 64 * 2**10  # bytes of a body that count for nothing; as many as may come where no more is said
AT_ONCE = 256 * 2**20  # bytes of the larger bodies that are held at one moment


class Limited:
    """ASGI middleware that takes in the body of a request whole.

    A larger body than its path may have is refused with status 413, whether or not it says its length, and one for which
    there is no room at the moment with 503.

    Args:
        most: bytes by path.
        at_once: bytes of all bodies that are being received or answered.
    """

    def __init__(self, app: ASGIApp, most: Mapping[str, int], at_once: int = AT_ONCE) -> None:
        self.app, self.most, self.at_once = app, most, at_once
        self.held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        most = self.most.get(scope["path"], SMALL)
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and (len(told) > 18 or int(told) > most):
            return await self._too_large(send, most)
        body, held = bytearray(), 0
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":  # whoever asked has gone
                    return
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > most:
                    return await self._too_large(send, most)
                if len(body) > SMALL:
                    self.held += len(body) - held
                    held = len(body)
                    if self.held > self.at_once:
                        return await self._no_room(send)
            await self.app(scope, _once(bytes(body), receive), send)
        finally:
            self.held -= held

    async def _too_large(self, send: Send, most: int) -> None:
        size = f"{most / 2**20:g} MiB" if most >= 2**20 else f"{most / 2**10:g} KiB"
        error = f"The body is larger than {size}; send less, for example smaller photos."
        await _refuse(send, 413, error, [])

    async def _no_room(self, send: Send) -> None:
        error = "There is no room for this request, since others are sending much; send it again in a moment."
        await _refuse(send, 503, error, [(b"retry-after", b"1")])


def _once(body: bytes, receive: Receive) -> Receive:
    """What hands out the body, and then what else comes of the client."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return messages.pop() if messages else await receive()

    return receiving


async def _refuse(send: Send, status: int, error: str, headers: list[tuple[bytes, bytes]]) -> None:
    # The rest of the body is not read, so the connection cannot be used again.
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": error}).encode()})
