"""One state of a run, opened whole: answers a batch of wishes by one encoding and one search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.errors import VibesError
from core.market.log import EventLog
from core.market.splits import FOREVER
from core.run.newcomers import Newcomers
from core.run.run import Run, as_moment
from core.scoring.recency import Recency, asking, beside
from core.search.index import ExactIndex
from core.serving.service.problems import NotThere
from core.serving.service.wishes import Embed, Embedded, Event, Found, Recommend, Similar

MINUTE = 60 * 10**9  # nanoseconds


@dataclass(eq=False)
class _Query:
    """A wish on its way: where its answer goes, and what is searched."""

    place: int
    space: str
    k: int
    banned: np.ndarray  # (n,) listing rows that may not be found
    moment: int | None  # candidates are the listings live then; None = all
    vector: np.ndarray | None = None  # (d,)
    action: np.ndarray = field(default_factory=lambda: np.empty(0, np.int16))  # (n,) of the history
    duration: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))  # (n,)
    unknown: list[str] = field(default_factory=list)


class Served:
    """A run with its model, events and vectors in memory. Answers are those of `Run.similar` and `Run.recommend`.

    A model that reads histories as listing vectors reads those of the run (float16), not vectors encoded anew; scores
    differ by some 1e-4. With `recency` recommendations are those of the model beside what is recent at their moment, after
    the last event at the minute.
    """

    def __init__(self, path: Path, recency: Recency | None = None) -> None:
        """Open the newest state of the run folder `path`.

        Raises:
            VibesError: see `Run.open` and `Run.engine`.
        """
        self.run = Run.open(path)
        self.opened = time.time()
        self._masks: dict[int, np.ndarray] = {}
        self.recency = recency
        self._recent: dict[int, ExactIndex] = {}
        for space in self.run.spaces:
            self.run.index(space)
        if self.run.has_model:
            _, self.log = self.run.engine, self.run.log
            self.after_last = int(self.log.time.max(initial=0)) + 1
            self.user_number = {name: number for number, name in enumerate(self.log.users)}
            self.action_number = {name: number for number, name in enumerate(self.log.actions)}
            self.answer(
                [Recommend(None, [Event(self.run.listing_ids[0])], 1)]
            )  # the first call of a library is slow

    def answer(self, wishes: Sequence[Similar | Recommend]) -> list[Found | Exception]:
        """For each wish what was found, or the `VibesError` that says why nothing can be."""
        answers: list[Found | Exception] = [VibesError("Nothing was searched.")] * len(wishes)
        queries: list[_Query] = []
        for place, wish in enumerate(wishes):
            try:
                asked = self._similar if isinstance(wish, Similar) else self._recommend
                queries.append(asked(place, wish))  # type: ignore[arg-type]
            except VibesError as error:
                answers[place] = error
        self._encode([query for query in queries if query.vector is None])
        groups: dict[tuple[str, int | None], list[_Query]] = {}
        for query in queries:
            groups.setdefault((query.space, query.moment), []).append(query)
        for (space, moment), group in groups.items():
            self._search(space, moment, group, answers)
        return answers

    def _similar(self, place: int, wish: Similar) -> _Query:
        space = wish.space or self.run.spaces[0]
        row, index = self._row(wish.listing), self.run.index(space)
        if not index.known[row]:
            raise VibesError(
                f"Listing '{wish.listing}' has nothing in the space '{space}'; choose another space."
            )
        return _Query(place, space, wish.k, np.array([row]), None, index.vectors[row])

    def _recommend(self, place: int, wish: Recommend) -> _Query:
        if not self.run.has_model:
            raise VibesError(
                f"{self.run.path} has no trained model, so it cannot recommend; serve one that has."
            )
        moment = self._moment(wish.at)
        if wish.user is not None:
            start, end = self._events_of(wish.user, None if wish.at is None else moment)
            log = self.log
            return _Query(
                place, "model", wish.k, log.listing[start:end], moment,
                action=log.action[start:end], duration=log.duration[start:end],
            )  # fmt: skip
        known = [event for event in wish.history if event.listing in self.run.listing_row]
        if not known:
            raise VibesError(
                f"The history has no listing of this run ('{wish.history[0].listing}' is none); give at least one."
            )
        return _Query(
            place, "model", wish.k, np.array([self.run.listing_row[event.listing] for event in known]), moment,
            action=np.array([self._action(event.action) for event in known], np.int16),
            duration=np.array([event.duration_s for event in known], np.float32),
            unknown=[e.listing for e in wish.history if e.listing not in self.run.listing_row],
        )  # fmt: skip

    def _encode(self, queries: list[_Query]) -> None:
        """Give every query the vector of its history, all in one pass."""
        if not queries:
            return
        length = np.array([len(query.banned) for query in queries])
        start = np.concatenate([[0], np.cumsum(length)])
        log = EventLog(
            user=np.repeat(np.arange(len(queries), dtype=np.int32), length),
            listing=np.concatenate([query.banned for query in queries]).astype(np.int32),
            time=np.arange(start[-1]),
            action=np.concatenate([query.action for query in queries]),
            duration=np.concatenate([query.duration for query in queries]),
            start=start,
            users=[""] * len(queries),
            actions=self.log.actions,
            listings=self.log.listings,
            timed=self.log.timed,
        )
        vectors = self.run.engine.encode_histories(log, start[:-1], start[1:], self.run.vectors("model"))
        for query, vector in zip(queries, vectors, strict=True):  # (d,)
            query.vector = vector

    def _search(
        self, space: str, moment: int | None, group: list[_Query], answers: list[Found | Exception]
    ) -> None:
        """Search so deep that the listings which may not be found can be left out afterwards."""
        index = self.run.index(space)
        vectors = np.stack([query.vector for query in group if query.vector is not None])  # (b, d)
        if moment is not None and self.recency is not None:
            index, vectors = self._beside_recent(self.recency, moment), asking(vectors)
        depth = min(max(query.k + len(query.banned) for query in group), len(index.known))
        rows, scores = index.search(vectors, depth, None if moment is None else self._live(moment))
        banned = np.zeros(len(index.known), bool)
        for query, found, score in zip(group, rows, scores, strict=True):
            banned[query.banned] = True
            kept = np.flatnonzero((found >= 0) & ~banned[found])[: query.k]
            banned[query.banned] = False
            names = [self.run.listing_ids[row] for row in found[kept]]
            answers[query.place] = Found(names, score[kept].tolist(), query.unknown)

    def _beside_recent(self, recency: Recency, moment: int) -> ExactIndex:
        """The model's space beside what is recent; of the usual moment and of one more it is kept."""
        if not self.log.timed:
            moment = self.after_last  # the last events of each user, whenever it is
        elif moment > self.after_last:
            moment = max(moment // MINUTE * MINUTE, self.after_last)
        if moment not in self._recent:
            gain = recency.gain([self.log], self.log.listings, moment)
            usual = {at: index for at, index in self._recent.items() if at == self.after_last}
            self._recent = usual | {moment: ExactIndex(beside(self.run.vectors("model"), gain))}
        return self._recent[moment]

    def embed(self, wishes: Sequence[Embed]) -> list[Embedded | Exception]:
        """For each wish the vectors of its listing, or the `VibesError` that says why there are none."""
        return [self._embedded(wish) for wish in wishes]

    def _embedded(self, wish: Embed) -> Embedded | Exception:
        try:
            spaces = [space for space in self.run.spaces if space != "attributes"] or self.run.spaces
            for space in wish.spaces or ():
                self.run.index(space)  # says where there is no such space
            one = self._newcomers.encode(wish.attributes, wish.photos, wish.spaces or spaces)
        except VibesError as error:
            return error
        near = {space: one.nearest(self.run, space, wish.k) for space in one.scores if wish.k}
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
            example = f" (for example '{self.run.listing_ids[0]}')" if self.run.listing_ids else ""
            raise NotThere(
                f"There is no listing '{listing}' in this run; give one of its listing ids{example}."
            )
        return self.run.listing_row[listing]

    def _events_of(self, user: str, at: int | None) -> tuple[int, int]:
        if user not in self.user_number:
            example = f" (for example '{self.log.users[0]}')" if self.log.users else ""
            raise NotThere(
                f"There is no user '{user}' in this run's market; give one of its user ids{example}."
            )
        start, end = self.log.history_at(self.user_number[user], at)
        if start == end:
            raise VibesError(f"User '{user}' has no event before that moment; choose a later one.")
        return start, end

    def _action(self, action: str | None) -> int:
        if action is None:
            return -1
        if action not in self.action_number:
            known = ", ".join(self.action_number) or "none"
            raise VibesError(
                f"The history has the action '{action}', which this market does not know ({known})."
            )
        return self.action_number[action]

    def _moment(self, at: str | int | None) -> int:
        if at is None:
            return self.after_last
        if at == "now" and self.log.timed:
            return time.time_ns()
        try:
            moment = pd.Timestamp(at) if self.log.timed else int(at)
            if not pd.isna(moment):
                return max(min(as_moment(moment), FOREVER), -FOREVER)
        except ValueError:
            pass
        wanted = "a date such as 2024-03-25T12:00, or now" if self.log.timed else "a position, a whole number"
        raise VibesError(f"at is '{at}'; give {wanted}.")

    def _live(self, moment: int) -> np.ndarray:
        """(L,) bool: live at `moment`; the mask of the usual moment is kept."""
        if moment not in self._masks:
            mask = (self.run.catalogue.since <= moment) & (moment < self.run.catalogue.until)
            if moment != self.after_last:
                return mask
            self._masks[moment] = mask
        return self._masks[moment]
