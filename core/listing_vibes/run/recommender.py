"""Lists of similar listings and of recommendations, for one query or a million.

The steps are: score, mask, one greedy pass for the rules, top k. Pages, commands, batch jobs and the service all use this
module, so that equal queries give equal lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.cache import Cache, cached_per_object
from listing_vibes.market.log import EventLog, ranges
from listing_vibes.market.splits import Queries
from listing_vibes.market.values import sample_rows
from listing_vibes.model.settings import BlendWeights
from listing_vibes.run.candidates import (
    BlendIndex,
    CandidateRanker,
    Lists,
    Requests,
    Search,
    linear_parts,
    search_scores,
)
from listing_vibes.run.conditions import Groups, fulfilling
from listing_vibes.run.histories import history_ends, named_rows, split_pins
from listing_vibes.run.rule_gains import RuleGains
from listing_vibes.run.rules import PINNED, RULED, Rules
from listing_vibes.run.scorers import MOMENTS, run_blend, space_scorer
from listing_vibes.scoring.blend import ALONE, Blend
from listing_vibes.scoring.deviations import cosine_deviation, product_deviations
from listing_vibes.scoring.recency import RecentEvents
from listing_vibes.scoring.scores import Scores
from listing_vibes.search.approximate import QUERIES, CandidateIndex, choose_index
from listing_vibes.search.index import EXACT_TO

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

#: Scores in memory at a time.
MOST_SCORES = 16_000_000
#: The column of scores that boosts, style directions and unlike listings add.
RULES = "rules"
#: The name of the scorer for users in a run without a model.
UNTRAINED = "untrained neighbors"
#: The name of the scorer of lists without a history.
POPULAR = "popular and recent listings"


class Recommender:
    """Ranks listings by one space of a run under rules, for users with or without a blend.

    A history is encoded from the run's vectors of its listings, by the model or, in another space, as their mean. Scores are
    cosines; those of a blend have no unit. Ties are broken by the order of the listings.

    Args:
        rules: resolved rules, see `Rules.resolved`.
        fit: the weights of the blend; by default the model only.
        batch: True for very many queries; with more than `EXACT_TO` listings an approximate index with measured recall retrieves the
            candidates, unless scores are no inner products (id models, late interaction, boosts and style directions).
    """

    def __init__(
        self, run: Run, space: str, rules: Rules, fit: BlendWeights = ALONE, batch: bool = False
    ) -> None:
        self.run, self.space, self.rules, self.fit, self._batch = run, space, rules, fit, batch
        # Rules without attributes do not need the market's tables.
        self.groups = Groups.of(rules, run.market) if rules.needs_attributes else Groups()
        ids, conditions = split_pins(run, rules.pin)
        self.pins = named_rows(run, ids, "pin")
        fulfilled = [fulfilling(run.market, text, "Rule pin") for text in conditions]
        self.pinned = np.logical_or.reduce(fulfilled) if fulfilled else None
        unlike = named_rows(run, rules.unlike, "not")
        self._blocked = np.append(named_rows(run, rules.block, "block"), unlike)
        self.rule_gains = RuleGains(run, space, rules, unlike)
        self._eligible: Cache[tuple[int | None, bool], np.ndarray] = Cache(MOMENTS)
        self._candidates: Cache[int, BlendIndex | None] = Cache(1)

    def similar(self, rows: np.ndarray, at: int | None = None, k: int | None = None) -> Lists:
        """Return the nearest listings of each of `rows` (B,), without itself.

        Args:
            at: the moment of `live_only` and of boosts.
            k: the maximum length of each list; None for that of the rules.
        """
        vectors = self.run.vectors(self.space)
        requests = Requests(rows, rows, np.arange(len(rows)), at, self._length(k))
        if self._index is not None:
            unit = (
                product_deviations(vectors[rows], [vectors], self._has_vector) if self._needs_unit else None
            )
            return self._rank(self._index.search, vectors[rows], requests, unit)
        return self._rank_scores(
            lambda part: Scores({self.space: vectors[rows[part]] @ vectors.T}), len(rows), requests
        )

    def recommend(
        self,
        log: EventLog,
        start: np.ndarray,
        end: np.ndarray,
        at: int,
        k: int | None = None,
        users: Sequence[str] | None = None,
    ) -> Lists:
        """Return listings for the histories `start[q] : end[q]` (B,) of `log` at one moment; popular and recent ones for an empty history.

        Listings with an unwanted event are in no list, and similar ones get lower scores.

        Args:
            users: (B,) the names of the users, for the rule `owner`; None for those of the events, if `log` is the run's.
        """
        own = self._own_listings(log, start, end, users)
        lists = Lists.empty(len(start), self._length(k))
        is_empty, candidates = start == end, self._candidates_at(at)
        is_scored = np.full(len(start), candidates is None)
        if log.has_negatives:  # The penalty of listings similar to unwanted ones is no inner product.
            is_scored[log.negatives(start, end)[0]] = True
        if is_empty.any():
            bans = _of_subset(*own, is_empty)
            count = int(is_empty.sum()) if len(bans[0]) else 1
            lists.put(is_empty, self._popular(at, lists.rows.shape[1], count, *bans))
        for subset, by in ((~is_empty & is_scored, None), (~is_empty & ~is_scored, candidates)):
            if subset.any():
                bans = _of_subset(*own, subset)
                lists.put(subset, self._for_histories(log, start[subset], end[subset], at, k, by, *bans))
        return lists

    def _own_listings(
        self, log: EventLog, start: np.ndarray, end: np.ndarray, users: Sequence[str] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows (n,) of listings that belong to the users of histories (B,), and the number (n,) of the history of each."""
        if not self.groups.owned:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        if users is None:
            names = log.users if log is self.run.log else [""] * len(log.users)
            users = [names[log.user[low]] if high > low else "" for low, high in zip(start, end, strict=True)]
        names_of = self.run.market.names.of  # of a hashed market
        known = self.run.user_number
        return self.groups.own([user if user in known else names_of(user) for user in users])

    def _for_histories(
        self,
        log: EventLog,
        start: np.ndarray,
        end: np.ndarray,
        at: int,
        k: int | None,
        candidates: BlendIndex | None,
        own: np.ndarray,
        of: np.ndarray,
    ) -> Lists:
        """Return lists for histories with events, by the index of `candidates` or (None) by the scores of all listings.

        The lists `of` (n,) must not have the listings `own` (n,).
        """
        blend, queries = self.blend.over(log), self._queries(start, end, at)
        newest = log.listing[log.newest_positive(start, end)].astype(np.int64)  # (B,)
        owner, banned = log.negatives(start, end)
        if self.rules.drop_seen:
            banned = log.listing[ranges(start, end - start)].astype(np.int64)
            owner = np.repeat(np.arange(len(start)), end - start)
        requests = Requests(newest, banned, owner, at, self._length(k)).ban(own, of)
        if candidates is not None and candidates.index is not None:
            users = candidates.query_vectors(blend, queries)
            unit = candidates.deviations(users, self._has_vector) if self._needs_unit else None
            return self._rank(candidates.index.search, users, requests, unit)
        return self._rank_scores(lambda part: blend.scores(queries.take(part)), len(start), requests)

    def _popular(self, at: int, k: int, count: int, own: np.ndarray, of: np.ndarray) -> Lists:
        """Return `count` lists of popular and recent listings, with the number of recent events as score; the rule `same` does not apply.

        The lists `of` (n,) must not have the listings `own` (n,).
        """
        moment, none = self.run.counted_at(at), np.zeros(0, np.int64)
        order, recent = _popular_cache(self.run).get(moment, lambda: popular_order(self.run, moment))
        requests = Requests(None, none, none, at, k).ban(own, of)
        lists = self._rank_scores(
            lambda part: Scores({POPULAR: np.repeat(order[None], len(part), axis=0)}), count, requests
        )
        return lists._replace(scores=np.where(lists.rows >= 0, recent[lists.rows], 0))

    def scores(
        self,
        log: EventLog,
        start: np.ndarray,
        end: np.ndarray,
        at: int,
        known: Mapping[str, np.ndarray] | None = None,
    ) -> Scores:
        """Return the scores of histories `start : end` (B,) with events, in which `known` features (B, L) are not computed again."""
        scores = self.blend.over(log).scores(self._queries(start, end, at), known)
        return self.with_rules(scores, at)[0]

    def with_rules(self, scores: Scores, at: int | None) -> tuple[Scores, np.ndarray | None]:
        """Return scores with what the rules add, and the standard deviations (B, 1) without it, if a rule is measured in them."""
        unit = scores.deviations(self._has_vector) if self._needs_unit else None
        if unit is not None and self.rule_gains.any:
            scores = scores.plus(RULES, (unit * self.rule_gains.gain(at)).astype(np.float32))
        return scores, unit

    def _rank_scores(self, score: Callable[[np.ndarray], Scores], count: int, requests: Requests) -> Lists:
        """Return `count` lists by the scores of every listing, for some lists at a time, and by the rules that change these."""
        lists, step = Lists.empty(count, requests.k), max(1, MOST_SCORES // max(len(self._has_vector), 1))
        for part in np.split(np.arange(count), range(step, count, step)):
            scores, unit = self.with_rules(score(part), requests.at)
            lists.put(part, self._rank(search_scores, scores.total, requests.take(part), unit))
        return lists

    @property
    def _needs_unit(self) -> bool:
        """Return whether a rule is measured in standard deviations of each query's scores."""
        return self.rule_gains.any or self.rules.diversity > 0

    @cached_property
    def _cosine_unit(self) -> float:
        """Return the standard deviation of the cosines in the space."""
        return cosine_deviation(self.run.vectors(self.space), self._has_vector)

    def _rank(
        self, search: Search, queries: np.ndarray, requests: Requests, unit: np.ndarray | None = None
    ) -> Lists:
        """Return lists under the rules; with `fill`, short lists are filled up under fewer and fewer rules.

        Args:
            unit: (B, 1) the standard deviation of each query's scores, if a rule needs it.
        """
        lists = Lists.empty(len(queries), requests.k)
        for reason, rules in self.rules.stages():
            short = np.flatnonzero(lists.rows[:, -1] < 0)
            if not len(short):
                break
            has = lists.rows[short] >= 0  # (b, k)
            missing = requests.take(short).ban(lists.rows[short][has], np.nonzero(has)[0])
            ranker = CandidateRanker(
                search=search,
                rules=rules,
                vectors=self.run.vectors(self.space),
                region=self.groups.region if rules.same else None,
                seller=self.groups.seller,
                pins=self.pins if rules.pin else self.pins[:0],
                pinned=self.pinned if rules.pin else None,
                cosine_unit=self._cosine_unit if rules.diversity else 1.0,
            )
            allowed = self.eligible(requests.at, rules.where == self.rules.where)
            unit_of_short = None if unit is None else unit[short]
            rows, scores = ranker.rank(queries[short], missing, allowed, unit_of_short)
            rank = has.sum(axis=1)[:, None] + np.arange(requests.k)  # (b, k)
            line, column = np.nonzero((rows >= 0) & (rank < requests.k))
            to = short[line], rank[line, column]
            lists.rows[to], lists.scores[to] = rows[line, column], scores[line, column]
            is_pin = np.isin(rows[line, column], ranker.pins)
            if ranker.pinned is not None:
                is_pin |= ranker.pinned[rows[line, column]]
            lists.ruled[to] = np.where(is_pin, PINNED, RULED.index(reason))
        return lists

    def _length(self, k: int | None) -> int:
        """Return the length of the lists, at most the number of listings."""
        return max(1, min(self.rules.k if k is None else k, len(self._has_vector)))

    @property
    def scorer(self) -> str:
        """Return the name of the scorer for users if it is not a trained model, such as `UNTRAINED`; else empty."""
        return "" if self.space == "model" else UNTRAINED

    @cached_property
    def blend(self) -> Blend:
        """Return the scorer of histories of the run's log; its features are computed on first use."""

        def make() -> Blend:
            model = space_scorer(self.run, self.space) if "model" in self.fit.weights else None
            return run_blend(self.run, self.fit, model)

        return self.run.blends.get((self.space, self.fit.model_dump_json()), make)

    def _queries(self, start: np.ndarray, end: np.ndarray, at: int) -> Queries:
        """Return queries for the histories `start : end` (B,) of a log at a moment, without users and targets."""
        none, moments = np.full(len(start), -1), np.full(len(start), self.run.counted_at(at))
        return Queries(none, np.zeros(len(start), np.int32), none, moments, start, end, masked=True)

    def eligible(self, at: int | None, where: bool = True) -> np.ndarray:
        """Return (L,) bool: which listings may be in a list at a moment; with `where=False` the conditions are ignored."""
        moment = at if self.rules.live_only else None

        def make() -> np.ndarray:
            eligible = self._has_vector.copy()
            if where and self.groups.fulfilling is not None:
                eligible &= self.groups.fulfilling
            if self.groups.allowed is not None:
                eligible &= self.groups.allowed
            if moment is not None:
                eligible &= self.run.catalogue.live(moment)
            eligible[self._blocked] = False
            return eligible

        return self._eligible.get((moment, where), make)

    def warm(self, at: int | None) -> None:
        """Load everything for lists at a moment, or (None) for lists of similar listings, before threads share it."""
        if at is None:
            _ = self._index
        else:
            self._candidates_at(at)
            self.eligible(at)
            self.blend.gains(np.array([self.run.counted_at(at)]))
        if self.rule_gains.any:
            self.rule_gains.gain(at)

    @property
    def _has_vector(self) -> np.ndarray:
        """Return (L,) bool: which listings have a vector in the space."""
        return self.run.index(self.space).known

    @property
    def _is_indexed(self) -> bool:
        """Return whether an index may retrieve the candidates."""
        return self._batch and len(self._has_vector) > EXACT_TO and not self.rule_gains.any

    @cached_property
    def _index(self) -> CandidateIndex | None:
        """Return the index of the space for lists of similar listings; None where all listings are compared."""
        if not self._is_indexed:
            return None
        vectors = self.run.vectors(self.space)
        return choose_index([vectors], vectors[sample_rows(np.flatnonzero(self._has_vector), QUERIES)])

    def _candidates_at(self, at: int) -> BlendIndex | None:
        """Return the candidates of lists for users at a moment; None where all listings are scored."""
        if not self._is_indexed:
            return None

        def make() -> BlendIndex | None:
            log, ends = self.run.log, history_ends(self.run, at)
            users = sample_rows(np.flatnonzero(ends > log.start[:-1]), QUERIES)
            start, end = log.start[users], ends[users]
            if linear_parts(self.blend) is None or not len(users):
                return None
            candidates = BlendIndex(self.blend, self._queries(start, end, at))
            return candidates if candidates.index is not None else None

        return self._candidates.get(self.run.counted_at(at), make)


def _of_subset(rows: np.ndarray, number: np.ndarray, subset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the `rows` (n,) of the lists `subset` (B,) bool, and the number of each list in this subset."""
    chosen = subset[number]
    return rows[chosen], (np.cumsum(subset) - 1)[number[chosen]]


def popular_order(run: Run, moment: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of popular and recent listings (L,), highest first, and their recent events (L,), both float32.

    Listings with more events in the last `RECENT_DAYS` days come first (without timestamps: among the last events of each
    user). Ties are broken by more events before the moment, then by a newer publication date, then by the table's order.
    """
    log, recent = run.log, np.array(_recent_events(run).counts(np.array([moment]))[0])
    total = np.bincount(log.listing[log.is_positive & (log.time < moment)], minlength=log.listings)
    published, _ = run.market.live_interval()
    # Inverted, since the smallest integer, which marks an unknown publication date, has no negative.
    rows = np.lexsort((~published, -total, -recent))
    order = np.empty(log.listings, np.float32)
    order[rows] = np.arange(log.listings, 0, -1)
    return order, recent


@cached_per_object
def _recent_events(run: Run) -> RecentEvents:
    return RecentEvents.of(run.log, run.log.is_positive)


@cached_per_object
def _popular_cache(run: Run) -> Cache[int, tuple[np.ndarray, np.ndarray]]:
    return Cache(MOMENTS)
