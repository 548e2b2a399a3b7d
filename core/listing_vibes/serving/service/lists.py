"""Lists of one open version of a run, made in batches, and the newest version of a run, opened in the background."""

import asyncio
import gc
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.explain import explain_ranked, explain_similarity
from listing_vibes.market.values import id_text
from listing_vibes.run.describe import explain_empty
from listing_vibes.run.fits import NOTHING
from listing_vibes.run.histories import Event, HistoryBatch, of_histories, of_users
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.ranking import Lists
from listing_vibes.run.recommender import POPULAR, Recommender
from listing_vibes.run.rules import RULED
from listing_vibes.run.run import Run, no_such_listing
from listing_vibes.scoring.ranking_names import blend_name
from listing_vibes.search.index import Shared
from listing_vibes.serving.events import join_history
from listing_vibes.serving.impressions import Maker
from listing_vibes.serving.service.limits import check_attributes, decode_photos
from listing_vibes.serving.service.models import (
    Embeddings,
    PostedHistory,
    PostedListing,
    RankedListing,
    RecommendQuery,
    Results,
    SimilarQuery,
)

#: Number of parts of each kind that an explanation returns.
MAX_PARTS = 3


@dataclass(frozen=True)
class ListRequest:
    """A request for a list.

    Attributes:
        subject: id of the query listing, or of the user; for a posted history of its user, if given; as the tables have ids.
        request_id: id of the recorded impression; empty: the list is not recorded.
        posted: the user's posted events, see `listing_vibes.serving.events.EventLog.read_users`.
    """

    query: SimilarQuery | RecommendQuery
    subject: str | None
    request_id: str = ""
    posted: Sequence[Any] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", id_text(self.subject))


class ServedList(NamedTuple):
    """A list with its sources, both runs (A first) if interleaved; see `listing_vibes.serving.impressions.Impression`."""

    results: Results
    makers: tuple[Maker, ...]
    teams: list[int] | None = None


@dataclass(eq=False)
class _Query:
    """A request with its recommender and its subject: a listing's row, a user's rows in the log, or a history."""

    request: ListRequest
    recommender: Recommender
    at: int | None
    row: int | None = None
    bounds: tuple[int, int] = (0, 0)
    history: Sequence[Event] = ()
    unknown: list[str] | None = None

    @property
    def is_fallback(self) -> bool:
        return self.row is None and not self.history and self.bounds[0] == self.bounds[1]

    @property
    def group(self) -> tuple[object, ...]:
        """Return the key of requests that share a call: kind, recommender, moment, and the length if it affects a list."""
        k = self.request.query.k if self.request.query.diversity else None
        return id(self.recommender), self.row is None, bool(self.history), self.at, k


class RunState:
    """A run with its model, events and vectors in memory. Its lists are those of `Run.similar` and `Run.recommend`.

    Args:
        blend: the blend of requests that name none.
        shared: vectors shared with other processes; None: the vectors are private to this process.

    Raises:
        VibesError: see `Run.open`, `Run.engine` and `Run.additions`.
    """

    def __init__(self, path: Path, blend: str | None = None, shared: Shared | None = None) -> None:
        self.run, self.blend, self.opened = Run.open(path), blend, time.time()
        self.run.shared = shared
        for space in self.run.spaces:
            self.run.index(space)
        if self.run.has_model:
            _ = self.run.engine
        if self.run.has_market:
            _ = self.run.user_number
            self.run.recommender(blend=blend).warm(self.run.after_last_event)
            for user in self.run.log.users[:1]:  # warm-up, since the first call of a library is slow
                self.answer([ListRequest(RecommendQuery(k=1), user)])

    @property
    def market_changed(self) -> bool:
        """Return whether the market changed since the run was made, if the market is available."""
        return self.run.has_market and self.run.market_changed

    def answer(self, requests: Sequence[ListRequest]) -> list[ServedList | Exception]:
        """Return for each request its list, with explanations if requested, or a `VibesError`."""
        started = time.monotonic()
        answers: dict[int, ServedList | Exception] = {}
        groups: dict[tuple[object, ...], list[tuple[int, _Query]]] = {}
        for number, request in enumerate(requests):
            try:
                query = self._query(request)
                groups.setdefault(query.group, []).append((number, query))
            except VibesError as error:
                answers[number] = error
        for group in groups.values():
            numbers, queries = zip(*group, strict=True)
            answers |= zip(numbers, self._answer_group(queries, started), strict=True)
        return [answers[number] for number in range(len(requests))]

    def _answer_group(self, queries: Sequence[_Query], started: float) -> list[ServedList | Exception]:
        """Return the lists of queries that share a call; if it fails, each query is answered alone, so only the bad one fails."""
        try:
            lists = [self._served_list(*row) for row in zip(queries, *self._rank(queries), strict=True)]
            for query, served in zip(queries, lists, strict=True):
                if query.request.query.explain and not query.is_fallback:
                    self._explain(query, served.results.results, started)
        except VibesError as error:
            if len(queries) == 1:
                return [error]
            return [answer for query in queries for answer in self._answer_group([query], started)]
        return [*lists]

    def embed(self, listing: PostedListing) -> Embeddings:
        """Return the vectors of a listing that the market does not have, and its neighbors."""
        spaces = [space for space in self.run.spaces if space != "attributes"] or self.run.spaces
        for space in listing.spaces or ():
            self.run.index(space)  # raises if there is no such space
        cells, photos = check_attributes(listing.attributes), decode_photos(listing.photos)
        encoded = self._newcomers.encode(cells, photos, listing.spaces or spaces)
        similar = {}
        for space, scores in encoded.scores.items() if listing.k else ():
            rows = self.run.nearest(scores, listing.k).itertuples()
            similar[space] = [RankedListing(listing_id=row.listing_id, score=row.score) for row in rows]
        vectors = {space: vector.tolist() for space, vector in encoded.vectors.items()}
        return Embeddings(vectors=vectors, similar=similar, broken=dict(encoded.broken))

    def name_of(self, user: str | None) -> str | None:
        """Return the name of a user in the market, so that an id and its hash are the same user."""
        if user is None:
            return None
        number = self.run.user_number.get(user)
        return self.run.market.names.of(user) if number is None else self.run.log.users[number]

    def _query(self, request: ListRequest) -> _Query:
        query, run, subject = request.query, self.run, request.subject or ""
        if isinstance(query, SimilarQuery):
            space = query.space or run.spaces[0]
            recommender = run.recommender(space, query.rules, for_users=False)
            if subject not in run.listing_row:
                raise no_such_listing(subject, "this run")
            (row,) = run.rows_in([subject], space)
            is_dated = recommender.rules.needs_moment
            at = run.moment(query.at) if is_dated or query.at is not None else None  # raises for no moment
            return _Query(request, recommender, at if is_dated else None, row)
        if query.explain:
            run.needs_model()
        blend = self.blend if query.blend is None else query.blend or NOTHING
        recommender, at = run.recommender(None, query.rules, blend=blend), run.moment(query.at)
        if isinstance(query, PostedHistory):
            history = [event for event in query.events if event.listing in run.listing_row]
            of_histories(run, [history])  # raises for an unknown action
            unknown = [event.listing for event in query.events if event.listing not in run.listing_row]
            return _Query(request, recommender, at, history=history, unknown=unknown)
        before = None if query.at is None else at
        if history := join_history(run, subject, request.posted, before):
            return _Query(request, recommender, at, history=history)
        _, start, end = of_users(run, [subject], before)
        return _Query(request, recommender, at, bounds=(int(start[0]), int(end[0])))

    def _histories(self, queries: Sequence[_Query]) -> HistoryBatch:
        if queries[0].history:
            return of_histories(self.run, [query.history for query in queries])
        bounds = np.array([query.bounds for query in queries])
        return HistoryBatch(self.run.log, bounds[:, 0], bounds[:, 1])

    def _rank(self, queries: Sequence[_Query]) -> Lists:
        """Return the lists of queries of one group."""
        first, k = queries[0], max(query.request.query.k for query in queries)
        if first.row is not None:
            return first.recommender.similar(np.array([query.row for query in queries]), first.at, k)
        assert first.at is not None
        return first.recommender.recommend(*self._histories(queries), first.at, k)

    def _served_list(
        self, query: _Query, rows: np.ndarray, scores: np.ndarray, ruled: np.ndarray
    ) -> ServedList:
        recommender = query.recommender
        listings = [
            RankedListing(listing_id=self.run.listing_ids[rows[rank]], score=float(scores[rank]))
            for rank in np.flatnonzero(rows >= 0)[: query.request.query.k]
        ]
        if recommender.rules.shows_rule:
            for rule, listing in zip(ruled[rows >= 0], listings, strict=False):
                listing.rule = RULED[rule] or None
        space, scorer = recommender.space, None
        if query.row is None:
            space, scorer = "", POPULAR if query.is_fallback else recommender.scorer or None
        empty = None if listings else explain_empty(self.run, recommender.rules)
        results = Results(
            results=listings, fallback=query.is_fallback, market_changed=self.market_changed, unknown=query.unknown,
            scorer=scorer, empty_because=empty,
        )  # fmt: skip
        additions = recommender.fit.parts
        name = scorer or space or blend_name(*filter(None, additions.split("+")))
        return ServedList(results, (Maker(str(self.run.path), self.run.version, name),))

    def _explain(self, query: _Query, listings: Sequence[RankedListing], started: float) -> None:
        """Explain the listings of a list within the time budget of its request."""
        request = query.request
        until = started + request.query.explain_ms / 1000
        if isinstance(request.query, SimilarQuery):
            for listing in listings:
                if time.monotonic() < until:
                    reasons = explain_similarity(
                        self.run, request.subject or "", listing.listing_id, request.query.space
                    )
                    listing.explanation = reasons.to_dict(MAX_PARTS)
            return
        assert query.at is not None
        rows = [self.run.listing_row[listing.listing_id] for listing in listings]
        history, left = self._histories([query]), max(0.0, until - time.monotonic())
        each = explain_ranked(self.run, query.recommender, history, query.at, rows, left)
        for listing, explanation in zip(listings, each, strict=True):
            listing.explanation = explanation.to_dict(MAX_PARTS)

    @cached_property
    def _newcomers(self) -> Newcomers:
        return Newcomers(self.run)


class CurrentRun:
    """Holder of the newest version of a run.

    Attributes:
        state: the version in use.
        problem: why a newer version could not be opened; empty: there is none, or it is in use.
    """

    def __init__(self, path: Path, blend: str | None = None, shared: Shared | None = None) -> None:
        self.path, self._blend, self._shared, self.problem = path, blend, shared, ""
        self.state = self._open()
        # A weak reference to the previous version: it is part of a reference cycle, and Python collects these so rarely that a
        # service would keep every version of a day in memory.
        self._replaced: Callable[[], Run | None] = lambda: None

    async def follow(self, interval_s: float, observe: Callable[[bool], None]) -> None:
        """Poll for newer versions and open them; `observe` is called with whether an opening succeeded.

        A poll reads two small files. If a version cannot be opened, the current one stays in use and the next poll retries.
        A replaced version is freed, in memory and on disk, as soon as no request uses it.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(interval_s)
            try:
                if self._replaced() is not None:
                    await loop.run_in_executor(None, gc.collect)
                if await loop.run_in_executor(None, lambda: self.state.run.outdated):
                    newer = await loop.run_in_executor(None, self._open)
                    self._replaced, self.state = weakref.ref(self.state.run), newer
                    del newer
                    observe(True)
                self.problem = ""
            except Exception as error:
                is_known = isinstance(error, VibesError | OSError)
                self.problem = str(error) if is_known else f"{type(error).__name__}: {error}"
                observe(False)

    def _open(self) -> RunState:
        return RunState(self.path, self._blend, self._shared)
