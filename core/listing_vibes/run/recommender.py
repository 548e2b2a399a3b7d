"""THE maker of lists: what is similar to listings, and what to recommend to users, one or a million at a time.

Page, command, batch job, service and pushes all come here, so that one question has one answer wherever it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from listing_vibes.cache import Cache
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Queries
from listing_vibes.run.additions import MOMENTS, Additions
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.gained import asking, gained_index, with_gain
from listing_vibes.run.groups import Groups
from listing_vibes.run.moves import ScoreMoves
from listing_vibes.run.popular import popular_at
from listing_vibes.run.queries import named_rows
from listing_vibes.run.rules import PINNED, RULED, Rules
from listing_vibes.run.select import Selector
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbours import encode_untrained
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.scorer import VectorScorer
from listing_vibes.search.index import EXACT_TO, ExactIndex

#: Scores of all listings that are held at once.
HELD = 16_000_000
#: What scores listings for users in a run without a model.
UNTRAINED = "untrained neighbors"


class Lists(NamedTuple):
    """B lists of at most k listings."""

    rows: np.ndarray  # (B, k) int64, -1 where there are fewer
    scores: np.ndarray  # (B, k) float32, best first but for what a rule put there
    ruled: np.ndarray  # (B, k) int8, which of `listing_vibes.run.rules.RULED` put it there; 0: its score

    @classmethod
    def joined(cls, parts: Sequence[Lists]) -> Lists:
        """Lists of several calls, one below the other."""
        if not parts:  # nobody was asked for
            return cls(np.zeros((0, 0), np.int64), np.zeros((0, 0), np.float32), np.zeros((0, 0), np.int8))
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class Requests:
    """B lists that are to be made at one moment.

    Attributes:
        region_of: (B,) rows of the listings in whose regions (see `Rules.same`) the candidates are.
        banned: (n,) rows, each of which the list `owner` (n,) must not hold.
        at: the moment; None: there is none.
        k: of each list, at most; None: that of the rules.
        allowed: (L,) bool, which listings may be in a list beside what the rules say; None: all.
    """

    region_of: np.ndarray
    banned: np.ndarray
    owner: np.ndarray
    at: int | None
    k: int | None
    allowed: np.ndarray | None = None

    def take(self, lists: np.ndarray | slice) -> Requests:
        """Return some of the lists."""
        region_of, number = self.region_of[lists], np.full(len(self.region_of), -1)
        number[lists] = np.arange(len(region_of))
        mine = number[self.owner] >= 0
        return replace(self, region_of=region_of, banned=self.banned[mine], owner=number[self.owner[mine]])

    def ban(self, rows: np.ndarray, owner: np.ndarray) -> Requests:
        """Return the same lists without the listings `rows` (n,) in the lists `owner` (n,)."""
        return replace(self, banned=np.append(self.banned, rows), owner=np.append(self.owner, owner))


class Recommender:
    """Makes lists by one space of a run, under rules, for users maybe with what serving adds to the model.

    A history is encoded with the run's own vectors of its listings, by the model or, in another space, without one. Scores are cosines, or, with additions, numbers
    that tell nothing but the order. Of equal scores the earlier listing comes first.

    Args:
        rules: resolved ones, see `Rules.resolved`.
        additions: None: the model alone.
        batch: for very many queries: the index is chosen by size and measured recall.
        gain: (L,) what every score gains, in the place of what `additions` count as recent.
    """

    def __init__(
        self,
        run: RunFolder,
        space: str,
        rules: Rules,
        additions: Additions | None = None,
        batch: bool = False,
        gain: np.ndarray | None = None,
    ) -> None:
        self.run, self.space, self.rules, self.additions, self._batch, self._gain = (
            run, space, rules, additions, batch, gain,
        )  # fmt: skip
        self.groups = Groups.of(rules, run.market) if rules.ask_attributes else NO_GROUPS
        self.pins = named_rows(run, rules.pin, "--pin")
        unlike = named_rows(run, rules.unlike, "--not")
        self._blocked = np.append(named_rows(run, rules.block, "--block"), unlike)
        self.moves = ScoreMoves(run, space, rules, unlike)
        self._eligible: Cache[tuple[int | None, bool], np.ndarray] = Cache(MOMENTS)
        # What is recent is the same under all rules, so that its indexes, as large as the vectors, are shared by them.
        self._indexes: Cache[int | None, ExactIndex] = (
            Cache(MOMENTS) if additions is None else additions.indexes
        )

    def similar(
        self, rows: np.ndarray, at: int | None = None, k: int | None = None, allowed: np.ndarray | None = None
    ) -> Lists:
        """The listings nearest to each of `rows` (B,), never itself.

        Args:
            at: the moment of `live_only` and of boosts.
            k: of each list, at most; None: that of the rules.
            allowed: (L,) bool, which listings may be found beside the rules; None: all.
        """
        requests, table = Requests(rows, rows, np.arange(len(rows)), at, k, allowed), self._all.vectors
        if not self.moves.any:
            return self._lists(self.index(None), table[rows], requests)

        def scores(some: slice) -> np.ndarray:
            return self.moves.add_to(table[rows[some]] @ table.T, at)

        return self._scored(scores, requests)

    def recommend(
        self, log: EventLog, start: np.ndarray, end: np.ndarray, at: int, k: int | None = None
    ) -> Lists:
        """Listings for the histories `start[q] : end[q]` (B,) of `log`, at one moment; of an empty one popular and recent listings.

        What a history calls unwanted is in no list, and what is like it falls, unless the model has learned that.
        """
        empty = start == end
        if empty.all() and len(empty):
            return self._popular(len(empty), at, k)
        apart = empty  # the others' lists stay as they are beside anybody
        if not empty.any() and self._takes(log) and not self.scores_all:
            apart = np.isin(np.arange(len(start)), log.not_this(start, end)[0])
        if apart.any() and not apart.all():
            some, rest = np.flatnonzero(apart), np.flatnonzero(~apart)
            parts = [self.recommend(log, start[part], end[part], at, k) for part in (some, rest)]
            order = np.argsort(np.append(some, rest))
            return Lists(*(column[order] for column in Lists.joined(parts)))
        vectors = self._encode_histories(log, start, end)
        newest = log.listing[log.newest_wanted(start, end)].astype(np.int64)  # (B,)
        owner, banned = log.not_this(start, end)
        score_all = self.scores_all or (self._takes(log) and len(owner) > 0)
        if self.rules.drop_seen:
            length = end - start
            banned, owner = (
                log.listing[ranges(start, length)].astype(np.int64),
                np.repeat(np.arange(len(start)), length),
            )
        requests = Requests(newest, banned, owner, at, k)
        if not score_all:
            return self._lists(
                self.index(at), vectors if self._when(at) is None else asking(vectors), requests
            )

        def scores(some: slice) -> np.ndarray:
            return self.moves.add_to(self._scores(log, vectors[some], start[some], end[some], at), at)

        return self._scored(scores, requests)

    def _popular(self, count: int, at: int, k: int | None) -> Lists:
        """The same popular and recent listings `count` times; their scores are their recent events."""
        if self.rules.same:  # as what?
            rules = self.rules.model_copy(update={"same": ()})
            return Recommender(self.run, self.space, rules)._popular(count, at, k)
        popular, none = popular_at(self.run, at), np.zeros(0, np.int64)
        scores = self.moves.add_to(popular.order[None], at)
        requests = Requests(np.zeros(1, np.int64), none, none, at, k)
        rows, _, ruled = self._lists(self._all, scores, requests, scored=True)
        found = Lists(rows, np.where(rows >= 0, popular.recent[rows], 0), ruled)
        return Lists(*(np.repeat(column, count, axis=0) for column in found))

    def _encode_histories(self, log: EventLog, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """(B, d) the histories in the space: by the model, or in the other spaces without one."""
        vectors = self.run.vectors(self.space)
        if self.space == "model":
            return self.run.engine.encode_histories(log, start, end, listings=vectors)
        return encode_untrained(vectors, log, start, end)

    @property
    def late_interaction(self) -> LateInteraction:
        """How scores look at the listings of a history beside its vector; without a model they do not."""
        return self.run.late_interaction if self.space == "model" else LateInteraction()

    def _scored(self, scores: Callable[[slice], np.ndarray], requests: Requests) -> Lists:
        """Lists by the scores (b, L) of every listing, some lists at a time."""
        step = max(1, HELD // max(len(self._all.vectors), 1))
        parts = [slice(low, low + step) for low in range(0, len(requests.region_of), step)]
        return Lists.joined(
            [self._lists(self._all, scores(part), requests.take(part), scored=True) for part in parts]
        )

    @property
    def scorer(self) -> str:
        """What scores listings for users where it is no trained model, such as `UNTRAINED`; else empty."""
        return "" if self.space == "model" else UNTRAINED

    @property
    def personal(self) -> bool:
        """Whether what is added to the model differs from user to user."""
        return self.additions is not None and self.additions.score_all

    def gain_at(self, at: int) -> np.ndarray | None:
        """(L,) float32: what recent events add to every listing's score at a moment; None: nothing."""
        return self.gain(self._when(at))

    @property
    def scores_all(self) -> bool:
        """Whether every listing has to be scored for every user: no one vector of theirs says it all."""
        if (
            self.moves.any
        ):  # an index by vectors with this gain, as large as they are, would serve these rules alone
            return True
        return self.personal or bool(self.late_interaction.weight)

    def _takes(self, log: EventLog) -> bool:
        """Whether what a history of `log` calls unwanted takes from scores of the model: of what is like it."""
        return self.late_interaction.takes and log.some_unwanted

    def _scores(
        self, log: EventLog, vectors: np.ndarray, start: np.ndarray, end: np.ndarray, at: int
    ) -> np.ndarray:
        """(b, L) float32: every listing's score, with all that is added."""
        table, late = self.run.vectors(self.space), self.late_interaction
        return self.with_additions(
            VectorScorer("model", table, lambda *_: vectors, log, late), log, start, end, at
        )

    def with_additions(
        self, model: Scorer, log: EventLog, start: np.ndarray, end: np.ndarray, at: int
    ) -> np.ndarray:
        """(b, L) float32: what `model` scores for the histories `start : end` (b,) of `log`, with what serving adds at a moment."""
        count = len(start)
        none = np.full(count, -1)
        queries = Queries(none, np.zeros(count, np.int32), none, np.full(count, at), start, end, masked=True)
        scores = (model if self.additions is None else self.additions.personal(model, log)).score(queries)
        gain = self.gain(self._when(at))
        return scores if gain is None else scores + gain

    def _lists(
        self, index: ExactIndex, queries: np.ndarray, requests: Requests, scored: bool = False
    ) -> Lists:
        """Lists of queries (B, d), or (`scored`) of the scores (B, L) of all listings."""
        most = min(self.rules.k if requests.k is None else requests.k, len(index.known))  # there are no more
        rules = self.rules.model_copy(update={"k": max(most, 1)})
        rows, found = self._select(index, rules, queries, requests, scored)
        ruled = np.zeros(rows.shape, np.int8)
        ruled[np.isin(rows, self.pins) & (rows >= 0)] = PINNED
        for code, fewer in self._fewer(rules) if rules.fill else ():
            short = np.flatnonzero(rows[:, -1] < 0)
            if not len(short):
                break
            had = rows[short] >= 0  # (b, k)
            missing = requests.take(short).ban(rows[short][had], np.nonzero(had)[0])
            more, scores = self._select(index, fewer, queries[short], missing, scored)
            rank = had.sum(axis=1)[:, None] + np.arange(more.shape[1])  # (b, k)
            line, column = np.nonzero((more >= 0) & (rank < rows.shape[1]))
            to = short[line], rank[line, column]
            rows[to], found[to], ruled[to] = more[line, column], scores[line, column], code
        return Lists(rows, found, ruled)

    def _select(
        self, index: ExactIndex, rules: Rules, queries: np.ndarray, requests: Requests, scored: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores (B, k) under `rules`, which may be fewer than those of this maker."""
        eligible = self.eligible(requests.at, bool(rules.where) or not self.rules.where)
        if requests.allowed is not None:
            eligible = eligible & requests.allowed
        width = self.run.vectors(self.space).shape[1]
        groups = self.groups if rules.same else replace(self.groups, region=None)
        pins = self.pins if rules.pin else self.pins[:0]
        selector = Selector(index, rules, groups, eligible, width, pins)
        region = None if groups.region is None else groups.region[requests.region_of]
        return selector.lists(queries, region, requests.banned, requests.owner, scored)

    def _fewer(self, rules: Rules) -> Iterator[tuple[int, Rules]]:
        """Fewer and fewer rules, each with the code of what it gives up."""
        given_up: list[str] = []
        for name in ("at_most", "same", "where"):
            if getattr(rules, name):
                given_up.append(name)
                yield RULED.index(f"without {name}"), rules.without(*given_up)

    def warm(self, at: int) -> None:
        """Open now what lists at a moment need, before threads share it."""
        if not self.scores_all:
            self.index(at)
        self.eligible(at)
        if self.moves.any:
            self.moves.gain(at)
        if self.additions is not None and self.additions.score_all:
            self.additions.open()

    def eligible(self, at: int | None, where: bool = True) -> np.ndarray:
        """(L,) bool: which listings may be in a list at a moment; without `where` also those that do not fulfil it."""
        key = at if self.rules.live_only else None, where

        def made() -> np.ndarray:
            found = self._all.known
            if where and self.groups.fulfilling is not None:
                found = found & self.groups.fulfilling
            if key[0] is not None:
                found = found & self.run.catalogue.live(key[0])
            if len(self._blocked):
                found = found.copy()
                found[self._blocked] = False
            return found

        return self._eligible.get(key, made)

    @property
    def _all(self) -> ExactIndex:
        """The vectors of the space and which listings have one: nothing is built for lists that score every listing."""
        return self.run.index(self.space)

    def index(self, at: int | None) -> ExactIndex:
        """The index of the space; at a moment beside what is recent then, where that is added."""
        key = self._when(at)
        return self._indexes.get(key, lambda: self._built(self.gain(key)))

    def gain(self, when: int | None) -> np.ndarray | None:
        """(L,) float32: what every listing's score gains at a moment that `_when` gave."""
        if when is None or self._gain is not None:
            return None if when is None else self._gain
        additions = self.additions
        assert additions is not None
        return additions.gains.get(when, lambda: additions.gain(when))

    def _when(self, at: int | None) -> int | None:
        """The moment at which recent events are counted, None where none are: after the last event by the minute, so that what
        is counted for one request serves the next."""
        if at is None or (self._gain is None and (self.additions is None or not self.additions.has_recent)):
            return None
        return at if self._gain is not None else self.run.counted_at(at)

    def _built(self, gain: np.ndarray | None) -> ExactIndex:
        if gain is None:
            return self.run.batch_index(self.space) if self._batch else self.run.index(self.space)
        vectors = self.run.vectors(self.space)
        if not self._batch or len(vectors) <= EXACT_TO:
            return gained_index(self.run, self.space, gain)
        from listing_vibes.search.index.choose import SAMPLE, choose

        known = np.flatnonzero(vectors.any(axis=1))
        rows = np.random.default_rng(0).choice(known, min(SAMPLE, len(known)), replace=False)
        return choose(with_gain(vectors, gain), queries=asking(vectors[rows])).index


NO_GROUPS = Groups(None, None, None)
