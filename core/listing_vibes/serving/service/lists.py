"""Lists of one open version of a run, made in batches, and the newest version of a run, opened in the background."""

import asyncio
import gc
import logging
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.insight.explain import explain_ranked
from listing_vibes.insight.similarity import explain_similarity
from listing_vibes.market.values import id_text
from listing_vibes.run.blends import NO_BLEND
from listing_vibes.run.candidates import Lists
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.query import CompiledQuery, Query, explain_empty, rank_together
from listing_vibes.run.rules import RULED
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_metrics import blend_name
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
        posted: the user's posted events, see `listing_vibes.serving.events.PostedEventLog.read_users`.
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


class RunState:
    """A run with its model, events and vectors in memory. Its lists are those of `Run.similar` and `Run.recommend`.

    Args:
        blend: the blend of requests that name none.
        shared: vectors shared with other processes; None: the vectors are private to this process.

    Raises:
        VibesError: see `Run.open`, `Run.engine` and `Run.recommender`.
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
        queries: dict[int, CompiledQuery] = {}
        for number, request in enumerate(requests):
            try:
                queries[number] = self._compile(request)
            except VibesError as error:
                answers[number] = error
        lists = rank_together([*queries.values()])
        for (number, query), result in zip(queries.items(), lists, strict=True):
            try:
                answers[number] = self._served_list(requests[number], query, result, started)
            except VibesError as error:
                answers[number] = error
        return [answers[number] for number in range(len(requests))]

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

    def _compile(self, request: ListRequest) -> CompiledQuery:
        """Return the query of a request, with everything that it names found in the run.

        Raises:
            VibesError: any error of the request.
        """
        query, run, subject = request.query, self.run, request.subject or ""
        options: dict[str, Any] = {"k": query.k, "at": query.at, "rules": query.rules}
        if isinstance(query, SimilarQuery):
            return Query(listings=[subject], space=query.space or None, **options).compile(run)
        if query.explain:
            run.needs_model()
        blend = self.blend if query.blend is None else query.blend or NO_BLEND
        histories = None
        if isinstance(query, PostedHistory):
            histories = [[event for event in query.events if event.listing in run.listing_row]]
        elif request.posted and (
            history := join_history(
                run, subject, request.posted, None if query.at is None else run.moment(query.at)
            )
        ):
            histories = [history]
        return Query(users=[subject], histories=histories, blend=blend, **options).compile(run)

    def _served_list(
        self, request: ListRequest, query: CompiledQuery, lists: Lists, started: float
    ) -> ServedList:
        """Return the one list of a query, with explanations if requested."""
        run, recommender, is_fallback = self.run, query.recommender, bool(query.is_empty.any())
        is_listed = lists.rows[0] >= 0
        listings = [
            RankedListing(listing_id=run.listing_ids[row], score=float(score))
            for row, score in zip(lists.rows[0][is_listed], lists.scores[0][is_listed], strict=True)
        ]
        if recommender.rules.shows_rule:
            for rule, listing in zip(lists.ruled[0][is_listed], listings, strict=True):
                listing.rule = RULED[rule] or None
        unknown = None
        if isinstance(request.query, PostedHistory):
            unknown = [
                event.listing for event in request.query.events if event.listing not in run.listing_row
            ]
        scorer = query.scorer if query.rows is None else ""
        results = Results(
            results=listings, fallback=is_fallback, market_changed=self.market_changed, unknown=unknown, scorer=scorer or None,
            empty_because=None if listings else explain_empty(run, recommender.rules),
        )  # fmt: skip
        if request.query.explain and not is_fallback:
            self._explain(request, query, listings, started)
        ranking = blend_name(*filter(None, recommender.fit.parts.split("+")))
        name = scorer or (ranking if query.rows is None else recommender.space)
        return ServedList(results, (Maker(str(run.path), run.version, name),))

    def _explain(
        self, request: ListRequest, query: CompiledQuery, listings: Sequence[RankedListing], started: float
    ) -> None:
        """Explain the listings of a list within the time budget of its request."""
        until = started + request.query.explain_ms / 1000
        if query.histories is None:
            for listing in listings:
                if time.monotonic() < until:
                    pair = request.subject or "", listing.listing_id
                    maker, at = query.recommender, query.at
                    reasons = explain_similarity(self.run, *pair, maker.space, False, maker, at)
                    listing.explanation = reasons.to_dict(MAX_PARTS)
            return
        assert query.at is not None
        rows = [self.run.listing_row[listing.listing_id] for listing in listings]
        left = max(0.0, until - time.monotonic())
        each = explain_ranked(self.run, query.recommender, query.histories, query.at, rows, left)
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
                if not self.problem:  # once, not at every poll; clients do not learn paths of the server
                    logging.getLogger("uvicorn.error").error(sentence_of(error))
                self.problem = (
                    "The newest version could not be opened; the log of the service has the reason."
                )
                observe(False)

    def _open(self) -> RunState:
        return RunState(self.path, self._blend, self._shared)
