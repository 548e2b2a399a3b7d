"""The FastAPI application of the service: its routes, and errors as one sentence."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer
from jinja2 import Environment, PackageLoader
from starlette.exceptions import HTTPException

from listing_vibes import __version__
from listing_vibes.errors import NotThere, VibesError, printable, sentence_of
from listing_vibes.market.documents import describe_problem
from listing_vibes.request_errors import RequestError
from listing_vibes.serving.event_database import Busy
from listing_vibes.serving.events import MAX_TEXT, Accepted
from listing_vibes.serving.service.access import STATUSES, Access, AccessMiddleware, problem
from listing_vibes.serving.service.limits import BodyLimit
from listing_vibes.serving.service.metrics import Metrics, MetricsMiddleware
from listing_vibes.serving.service.models import (
    Embeddings,
    Health,
    NoParameters,
    PostedEvents,
    PostedHistory,
    PostedListing,
    Problem,
    RecommendQuery,
    Results,
    SimilarQuery,
)
from listing_vibes.serving.service.service import Service, end_in_time

#: Seconds between two polls for a newer version of the run, and between two updates of the gauges that other processes report.
FOLLOW_S, GAUGES_S = 2.0, 0.5
DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PROBLEMS = {
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
T = TypeVar("T")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of a route for FastAPI."""
    return {status: {"model": Problem, "description": PROBLEMS[status]} for status in statuses}


def is_own_page(request: Request) -> bool:
    """Return whether a request may be recorded: a page of another site can make a browser request a list that nobody sees."""
    access: Access = request.app.state.access
    return access.allows_origin(request)


def get_service(request: Request) -> Service:
    """Return the service of the application."""
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(get_service)]
Nothing = Annotated[NoParameters, Query()]
PathId = Annotated[str, Path(max_length=MAX_TEXT)]
lists, events, operation = APIRouter(), APIRouter(), APIRouter()
FOUND: dict[str, Any] = {"response_model_exclude_defaults": True, "responses": responses(404)}
POSTED: dict[str, Any] = {"response_model_exclude_defaults": True, "responses": responses(403, 413)}


def make_app(
    service: Service,
    access: Access | None = None,
    ready: Callable[[], None] | None = None,
    follow_s: float = FOLLOW_S,
) -> FastAPI:
    """Return the application of a service.

    Args:
        ready: called once the service accepts requests.
        follow_s: seconds between two polls for a newer version of the run.
    """
    access = access or Access()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        openings = service.metrics.openings

        def observe(is_open: bool) -> None:
            openings.labels("opened" if is_open else "failed").inc()

        runs = [service.current, *([] if service.experiment is None else [service.experiment[1]])]
        background = [asyncio.create_task(run.follow(follow_s, observe)) for run in runs]
        background.append(asyncio.create_task(_update_gauges(service.metrics)))
        with end_in_time(service.refuse_all):
            if ready is not None:
                ready()
            yield
        for task in background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await service.close()

    app = FastAPI(
        title="Listing Vibes",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page loads scripts from the network
        redoc_url=None,
        responses=responses(*([401] if access.token else []), 421, 422, 500, 503),
        dependencies=[Depends(HTTPBearer(auto_error=False))] if access.token else [],
    )
    app.state.service, app.state.access = service, access
    app.add_middleware(BodyLimit)
    app.add_middleware(AccessMiddleware, access=access)
    app.add_middleware(MetricsMiddleware, metrics=service.metrics)
    for kind in (VibesError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, respond)
    for router in (lists, operation, *([] if service.events is None else [events])):
        app.include_router(router)
    return app


@lists.get("/similar/{listing_id:path}", **FOUND)
async def similar(
    request: Request, service: ServiceOf, listing_id: PathId, query: Annotated[SimilarQuery, Query()]
) -> Results:
    """The listings nearest to one, best first, by the run's first space or by another one."""
    return await unless_gone(request, service.make_list(query, listing_id, is_own_page(request)))


@lists.get("/recommend/{user_id:path}", **FOUND)
async def recommend_to_user(
    request: Request, service: ServiceOf, user_id: PathId, query: Annotated[RecommendQuery, Query()]
) -> Results:
    """Listings for a user of the market: active at the moment `at`, and none of the user's history before it."""
    return await unless_gone(request, service.make_list(query, user_id, is_own_page(request)))


@lists.post("/recommend", **POSTED)
async def recommend_by_history(
    request: Request, service: ServiceOf, history: PostedHistory, _: Nothing
) -> Results:
    """Listings for a posted history, none of which is in it."""
    return await unless_gone(request, service.make_list(history, history.user_id))


@lists.post("/embed", **POSTED)
async def embed(request: Request, service: ServiceOf, listing: PostedListing, _: Nothing) -> Embeddings:
    """The vectors of a listing that the market does not have, and its neighbors."""
    return await unless_gone(request, service.embeddings.ask(listing))


@events.post("/events", responses=responses(403, 413))
async def post_events(service: ServiceOf, events: PostedEvents, _: Nothing) -> Accepted:
    """Take an event, or a list of them: after the status 200 they are in the database whatever happens to the service."""
    return await service.store_events(events)


@operation.get("/health")
async def health(service: ServiceOf, _: Nothing) -> Health:
    """What is served; 200 as long as lists are made, and posts and impressions can be stored."""
    await service.check()
    current, other = service.current, service.experiment
    run = current.state.run
    return Health(
        status="ok",
        run=run.path.resolve().name,
        market=run.manifest.market_name,
        listings=len(run.listing_ids),
        spaces=run.spaces,
        model=run.has_model,
        version=run.version,
        market_changed=current.state.market_changed,
        opened=current.state.opened,
        problem=current.problem or (other[1].problem if other else ""),
        worker=os.getpid(),
    )


@operation.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: ServiceOf, _: Nothing) -> Response:
    """The service's metrics in Prometheus' format."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@operation.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The OpenAPI document as a page that loads nothing."""
    templates = Environment(loader=PackageLoader("listing_vibes.serving.service", "."), autoescape=True)
    page = templates.get_template("docs.html").render(document=request.app.openapi())
    return HTMLResponse(page, headers={"content-security-policy": DOCS_POLICY})


async def unless_gone(request: Request, answer: Awaitable[T]) -> T:
    """Return the answer, or cancel the request as soon as the client has disconnected, to save the work."""

    async def wait_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    answered, gone = asyncio.ensure_future(answer), asyncio.ensure_future(wait_gone())
    try:
        await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise HTTPException(499, "The client has gone")
        return answered.result()
    finally:
        gone.cancel()
        answered.cancel()


async def respond(request: Request, error: Exception) -> JSONResponse:
    """Return an exception as one sentence under `error`, with its code."""
    code, status, headers = "failed", None, {}
    text = "The service failed on this request; see its log for the reason."
    if isinstance(error, RequestError):
        code, status = error.code, 404 if isinstance(error, NotThere) else 422
        text = printable(error.for_client())
    elif isinstance(error, Busy):
        code, text = "busy", sentence_of(error)
    elif isinstance(error, RequestValidationError):
        code, text = "invalid", describe_invalid(error.errors(), error.body)
    elif isinstance(error, HTTPException) and error.status_code == 400:  # FastAPI could not parse the body
        code, text = (
            "invalid",
            "The body is not JSON; send JSON with the header content-type: application/json.",
        )
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
        code = next((name for name, known in STATUSES.items() if known == status), "invalid")
        reason = {404: "There is nothing at", 405: "This method is not possible at"}.get(status, error.detail)
        text = printable(f"{reason} {request.url.path}; see /docs.")
    else:  # uvicorn logs the traceback; the client gets no internals
        logging.getLogger("uvicorn.error").error(sentence_of(error))
    if len(text) > MAX_ERROR:  # a sentence may quote input of any length
        text = f"{text[: MAX_ERROR // 2 - 10].rstrip()} … {text[-MAX_ERROR // 2 + 10 :].lstrip()}"
    return problem(code, text, headers, status)


def describe_invalid(problems: Sequence[Any], body: Any = None) -> str:
    """Return the first validation error of FastAPI as a sentence."""
    problem = problems[0]
    skipped = ("body", "query", "path", "HistoryEvent", "constrained-str")  # the last two: types of an event
    parts = [str(part) for part in problem["loc"] if part not in skipped]
    if parts[:1] == ["0"] and not isinstance(body, list):  # a single event is treated as a list
        parts = parts[1:]
    if problem["type"] == "json_invalid":
        return f"The body is not JSON ({problem.get('ctx', {}).get('error', problem['msg'])}); correct it."
    if not parts and problem["type"] != "value_error":  # that of a validator of this package
        return "The body is not a JSON object; send one with the header content-type: application/json."
    name = printable(".".join(parts))[:100]
    try:
        return describe_problem(problem, name)
    except ValueError:  # Python does not format numbers of more than 4,300 digits
        return f"'{name}' is a number of too many digits."


async def _update_gauges(metrics: Metrics) -> None:
    """Update the gauges periodically, so that any process of the service can report those of this one."""
    while metrics.is_multiprocess:
        metrics.update()
        await asyncio.sleep(GAUGES_S)
