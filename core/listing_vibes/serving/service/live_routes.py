"""`POST /events`: what users did, taken once the disk has it."""

from __future__ import annotations

import logging
import time
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic_core import to_json

from listing_vibes.errors import VibesError, printable, sentence_of
from listing_vibes.serving.database import DiskFull
from listing_vibes.serving.live.log import Taken
from listing_vibes.serving.live.posted import MOST_POSTED, PostedLive, Refused, checked
from listing_vibes.serving.service.problems import Busy
from listing_vibes.serving.service.refusals import answers, short
from listing_vibes.serving.service.schema import Accepted, Nothing, RefusedEvents, sentence

PATH = "/events"


def add_events(app: FastAPI, *refused: int) -> None:
    """Let a service take events: its `state.live` is the batcher of a `LiveLog`, `state.current` what it serves."""
    state = app.state
    one = PostedLive.model_json_schema()
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_POSTED}
    body = {"required": True, "content": {"application/json": {"schema": {"anyOf": [one, many]}}}}

    @app.post(
        PATH,
        response_model=Accepted,
        responses=answers(403, 413, *refused)
        | {422: {"model": RefusedEvents, "description": "Bad input; no event of the post is taken"}},
        openapi_extra={"requestBody": body},
    )
    async def events(request: Request, _: Annotated[Nothing, Query()]) -> Response:
        """Take an event, or a list of them: whoever is told 200 finds them in the database whatever happens to the service."""
        market = state.current.served.run.market
        posted = checked(await request.json(), market.timed, market.known_actions, time.time_ns(), sentence)
        try:
            taken: Taken = await state.live.ask(posted)
        except Busy:
            raise
        except VibesError as error:  # where the store lies is nobody's business
            logging.getLogger("uvicorn.error").error(sentence_of(error))
            why = "the disk is full" if isinstance(error, DiskFull) else "see the log of the service"
            raise Busy(f"The events could not be kept ({why}); send them again in a while.") from error
        return Response(to_json(taken._asdict()), media_type="application/json")

    @app.exception_handler(Refused)
    async def no_events(_: Request, error: Refused) -> JSONResponse:
        told: list[dict[str, Any]] = [
            {"event": place, "error": short(printable(text))} for place, text in error.problems.items()
        ]
        return JSONResponse({"error": told[0]["error"], "events": told}, 422)
