"""Lists of the best candidates under rules: one search for candidates by score, one greedy pass over them.

In a large market an index retrieves the candidates where all scores are inner products: the model adds a cosine to a score,
neighbors the product of a mean vector with a listing's, recent events and age a number of the listing; each times its factor in the
blend. With the vectors of all spaces side by side the sum is a single inner product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from listing_vibes.market.splits import Queries
from listing_vibes.run.rules import Rules
from listing_vibes.scoring.blend import Blend
from listing_vibes.scoring.deviations import product_deviations
from listing_vibes.scoring.neighbors import VectorNeighbors
from listing_vibes.scoring.scores import VectorScorer
from listing_vibes.search.approximate import choose_index
from listing_vibes.search.index import best

#: With diversity, a list of k is chosen from this many times k candidates.
DIVERSITY_POOL = 4
#: Candidates that are ranked in addition to the requested ones, since rules remove some.
SPARE = 32
#: Decimals to which scores are rounded, so that listings with equal vectors tie in any order of a matrix product.
DECIMALS = 5
#: Numbers that are gathered at a time, 64 MiB of float32.
AT_ONCE = 1 << 24

#: A function that returns, for queries (b, ...), the rows and scores (b, p) of their p best listings among the allowed ones (L,), best
#: first, with row -1 if there are fewer, such as `ExactIndex.search` and `search_scores`.
Search = Callable[[np.ndarray, int, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Lists(NamedTuple):
    """B lists of at most k listings."""

    rows: np.ndarray  # (B, k) int64, -1 if there are fewer
    scores: np.ndarray  # (B, k) float32, best first except for pinned and filled listings
    ruled: np.ndarray  # (B, k) int8, index of the reason in `listing_vibes.run.rules.RULED`; 0: the score

    @classmethod
    def empty(cls, count: int, k: int) -> Lists:
        """Return `count` empty lists of length `k`."""
        shape = count, k
        return cls(np.full(shape, -1, np.int64), np.zeros(shape, np.float32), np.zeros(shape, np.int8))

    def put(self, subset: np.ndarray, lists: Lists) -> None:
        """Replace the lists at `subset` (b,)."""
        for column, values in zip(self, lists, strict=True):
            column[subset] = values


@dataclass(frozen=True, eq=False)
class Requests:
    """Requests for B lists at one moment.

    Attributes:
        region_of: (B,) rows of the listings whose region (see `Rules.same`) the candidates must have; None for any region.
        banned: (n,) rows, each of which the list `owner` (n,) must not contain.
        at: the moment; None if there is none.
        k: the length of each list.
    """

    region_of: np.ndarray | None
    banned: np.ndarray
    owner: np.ndarray
    at: int | None
    k: int

    def take(self, lists: np.ndarray) -> Requests:
        """Return the requests for the lists `lists` (b,)."""
        number = np.full(max(lists.max(initial=0), self.owner.max(initial=0)) + 1, -1)
        number[lists] = np.arange(len(lists))
        owner = number[self.owner]
        region_of = None if self.region_of is None else self.region_of[lists]
        return replace(self, region_of=region_of, banned=self.banned[owner >= 0], owner=owner[owner >= 0])

    def ban(self, rows: np.ndarray, owner: np.ndarray) -> Requests:
        """Return the same requests, but ban the listings `rows` (n,) from the lists `owner` (n,)."""
        return replace(self, banned=np.append(self.banned, rows), owner=np.append(self.owner, owner))


def search_scores(scores: np.ndarray, k: int, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Search by the scores (b, L) of all listings; see `Search`."""
    subset = None if allowed.all() else np.flatnonzero(allowed)
    return best(scores if subset is None else scores[:, subset], k, subset)


@dataclass(frozen=True, eq=False)
class CandidateRanker:
    """Ranks candidates by score and then by row, applies `at_most`, and takes the first k; with diversity, k of the first 4k by
    maximal marginal relevance.

    The pool of candidates grows until no further candidate could be in a list.

    Attributes:
        vectors: (L, d) the vectors that diversity compares.
        cosine_unit: their `cosine_deviation`, the unit of diversity's cosines.
        region: (L,) codes; a list contains only listings with the code of its `Requests.region_of`. None for any listing.
        seller: (L,) codes that `at_most` counts, -1 if missing. None without a limit.
        pins: (n,) rows of the first listings, in order, if they are allowed in the list.
        pinned: (L,) bool, the listings that follow them, by score; None for none.
    """

    search: Search
    rules: Rules
    vectors: np.ndarray
    region: np.ndarray | None
    seller: np.ndarray | None
    pins: np.ndarray
    cosine_unit: float = 1.0
    pinned: np.ndarray | None = None

    def rank(
        self, queries: np.ndarray, requests: Requests, allowed: np.ndarray, unit: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and scores (B, k) of the lists for `queries` (B, ...) among the listings `allowed` (L,).

        Args:
            unit: (B, 1) the standard deviation of each query's scores, the unit of scores in diversity; None for 1.
        """
        unit = np.ones((len(queries), 1)) if unit is None else unit
        lists = Lists.empty(len(queries), requests.k)
        bans = np.unique(requests.owner * len(allowed) + requests.banned)
        numbers = self.vectors.shape[1] if self.rules.diversity else 1  # numbers per candidate
        for group, members in self._groups(len(queries), requests, allowed):
            size, list_size = int(members.sum()), self._pool_size(requests.k, members)
            pool = list_size + SPARE
            while len(group) and size:
                unfinished = []
                step = max(1, AT_ONCE // (min(pool, size) * numbers))
                for subset in np.split(group, range(step, len(group), step)):
                    rows, scores, pinned = self._candidates(queries[subset], members, min(pool, size))
                    free = (rows >= 0) & ~np.isin(subset[:, None] * len(allowed) + rows, bans)
                    chosen, complete = self._choose(
                        rows, scores, free, list_size, requests.k, pinned, unit[subset]
                    )
                    width = chosen.shape[1]
                    lists.rows[subset, :width] = _columns(rows, chosen, -1)
                    lists.scores[subset, :width] = _columns(scores, chosen, 0)
                    unfinished.append(subset[~complete & (pool < size)])
                group, pool = np.concatenate(unfinished), pool * 4
        return lists.rows, lists.scores

    def _pool_size(self, k: int, members: np.ndarray) -> int:
        """Return how many candidates a list of k is chosen from: at most as many of `members` (L,) as `at_most` allows."""
        size = k * (DIVERSITY_POOL if self.rules.diversity else 1)
        if self.seller is None or self.rules.at_most is None:
            return size
        # Index 0 counts listings without a seller.
        by_seller = np.bincount(self.seller[members] + 1, minlength=1)
        return int(min(size, by_seller[0] + np.minimum(by_seller[1:], self.rules.at_most).sum()))

    def _groups(
        self, count: int, requests: Requests, allowed: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the numbers (b,) of lists, of `count`, with the same candidates, and these candidates (L,) bool."""
        if self.region is None or requests.region_of is None:
            yield np.arange(count), allowed
            return
        region = self.region[requests.region_of]
        for item in np.unique(region):
            yield np.flatnonzero(region == item), allowed & (self.region == item)

    def _candidates(
        self, queries: np.ndarray, members: np.ndarray, pool: int
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Return rows and scores (b, p) of the pins in order, then of the best other candidates, and the number of pins."""
        pins, parts = self.pins[members[self.pins]], []
        others = members.copy()
        others[pins] = False
        if len(pins):
            rows, scores = self.search(queries, len(pins), members & ~others)
            rank = np.full(len(members) + 1, len(pins))  # The last element is the rank of row -1.
            rank[pins] = np.arange(len(pins))
            order = np.argsort(rank[rows], axis=1)
            scores = np.round(np.take_along_axis(scores, order, 1), DECIMALS)
            parts.append((np.take_along_axis(rows, order, 1), scores))
        if self.pinned is not None and (next_ones := others & self.pinned).any():
            number = int(next_ones.sum())
            parts.append(_in_order(*self.search(queries, min(number, pool), next_ones)))
            others &= ~self.pinned
            if number > pool:  # No other listing comes before the rest of these.
                others[:] = False
        count = sum(rows.shape[1] for rows, _ in parts)
        if not parts or others.any():
            parts.append(_in_order(*self.search(queries, pool, others)))
        rows, scores = (np.hstack([part[column] for part in parts]) for column in range(2))
        return rows, scores, count

    def _choose(
        self,
        rows: np.ndarray,
        scores: np.ndarray,
        free: np.ndarray,
        size: int,
        k: int,
        pinned: int,
        unit: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the chosen columns (b, at most k) of the candidates (b, p), -1 if there are fewer, and (b,) whether no candidate
        outside the pool could be in the list.
        """
        if self.seller is not None and self.rules.at_most is not None:
            free = free & (_occurrence(np.where(free, self.seller[rows], -1)) < self.rules.at_most)
        # Free candidates come first, in order.
        column = np.argsort(~free, axis=1, kind="stable")[:, :size]
        is_free = np.take_along_axis(free, column, 1)
        last = np.take_along_axis(scores, column[:, -1:], 1)[:, 0]
        complete = (rows[:, -1] < 0) | (
            is_free.all(axis=1) & (column.shape[1] == size) & (last > scores[:, -1])
        )
        if self.rules.diversity:
            candidates = np.take_along_axis(rows, column, 1)
            order = diversify(
                np.take(self.vectors, candidates, axis=0),
                np.take_along_axis(scores, column, 1) / np.where(unit > 0, unit, 1),
                is_free,
                k,
                self.rules.diversity,
                column < pinned,
                self.cosine_unit,
            )
            return _columns(column, order, -1), complete
        return np.where(is_free, column, -1)[:, :k], complete


def _columns(values: np.ndarray, column: np.ndarray, missing: int) -> np.ndarray:
    """Return the cells of `values` (b, p) in the columns (b, k), and `missing` for column -1."""
    return np.where(column < 0, missing, np.take_along_axis(values, np.maximum(column, 0), 1))


def _in_order(rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return candidates (b, p) sorted by rounded score and then by row."""
    scores = np.round(scores, DECIMALS)
    order = np.lexsort((rows, -scores), axis=1)
    return np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)


def diversify(
    vectors: np.ndarray,
    scores: np.ndarray,
    is_free: np.ndarray,
    k: int,
    diversity: float,
    is_pin: np.ndarray | None = None,
    cosine_unit: float = 1.0,
) -> np.ndarray:
    """Return the positions (b, k) of m candidates by maximal marginal relevance (Carbonell and Goldstein 1998), -1 if none is left.

    Scores and cosines are both compared in standard deviations, so that the trade-off is the same under every blend.

    Args:
        vectors: (b, m, d) float32, L2-normalized.
        scores: (b, m), best first, in standard deviations of the query's scores.
        is_free: (b, m) bool, which of them may be chosen.
        diversity: from 0 (score only) to 1 (dissimilarity only).
        is_pin: (b, m) bool, which come first, in order.
        cosine_unit: the standard deviation of cosines.
    """
    count, m = scores.shape
    picks, line = np.full((count, k), -1), np.arange(count)
    nearest, left = np.full((count, m), -1.0), is_free.copy()
    for turn in range(min(k, m)):
        worth = (1 - diversity) * scores - (diversity / cosine_unit * nearest if turn else 0)
        # (b,) The first of equal candidates is chosen.
        choice = np.where(left, worth, -np.inf).argmax(axis=1)
        if is_pin is not None and (pins_left := left & is_pin).any():
            choice = np.where(pins_left.any(axis=1), pins_left.argmax(axis=1), choice)
        subset = left[line, choice]
        picks[subset, turn] = choice[subset]
        left[line, choice] = False
        like = np.einsum("bmd,bd->bm", vectors, vectors[line, choice], dtype=np.float64)
        nearest = np.maximum(nearest, np.round(like, 6))
    return picks


def _occurrence(codes: np.ndarray) -> np.ndarray:
    """Return, for codes (b, p), how many earlier cells of the same row have the same code; 0 for code -1."""
    of_row = (codes + (codes.max(initial=-1) + 2) * np.arange(len(codes))[:, None]).ravel()
    count = pd.Series(of_row).groupby(of_row).cumcount().to_numpy().reshape(codes.shape)
    return np.where(codes >= 0, count, 0)


def linear_parts(blend: Blend) -> list[tuple[VectorScorer | VectorNeighbors, np.float32]] | None:
    """Return the scorers of a blend with their factors; None where scores are no inner products."""
    weighted = [(part, blend.weights.factor(name)) for name, part in blend.scorers.items()]
    if all(isinstance(part, VectorScorer | VectorNeighbors) and part.is_linear for part, _ in weighted):
        return [(part, factor) for part, factor in weighted if factor]  # type: ignore[misc]
    return None


class BlendIndex:
    """The index of a recommender at a moment, with the vectors that it compares.

    Args:
        blend: a blend with `linear_parts`.
        sample: some queries of the recommender at one moment, by which the index is chosen.
    """

    def __init__(self, blend: Blend, sample: Queries) -> None:
        weighted = linear_parts(blend) or []
        # A listing without a vector gets the mean score of the others, which is the query's product with their mean.
        self._means = [
            None if part.present.all() else part.vectors[part.present].mean(axis=0) for part, _ in weighted
        ]
        gain = np.ravel(sum(blend.gains(sample.at[:1]).values(), np.zeros((1, 1), np.float32)))  # (L,)
        parts = [part.vectors for part, _ in weighted]
        self._has_gain = bool(gain.any())
        columns = [~part.present for part, _ in weighted if not part.present.all()]
        columns += [gain] * self._has_gain
        if columns:
            parts.append(np.column_stack(columns).astype(np.float32))
        self.index = choose_index(parts, self.query_vectors(blend, sample))

    def query_vectors(self, blend: Blend, batch: Queries) -> np.ndarray:
        """Return the vectors (B, d) whose inner products with those of listings are scores."""
        parts, columns = [], []
        for (scorer, factor), mean in zip(linear_parts(blend) or [], self._means, strict=True):
            parts.append(scorer.query_vectors(batch) * factor)
            if mean is not None:
                columns.append(parts[-1] @ mean)
        columns += [np.ones(len(batch), np.float32)] * self._has_gain
        return np.column_stack([*parts, *columns]).astype(np.float32)

    def deviations(self, vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return the standard deviations (B, 1) of the scores of `query_vectors` (B, d) over the listings `known` (L,)."""
        assert self.index is not None
        return product_deviations(vectors, self.index.parts, known)
