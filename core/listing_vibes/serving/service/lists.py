"""Lists of one opened state of a run: a batch of requests is answered together, those that go by the same rules in one call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

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
from listing_vibes.scoring.ranking_names import blend_name
from listing_vibes.serving.events import join_history
from listing_vibes.serving.impressions import Maker

#: Events that an explanation leaves out one by one, from the newest on, and parts of each kind that it names.
MAX_EVENTS, MAX_PARTS = 30, 3


class SimilarRequest(NamedTuple):
    """The listings nearest to one.

    Attributes:
        space: None: the run's first.
        explain_s: seconds for list and explanations; None: without explanations.
    """

    listing: str
    rules: Rules
    space: str | None = None
    at: str | int | None = None
    explain_s: float | None = None
    request_id: str = ""


class RecommendRequest(NamedTuple):
    """Listings for a user of the market, or (`user` None) for a history, oldest first.

    Attributes:
        blend: what is added to the model, see `Run.recommend`; None: what the service adds by default.
        about: whose the history is, as far as that is known.
        posted: the user's posted events, see `listing_vibes.serving.events.EventLog.read_users`.
    """

    user: str | None
    history: Sequence[Event]
    rules: Rules
    at: str | int | None = None
    blend: str | None = None
    explain_s: float | None = None
    request_id: str = ""
    about: str | None = None
    posted: Sequence[Any] = ()


class EmbedRequest(NamedTuple):
    """A listing that the market does not have: cells by attribute, contents of image files, `k` neighbors in each space."""

    attributes: dict[str, Any]
    photos: list[bytes]
    spaces: list[str] | None
    k: int


ListRequest: TypeAlias = "SimilarRequest | RecommendRequest"


@dataclass(frozen=True)
class RankedList:
    """A response to a request.

    Attributes:
        ruled: of each listing which rule put it there, see `listing_vibes.run.rules.RULED`; empty: no such rule was given.
        makers: what made the list; of an interleaved one both, A first.
        unknown: listings of a posted history that the run does not have.
        explanations: of each listing; None: the time was up.
        scorer: what scored the list where no trained model did.
        is_fallback: whether there was no history: popular and recent listings.
        empty_because: why there are no listings.
        arm, teams: see `listing_vibes.serving.impressions.Impression`.
    """

    listings: Sequence[str]
    scores: Sequence[float]
    ruled: Sequence[str] = ()
    makers: Sequence[Maker] = ()
    unknown: Sequence[str] = ()
    explanations: Sequence[dict[str, Any] | None] = ()
    scorer: str = ""
    is_fallback: bool = False
    market_changed: bool = False
    empty_because: str = ""
    arm: str | None = None
    teams: Sequence[int] | None = None


class Embedding(NamedTuple):
    """By space a vector, L2-normalized, and its neighbors; by the number of a photo why it was left out."""

    vectors: dict[str, list[float]]
    similar: dict[str, RankedList]
    broken: dict[int, str]


@dataclass(eq=False)
class _Query:
    """A request, what makes its list, and of what: a listing's row, a user's rows in the log, or a history."""

    request: ListRequest
    recommender: Recommender
    at: int | None
    row: int = -1
    bounds: tuple[int, int] = (0, 0)
    history: Sequence[Event] = ()
    unknown: list[str] = field(default_factory=list)

    @property
    def is_fallback(self) -> bool:
        return self.row < 0 and not self.history and self.bounds[0] == self.bounds[1]

    @property
    def group(self) -> tuple[object, ...]:
        """What is made in one call: of one kind, by one recommender at one moment, and of one length where that changes a list."""
        kind = "similar" if self.row >= 0 else "history" if self.history else "user"
        rules = self.request.rules
        return id(self.recommender), kind, self.at, rules.k if rules.diversity else None


class RunState:
    """A run with its model, events and vectors in memory. Its lists are those of `Run.similar` and `Run.recommend`.

    Args:
        blend: what is added to the model where a request does not say.
        shared: where the vectors lie that other processes use as well; None: they are this one's alone.

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
            self.run.recommender(beside=blend).warm(self.run.after_last_event)
            first = Event(self.run.listing_ids[0])
            self.answer([RecommendRequest(None, [first], Rules(k=1))])  # the first call of a library is slow

    @property
    def market_changed(self) -> bool:
        """Whether the market is another than that which the run was made from, as far as it is at hand."""
        return self.run.has_market and self.run.market_changed

    def answer(self, requests: Sequence[ListRequest]) -> list[RankedList | Exception]:
        """Return for each request its list, or the `VibesError` that says why there is none."""
        answers: dict[int, RankedList | Exception] = {}
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
                answers[number] = self._ranked_list(query, *row)
        return [answers[number] for number in range(len(requests))]

    def explain(self, requests: Sequence[ListRequest]) -> list[RankedList | Exception]:
        """Return the same with explanations, as far as the time that a request gives allows."""
        return [self._explained(request) for request in requests]

    def embed(self, requests: Sequence[EmbedRequest]) -> list[Embedding | Exception]:
        """Return for each request the vectors of its listing, or the `VibesError` that says why there are none."""
        return [self._embedding(request) for request in requests]

    def name_of(self, user: str | None) -> str | None:
        """Return what the market calls a user, so that an id and its hash are one."""
        if user is None:
            return None
        number = self.run.user_number.get(user)
        return self.run.market.names.of(user) if number is None else self.run.log.users[number]

    def _query(self, request: ListRequest) -> _Query:
        return self._similar(request) if isinstance(request, SimilarRequest) else self._recommend(request)

    def _similar(self, request: SimilarRequest) -> _Query:
        space = request.space or self.run.spaces[0]
        recommender = self.run.recommender(space, request.rules, for_users=False)
        row = self.run.listing_row.get(request.listing)
        if row is None:
            raise no_such_listing(request.listing, self.run.listing_ids, "this run")
        if not self.run.index(space).known[row]:
            raise VibesError(
                f"Listing '{request.listing}' has nothing in the space '{space}'; choose another space."
            )
        at = self.run.moment(request.at) if recommender.rules.ask_moment else None
        return _Query(request, recommender, at, row)

    def _recommend(self, request: RecommendRequest) -> _Query:
        if request.explain_s is not None:
            self.run.needs_model()
        recommender = self.run.recommender(None, request.rules, beside=self._blend_of(request))
        at = self.run.moment(request.at)
        if request.user is not None:
            before = None if request.at is None else at
            if history := join_history(self.run, request.user, request.posted, before):
                return _Query(request, recommender, at, history=history)
            _, start, end = of_users(self.run, [request.user], before)
            return _Query(request, recommender, at, bounds=(int(start[0]), int(end[0])))
        known = [event for event in request.history if event.listing in self.run.listing_row]
        check_events(self.run, known)
        unknown = [event.listing for event in request.history if event.listing not in self.run.listing_row]
        return _Query(request, recommender, at, history=known, unknown=unknown)

    def _blend_of(self, request: RecommendRequest) -> str | None:
        return self.blend if request.blend is None else request.blend or NOTHING

    def _histories(self, queries: Sequence[_Query]) -> HistoryBatch:
        if queries[0].history:
            return of_histories(self.run, [query.history for query in queries])
        bounds = np.array([query.bounds for query in queries])
        return HistoryBatch(self.run.log, bounds[:, 0], bounds[:, 1])

    def _rank(self, queries: Sequence[_Query]) -> Lists:
        """Return the lists of queries of one group."""
        first, k = queries[0], max(query.request.rules.k for query in queries)
        if first.row >= 0:
            return first.recommender.similar(np.array([query.row for query in queries]), first.at, k)
        assert first.at is not None
        return first.recommender.recommend(*self._histories(queries), first.at, k)

    def _ranked_list(
        self, query: _Query, rows: np.ndarray, scores: np.ndarray, ruled: np.ndarray
    ) -> RankedList:
        shown = np.flatnonzero(rows >= 0)[: query.request.rules.k]
        listings = [self.run.listing_ids[row] for row in rows[shown]]
        is_similar, recommender = query.row >= 0, query.recommender
        scorer = "" if is_similar else POPULAR if query.is_fallback else recommender.scorer
        empty_because = ""
        if not listings:
            space = recommender.space if is_similar else None
            empty_because = explain_empty(self.run, recommender.rules, query.at, not is_similar, space)
        return RankedList(
            listings,
            scores[shown].tolist(),
            [RULED[code] for code in ruled[shown]] if recommender.rules.says else (),
            (Maker(str(self.run.path), self.run.generation, scorer or self._scorer(query)),),
            query.unknown,
            scorer=scorer,
            is_fallback=query.is_fallback,
            market_changed=self.market_changed,
            empty_because=empty_because,
        )

    def _scorer(self, query: _Query) -> str:
        """Return by what a list is scored: a space, or the model with what is added to it."""
        if query.row >= 0:
            return query.recommender.space
        additions = query.recommender.additions
        return blend_name(*filter(None, ("" if additions is None else additions.fit.holds).split("+")))

    def _explained(self, request: ListRequest) -> RankedList | Exception:
        until = time.monotonic() + (request.explain_s or 0.0)
        (answer,) = self.answer([request])
        if isinstance(answer, Exception) or answer.is_fallback:
            return answer
        explanations: list[dict[str, Any] | None] = []
        if isinstance(request, SimilarRequest):
            for listing in answer.listings:
                explanation = None
                if time.monotonic() < until:
                    found = explain_similarity(self.run, request.listing, listing, request.space)
                    explanation = found.to_dict(MAX_PARTS)
                explanations.append(explanation)
        else:
            query = self._recommend(request)
            assert query.at is not None
            rows = [self.run.listing_row[listing] for listing in answer.listings]
            left = max(0.0, until - time.monotonic())
            history = self._histories([query])
            for each in reasons(
                self.run, query.recommender, history, query.at, rows, left, events=MAX_EVENTS
            ):
                explanations.append(each.to_dict(MAX_PARTS))
        return replace(answer, explanations=explanations)

    def _embedding(self, request: EmbedRequest) -> Embedding | Exception:
        try:
            spaces = [space for space in self.run.spaces if space != "attributes"] or self.run.spaces
            for space in request.spaces or ():
                self.run.index(space)  # says where there is no such space
            encoded = self._newcomers.encode(request.attributes, request.photos, request.spaces or spaces)
        except VibesError as error:
            return error
        near = {space: encoded.nearest(self.run, space, request.k) for space in encoded.scores if request.k}
        return Embedding(
            {space: vector.tolist() for space, vector in encoded.vectors.items()},
            {
                space: RankedList(table["listing_id"].tolist(), table["score"].tolist())
                for space, table in near.items()
            },
            dict(encoded.broken),
        )

    @cached_property
    def _newcomers(self) -> Newcomers:
        return Newcomers(self.run)
