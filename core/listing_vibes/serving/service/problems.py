"""Errors of the service as one sentence under `error`, in the response and in the OpenAPI document."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from listing_vibes.errors import NotThere, VibesError, printable, sentence_of
from listing_vibes.serving.database import Busy
from listing_vibes.serving.service.models import RENAMED, Problem
from listing_vibes.words import cut

DESCRIPTIONS = {
    401: "The token is missing or wrong",
    403: "A page of another site sent it",
    404: "Not in the run",
    413: "The body is too large",
    421: "The host of this name is not allowed",
    422: "Bad input",
    500: "Internal error; the service's log has the details",
    503: "Too many requests are waiting, a database is locked, or the service is being stopped",
}
MAX_ERROR = 500  # characters; the end of a sentence has the hint
#: The two types of an event of a history, which pydantic includes in the location of an error.
_FORMS = ("HistoryEvent", "constrained-str")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of a route for FastAPI."""
    return {status: {"model": Problem, "description": DESCRIPTIONS[status]} for status in statuses}


def add_problem_handler(app: FastAPI) -> None:
    """Register the handler that turns every exception into one sentence."""
    for kind in (VibesError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, respond)


async def respond(request: Request, error: Exception) -> JSONResponse:
    """Return the response for an exception."""
    status, headers = 500, None
    text = "The service failed on this request; see its log for the reason."
    if isinstance(error, VibesError):
        status = 404 if isinstance(error, NotThere) else 503 if isinstance(error, Busy) else 422
        headers, text = {"Retry-After": "1"} if status == 503 else None, sentence_of(error)
    elif isinstance(error, RequestValidationError):
        status, text = 422, describe_invalid(error.errors(), error.body)
    elif isinstance(error, HTTPException) and error.status_code == 400:  # FastAPI could not parse the body
        status, text = 422, "The body is not JSON; send JSON with the header content-type: application/json."
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        reasons = {404: "There is nothing at", 405: "This method is not possible at"}
        text = printable(f"{reasons.get(status, error.detail)} {request.url.path}; see /docs.")
    else:  # uvicorn logs the traceback; the client gets no internals
        logging.getLogger("uvicorn.error").error(sentence_of(error))
    if len(text) > MAX_ERROR:  # a sentence may quote input of any length
        text = f"{text[: MAX_ERROR // 2 - 10].rstrip()} … {text[-MAX_ERROR // 2 + 10 :].lstrip()}"
    return JSONResponse({"error": text}, status, headers)


def describe_invalid(problems: Sequence[Any], body: Any = None) -> str:
    """Return the first validation error of FastAPI as a sentence."""
    problem = problems[0]
    place = [str(part) for part in problem["loc"] if part not in ("body", "query", "path", *_FORMS)]
    if place[:1] == ["0"] and not isinstance(body, list):  # a single event is treated as a list
        place = place[1:]
    name = printable(".".join(place))[:100].strip() or "A field without a name"
    if problem["type"] == "missing" and place:
        return f"{name} is missing; give it."
    if problem["type"] == "extra_forbidden":
        if name in RENAMED:
            return f"{name} is gone; use {RENAMED[name]}."
        return f"{name} is unknown; remove it or correct its spelling."
    if problem["type"] == "json_invalid":
        return f"The body is not JSON ({problem.get('ctx', {}).get('error', problem['msg'])}); correct that place."
    if problem["type"] == "value_error":  # raised by a validator of this package
        return f"{problem['ctx']['error']}."
    if not place:
        return "The body is not a JSON object; send one with the header content-type: application/json."
    try:
        value = cut(printable(repr(problem["input"])), 60)
    except ValueError:  # Python does not format numbers of more than 4,300 digits
        value = "a number of too many digits"
    return f"{name} is {value}; {problem['msg'][:1].lower()}{problem['msg'][1:]}."
