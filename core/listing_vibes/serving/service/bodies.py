"""The JSON of a request: read beside the event loop, and refused where it holds more values than any request needs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool

from listing_vibes.errors import VibesError
from listing_vibes.serving.service.guard import is_json

MOST_VALUES = 20_000  # values of a body, about; a history of 1,000 events has 6,000
LARGE = 64 * 2**10  # bytes from which reading a body takes a thread


class PostedRequest(Request):
    """A request whose JSON has been read."""

    parsed: Any = None

    async def json(self) -> Any:
        return self.parsed


class BodyRoute(APIRoute):
    """A route whose JSON is read by `read_json` before FastAPI checks it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            posted = PostedRequest(request.scope, request.receive)
            body = await posted.body()
            if body and is_json(request.headers.get("content-type", "")):
                posted.parsed = (
                    await run_in_threadpool(read_json, body) if len(body) > LARGE else read_json(body)
                )
            return await handler(posted)

        return answered


def read_json(body: bytes) -> Any:
    """The value of a body.

    Raises:
        VibesError: it is no JSON, or holds too many values.
    """
    # Counted before anything is made of it: ten million empty lists fit into 30 MB, and take gigabytes as objects. Every
    # value but the first of each list or mapping follows a comma; text may hold these, too, so this counts too many.
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        raise VibesError(f"The body holds more than {MOST_VALUES} values; send less at once.")
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise VibesError(f"The body is no JSON ({error}); mend that place.") from error
