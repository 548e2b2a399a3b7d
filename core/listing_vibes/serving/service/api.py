"""The addresses of the service."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor

from listing_vibes import __version__
from listing_vibes.errors import VibesError
from listing_vibes.serving.database import DiskFull
from listing_vibes.serving.deadline import Deadline, Late
from listing_vibes.serving.experiment.trial import Trial
from listing_vibes.serving.impressions.recorder import Impressions
from listing_vibes.serving.live.log import LiveLog, Taken
from listing_vibes.serving.service.batcher import Batcher
from listing_vibes.serving.service.bodies import BodyRoute
from listing_vibes.serving.service.desk import Desk
from listing_vibes.serving.service.docs import add_docs
from listing_vibes.serving.service.guard import Access, Guarded
from listing_vibes.serving.service.limit import Limited
from listing_vibes.serving.service.live_routes import add_events
from listing_vibes.serving.service.metrics import Measured, Metrics
from listing_vibes.serving.service.newest import NewestState
from listing_vibes.serving.service.problems import Busy
from listing_vibes.serving.service.refusals import answers, refuse_in_sentences
from listing_vibes.serving.service.requests import Embed, Embedded, Found, Probe, Recommend, Similar
from listing_vibes.serving.service.schema import (
    Embeddings,
    Health,
    Nothing,
    PostedHistory,
    PostedListing,
    Recommendations,
    RecommendQuery,
    Results,
    SimilarQuery,
)

BODIES = {"/recommend": 2**20, "/embed": 32 * 2**20, "/events": 2**20}
#: Posts of events that are made durable together, and that may wait for it.
POSTS, WAITING_POSTS = 256, 1024
#: Seconds after which a post is refused; that `/health` waits for a list and for the locks of the stores, each.
POST_S, HEALTH_S = 5.0, 2.0
#: Seconds from the signal to stop to the end of the process, less than the ten after which Docker kills; and before that end at
#: which requests without a response are refused.
GRACE_S, REFUSE_S = 8.0, 2.0
REQUEST_ID = "X-Request-Id"
T = TypeVar("T")


class _Id(PathConvertor):
    """An id in an address, which may have slashes (SKU/12, in an address SKU%2F12)."""

    regex = ".+"


register_url_convertor("id", _Id())


@dataclass(frozen=True)
class Options:
    """How a service works.

    Attributes:
        most: requests a batch, at most; 1 = one at a time.
        pause: seconds that the first request of an idle service waits for company.
        waiting: requests that may wait; more are refused with status 503.
        newcomers: listings that may wait to be encoded; more are refused likewise.
        look_every: seconds between two looks for a newer state of the run.
        bodies: bytes of a request by its path, at most.
        access: who may ask.
    """

    most: int = 64
    pause: float = 0.002
    waiting: int = 1024
    newcomers: int = 32
    look_every: float = 2.0
    bodies: Mapping[str, int] = field(default_factory=lambda: BODIES)
    access: Access = field(default_factory=Access)


def make_app(
    current: NewestState,
    options: Options | None = None,
    impressions: Impressions | None = None,
    trial: Trial | None = None,
    ready: Callable[[], None] | None = None,
) -> FastAPI:
    """The service over an opened run; it takes events where `current` has a log of them, keeps what it shows where it is
    told to, and recommends by a second run where that is tried. `ready` is called once requests are answered."""
    live: LiveLog | None = current.live
    chosen, metrics = options or Options(), Metrics()
    desk = Desk(current, impressions, trial, metrics.unkept.inc)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def observe(requests: Sequence[Similar | Recommend | Probe], seconds: float) -> None:
            if size := sum(not isinstance(one, Probe) for one in requests):
                metrics.batch(size, seconds)

        answering: Batcher[Similar | Recommend | Probe, Found] = Batcher(
            desk.answer, chosen.most, chosen.pause, chosen.waiting, observe
        )
        # On a thread of its own, since photos take a hundred times as long as a history.
        newcomers: Batcher[Embed, Embedded] = Batcher(
            lambda requests: current.served.embed(requests), 1, waiting=chosen.newcomers
        )
        explaining: Batcher[Similar | Recommend, Found] = Batcher(desk.explain, 1, waiting=chosen.newcomers)
        app.state.answers, app.state.newcomers, app.state.explaining = answering, newcomers, explaining
        batchers: list[Batcher[Any, Any]] = [answering, newcomers, explaining]
        if live is not None:
            taking: Batcher[list[dict[str, Any]], Taken] = Batcher(
                partial(_append_posts, live), POSTS, waiting=WAITING_POSTS, deadline=POST_S
            )
            app.state.live = taking
            batchers.append(taking)

        def give_up() -> None:
            for one in batchers:
                one.give_up()

        metrics.run = current.path
        _follow(metrics, current, lambda: sum(map(len, batchers)))

        def opened(fine: bool) -> None:
            metrics.openings.labels("opened" if fine else "failed").inc()

        states = [current] if trial is None else [current, trial.b]
        following = [loop.create_task(one.follow(chosen.look_every, opened)) for one in states]
        if metrics.together:  # any of the processes may be asked for the numbers of this one
            following.append(loop.create_task(metrics.keep_looking()))
        with end_in_time(give_up):
            if ready is not None:
                ready()
            yield
        for task in following:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(*(one.close() for one in batchers))
        if live is not None:
            live.close()
        if impressions is not None:
            await run_in_threadpool(impressions.close)

    app = FastAPI(
        title="Listing Vibes",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,  # see `add_docs`: FastAPI's own pages would load scripts from the network
    )
    app.router.route_class = BodyRoute
    app.state.metrics, app.state.current, app.state.trial = metrics, current, trial
    app.add_middleware(Limited, most=chosen.bodies)
    app.add_middleware(Guarded, access=chosen.access)
    app.add_middleware(Measured, metrics=metrics)
    refuse_in_sentences(app)
    refused = [401] if chosen.access.token else []
    _routes(app, desk, *refused)
    if live is not None:
        add_events(app, *refused)
    add_docs(app, bool(chosen.access.token))
    return app


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


def _follow(metrics: Metrics, current: NewestState, waiting: Callable[[], float]) -> None:
    metrics.follow("vibes_waiting_requests", "Requests that wait for a batch", waiting, "livesum")
    metrics.follow("vibes_listings", "Listings of the run", lambda: len(current.served.run.listing_ids))
    metrics.follow(
        "vibes_run_generation", "Refreshes that the run has behind it", lambda: current.served.run.generation
    )
    metrics.follow(
        "vibes_run_opened_timestamp_seconds", "When this state was opened", lambda: current.served.opened
    )
    if metrics.together:
        began = time.time()
        metrics.follow("vibes_worker_started_timestamp_seconds", "When it began", lambda: began, "liveall")


def _append_posts(live: LiveLog, posts: Sequence[list[dict[str, Any]]]) -> Sequence[Taken | Exception]:
    """What became of each post. A lock or a disk refuses all of them: none is tried again by itself."""
    try:
        return live.append(posts)
    except (Late, DiskFull) as error:
        return [error] * len(posts)


async def _check_answers(answers: Batcher[Any, Any]) -> None:
    """Raises:
    Busy: a list was not made in time, and whatever is being made takes as long. A long queue alone is no fault.
    """
    try:
        async with asyncio.timeout(HEALTH_S):
            await answers.ask(Probe())
    except (Busy, TimeoutError) as error:
        if answers.busy_s > HEALTH_S:
            raise Busy(f"No list was made for {answers.busy_s:.0f} s.") from error


def _routes(app: FastAPI, desk: Desk, *refused: int) -> None:
    state, checking = app.state, Deadline(HEALTH_S, "database of the service")

    @app.get("/similar/{listing_id:id}", response_model=Results, responses=answers(404, *refused))
    async def similar(request: Request, listing_id: str, asked: Annotated[SimilarQuery, Query()]) -> Response:
        """The listings nearest to one, best first, by the run's first space or by another one."""
        return _listed(await _answered(request, asked.request(listing_id)))

    async def _answered(request: Request, asked: Similar | Recommend) -> Found | None:
        """A list, with reasons on a thread of its own, since these take ten times as long; None: whoever asked has gone."""
        if asked.why is None:
            return await state.answers.ask(asked)
        return await _unless_gone(request, state.explaining.ask(asked))

    @app.get("/recommend/{user_id:id}", response_model=Results, responses=answers(404, *refused))
    async def recommend_user(
        request: Request, user_id: str, asked: Annotated[RecommendQuery, Query()]
    ) -> Response:
        """Listings for a user of the market: live at the moment `at`, and none of the user's history before it."""
        return _listed(await _answered(request, asked.request(user_id)))

    @app.post("/recommend", response_model=Recommendations, responses=answers(403, 413, *refused))
    async def recommend_history(
        request: Request, posted: PostedHistory, _: Annotated[Nothing, Query()]
    ) -> Response:
        """Listings for a posted history, none of which is in it."""
        found = await _answered(request, posted.request_of_history())
        if found is None:
            return Response(status_code=499)
        return _listed(found, unknown=found.unknown)

    @app.post("/embed", response_model=Embeddings, responses=answers(403, 413, *refused))
    async def embed(request: Request, posted: PostedListing, _: Annotated[Nothing, Query()]) -> Response:
        """The vectors of a listing that the market does not have, and its neighbours."""
        asked = await run_in_threadpool(posted.request)
        found: Embedded | None = await _unless_gone(request, state.newcomers.ask(asked))
        if found is None:
            return Response(status_code=499)
        near = {space: _results(of) for space, of in found.similar.items()}
        return _json({"vectors": found.vectors, "similar": near, "broken": found.broken})

    @app.get("/health", responses=answers(*refused))
    async def health(_: Annotated[Nothing, Query()]) -> Health:
        """What is served; 200 as long as lists are answered, and what is posted and shown can be kept: all of it is tried."""
        await _check_answers(state.answers)
        try:
            await run_in_threadpool(checking.call, desk.check)
        except VibesError as error:
            raise Busy(str(error)) from error
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
            market_changed=current.served.market_changed,
            opened=current.served.opened,
            problem=current.problem or (state.trial.b.problem if state.trial else ""),
            worker=os.getpid(),
        )

    @app.get(
        "/metrics",
        response_class=Response,
        responses=answers(*refused) | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(_: Annotated[Nothing, Query()]) -> Response:
        """The service's metrics in Prometheus' format."""
        return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _unless_gone(request: Request, asking: Coroutine[Any, Any, T]) -> T | None:
    """The answer, or None as soon as whoever asked has gone: then nobody shall work for it."""
    answer, leaving = asyncio.ensure_future(asking), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        leaving.cancel()
        answer.cancel()


def _results(found: Found) -> list[dict[str, Any]]:
    nothing = [None] * len(found.listings)
    more = zip(found.ruled or nothing, found.reasons or nothing, strict=True)
    return [
        {"listing_id": listing, "score": score}
        | ({"rule": rule} if rule else {})
        | ({"why": why} if why else {})
        for listing, score, (rule, why) in zip(found.listings, found.scores, more, strict=True)
    ]


def _listed(found: Found | None, **more: Any) -> Response:
    if found is None:
        return Response(status_code=499)
    content = {"results": _results(found), **more}
    if found.fallback:
        content["fallback"] = True
    if found.market_changed:
        content["market_changed"] = True
    if found.scorer:
        content["scorer"] = found.scorer
    if found.nothing and not found.listings:
        content["nothing"] = found.nothing
    if not found.request_id:
        return _json(content)
    return _json(content | {"request_id": found.request_id}, {REQUEST_ID: found.request_id})


def _json(content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Serialised at once: what we made needs no second validation."""
    return Response(to_json(content), media_type="application/json", headers=headers)
