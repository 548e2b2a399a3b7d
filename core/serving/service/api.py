"""The addresses of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from core import __version__
from core.errors import NotThere, VibesError
from core.serving.service.batcher import Batcher
from core.serving.service.limit import Limited
from core.serving.service.metrics import Measured, Metrics
from core.serving.service.newest import NewestState
from core.serving.service.problems import Busy
from core.serving.service.requests import Embed, Embedded, Found, Recommend, Similar
from core.serving.service.schema import (
    Embeddings,
    Health,
    PostedHistory,
    PostedListing,
    Problem,
    Recommendations,
    RecommendQuery,
    Results,
    SimilarQuery,
    sentence,
)

REFUSED: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in ((404, "Not in the run"), (422, "Bad input"), (503, "Too many requests are waiting"))
}


@dataclass(frozen=True)
class Options:
    """How a service works.

    Attributes:
        most: requests a batch, at most; 1 = one at a time.
        pause: seconds that the first request of an idle service waits for company.
        waiting: requests that may wait; more are refused with status 503.
        look_every: seconds between two looks for a newer state of the run.
        body: bytes of a request, at most.
    """

    most: int = 64
    pause: float = 0.002
    waiting: int = 1024
    look_every: float = 2.0
    body: int = 32 * 2**20


def make_app(current: NewestState, options: Options | None = None) -> FastAPI:
    """The service over an opened run."""
    chosen, metrics = options or Options(), Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        answers: Batcher[Similar | Recommend, Found] = Batcher(
            lambda requests: current.served.answer(requests),
            chosen.most, chosen.pause, chosen.waiting, metrics.batch,
        )  # fmt: skip
        # On a thread of its own, since photos take a hundred times as long as a history.
        newcomers: Batcher[Embed, Embedded] = Batcher(
            lambda requests: current.served.embed(requests), 1, waiting=chosen.waiting
        )
        app.state.answers, app.state.newcomers = answers, newcomers
        metrics.waiting.set_function(lambda: len(answers) + len(newcomers))
        metrics.listings.set_function(lambda: len(current.served.run.listing_ids))
        metrics.generation.set_function(lambda: current.served.run.generation)
        metrics.opened.set_function(lambda: current.served.opened)
        following = loop.create_task(
            current.follow(
                chosen.look_every, lambda fine: metrics.openings.labels("opened" if fine else "failed").inc()
            )
        )
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        await asyncio.gather(answers.close(), newcomers.close())

    app = FastAPI(
        title="Listing Vibes",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # these pages would load scripts from the network
        redoc_url=None,
        responses=REFUSED,
    )
    app.state.metrics, app.state.current = metrics, current
    app.add_middleware(Limited, most=chosen.body)
    app.add_middleware(Measured, metrics=metrics)
    _refusals(app)
    _routes(app)
    return app


def _routes(app: FastAPI) -> None:
    state = app.state

    @app.get("/similar/{listing_id}", response_model=Results)
    async def similar(listing_id: str, asked: Annotated[SimilarQuery, Query()]) -> Response:
        """The listings nearest to one, best first, by the run's first space or by another one."""
        return _listed(await state.answers.ask(asked.request(listing_id)))

    @app.get("/recommend/{user_id}", response_model=Results)
    async def recommend_user(user_id: str, asked: Annotated[RecommendQuery, Query()]) -> Response:
        """Listings for a user of the market: live at the moment `at`, and none of the user's history before it."""
        return _listed(await state.answers.ask(asked.request(user_id)))

    @app.post("/recommend", response_model=Recommendations)
    async def recommend_history(posted: PostedHistory) -> Response:
        """Listings for a posted history, none of which is in it."""
        found = await state.answers.ask(posted.request_of_history())
        return _json({"results": _results(found), "unknown": found.unknown})

    @app.post("/embed", response_model=Embeddings)
    async def embed(posted: PostedListing) -> Response:
        """The vectors of a listing that the market does not have, and its neighbours."""
        found: Embedded = await state.newcomers.ask(posted.request())
        near = {space: _results(of) for space, of in found.similar.items()}
        return _json({"vectors": found.vectors, "similar": near, "broken": found.broken})

    @app.get("/health")
    async def health() -> Health:
        """What is served; 200 as long as requests are answered."""
        current: NewestState = state.current
        run = current.served.run
        return Health(
            status="ok",
            run=str(run.path),
            market=run.manifest.market_name,
            listings=len(run.listing_ids),
            spaces=run.spaces,
            model=run.has_model,
            generation=run.generation,
            opened=current.served.opened,
            problem=current.problem,
        )

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """The service's metrics in Prometheus' format."""
        return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _refusals(app: FastAPI) -> None:
    """Every problem is one sentence under `error`."""

    @app.exception_handler(VibesError)
    async def refused(request: Request, error: VibesError) -> JSONResponse:
        status = 404 if isinstance(error, NotThere) else 503 if isinstance(error, Busy) else 422
        headers = {"Retry-After": "1"} if status == 503 else None
        return JSONResponse({"error": str(error)}, status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"error": sentence(error.errors())}, 422)

    @app.exception_handler(HTTPException)
    async def no_such(request: Request, error: HTTPException) -> JSONResponse:
        known = {404: "There is nothing at", 405: "This method is not possible at"}
        text = f"{known.get(error.status_code, error.detail)} {request.url.path}; see /openapi.json."
        return JSONResponse({"error": text}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def ours(request: Request, error: Exception) -> JSONResponse:  # the server logs it, too
        return JSONResponse({"error": "The service failed on this request; its log says why."}, 500)


def _results(found: Found) -> list[dict[str, Any]]:
    pairs = zip(found.listings, found.scores, strict=True)
    return [{"listing_id": listing, "score": score} for listing, score in pairs]


def _listed(found: Found) -> Response:
    return _json({"results": _results(found)})


def _json(content: Any) -> Response:
    """Serialised at once: what we made needs no second validation."""
    return Response(to_json(content), media_type="application/json")
