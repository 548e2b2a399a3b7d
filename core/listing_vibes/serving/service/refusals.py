"""Every problem of the service is one sentence under `error`, in the answer and in the OpenAPI document."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from listing_vibes.errors import NotThere, VibesError, printable, sentence_of
from listing_vibes.serving.deadline import Late
from listing_vibes.serving.service.problems import Busy
from listing_vibes.serving.service.schema import Problem, sentence

_WORDS = {
    401: "The token is missing or wrong",
    403: "A page of another site sent it",
    404: "Not in the run",
    413: "The body is too large",
    421: "The host of this name may not be asked",
    422: "Bad input",
    500: "A fault of the service; its log says more",
    503: "Too many requests are waiting, a database is locked, or the service is being stopped",
}
_ALWAYS = (421, 422, 500, 503)


def answers(*more: int) -> dict[int | str, dict[str, Any]]:
    """What a route may answer beside what it is asked for, as FastAPI takes it."""
    return {code: {"model": Problem, "description": _WORDS[code]} for code in sorted((*_ALWAYS, *more))}


def refuse_in_sentences(app: FastAPI) -> None:
    """Let every error end as one sentence."""

    @app.exception_handler(VibesError)
    async def refused(request: Request, error: VibesError) -> JSONResponse:
        status = 404 if isinstance(error, NotThere) else 503 if isinstance(error, Busy | Late) else 422
        headers = {"Retry-After": "1"} if status == 503 else None
        return JSONResponse({"error": short(sentence_of(error))}, status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": sentence(error.errors())}, 422)

    @app.exception_handler(HTTPException)
    async def no_such(request: Request, error: HTTPException) -> JSONResponse:
        known = {404: "There is nothing at", 405: "This method is not possible at"}
        text = f"{known.get(error.status_code, error.detail)} {request.url.path}; see /docs."
        return JSONResponse({"error": short(printable(text))}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> JSONResponse:
        # The server logs where; who asks is told nothing of the inside.
        logging.getLogger("uvicorn.error").error(sentence_of(error))
        return JSONResponse({"error": "The service failed on this request; its log says why."}, 500)


def short(text: str) -> str:
    """A sentence repeats what was asked, which may be of any length; its end holds the mend."""
    return text if len(text) <= 500 else f"{text[:240].rstrip()} … {text[-240:].lstrip()}"
