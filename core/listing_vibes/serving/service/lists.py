"""Lists of one open state of a run, made in batches: requests with the same rules share a call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.explain.explain import explain_ranked, explain_similarity
from listing_vibes.run.describe import explain_empty
from listing_vibes.run.fits import NOTHING
from listing_vibes.run.folder import no_such_listing
from listing_vibes.run.histories import Event, HistoryBatch, of_histories, of_users
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.ranking import Lists
from listing_vibes.run.recommender import POPULAR, Recommender
from listing_vibes.run.rules import RULED
from listing_vibes.run.run import Run
from listing_vibes.run.shared import Shared
from listing_vibes.scoring.ranking_names import blend_name
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


class ListRequest(NamedTuple):
    """A request for a list.

    Attributes:
        subject: the query listing, or the user; for a posted history its user, if given.
        request_id: id of the recorded impression; empty: the list is not recorded.
        posted: the user's posted events, see `listing_vibes.serving.events.EventLog.read_users`.
    """

    query: SimilarQuery | RecommendQuery
    subject: str | None
    request_id: str = ""
    posted: Sequence[Any] = ()


class ServedList(NamedTuple):
    """A list with its sources, both runs (A first) if interleaved; see `listing_vibes.serving.impressions.Impression`."""

    results: Results
    makers: tuple[Maker, ...]
    arm: str | None = None
    teams: list[int] | None = None


@dataclass(eq=False)
class _Query:
    """A request with its recommender and its subject: a listing's row, a user's rows in the log, or a history."""

    request: ListRequest
    recommender: Recommender
    at: int | None
    row: int = -1
    bounds: tuple[int, int] = (0, 0)
    history: Sequence[Event] = ()
    unknown: list[str] | None = None

    @property
    def is_fallback(self) -> bool:
        return self.row < 0 and not self.history and self.bounds[0] == self.bounds[1]

    @property
    def group(self) -> tuple[object, ...]:
        """Return the key of requests that share a call: kind, recommender, moment, and the length if it affects a list."""
        kind = "similar" if self.row >= 0 else "history" if self.history else "user"
        query = self.request.query
        return id(self.recommender), kind, self.at, query.k if query.diversity else None


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
        """Return for each request its list, or a `VibesError`."""
        answers: dict[int, ServedList | Exception] = {}
        groups: dict[tuple[object, ...], list[tuple[int, _Query]]] = {}
        for number, request in enumerate(requests):
            try:
                query = self._query(request)
                groups.setdefault(query.group, []).append((number, query))
            except VibesError as error:
                answers[number] = error
        for group in groups.values():
            lists = self._rank([query for _, query in group])
            for (number, query), *row in zip(group, *lists, strict=True):
                answers[number] = self._served_list(query, *row)
        return [answers[number] for number in range(len(requests))]

    def explain(self, requests: Sequence[ListRequest]) -> list[ServedList | Exception]:
        """Return for each request its list with explanations, within the request's time budget, or a `VibesError`."""
        return [self._explained(request) for request in requests]

    def embed(self, listings: Sequence[PostedListing]) -> list[Embeddings | Exception]:
        """Return for each listing its vectors, or a `VibesError`."""
        return [self._embedded(listing) for listing in listings]

    def name_of(self, user: str | None) -> str | None:
        """Return the name of a user in the market, so that an id and its hash are the same user."""
        if user is None:
            return None
        number = self.run.user_number.get(user)
        return self.run.market.names.of(user) if number is None else self.run.log.users[number]

    def _query(self, request: ListRequest) -> _Query:
        query, run = request.query, self.run
        if isinstance(query, SimilarQuery):
            space = query.space or run.spaces[0]
            recommender = run.recommender(space, query.rules, for_users=False)
            row = run.listing_row.get(request.subject or "")
            if row is None:
                raise no_such_listing(request.subject or "", run.listing_ids, "this run")
            if not run.index(space).known[row]:
                raise VibesError(
                    f"Listing '{request.subject}' has nothing in the space '{space}'; choose another space."
                )
            at = run.moment(query.at) if recommender.rules.needs_moment else None
            return _Query(request, recommender, at, row)
        if query.explain:
            run.needs_model()
        blend = self.blend if query.blend is None else query.blend or NOTHING
        recommender, at = run.recommender(None, query.rules, blend=blend), run.moment(query.at)
        if isinstance(query, PostedHistory):
            available = [event for event in query.events if event.listing in run.listing_row]
            of_histories(run, [available])  # raises for an unknown action
            unknown = [event.listing for event in query.events if event.listing not in run.listing_row]
            return _Query(request, recommender, at, history=available, unknown=unknown)
        before, user = None if query.at is None else at, request.subject or ""
        if history := join_history(run, user, request.posted, before):
            return _Query(request, recommender, at, history=history)
        _, start, end = of_users(run, [user], before)
        return _Query(request, recommender, at, bounds=(int(start[0]), int(end[0])))

    def _histories(self, queries: Sequence[_Query]) -> HistoryBatch:
        if queries[0].history:
            return of_histories(self.run, [query.history for query in queries])
        bounds = np.array([query.bounds for query in queries])
        return HistoryBatch(self.run.log, bounds[:, 0], bounds[:, 1])

    def _rank(self, queries: Sequence[_Query]) -> Lists:
        """Return the lists of queries of one group."""
        first, k = queries[0], max(query.request.query.k for query in queries)
        if first.row >= 0:
            return first.recommender.similar(np.array([query.row for query in queries]), first.at, k)
        assert first.at is not None
        return first.recommender.recommend(*self._histories(queries), first.at, k)

    def _served_list(
        self, query: _Query, rows: np.ndarray, scores: np.ndarray, ruled: np.ndarray
    ) -> ServedList:
        shown, recommender = np.flatnonzero(rows >= 0)[: query.request.query.k], query.recommender
        results = Results(
            results=[
                RankedListing(listing_id=self.run.listing_ids[rows[place]], score=float(scores[place]))
                for place in shown
            ],
            fallback=query.is_fallback,
            market_changed=self.market_changed,
            unknown=query.unknown,
        )
        if recommender.rules.shows_rule:
            for place, listing in zip(shown, results.results, strict=True):
                listing.rule = RULED[ruled[place]] or None
        is_similar = query.row >= 0
        if not is_similar:
            results.scorer = POPULAR if query.is_fallback else recommender.scorer or None
        if not results.results:
            space = recommender.space if is_similar else None
            results.empty_because = explain_empty(
                self.run, recommender.rules, query.at, not is_similar, space
            )
        additions = "" if recommender.additions is None else recommender.additions.fit.parts
        scorer = recommender.space if is_similar else blend_name(*filter(None, additions.split("+")))
        maker = Maker(str(self.run.path), self.run.version, results.scorer or scorer)
        return ServedList(results, (maker,))

    def _explained(self, request: ListRequest) -> ServedList | Exception:
        until = time.monotonic() + request.query.explain_ms / 1000
        (answer,) = self.answer([request])
        if isinstance(answer, Exception) or answer.results.fallback:
            return answer
        listings, query = answer.results.results, request.query
        if isinstance(query, SimilarQuery):
            for listing in listings:
                if time.monotonic() < until:
                    explained = explain_similarity(
                        self.run, request.subject or "", listing.listing_id, query.space
                    )
                    listing.explanation = explained.to_dict(MAX_PARTS)
            return answer
        result = self._query(request)
        assert result.at is not None
        rows = [self.run.listing_row[listing.listing_id] for listing in listings]
        history, left = self._histories([result]), max(0.0, until - time.monotonic())
        each = explain_ranked(self.run, result.recommender, history, result.at, rows, left)
        for listing, explanation in zip(listings, each, strict=True):
            listing.explanation = explanation.to_dict(MAX_PARTS)
        return answer

    def _embedded(self, listing: PostedListing) -> Embeddings | Exception:
        try:
            spaces = [space for space in self.run.spaces if space != "attributes"] or self.run.spaces
            for space in listing.spaces or ():
                self.run.index(space)  # raises if there is no such space
            cells, photos = check_attributes(listing.attributes), decode_photos(listing.photos)
            encoded = self._newcomers.encode(cells, photos, listing.spaces or spaces)
        except VibesError as error:
            return error
        neighbors = {
            space: encoded.nearest(self.run, space, listing.k) for space in encoded.scores if listing.k
        }
        return Embeddings(
            vectors={space: vector.tolist() for space, vector in encoded.vectors.items()},
            similar={
                space: [
                    RankedListing(listing_id=row.listing_id, score=row.score) for row in table.itertuples()
                ]
                for space, table in neighbors.items()
            },
            broken=dict(encoded.broken),
        )

    @cached_property
    def _newcomers(self) -> Newcomers:
        return Newcomers(self.run)
