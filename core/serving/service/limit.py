"""A bound on what a request may send, so that no request fills the memory."""

from __future__ import annotations

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Limited:
    """ASGI middleware: a body of more than `most` bytes is refused with status 413, whether or not it says its length."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and int(told) > self.most:
            return await self._refuse(send)
        taken = 0

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message if taken <= self.most else {"type": "http.disconnect"}

        async def sending(message: Message) -> None:
            if taken <= self.most:
                await send(message)
            elif (
                message["type"] == "http.response.start"
            ):  # what the application says of a body that broke off
                await self._refuse(send)

        await self.app(scope, receiving, sending)

    async def _refuse(self, send: Send) -> None:
        error = f"The body is larger than {self.most / 2**20:g} MiB; send less, for example smaller photos."
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"error": error}).encode()})
