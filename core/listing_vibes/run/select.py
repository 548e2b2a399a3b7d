"""The lists of a chunk: the nearest candidates under the rules, in an order that no engine or thread changes."""

from __future__ import annotations

from dataclasses import dataclass, field

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
        if scored:  # rounded, so that twins are equal wherever they stand in a matrix product
            queries = np.round(queries, DECIMALS)
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
        # One query may ask for one pool after the other: its scores are held.
        hold = scored or (self._counts and len(queries) == 1 and type(self.index) is ExactIndex)
        held = self._all_scores(queries, scored) if hold else None
        k, size = self.rules.k, len(self._members(group))
        rows, scores = np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
        todo, pool = np.arange(len(queries)), min(self.wanted + SPARE, size)
        while len(todo) and (pool or len(pins)):
            later = []
            step = max(1, AT_ONCE // (queries.shape[1] * (1 if scored else max(pool, 1))))
            for first in range(0, len(todo), step):
                some = todo[first : first + step]
                if not pool:
                    found, value = _nothing(len(some))
                elif held is None:
                    found, value = self._propose(queries[some], group, pool)
                else:
                    members = self._members(group)
                    found, value = self._best_of(queries[some], held[some], members, pool, scored)
                if len(pins):
                    found, value = _first(pins, found, value)
                free = (found >= 0) & ~_within(number[some, None] * len(self.eligible) + found, struck)
                chosen, settled = self._choose(found, value, free, pool >= size)
                rows[some], scores[some] = self._ordered(chosen, value, found)
                later.append(some[~settled])
            todo, pool = np.concatenate(later), min(pool * 4, size)
            if pool > THIN and len(todo) <= ONE_BY_ONE and self._counts and type(self.index) is ExactIndex:
                for one in todo:
                    mine = queries[one : one + 1]
                    row_scores = self._all_scores(mine, scored) if held is None else held[one : one + 1]
                    rows[one], scores[one] = self._thinned(
                        mine, row_scores, group, number[one], struck, scored, pins
                    )
                todo = todo[:0]
        if len(pins):  # what stands there by a rule has a score as well
            line, place = np.nonzero(np.isin(rows, pins))
            at = rows[line, place]
            exact = queries[line, at] if scored else _products(
                queries[line], self.index.vectors, at[:, None])[:, 0]  # fmt: skip
            scores[line, place] = exact
        return rows, scores

    def _thinned(
        self, query: np.ndarray, held: np.ndarray, group: int | None, number: int, struck: np.ndarray, scored: bool,
        pins: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """The list (1, k) of one query with the scores `held` (1, L), where `at_most` strikes so much that a pool would have to
        hold nearly all listings: whoever has as many in it as may be is left out of the next pool."""
        seller, most = self.groups.seller, self.rules.at_most
        assert seller is not None and most is not None
        left = self._ranked.copy() if group is None else self._ranked & (self.groups.region == group)
        pool = self.wanted + SPARE
        found, value = _nothing(1)
        if len(pins):
            found, value = _first(pins, found, value)
        while True:
            more, worth = self._best_of(query, held, np.flatnonzero(left), pool, scored)
            there = more[0] >= 0
            found = np.concatenate([found, more[:, there]], axis=1)
            value = np.concatenate([value, worth[:, there]], axis=1)
            found, value = _in_order(found, value)
            free = ~_within(number * len(self.eligible) + found, struck)
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
        return _in_order(found, _products(queries, self.index.vectors, found))

    def _all_scores(self, queries: np.ndarray, scored: bool) -> np.ndarray:
        """(b, L) float32: the scores of all listings."""
        return queries if scored else queries @ self.index.vectors.T

    def _best_of(
        self, queries: np.ndarray, held: np.ndarray, members: np.ndarray, pool: int, scored: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `_propose`, of the rows `members` (m,) by the scores `held` (b, L)."""
        found, value = best(held if len(members) == held.shape[1] else held[:, members], pool, members)
        if scored:
            return _in_order(found, np.where(found >= 0, value, -np.inf).astype(np.float64))
        return _in_order(found, _products(queries, self.index.vectors, found))

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

    def _members(self, group: int | None) -> np.ndarray:
        """(m,) rows of the eligible listings of a group, None: of all; the last group is kept."""
        if group is None:
            return np.flatnonzero(self._ranked)
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


def _in_order(found: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows `found` (b, p) by their scores `value` (b, p) and then by row, with these."""
    order = np.lexsort((found, -value), axis=1)
    return np.take_along_axis(found, order, 1), np.take_along_axis(value, order, 1)


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
