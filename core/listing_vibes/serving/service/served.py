"""One state of a run, opened whole: answers a batch of requests, those that go by the same rules together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.insight.explain.reasons import reasons
from listing_vibes.insight.explain.similarity import explain_similarity
from listing_vibes.run.empty_lists import explain_empty
from listing_vibes.run.fits import NOTHING
from listing_vibes.run.folder import no_such_listing
from listing_vibes.run.histories import Event, HistoryBatch, check_events, of_histories, of_users
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.popular import POPULAR
from listing_vibes.run.ranking import Lists
from listing_vibes.run.recommender import Recommender
from listing_vibes.run.rules import RULED, Rules
from listing_vibes.run.run import Run
from listing_vibes.run.shared import Shared
from listing_vibes.serving.live.log import LiveLog
from listing_vibes.serving.service.requests import Embed, Embedded, Found, Recommend, Similar

#: Events that are left out one by one, from the newest on, and reasons of each kind that an answer holds.
TRIED, MOST_REASONS = 30, 3


@dataclass(eq=False)
class _Query:
    """A request on its way: where its answer goes, what makes its list, and of what."""

    place: int
    maker: Recommender
    k: int
    at: int | None
    row: int = -1  # of the listing
    bounds: tuple[int, int] = (0, 0)  # of the user's history in the run's log
    history: Sequence[Event] = ()
    unknown: Sequence[str] = ()

    @property
    def is_fallback(self) -> bool:
        """Whether there is no history to recommend by."""
        return self.row < 0 and not self.history and self.bounds[0] == self.bounds[1]

    @property
    def group(self) -> tuple[object, ...]:
        """What is made together: similar listings, users or histories, by one maker at one moment, and of one length where
        that decides what a list holds."""
        kind = "similar" if self.row >= 0 else "history" if self.history else "user"
        return id(self.maker), kind, self.at, self.k if self.maker.rules.diversity else None


class Served:
    """A run with its model, events and vectors in memory. Answers are those of `Run.similar` and `Run.recommend`.

    Args:
        beside: what is added to the model where a request does not say.
        shared: where the vectors lie that other processes use as well; None: they are this one's own.

    Attributes:
        live: knows what users did since the run was made; None: nobody does.

    Raises:
        VibesError: see `Run.open`, `Run.engine` and `Run.additions`.
    """

    def __init__(self, path: Path, beside: str | None = None, shared: Shared | None = None) -> None:
        self.run, self.beside = Run.open(path), beside
        self.run.shared = shared
        self.live: LiveLog | None = None
        self.opened = time.time()
        for space in self.run.spaces:
            self.run.index(space)
        if self.run.has_model:
            _ = self.run.engine
        if self.run.has_market:
            _ = self.run.user_number
            self.run.recommender(beside=beside).warm(self.run.after_last_event)
            first = Event(self.run.listing_ids[0])
            self.answer([Recommend(None, [first], Rules(k=1))])  # the first call of a library is slow

    @property
    def market_changed(self) -> bool:
        """Whether the market is another than that which the run was made from, as far as it is at hand."""
        return self.run.has_market and self.run.market_changed

    def answer(self, requests: Sequence[Similar | Recommend]) -> list[Found | Exception]:
        """For each request what was found, or the `VibesError` that says why nothing can be."""
        answers: list[Found | Exception] = [VibesError("Nothing was searched.")] * len(requests)
        groups: dict[tuple[object, ...], list[_Query]] = {}
        if self.live is not None:
            self.live.catch_up()
        for place, request in enumerate(requests):
            try:
                asked = self._similar if isinstance(request, Similar) else self._recommend
                query = asked(place, request)  # type: ignore[arg-type]
                groups.setdefault(query.group, []).append(query)
            except VibesError as error:
                answers[place] = error
        for group in groups.values():
            made = self._made(group)
            for query, rows, scores, ruled in zip(group, *made, strict=True):
                answers[query.place] = self._found(query, rows, scores, ruled)
        return answers

    def _found(self, query: _Query, rows: np.ndarray, scores: np.ndarray, ruled: np.ndarray) -> Found:
        """The answer to a query, of its list (K,)."""
        kept = np.flatnonzero(rows >= 0)[: query.k]
        names = [self.run.listing_ids[row] for row in rows[kept]]
        similar, fallback = query.row >= 0, query.is_fallback
        return Found(
            names,
            scores[kept].tolist(),
            list(query.unknown),
            [RULED[code] for code in ruled[kept]] if query.maker.rules.says else (),
            scorer="" if similar else POPULAR if fallback else query.maker.scorer,
            fallback=fallback,
            market_changed=self.market_changed,
            nothing="" if names else self._nothing(query),
        )

    def _nothing(self, query: _Query) -> str:
        """Why a list is empty."""
        space = None if query.row < 0 else query.maker.space
        return explain_empty(self.run, query.maker.rules, query.at, query.row < 0, space)

    def explain(self, requests: Sequence[Similar | Recommend]) -> list[Found | Exception]:
        """As `answer`, and why each listing is there, as far as the time that a request gives allows."""
        return [
            self._alike(request) if isinstance(request, Similar) else self._explained(request)
            for request in requests
        ]

    def _alike(self, request: Similar) -> Found | Exception:
        """Similar listings, and what makes each of them like the one that was asked about."""
        began = time.monotonic()
        (found,) = self.answer([request])
        if isinstance(found, Exception):
            return found
        told: list[dict[str, Any] | None] = []
        for listing in found.listings:
            late = time.monotonic() - began >= (request.why or 0.0)
            told.append(
                None
                if late
                else explain_similarity(self.run, request.listing, listing, request.space).to_dict(
                    MOST_REASONS
                )
            )
        return found._replace(reasons=told)

    def _explained(self, request: Recommend) -> Found | Exception:
        began = time.monotonic()
        (found,) = self.answer([request])
        if isinstance(found, Exception) or found.fallback:
            return found
        query = self._recommend(0, request)
        assert query.at is not None
        told = of_histories(self.run, [query.history]) if query.history else None
        asked = told or HistoryBatch(self.run.log, np.array(query.bounds[:1]), np.array(query.bounds[1:]))
        rows = [self.run.listing_row[one] for one in found.listings]
        left = max(0.0, (request.why or 0.0) - (time.monotonic() - began))
        told_why = reasons(self.run, query.maker, asked, query.at, rows, left, events=TRIED)
        return found._replace(reasons=[one.to_dict(MOST_REASONS) for one in told_why])

    def _similar(self, place: int, request: Similar) -> _Query:
        space = request.space or self.run.spaces[0]
        maker = self.run.recommender(space, request.rules, for_users=False)
        row = self._row(request.listing)
        if not self.run.index(space).known[row]:
            raise VibesError(
                f"Listing '{request.listing}' has nothing in the space '{space}'; choose another space."
            )
        at = self.run.moment(request.at) if maker.rules.ask_moment else None
        return _Query(place, maker, request.rules.k, at, row)

    def _recommend(self, place: int, request: Recommend) -> _Query:
        if request.why is not None:
            self.run.needs_model()
        beside = self.beside if request.beside is None else request.beside or NOTHING
        maker, at = self.run.recommender(None, request.rules, beside=beside), self.run.moment(request.at)
        if request.user is not None:
            before = None if request.at is None else at
            if self.live is not None and (now := self.live.history(self.run, request.user, before)):
                return _Query(place, maker, request.rules.k, at, history=now)
            _, start, end = of_users(self.run, [request.user], before)
            return _Query(place, maker, request.rules.k, at, bounds=(int(start[0]), int(end[0])))
        known = [event for event in request.history if event.listing in self.run.listing_row]
        check_events(self.run, known)
        unknown = [event.listing for event in request.history if event.listing not in self.run.listing_row]
        return _Query(place, maker, request.rules.k, at, history=known, unknown=unknown)

    def _made(self, group: list[_Query]) -> Lists:
        """The lists of queries of one group."""
        first, k = group[0], max(query.k for query in group)
        if first.row >= 0:
            return first.maker.similar(np.array([query.row for query in group]), first.at, k)
        assert first.at is not None
        if first.history:
            return first.maker.recommend(
                *of_histories(self.run, [query.history for query in group]), first.at, k
            )
        bounds = np.array([query.bounds for query in group])
        return first.maker.recommend(self.run.log, bounds[:, 0], bounds[:, 1], first.at, k)

    def embed(self, requests: Sequence[Embed]) -> list[Embedded | Exception]:
        """For each request the vectors of its listing, or the `VibesError` that says why there are none."""
        return [self._embedded(request) for request in requests]

    def _embedded(self, request: Embed) -> Embedded | Exception:
        try:
            spaces = [space for space in self.run.spaces if space != "attributes"] or self.run.spaces
            for space in request.spaces or ():
                self.run.index(space)  # says where there is no such space
            one = self._newcomers.encode(request.attributes, request.photos, request.spaces or spaces)
        except VibesError as error:
            return error
        near = {space: one.nearest(self.run, space, request.k) for space in one.scores if request.k}
        return Embedded(
            {space: vector.tolist() for space, vector in one.vectors.items()},
            {
                space: Found(found["listing_id"].tolist(), found["score"].tolist(), [])
                for space, found in near.items()
            },
            dict(one.broken),
        )

    @cached_property
    def _newcomers(self) -> Newcomers:
        return Newcomers(self.run)

    def _row(self, listing: str) -> int:
        if listing not in self.run.listing_row:
            raise no_such_listing(listing, self.run.listing_ids, "this run")
        return self.run.listing_row[listing]
