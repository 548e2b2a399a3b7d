"""State shared by the routes of the service: the runs in use, their queues, and the databases."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.serving.database import Busy
from listing_vibes.serving.events import Accepted, EventLog
from listing_vibes.serving.experiment.assignment import Setup
from listing_vibes.serving.experiment.interleaving import answer_by_both
from listing_vibes.serving.impressions import Impression, ImpressionLog
from listing_vibes.serving.service.batcher import Batcher
from listing_vibes.serving.service.current_run import CurrentRun
from listing_vibes.serving.service.lists import ListRequest, RunState, ServedList
from listing_vibes.serving.service.metrics import Metrics
from listing_vibes.serving.service.models import (
    Embeddings,
    PostedListing,
    RecommendQuery,
    Results,
    SimilarQuery,
)

#: Maximum batch size of lists, and seconds that the first request of an idle service waits for others.
BATCH, PAUSE_S = 64, 0.002
#: Maximum number of waiting listings, and of waiting lists with explanations.
MAX_SLOW = 32
#: Maximum number of posts in one commit, and timeouts in seconds: of a post; of a list's query for its user's newest events and of
#: its record; of each check of `/health` (a list, the locks of the databases).
POSTS, POST_S, RECENT_S, RECORD_S, HEALTH_S = 256, 5.0, 0.5, 1.0, 2.0
#: Seconds from the stop signal to the end of the process, less than the ten after which Docker kills it; and how long before that
#: end pending requests are refused.
GRACE_S, REFUSE_S = 8.0, 2.0
T = TypeVar("T")


class Service:
    """A service over a run.

    Args:
        events: log of posted events; None: events are not accepted.
        impressions: log of impressions; None: lists are not recorded.
        experiment: setup of the experiment, and the second run.
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
        """Start the queues in the current event loop."""
        events, impressions = self.events, self.impressions
        self.lists = Batcher(self._make_lists, BATCH, pause=PAUSE_S)
        self.explained: Batcher[ListRequest, ServedList] = Batcher(
            lambda requests: self._make(requests, RunState.explain), waiting=MAX_SLOW
        )
        self.embeddings: Batcher[PostedListing, Embeddings] = Batcher(
            lambda listings: self.current.state.embed(listings), waiting=MAX_SLOW
        )
        self.checks = Batcher(_without_result(self._check_databases), 1024, deadline=HEALTH_S)
        self.queues: list[Batcher[Any, Any]] = [self.lists, self.explained, self.embeddings, self.checks]
        if events is not None:
            self.posts: Batcher[Any, Accepted] = Batcher(events.append, POSTS, deadline=POST_S)
            self.recent = Batcher(events.read_users, BATCH, deadline=RECENT_S)
            self.queues += [self.posts, self.recent]
        if impressions is not None:
            self.records = Batcher(_without_result(impressions.append), BATCH, deadline=RECORD_S)
            self.queues.append(self.records)
        self._add_gauges()

    def refuse_all(self) -> None:
        """Refuse all pending requests."""
        for queue in self.queues:
            queue.refuse_all()

    async def close(self) -> None:
        """Answer the waiting requests and close the databases."""
        await asyncio.gather(*(queue.close() for queue in self.queues))
        for log in (self.events, self.impressions):
            if log is not None:
                log.close()

    async def make_list(self, query: SimilarQuery | RecommendQuery, subject: str | None) -> Results:
        """Return a list and record it if the service has impressions, see `ListRequest`."""
        request = ListRequest(query, subject)
        if self.impressions is not None:
            request = request._replace(request_id=secrets.token_hex(12))
        if type(query) is RecommendQuery and self.events is not None:
            try:
                request = request._replace(posted=await self.recent.ask(subject or ""))
            except VibesError as error:  # the list uses the run's events only
                self._log(error)
        created = await (self.explained if query.explain else self.lists).ask(request)
        if self.impressions is not None:
            await self._record(request, created)
        return created.results

    async def check(self) -> None:
        """Check that a list can be made and the databases can be locked.

        Raises:
            Busy: a check does not succeed in time.
        """
        try:
            async with asyncio.timeout(HEALTH_S):
                await self.lists.ask(None)
        except (Busy, TimeoutError) as error:
            if self.lists.busy_s > HEALTH_S:  # a long queue alone is no failure
                raise Busy(f"No list was made for {self.lists.busy_s:.0f} s.") from error
        try:
            await self.checks.ask(None)
        except VibesError as error:
            raise Busy(str(error)) from error

    def _make_lists(self, requests: Sequence[ListRequest | None]) -> list[Any]:
        """Return the lists of a batch; None is a request of `check`, which gets any list."""
        begin = time.perf_counter()
        lists = [request for request in requests if request is not None]
        answers = iter(self._make(lists, RunState.answer))
        if lists:
            self.metrics.batch_size.observe(len(lists))
            self.metrics.batch_seconds.observe(time.perf_counter() - begin)
        if len(lists) < len(requests):
            state = self.current.state
            state.answer([ListRequest(SimilarQuery(k=1), state.run.listing_ids[0])])
        return [None if request is None else next(answers) for request in requests]

    def _make(
        self,
        requests: Sequence[ListRequest],
        make: Callable[[RunState, Sequence[ListRequest]], list[ServedList | Exception]],
    ) -> list[ServedList | Exception]:
        if self.experiment is None:
            return make(self.current.state, requests)
        setup, other = self.experiment
        return answer_by_both(setup, self.current.state, other.state, requests, make)

    async def _record(self, request: ListRequest, created: ServedList) -> None:
        """Record a list; the request id in its response shows that it is recorded."""
        is_similar = isinstance(request.query, SimilarQuery)
        impression = Impression(
            request.request_id,
            time.time_ns() // 1000,
            "similar" if is_similar else "recommend",
            None if is_similar else self.current.state.name_of(request.subject),
            request.subject if is_similar else None,
            request.query.rules,
            created.makers,
            [listing.listing_id for listing in created.results.results],
            [listing.score for listing in created.results.results],
            created.arm,
            created.teams,
        )
        try:
            await self.records.ask(impression)
            created.results.request_id = request.request_id
        except VibesError as error:
            self._log(error)
            self.metrics.unrecorded.inc()

    def _check_databases(self, _: Sequence[object]) -> None:
        for log in (self.events, self.impressions):
            if log is not None:
                log.database.check()

    def _log(self, error: Exception) -> None:
        if (text := sentence_of(error)) != self._logged:  # once, not for every list
            logging.getLogger("uvicorn.error").error(text)
            self._logged = text

    def _add_gauges(self) -> None:
        metrics, current, start = self.metrics, self.current, time.time()
        waiting = "Requests waiting for a batch"
        metrics.add_gauge("vibes_waiting_requests", waiting, lambda: sum(map(len, self.queues)), "livesum")
        metrics.add_gauge("vibes_listings", "Listings of the run", lambda: len(current.state.run.listing_ids))
        refreshes = "Number of refreshes of the run"
        metrics.add_gauge("vibes_run_version", refreshes, lambda: current.state.run.version)
        opened = "Time when this state was opened"
        metrics.add_gauge("vibes_run_opened_timestamp_seconds", opened, lambda: current.state.opened)
        if metrics.is_multiprocess:
            name = "vibes_worker_started_timestamp_seconds"
            metrics.add_gauge(name, "Start time of the process", lambda: start, "liveall")


def _without_result(function: Callable[[Sequence[T]], None]) -> Callable[[Sequence[T]], Sequence[None]]:
    """Adapt a function without a result for a `Batcher`."""

    def answer(requests: Sequence[T]) -> Sequence[None]:
        function(requests)
        return [None] * len(requests)

    return answer


@contextmanager
def end_in_time(refuse: Callable[[], None]) -> Iterator[None]:
    """End this process `GRACE_S` after SIGINT or SIGTERM even if threads are busy, and call `refuse` shortly before that.

    A thread that opens a run or encodes photos cannot be stopped, and uvicorn would wait for it.
    """
    if threading.current_thread() is not threading.main_thread():  # embedded in another program
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
        if callable(handlers[number]):
            handlers[number](number, frame)

    for number in handlers:
        signal.signal(number, stop)
    yield
