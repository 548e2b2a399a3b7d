"""State shared by the routes of the service: the runs in use, their queues, and the databases."""

import asyncio
import logging
import math
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.serving.event_database import Busy
from listing_vibes.serving.events import Accepted, PostedEvent, PostedEventLog, event_rows
from listing_vibes.serving.experiment import Setup
from listing_vibes.serving.impressions import ImpressionLog, impression_row
from listing_vibes.serving.service.batcher import Batcher
from listing_vibes.serving.service.interleaving import answer_by_both
from listing_vibes.serving.service.lists import CurrentRun, ListRequest, ServedList
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
#: its record; of the check of `/health` (a batch of lists, the locks of the databases), and how long `/health` waits for locks that
#: were free within the timeout, since a commit of another post holds them for some time.
POSTS, POST_S, RECENT_S, RECORD_S, HEALTH_S, LOCK_S = 256, 5.0, 0.5, 1.0, 2.0, 0.02
#: Seconds from the stop signal to the end of the process, less than the ten after which Docker kills it; and how long before that
#: end pending requests are refused.
GRACE_S, REFUSE_S = 8.0, 2.0


class Service:
    """A service over a run, which accepts events and records lists if it has a log of them; `experiment` has the second run."""

    def __init__(
        self,
        current: CurrentRun,
        events: PostedEventLog | None = None,
        impressions: ImpressionLog | None = None,
        experiment: tuple[Setup, CurrentRun] | None = None,
    ) -> None:
        self.current, self.experiment = current, experiment
        self.events, self.impressions = events, impressions
        self.logs = [log for log in (events, impressions) if log is not None]
        self.metrics = Metrics(current.path)
        self._logged = ""
        self._check: asyncio.Future[None] | None = None
        self._checked_at = -math.inf  # when the last check succeeded, in seconds of a monotonic clock

    def start(self) -> None:
        """Start the queues in the current event loop."""
        self.lists = Batcher(self._answer, BATCH, pause=PAUSE_S)
        self.explained = Batcher(self._make, waiting=MAX_SLOW)
        self.embeddings: Batcher[PostedListing, Embeddings] = Batcher(
            lambda listings: [self.current.state.embed(listing) for listing in listings], waiting=MAX_SLOW
        )
        self.checks = Batcher(self._check_databases, 1024, deadline=HEALTH_S)
        self.queues: list[Batcher[Any, Any]] = [self.lists, self.explained, self.embeddings, self.checks]
        if self.events is not None:
            # On one thread: the event loop would get its turn after each of several threads.
            self.parsing = Batcher(self._parse_posts, deadline=POST_S)
            self.posts = Batcher(self.events.append, POSTS, deadline=POST_S)
            self.recent = Batcher(self.events.read_users, BATCH, deadline=RECENT_S)
            self.queues += [self.parsing, self.posts, self.recent]
        if self.impressions is not None:
            self.records = Batcher(self.impressions.append, BATCH, deadline=RECORD_S)
            self.queues.append(self.records)
        self._add_gauges()

    def refuse_all(self) -> None:
        """Refuse all pending requests."""
        for queue in self.queues:
            queue.refuse_all()

    async def close(self) -> None:
        """Answer the waiting requests and close the databases."""
        await asyncio.gather(*(queue.close() for queue in self.queues))
        for log in self.logs:
            log.database.close()

    async def make_list(
        self, query: SimilarQuery | RecommendQuery, subject: str | None, is_shown: bool = True
    ) -> Results:
        """Return a list, and record it if it is shown to a user and the service has impressions, see `ListRequest`."""
        is_recorded = is_shown and self.impressions is not None
        request = ListRequest(query, subject, secrets.token_hex(12) if is_recorded else "")
        if type(query) is RecommendQuery and self.events is not None:
            try:
                request = replace(request, posted=await self.recent.ask(request.subject or ""))
            except VibesError as error:  # the list uses the run's events only
                self._log(error)
        served = await (self.explained if query.explain else self.lists).ask(request)
        if is_recorded:
            await self._record(request, served)
        return served.results

    async def store_events(self, events: Sequence[PostedEvent]) -> Accepted:
        """Commit posted events to the database.

        Raises:
            Busy: they could not be stored in time; the log has the reason.
            VibesError: an event is invalid; then none is stored.
        """
        rows = await self.parsing.ask(events)
        try:
            return await self.posts.ask(rows)
        except VibesError as error:  # clients do not learn where the database is
            self._log(error)
            raise Busy("The events could not be stored; send them again in a moment.") from error

    async def check(self) -> None:
        """Raise `Busy` where a batch of lists, or the lock of a database, takes too long.

        Raises:
            Busy: a batch of lists or a lock takes too long.
        """
        if self.lists.busy_s > HEALTH_S:
            raise Busy(f"No list was made for {self.lists.busy_s:.0f} s.")
        if self._check is None or self._check.done():
            self._check = asyncio.ensure_future(self.checks.ask(None))
        is_recent = time.monotonic() - self._checked_at < HEALTH_S
        await asyncio.wait({self._check}, timeout=LOCK_S if is_recent else None)
        if not self._check.done():
            return
        if isinstance(error := self._check.exception(), VibesError):
            self._log(error)
            raise Busy("A database of the service is locked or does not answer; see its log.") from error
        self._check.result()

    def _answer(self, requests: Sequence[ListRequest]) -> list[ServedList | Exception]:
        self.metrics.batch_size.observe(len(requests))
        with self.metrics.batch_seconds.time():
            return self._make(requests)

    def _make(self, requests: Sequence[ListRequest]) -> list[ServedList | Exception]:
        if self.experiment is None:
            return self.current.state.answer(requests)
        setup, other = self.experiment
        return answer_by_both(setup, self.current.state, other.state, requests)

    def _parse_posts(self, posts: Sequence[Sequence[PostedEvent]]) -> list[list[dict[str, Any]]]:
        market = self.current.state.run.market
        return [event_rows(events, market) for events in posts]

    async def _record(self, request: ListRequest, served: ServedList) -> None:
        """Record a list; the request id in its response shows that it is recorded."""
        is_similar, listings = isinstance(request.query, SimilarQuery), served.results.results
        row = impression_row(
            request.request_id,
            user=None if is_similar else self.current.state.name_of(request.subject),
            query=request.subject if is_similar else None,
            rules=request.query.rules,
            makers=served.makers,
            listings=[listing.listing_id for listing in listings],
            scores=[listing.score for listing in listings],
            teams=served.teams,
        )
        try:
            await self.records.ask(row)
            served.results.request_id = request.request_id
        except VibesError as error:
            self._log(error)
            self.metrics.unrecorded.inc()

    def _check_databases(self, requests: Sequence[None]) -> list[None]:
        for log in self.logs:
            with log.database.write():
                pass
        self._checked_at = time.monotonic()
        return [None] * len(requests)

    def _log(self, error: Exception) -> None:
        if (text := sentence_of(error)) != self._logged:  # once, not for every list
            logging.getLogger("uvicorn.error").error(text)
            self._logged = text

    def _add_gauges(self) -> None:
        add, current = self.metrics.add_gauge, self.current
        waiting, opened = "Requests waiting for a batch", "Time when this version was opened"
        add("vibes_waiting_requests", waiting, lambda: sum(map(len, self.queues)), "livesum")
        add("vibes_listings", "Listings of the run", lambda: len(current.state.run.listing_ids))
        add("vibes_run_version", "Version of the run", lambda: current.state.run.version)
        add("vibes_run_opened_timestamp_seconds", opened, lambda: current.state.opened)


@contextmanager
def end_in_time(refuse: Callable[[], None]) -> Iterator[None]:
    """End this process `GRACE_S` after SIGINT or SIGTERM even if threads are busy, and call `refuse` shortly before that.

    A thread that opens a run or encodes photos cannot be stopped, and uvicorn would wait for it.
    """
    if threading.current_thread() is not threading.main_thread():  # embedded in another program
        yield
        return
    loop, numbers = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}

    def stop(number: int, frame: Any) -> None:
        end = threading.Timer(GRACE_S, os._exit, (0,))
        end.daemon = True
        end.start()
        loop.call_soon_threadsafe(loop.call_later, GRACE_S - REFUSE_S, refuse)
        if callable(handlers[number]):
            handlers[number](number, frame)

    for number in numbers:
        signal.signal(number, stop)
    yield
