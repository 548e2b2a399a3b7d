"""The one maker of lists: what is similar to listings, and what to recommend to users, one or a million at a time.

Score, mask, one greedy pass for the rules, top k. Page, command, batch job, service and pushes all come here, so that one question
has one answer wherever it is asked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from listing_vibes.cache import Cache
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Queries
from listing_vibes.run.folder import RunFolder
from listing_vibes.run.groups import Groups
from listing_vibes.run.popular import popular_at
from listing_vibes.run.queries import named_rows
from listing_vibes.run.ranking import CandidateRanker, Lists, Requests, Search, search_scores
from listing_vibes.run.rules import PINNED, RULED, Rules
from listing_vibes.run.run_blend import MOMENTS, RunBlend
from listing_vibes.run.score_moves import ScoreMoves
from listing_vibes.scoring.late_interaction import LateInteraction
from listing_vibes.scoring.neighbors import encode_untrained
from listing_vibes.scoring.ranking import Scorer
from listing_vibes.scoring.scorer import VectorScorer
from listing_vibes.search.index import EXACT_TO, ExactIndex

#: Scores of all listings that are held at once.
HELD = 16_000_000
#: What scores listings for users in a run without a model.
UNTRAINED = "untrained neighbors"


class Recommender:
    """Makes lists by one space of a run, under rules, for users with or without a blend.

    A history is encoded with the run's own vectors of its listings, by the model or, in another space, without one. Scores are
    cosines, or, in a blend, numbers that say nothing but the order. Of equal scores the earlier listing comes first.

    Args:
        rules: resolved ones, see `Rules.resolved`.
        additions: the blend; None: the model only.
        batch: for very many queries: of many listings, an approximate index of measured recall proposes the candidates.
    """

    def __init__(
        self,
        run: RunFolder,
        space: str,
        rules: Rules,
        additions: RunBlend | None = None,
        batch: bool = False,
    ) -> None:
        self.run, self.space, self.rules, self.additions = run, space, rules, additions
        self._batch = batch
        self.groups = Groups.of(rules, run.market) if rules.ask_attributes else Groups(None, None, None)
        self.pins = named_rows(run, rules.pin, "--pin")
        unlike = named_rows(run, rules.unlike, "--not")
        self._blocked = np.append(named_rows(run, rules.block, "--block"), unlike)
        self.moves = ScoreMoves(run, space, rules, unlike)
        self._eligible: Cache[tuple[int | None, bool], np.ndarray] = Cache(MOMENTS)
        self._indexes: Cache[int | None, ExactIndex] = Cache(1)

    def similar(
        self, rows: np.ndarray, at: int | None = None, k: int | None = None, allowed: np.ndarray | None = None
    ) -> Lists:
        """Return the listings nearest to each of `rows` (B,), never itself.

        Args:
            at: the moment of `live_only` and of boosts.
            k: of each list, at most; None: that of the rules.
            allowed: (L,) bool, which listings may be found beside the rules; None: all.
        """
        vectors = self.run.vectors(self.space)
        requests = Requests(rows, rows, np.arange(len(rows)), at, self._length(k), allowed)
        if self._is_indexed and not self.moves.any:
            return self._rank(self.index(None).search, vectors[rows], requests)
        return self._rank_scores(
            lambda subset: self.moves.add_to(vectors[rows[subset]] @ vectors.T, at), requests
        )

    def recommend(
        self, log: EventLog, start: np.ndarray, end: np.ndarray, at: int, k: int | None = None
    ) -> Lists:
        """Return listings for the histories `start[q] : end[q]` (B,) of `log` at one moment; popular and recent ones for an empty one.

        What a history calls unwanted is in no list, and what is like it falls, unless the model has learned that.
        """
        lists = Lists.empty(len(start), self._length(k))
        is_empty = start == end
        is_scored = np.full(len(start), not self._is_indexed or self.scores_all)
        if self._lowers_unwanted(log):
            is_scored[log.not_this(start, end)[0]] = True
        if is_empty.any():
            lists.put(is_empty, self._popular(int(is_empty.sum()), at, k))
        for subset, indexed in ((~is_empty & is_scored, False), (~is_empty & ~is_scored, True)):
            if subset.any():
                lists.put(subset, self._personal(log, start[subset], end[subset], at, k, indexed))
        return lists

    def _personal(
        self, log: EventLog, start: np.ndarray, end: np.ndarray, at: int, k: int | None, indexed: bool
    ) -> Lists:
        """Return lists for histories with events, by the index of a batch or by the scores of all listings."""
        vectors = self._encode_histories(log, start, end)
        newest = log.listing[log.newest_wanted(start, end)].astype(np.int64)  # (B,)
        owner, banned = log.not_this(start, end)
        if self.rules.drop_seen:
            banned = log.listing[ranges(start, end - start)].astype(np.int64)
            owner = np.repeat(np.arange(len(start)), end - start)
        requests = Requests(newest, banned, owner, at, self._length(k))
        if indexed:
            queries = vectors if self._when(at) is None else with_column(vectors, np.float32(1))
            return self._rank(self.index(at).search, queries, requests)

        def score(some: np.ndarray) -> np.ndarray:
            return self.moves.add_to(self._scores(log, vectors[some], start[some], end[some], at), at)

        return self._rank_scores(score, requests)

    def _popular(self, count: int, at: int, k: int | None) -> Lists:
        """Return the same popular and recent listings `count` times; their scores are their recent events."""
        if self.rules.same:  # there is no listing that they could be the same as
            rules = self.rules.model_copy(update={"same": ()})
            return Recommender(self.run, self.space, rules)._popular(count, at, k)
        popular, none = popular_at(self.run, at), np.zeros(0, np.int64)
        requests = Requests(np.zeros(1, np.int64), none, none, at, self._length(k))
        rows, _, ruled = self._rank_scores(lambda _: self.moves.add_to(popular.order[None], at), requests)
        lists = Lists(rows, np.where(rows >= 0, popular.recent[rows], 0), ruled)
        return Lists(*(np.repeat(column, count, axis=0) for column in lists))

    def _rank_scores(self, score: Callable[[np.ndarray], np.ndarray], requests: Requests) -> Lists:
        """Return lists by the scores (b, L) of every listing, some lists (b,) at a time."""
        step, count = max(1, HELD // max(len(self._known), 1)), len(requests.region_of)
        parts = [np.arange(low, min(low + step, count)) for low in range(0, count, step)]
        ranked = [self._rank(search_scores, score(part), requests.take(part)) for part in parts]
        return Lists.joined(ranked) if ranked else Lists.empty(0, requests.k)

    def _rank(self, search: Search, queries: np.ndarray, requests: Requests) -> Lists:
        """Return lists under the rules, and where `fill` asks for it, short ones filled up under fewer and fewer of them."""
        lists, code = Lists.empty(len(queries), requests.k), 0
        for given_up in self._stages():
            short = np.flatnonzero(lists.rows[:, -1] < 0)
            if not len(short):
                break
            code = RULED.index(f"without {given_up[-1]}") if given_up else 0
            rules = self.rules.without(*given_up) if given_up else self.rules
            has = lists.rows[short] >= 0  # (b, k)
            missing = requests.take(short).ban(lists.rows[short][has], np.nonzero(has)[0])
            rows, scores = self._ranker(search, rules).rank(
                queries[short], missing, self._allowed(rules, requests)
            )
            rank = has.sum(axis=1)[:, None] + np.arange(requests.k)  # (b, k)
            line, column = np.nonzero((rows >= 0) & (rank < requests.k))
            to = short[line], rank[line, column]
            lists.rows[to], lists.scores[to] = rows[line, column], scores[line, column]
            lists.ruled[to] = code if given_up else np.isin(rows[line, column], self.pins) * PINNED
        return lists

    def _stages(self) -> list[tuple[str, ...]]:
        """Return the names of the rules that are given up, first none, then, with `fill`, one more each time."""
        stages: list[tuple[str, ...]] = [()]
        for name in ("at_most", "same", "where") if self.rules.fill else ():
            if getattr(self.rules, name):
                stages.append((*stages[-1], name))
        return stages

    def _ranker(self, search: Search, rules: Rules) -> CandidateRanker:
        region = self.groups.region if rules.same else None
        pins = self.pins if rules.pin else self.pins[:0]
        return CandidateRanker(search, rules, self.run.vectors(self.space), region, self.groups.seller, pins)

    def _allowed(self, rules: Rules, requests: Requests) -> np.ndarray:
        """Return (L,) bool which listings may be in some of the lists."""
        allowed = self.eligible(requests.at, bool(rules.where) or not self.rules.where)
        return allowed if requests.allowed is None else allowed & requests.allowed

    def _length(self, k: int | None) -> int:
        """Return how long the lists are: there are no more listings than those of the run."""
        return max(1, min(self.rules.k if k is None else k, len(self._known)))

    def _encode_histories(self, log: EventLog, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return (B, d) the histories in the space: by the model, or in the other spaces without one."""
        vectors = self.run.vectors(self.space)
        if self.space == "model":
            return self.run.engine.encode_histories(log, start, end, listings=vectors)
        return encode_untrained(vectors, log, start, end)

    @property
    def late_interaction(self) -> LateInteraction:
        """How scores look at the listings of a history beside its vector; without a model they do not."""
        return self.run.late_interaction if self.space == "model" else LateInteraction()

    @property
    def scorer(self) -> str:
        """What scores listings for users where it is no trained model, such as `UNTRAINED`; else empty."""
        return "" if self.space == "model" else UNTRAINED

    @property
    def personal(self) -> bool:
        """Whether what is added to the model differs from user to user."""
        return self.additions is not None and self.additions.score_all

    @property
    def scores_all(self) -> bool:
        """Whether every listing has to be scored for every user: no one vector of theirs, and no index, says it all."""
        return self.moves.any or self.personal or bool(self.late_interaction.weight)

    def _lowers_unwanted(self, log: EventLog) -> bool:
        """Whether what is like what a history of `log` calls unwanted loses scores of the model."""
        return self.late_interaction.takes and log.some_unwanted

    def _scores(
        self, log: EventLog, vectors: np.ndarray, start: np.ndarray, end: np.ndarray, at: int
    ) -> np.ndarray:
        """Return (b, L) float32: every listing's score in the blend."""
        table, late = self.run.vectors(self.space), self.late_interaction
        model = VectorScorer("model", table, lambda *_: vectors, log, late)
        return self.with_additions(model, log, start, end, at)

    def with_additions(
        self, model: Scorer, log: EventLog, start: np.ndarray, end: np.ndarray, at: int
    ) -> np.ndarray:
        """Return (b, L) float32: what `model`, blended, scores for the histories `start : end` (b,) of `log` at a moment."""
        none = np.full(len(start), -1)
        moment = np.full(len(start), at)
        queries = Queries(none, np.zeros(len(start), np.int32), none, moment, start, end, masked=True)
        scores = (model if self.additions is None else self.additions.personal(model, log)).score(queries)
        gain = self.gain_at(at)
        return scores if gain is None else scores + gain

    def gain_at(self, at: int) -> np.ndarray | None:
        """Return (L,) float32: what recent events add to every listing's score at a moment; None: nothing."""
        when, additions = self._when(at), self.additions
        if when is None or additions is None:
            return None
        return additions.gain(when)

    def _when(self, at: int | None) -> int | None:
        """Return the moment at which recent events are counted, None where none are."""
        has_recent = self.additions is not None and self.additions.has_recent
        return self.run.counted_at(at) if has_recent and at is not None else None

    def eligible(self, at: int | None, where: bool = True) -> np.ndarray:
        """Return (L,) bool: which listings may be in a list at a moment; without `where` also those that do not fulfil it."""
        moment = at if self.rules.live_only else None

        def make() -> np.ndarray:
            eligible = self._known.copy()
            if where and self.groups.fulfilling is not None:
                eligible &= self.groups.fulfilling
            if moment is not None:
                eligible &= self.run.catalogue.live(moment)
            eligible[self._blocked] = False
            return eligible

        return self._eligible.get((moment, where), make)

    def warm(self, at: int | None) -> None:
        """Open now what lists at a moment need, or (None) lists of similar listings, before threads share it."""
        if self._is_indexed and not (self.moves.any if at is None else self.scores_all):
            self.index(at)
        if at is not None:
            self.gain_at(at)
            self.eligible(at)
        if self.moves.any:
            self.moves.gain(at)
        if self.personal and self.additions is not None:
            self.additions.open()

    @property
    def _known(self) -> np.ndarray:
        """(L,) bool: which listings have a vector in the space."""
        return self.run.index(self.space).known

    @property
    def _is_indexed(self) -> bool:
        """Whether an approximate index proposes the candidates."""
        return self._batch and len(self.run.vectors(self.space)) > EXACT_TO

    def index(self, at: int | None) -> ExactIndex:
        """Return the index of a batch; at a moment with what recent events add then as one column more."""

        def make() -> ExactIndex:
            from listing_vibes.search.approximate import QUERIES, choose_index

            vectors, gain = self.run.vectors(self.space), None if at is None else self.gain_at(at)
            if gain is None:
                return choose_index(vectors)
            available = np.flatnonzero(self._known)
            rows = np.random.default_rng(0).choice(available, min(QUERIES, len(available)), replace=False)
            table = with_column(vectors, np.where(self._known, gain, np.float32(0)))
            return choose_index(table, with_column(vectors[rows], np.float32(1)))

        return self._indexes.get(self._when(at), make)


def with_column(vectors: np.ndarray, values: np.ndarray | np.float32) -> np.ndarray:
    """Return (B, d + 1): vectors (B, d) with one column more, such as 1 in queries and a gain in what they are compared with: the inner
    products are those without it + the gain, so that every kind of index can search by it."""
    return np.column_stack([vectors, np.broadcast_to(values, len(vectors))])
