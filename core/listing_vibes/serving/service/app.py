"""The FastAPI application of the service: its routes, and what they share."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.security import HTTPBearer
from jinja2 import Environment, PackageLoader
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from listing_vibes import __version__
from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.run.rules import Rules
from listing_vibes.serving.database import Busy, DiskFull
from listing_vibes.serving.events import EventLog
from listing_vibes.serving.experiment.assignment import Setup
from listing_vibes.serving.experiment.interleaving import answer_by_both
from listing_vibes.serving.impressions import Impression, ImpressionLog
from listing_vibes.serving.service.access import Access, AccessMiddleware
from listing_vibes.serving.service.batcher import Batcher
from listing_vibes.serving.service.current_run import CurrentRun
from listing_vibes.serving.service.limits import BodyLimit
from listing_vibes.serving.service.lists import (
    Embedding,
    EmbedRequest,
    ListRequest,
    RankedList,
    RecommendRequest,
    RunState,
    SimilarRequest,
)
from listing_vibes.serving.service.metrics import Metrics, MetricsMiddleware
from listing_vibes.serving.service.models import (
    Accepted,
    Embeddings,
    Health,
    NoParameters,
    PostedEvents,
    PostedHistory,
    PostedListing,
    RecommendQuery,
    Results,
    SimilarQuery,
)
from listing_vibes.serving.service.problems import add_problem_handler, responses

#: Lists that are made together, and seconds that the first one of an idle service waits for others.
BATCH, PAUSE_S = 64, 0.002
#: Listings, and lists with explanations, that may wait.
MAX_SLOW = 32
#: Posts of events that are committed together, and seconds that one waits; that a list waits for the newest events of its user and
#: for its record; that `/health` waits for a list and for the locks of the databases, each.
POSTS, POST_S, RECENT_S, RECORD_S, HEALTH_S = 256, 5.0, 0.5, 1.0, 2.0
#: Seconds between two looks for a newer state of the run, and between two updates of the gauges that other processes report.
FOLLOW_S, GAUGES_S = 2.0, 0.5
#: Seconds from the signal to stop to the end of the process, less than the ten after which Docker kills; and before that end at
#: which requests without a response are refused.
GRACE_S, REFUSE_S = 8.0, 2.0
REQUEST_ID = "X-Request-Id"
DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PROBE = "probe"
T = TypeVar("T")


class Service:
    """The runs, databases and queues that the routes share.

    Args:
        events: takes posted events; None: none are taken.
        impressions: records every list; None: none is.
        experiment: what is compared, and the second run.
    """

    def __init__(
        self,
        current: CurrentRun,
        events: EventLog | None = None,
        impressions: ImpressionLog | None = None,
        experiment: tuple[Setup, CurrentRun] | None = None,
    ) -> None:
        self.current, self.events, self.impressions, self.experiment = (
            current,
            events,
            impressions,
            experiment,
        )
        self.metrics = Metrics(current.path)
        self._logged = ""

    def start(self) -> None:
        """Start the queues, in the event loop that answers."""
        events, impressions = self.events, self.impressions
        self.lists: Batcher[ListRequest, RankedList] = Batcher(
            partial(self._make, RunState.answer), BATCH, pause=PAUSE_S
        )
        self.explained: Batcher[ListRequest, RankedList] = Batcher(
            partial(self._make, RunState.explain), waiting=MAX_SLOW
        )
        self.embeddings: Batcher[EmbedRequest, Embedding] = Batcher(
            lambda requests: self.current.state.embed(requests), waiting=MAX_SLOW
        )
        self.checks: Batcher[None, None] = Batcher(self._check_databases, 1024, deadline=HEALTH_S)
        self.queues: list[Batcher[Any, Any]] = [self.lists, self.explained, self.embeddings, self.checks]
        if events is not None:
            self.posts = Batcher(events.append, POSTS, deadline=POST_S)
            self.recent = Batcher(events.read_users, BATCH, deadline=RECENT_S)
            self.queues += [self.posts, self.recent]
        if impressions is not None:
            self.records: Batcher[Impression, None] = Batcher(
                partial(_append, impressions), BATCH, deadline=RECORD_S
            )
            self.queues.append(self.records)

    def refuse_all(self) -> None:
        """Refuse whatever has no answer yet."""
        for queue in self.queues:
            queue.refuse_all()

    async def close(self) -> None:
        """Answer what waits, and close the databases."""
        await asyncio.gather(*(queue.close() for queue in self.queues))
        for log in (self.events, self.impressions):
            if log is not None:
                log.close()

    async def make_list(self, http: Request, request: ListRequest, is_posted: bool = False) -> Results:
        """Make a list, and record it where lists are recorded."""
        if self.impressions is not None:
            request = request._replace(request_id=secrets.token_hex(12))
        if isinstance(request, RecommendRequest) and request.user is not None and self.events is not None:
            try:
                request = request._replace(posted=await self.recent.ask(request.user))
            except VibesError as error:  # the list goes by what the run has
                self._log(error)
        if request.explain_s is None:
            ranked = await self.lists.ask(request)
        else:
            ranked = await unless_gone(http, self.explained.ask(request))
        request_id = await self._record(request, ranked)
        return Results.of(ranked, request_id, list(ranked.unknown) if is_posted else None)

    async def check(self) -> None:
        """Make a list and take the locks of the databases.

        Raises:
            Busy: one of these does not work in time.
        """
        probe = SimilarRequest(self.current.state.run.listing_ids[0], Rules(k=1), request_id=_PROBE)
        try:
            async with asyncio.timeout(HEALTH_S):
                await self.lists.ask(probe)
        except (Busy, TimeoutError) as error:
            if self.lists.busy_s > HEALTH_S:  # a long queue alone is no fault
                raise Busy(f"No list was made for {self.lists.busy_s:.0f} s.") from error
        except VibesError:  # the listing has nothing in the space; that it was looked for is enough
            pass
        try:
            await self.checks.ask(None)
        except VibesError as error:
            raise Busy(str(error)) from error

    def _make(self, make: Any, requests: Sequence[ListRequest]) -> list[RankedList | Exception]:
        begin = time.perf_counter()
        if self.experiment is None:
            answers: list[RankedList | Exception] = make(self.current.state, requests)
        else:
            setup, other = self.experiment
            answers = answer_by_both(setup, self.current.state, other.state, requests, make)
        if count := sum(request.request_id != _PROBE for request in requests):
            self.metrics.batch_size.observe(count)
            self.metrics.batch_seconds.observe(time.perf_counter() - begin)
        return answers

    async def _record(self, request: ListRequest, ranked: RankedList) -> str:
        """Return the id under which a list is recorded; empty: it is not."""
        if self.impressions is None:
            return ""
        user, query = None, None
        if isinstance(request, SimilarRequest):
            query = request.listing
        else:
            user = self.current.state.name_of(request.user or request.about)
        impression = Impression(
            request.request_id,
            time.time_ns() // 1000,
            "recommend" if query is None else "similar",
            user,
            query,
            request.rules,
            ranked.makers,
            ranked.listings,
            ranked.scores,
            ranked.arm,
            ranked.teams,
        )
        try:
            await self.records.ask(impression)
        except VibesError as error:
            self._log(error)
            self.metrics.unrecorded.inc()
            return ""
        return request.request_id

    def _check_databases(self, requests: Sequence[None]) -> list[None]:
        for log in (self.events, self.impressions):
            if log is not None:
                log.database.check()
        return [None] * len(requests)

    def _log(self, error: Exception) -> None:
        if (text := sentence_of(error)) != self._logged:  # once, not for every list
            logging.getLogger("uvicorn.error").error(text)
            self._logged = text


def _append(log: ImpressionLog, impressions: Sequence[Impression]) -> list[None]:
    log.append(impressions)
    return [None] * len(impressions)


def make_app(
    service: Service,
    access: Access | None = None,
    ready: Callable[[], None] | None = None,
    follow_s: float = FOLLOW_S,
) -> FastAPI:
    """Return the application of a service.

    Args:
        ready: called once requests are answered.
        follow_s: seconds between two looks for a newer state of the run.
    """
    access = access or Access()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        _add_gauges(service)
        opened = service.metrics.openings

        def observe(is_open: bool) -> None:
            opened.labels("opened" if is_open else "failed").inc()

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
    app.state.service = service
    app.add_middleware(BodyLimit)
    app.add_middleware(AccessMiddleware, access=access)
    app.add_middleware(MetricsMiddleware, metrics=service.metrics)
    add_problem_handler(app)
    _add_list_routes(app, service)
    _add_operation_routes(app, service)
    if service.events is not None:
        _add_event_routes(app, service)
    return app


def _add_list_routes(app: FastAPI, service: Service) -> None:
    def get(path: str) -> Callable[[Any], Any]:
        return app.get(path, response_model_exclude_defaults=True, responses=responses(404))

    def post(path: str) -> Callable[[Any], Any]:
        return app.post(path, response_model_exclude_defaults=True, responses=responses(403, 413))

    @get("/similar/{listing_id:path}")
    async def similar(
        http: Request, response: Response, listing_id: str, query: Annotated[SimilarQuery, Query()]
    ) -> Results:
        """The listings nearest to one, best first, by the run's first space or by another one."""
        return _with_header(response, await service.make_list(http, query.request(listing_id)))

    @get("/recommend/{user_id:path}")
    async def recommend_to_user(
        http: Request, response: Response, user_id: str, query: Annotated[RecommendQuery, Query()]
    ) -> Results:
        """Listings for a user of the market: active at the moment `at`, and none of the user's history before it."""
        return _with_header(response, await service.make_list(http, query.request(user_id)))

    @post("/recommend")
    async def recommend_by_history(
        http: Request, response: Response, history: PostedHistory, _: Annotated[NoParameters, Query()]
    ) -> Results:
        """Listings for a posted history, none of which is in it."""
        results = await service.make_list(http, history.request_of_history(), is_posted=True)
        return _with_header(response, results)

    @post("/embed")
    async def embed(http: Request, listing: PostedListing, _: Annotated[NoParameters, Query()]) -> Embeddings:
        """The vectors of a listing that the market does not have, and its neighbors."""
        request = await run_in_threadpool(listing.request)
        return Embeddings.of(await unless_gone(http, service.embeddings.ask(request)))


def _add_event_routes(app: FastAPI, service: Service) -> None:
    @app.post("/events", responses=responses(403, 413))
    async def post_events(events: PostedEvents, _: Annotated[NoParameters, Query()]) -> Accepted:
        """Take an event, or a list of them: after the status 200 they are in the database whatever happens to the service."""
        market, rows = service.current.state.run.market, []
        for number, event in enumerate(events, start=1):
            try:
                rows.append(event.row(market))
            except VibesError as error:
                place = f"Event {number} of {len(events)}: " if len(events) > 1 else ""
                raise VibesError(f"{place}{error}") from error
        try:
            posted = await service.posts.ask(rows)
        except Busy:
            raise
        except VibesError as error:  # where the database lies is told to the log alone
            logging.getLogger("uvicorn.error").error(sentence_of(error))
            reason = "the disk is full" if isinstance(error, DiskFull) else "see the log of the service"
            raise Busy(f"The events could not be stored ({reason}); send them again in a while.") from error
        return Accepted(**posted._asdict())


def _add_operation_routes(app: FastAPI, service: Service) -> None:
    page = Environment(loader=PackageLoader("listing_vibes.serving.service", "."), autoescape=True)

    @app.get("/health")
    async def health(_: Annotated[NoParameters, Query()]) -> Health:
        """What is served; 200 as long as lists are answered, and posts and impressions can be stored: all of it is tried."""
        await service.check()
        current = service.current
        run, other = current.state.run, service.experiment
        return Health(
            status="ok",
            run=str(run.path),
            market=run.manifest.market_name,
            listings=len(run.listing_ids),
            spaces=run.spaces,
            model=run.has_model,
            generation=run.generation,
            market_changed=current.state.market_changed,
            opened=current.state.opened,
            problem=current.problem or (other[1].problem if other else ""),
            worker=os.getpid(),
        )

    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @app.get("/metrics", response_class=Response, responses=text)
    async def metrics(_: Annotated[NoParameters, Query()]) -> Response:
        """The service's metrics in Prometheus' format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        content = page.get_template("docs.html").render(document=app.openapi())
        return HTMLResponse(content, headers={"content-security-policy": DOCS_POLICY})


def _with_header(response: Response, results: Results) -> Results:
    if results.request_id is not None:
        response.headers[REQUEST_ID] = results.request_id
    return results


async def unless_gone(http: Request, answer: Awaitable[T]) -> T:
    """Return the answer, or stop waiting for it as soon as the client has gone: then nobody shall work for it."""
    answered, gone = asyncio.ensure_future(answer), asyncio.ensure_future(_wait_gone(http))
    try:
        await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise HTTPException(499, "The client has gone")
        return answered.result()
    finally:
        gone.cancel()
        answered.cancel()


async def _wait_gone(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


def _add_gauges(service: Service) -> None:
    metrics, current, start = service.metrics, service.current, time.time()
    waiting = "Requests that wait for a batch"
    metrics.add_gauge("vibes_waiting_requests", waiting, lambda: sum(map(len, service.queues)), "livesum")
    metrics.add_gauge("vibes_listings", "Listings of the run", lambda: len(current.state.run.listing_ids))
    refreshes = "Refreshes that the run has behind it"
    metrics.add_gauge("vibes_run_generation", refreshes, lambda: current.state.run.generation)
    opened = "When this state was opened"
    metrics.add_gauge("vibes_run_opened_timestamp_seconds", opened, lambda: current.state.opened)
    if metrics.is_multiprocess:
        metrics.add_gauge("vibes_worker_started_timestamp_seconds", "When it began", lambda: start, "liveall")


async def _update_gauges(metrics: Metrics) -> None:
    """Update the gauges for ever, so that whichever process is asked reports those of this one."""
    while metrics.is_multiprocess:
        metrics.update()
        await asyncio.sleep(GAUGES_S)


@contextmanager
def end_in_time(refuse: Callable[[], None]) -> Iterator[None]:
    """End this process `GRACE_S` after SIGINT or SIGTERM, whatever its threads do, and call `refuse` shortly before that.

    A thread that opens a run or encodes photos cannot be stopped, and uvicorn would wait for it.
    """
    if threading.current_thread() is not threading.main_thread():  # the process is not the service's own
        yield
        return
    loop = asyncio.get_running_loop()
    handlers: dict[int, Any] = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }

    def stop(number: int, frame: Any) -> None:
        end = threading.Timer(GRACE_S, os._exit, (0,))
        end.daemon = True
        end.start()
        loop.call_soon_threadsafe(loop.call_later, GRACE_S - REFUSE_S, refuse)
        handler = handlers[number]
        if callable(handler):
            handler(number, frame)

    for number in handlers:
        signal.signal(number, stop)
    yield
