"""The lists of a chunk: the nearest candidates under the rules, in an order that no engine or thread changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from listing_vibes.run.groups import Groups
from listing_vibes.run.rules import Rules
from listing_vibes.search.index import ExactIndex
from listing_vibes.search.index.exact import best

#: With diversity, a list of k is chosen from this many times k candidates.
DIVERSITY_POOL = 4
#: Candidates that are looked at beyond those wanted before the rules strike any.
SPARE = 32
#: The index's scores and ours differ by less; a list whose end lies nearer to the end of the pool is not settled.
NOISE = 2e-6
#: With a larger pool than this for no more queries than that, those are settled one by one, see `Selector._thinned`.
THIN, ONE_BY_ONE = 512, 16
#: Decimals that count of scores which a matrix product made.
DECIMALS = 5
#: What a pinned listing scores while a list is made: above every score, and a whole number in float32.
PIN_SCORE = 1e6
#: Numbers that are gathered at once, 64 MiB of float32.
AT_ONCE = 1 << 24
#: Numbers that are gathered for the products of a few queries.
IN_CACHE = 1 << 19


@dataclass(eq=False)
class Selector:
    """Chooses from the listings of one space.

    A list is the first k of all candidates by score (float64 products, rounded to float32) and then by listing row,
    after the rules struck some out; with diversity, k of the first 4k by maximal marginal relevance (Carbonell and
    Goldstein 1998). The index only proposes a pool, which grows until the list cannot depend on where it ends.
    """

    index: ExactIndex
    rules: Rules
    groups: Groups
    eligible: np.ndarray  # (L,) bool: has a vector and may be found at the job's moment
    width: int | None = None  # columns that are the listings' own vectors; None: all
    pins: np.ndarray = field(
        default_factory=lambda: np.zeros(0, np.int64)
    )  # (n,) rows that stand first, in this order
    _region: tuple[int, np.ndarray, ExactIndex | None] | None = field(default=None, repr=False)
    #: One query (1, d) and its scores (1, L), for the pools that `at_most` asks of it one after the other.
    _asked: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)
    _ranked: np.ndarray = field(init=False, repr=False)  # (L,) bool: eligible and not pinned

    @property
    def wanted(self) -> int:
        """How many candidates have to be settled for a list."""
        return self.rules.k * (DIVERSITY_POOL if self.rules.diversity else 1)

    def lists(
        self,
        queries: np.ndarray,
        region: np.ndarray | None,
        banned: np.ndarray,
        owner: np.ndarray,
        scored: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lists of queries (B, d) float32, as the index takes them, or (`scored`) of their scores (B, L) float32.

        Args:
            region: (B,) group each query belongs to; None where the rules name none.
            banned: (n,) listing rows, each of which the query `owner` (n,) must not be shown.

        Returns:
            rows (B, k) int64, -1 where there are fewer, and scores (B, k) float32.
        """
        count, k = len(queries), self.rules.k
        rows, scores = np.full((count, k), -1, np.int64), np.zeros((count, k), np.float32)
        struck = np.unique(owner * len(self.eligible) + banned)  # (n,) sorted
        pins = self.pins[self.eligible[self.pins]]
        self._ranked = self.eligible.copy() if len(pins) else self.eligible
        self._ranked[pins] = False
        for group in [None] if region is None else np.unique(region):
            mine = np.arange(count) if group is None else np.flatnonzero(region == group)
            first = pins if group is None else pins[self.groups.region[pins] == group]  # type: ignore[index]
            rows[mine], scores[mine] = self._settle(queries[mine], group, mine, struck, scored, first)
        return rows, scores

    def _settle(
        self, queries: np.ndarray, group: int | None, number: np.ndarray, struck: np.ndarray, scored: bool,
        pins: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """The lists of queries (b, d) with the numbers (b,), widening the pool for those that need it, behind `pins` (n,)."""
        propose = self._best_of if scored else self._propose_again if self._again(queries) else self._propose
        k, size = self.rules.k, self._size(group)
        rows, scores = np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
        todo, pool = np.arange(len(queries)), min(self.wanted + SPARE, size)
        while len(todo) and (pool or len(pins)):
            later = []
            step = max(1, AT_ONCE // (queries.shape[1] * (1 if scored else max(pool, 1))))
            for first in range(0, len(todo), step):
                some = todo[first : first + step]
                found, value = propose(queries[some], group, pool) if pool else _nothing(len(some))
                if len(pins):
                    found, value = _first(pins, found, value)
                free = (found >= 0) & ~_within(number[some, None] * len(self.eligible) + found, struck)
                chosen, settled = self._choose(found, value, free, pool >= size)
                rows[some], scores[some] = self._ordered(chosen, value, found)
                later.append(some[~settled])
            todo, pool = np.concatenate(later), min(pool * 4, size)
            if pool > THIN and len(todo) <= ONE_BY_ONE and self._counts and type(self.index) is ExactIndex:
                for one in todo:
                    mine = queries[one : one + 1], group, number[one : one + 1], struck, scored, pins
                    rows[one], scores[one] = self._thinned(*mine)
                todo = todo[:0]
        if len(pins):  # what stands there by a rule has a score as well
            line, place = np.nonzero(np.isin(rows, pins))
            at = rows[line, place]
            told = np.round(queries[line, at], DECIMALS) if scored else _products(
                queries[line], self.index.vectors, at[:, None])[:, 0]  # fmt: skip
            scores[line, place] = told
        return rows, scores

    def _thinned(
        self, query: np.ndarray, group: int | None, number: np.ndarray, struck: np.ndarray, scored: bool,
        pins: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """The list (1, k) of one query, where `at_most` strikes so much that a pool would have to hold nearly all listings:
        whoever has as many in it as may be is left out of the next pool."""
        seller, most = self.groups.seller, self.rules.at_most
        assert seller is not None and most is not None
        left = self._ranked.copy() if group is None else self._ranked & (self.groups.region == group)
        inner = Selector(self.index, self.rules, replace(self.groups, region=None), left, self.width)
        inner._ranked, inner._asked = left, self._asked
        pool = self.wanted + SPARE
        found, value = _nothing(1)
        if len(pins):
            found, value = _first(pins, found, value)
        while True:
            more, worth = (inner._best_of if scored else inner._propose_again)(query, None, pool)
            there = more[0] >= 0
            found = np.concatenate([found, more[:, there]], axis=1)
            value = np.concatenate([value, worth[:, there]], axis=1)
            order = np.lexsort((found, -value), axis=1)
            found, value = np.take_along_axis(found, order, 1), np.take_along_axis(value, order, 1)
            free = ~_within(number[:, None] * len(self.eligible) + found, struck)
            chosen, settled = self._choose(found, value, free, not there.all())
            if settled[0]:
                return self._ordered(chosen, value, found)
            left[more[0]] = False
            sure = seller[found[0, free[0] & (value[0] > value[0, -1] + NOISE)]]  # of listings that stay
            full = np.bincount(sure[sure >= 0], minlength=int(seller.max()) + 1) >= most
            if full.any():
                left &= ~full[seller] | (seller < 0)
            else:
                pool *= 4

    @property
    def _counts(self) -> bool:
        return self.rules.at_most is not None and self.groups.seller is not None

    def _propose(self, queries: np.ndarray, group: int | None, pool: int) -> tuple[np.ndarray, np.ndarray]:
        """The best `pool` candidates (b, pool) of a group by exact score and then by row, -1 where there are fewer."""
        if group is None:
            found, _ = self.index.search(queries, pool, None if self._ranked.all() else self._ranked)
        elif len(queries) == 1 and type(self.index) is ExactIndex:
            # A copy of the group would cost more than a look at all.
            allowed = np.zeros(len(self._ranked), bool)
            allowed[self._members(group)] = True
            found, _ = self.index.search(queries, pool, allowed)
        else:
            members, index = self._members(group), self._index(group)
            found, _ = index.search(queries, pool)
            found = np.where(found >= 0, members[found], -1)
        return self._by_score(queries, found)

    def _by_score(self, queries: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows `found` (b, p) by exact score and then by row, with the scores."""
        value = _products(queries, self.index.vectors, found)
        order = np.lexsort((found, -value), axis=1)
        return np.take_along_axis(found, order, 1), np.take_along_axis(value, order, 1)

    def _again(self, queries: np.ndarray) -> bool:
        """Whether a query may be asked for one pool after the other, and its scores are better kept than made anew."""
        return self._counts and len(queries) == 1 and type(self.index) is ExactIndex

    def _propose_again(
        self, query: np.ndarray, group: int | None, pool: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `_propose`, of one query (1, d) whose scores of all listings are kept."""
        if self._asked is None or (self._asked[0] is not query and not np.array_equal(self._asked[0], query)):
            self._asked = query, query @ self.index.vectors.T
        members = None if self._ranked.all() else np.flatnonzero(self._ranked)  # (m,)
        members = members if group is None else self._members(group)
        scores = self._asked[1]
        found, _ = best(scores if members is None else scores[:, members], pool, members)
        return self._by_score(query, found)

    def _best_of(self, scores: np.ndarray, group: int | None, pool: int) -> tuple[np.ndarray, np.ndarray]:
        """As `_propose`, of scores (b, L): rounded, so that twins are equal wherever they stand in a matrix product."""
        members = np.flatnonzero(self._ranked) if group is None else self._members(group)  # (m,)
        found, value = best(np.round(scores[:, members], DECIMALS), pool, members)
        value = np.where(found >= 0, value, -np.inf).astype(np.float64)
        order = np.lexsort((found, -value), axis=1)
        return np.take_along_axis(found, order, 1), np.take_along_axis(value, order, 1)

    def _choose(
        self, found: np.ndarray, value: np.ndarray, free: np.ndarray, whole: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places (b, wanted) in the pool, -1 where there are fewer, and (b,) bool: nothing beyond the pool matters."""
        if self._counts:
            assert self.groups.seller is not None
            free &= _occurrence(np.where(free, self.groups.seller[found], -1)) < self.rules.at_most
        place = np.argsort(~free, axis=1, kind="stable")[:, : self.wanted]
        there = np.take_along_axis(free, place, 1)
        chosen = np.full((len(found), self.wanted), -1)
        chosen[:, : place.shape[1]] = np.where(there, place, -1)
        if whole:
            return chosen, np.ones(len(found), bool)
        least = np.take_along_axis(value, np.maximum(chosen[:, -1:], 0), 1)[:, 0]
        short = (found < 0).any(axis=1)  # the index has no more than these
        return chosen, short | ((chosen[:, -1] >= 0) & (least > value[:, -1] + NOISE))

    def _ordered(
        self, chosen: np.ndarray, value: np.ndarray, found: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and scores (b, k) of the chosen places."""
        there, place = chosen >= 0, np.maximum(chosen, 0)
        rows = np.where(there, np.take_along_axis(found, place, 1), -1)
        scores = np.where(there, np.take_along_axis(value, place, 1), 0).astype(np.float32)
        if self.rules.diversity:
            pick = marginal(
                np.ascontiguousarray(_take(self.index.vectors, rows)[..., : self.width]),
                scores,
                there,
                self.rules.k,
                self.rules.diversity,
            )
            some = np.maximum(pick, 0)
            rows = np.where(pick >= 0, np.take_along_axis(rows, some, 1), -1)
            scores = np.where(pick >= 0, np.take_along_axis(scores, some, 1), 0)
        return rows, scores

    def _size(self, group: int | None) -> int:
        return int(self._ranked.sum()) if group is None else len(self._members(group))

    def _members(self, group: int) -> np.ndarray:
        """(m,) rows of the eligible listings of a group; the last group is kept."""
        if self._region is None or self._region[0] != group:
            self._region = (group, np.flatnonzero(self._ranked & (self.groups.region == group)), None)
        return self._region[1]

    def _index(self, group: int) -> ExactIndex:
        """The index over `_members`, kept as they are."""
        members = self._members(group)
        assert self._region is not None
        if self._region[2] is None:
            self._region = (group, members, ExactIndex(self.index.vectors[members]))
        index = self._region[2]
        assert index is not None
        return index


def _nothing(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, 0), np.int64), np.zeros((count, 0))


def _first(pins: np.ndarray, found: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pool `found`, `value` (b, p) with the rows `pins` (n,) before it."""
    worth = PIN_SCORE - np.arange(len(pins))
    return (
        np.concatenate([np.broadcast_to(pins, (len(found), len(pins))), found], axis=1),
        np.concatenate([np.broadcast_to(worth, (len(found), len(pins))), value], axis=1),
    )


def marginal(
    vectors: np.ndarray, scores: np.ndarray, there: np.ndarray, k: int, diversity: float
) -> np.ndarray:
    """Maximal marginal relevance: places (b, k) of m candidates in the order they are taken, -1 where none is left.

    Args:
        vectors: (b, m, d) float32, L2-normalised; scores (b, m); there (b, m) bool, which of them count.
    """
    count, m = scores.shape
    picks, line = np.full((count, k), -1), np.arange(count)
    nearest, left = np.full((count, m), -1.0), there.copy()
    for turn in range(min(k, m)):
        worth = (1 - diversity) * scores - (diversity * nearest if turn else 0)
        best = np.where(left, worth, -np.inf).argmax(axis=1)  # (b,) the first of equal ones
        some = left[line, best]
        picks[some, turn] = best[some]
        left[line, best] = False
        like = np.einsum("bmd,bd->bm", vectors, vectors[line, best], dtype=np.float64)
        nearest = np.maximum(nearest, np.round(like, 6))
    return picks


def _products(queries: np.ndarray, vectors: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(b, p) float64, rounded to float32: queries (b, d) with the vectors of the rows `found` (b, p), -inf for -1.

    Without BLAS, whose sums depend on the number of threads and on the place in the matrix.
    """
    value = np.empty(found.shape, np.float32)
    step = max(1, IN_CACHE // (found.shape[1] * vectors.shape[1]))
    for first in range(0, len(found), step):
        some = slice(first, first + step)
        value[some] = np.einsum("bpd,bd->bp", _take(vectors, found[some]), queries[some], dtype=np.float64)
    return np.where(found >= 0, value.astype(np.float64), -np.inf)


def _take(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(b, p, d) the vectors of rows (b, p); `take` is many times quicker than an index of two dimensions, but copies the whole of
    what does not lie in one piece, such as some of the columns."""
    return np.take(vectors, rows, axis=0)


def _within(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which keys are in the sorted array `known`."""
    if not len(known):
        return np.zeros(keys.shape, bool)
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return known[place] == keys


def _occurrence(codes: np.ndarray) -> np.ndarray:
    """(b, p) how many earlier cells of the same line hold the same code; 0 for the code -1."""
    order = np.argsort(codes, axis=1, kind="stable")
    ordered = np.take_along_axis(codes, order, 1)
    place = np.broadcast_to(np.arange(codes.shape[1]), codes.shape)
    fresh = np.ones(codes.shape, bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    count = place - np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    back = np.empty_like(order)
    np.put_along_axis(back, order, count, 1)
    return np.where(codes >= 0, back, 0)
