"""Ranks and lists from scores; ties always count against the scorer."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from listing_vibes.cores import cores
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries
from listing_vibes.search.index import best

#: The maximum number of scores (B, L) in a batch, 64 MiB of float32 per scorer.
MOST_SCORES = 16_000_000
#: The number of scorers whose scores are in memory together without smaller batches.
SCORERS = 4
#: The number of scores of a few queries that fit into a core's cache.
IN_CACHE = 1 << 15
#: From so many scores on ranks are counted on all cores; threads of fewer would wait for each other.
IN_THREADS = 1 << 22


class Scorer(Protocol):
    """Protocol of all that scores listings for a history: the model, a baseline, a blend."""

    @property
    def name(self) -> str:
        """The name in tables and files."""
        ...

    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32 of all listings, higher is better; `-inf` if the scorer cannot recommend a listing.

        It may use its training events, the events strictly before `batch.at` and the rows `start : end` of each query, but
        never `event` or `target`.
        """
        ...


def batches(
    log: EventLog, queries: Queries, catalogue: Catalogue, batch_size: int, scorers: int = SCORERS
) -> Iterator[tuple[slice, Queries, np.ndarray]]:
    """Yield (rows, queries of the batch, (B, L) bool candidates) for all queries.

    A batch has at most `batch_size` queries, and so many that the scores of all `scorers` stay below `SCORERS` times `MOST_SCORES`. Large
    batches are faster: with a million listings a product of many queries takes a third of the time per query.
    """
    most_scores = MOST_SCORES * max(1, SCORERS // max(1, scorers))
    batch_size = max(1, min(batch_size, most_scores // max(1, log.listings)))
    for low in range(0, len(queries), batch_size):
        rows = slice(low, min(low + batch_size, len(queries)))
        batch = queries.take(rows)
        yield rows, batch, catalogue.candidates(log, batch)


def checked_scores(scorer: Scorer, batch: Queries, listings: int) -> np.ndarray:
    """Return the scores (B, L) of a batch after checking them.

    Raises:
        ValueError: they have another shape, or contain NaN, which cannot be ranked.
    """
    scores = np.asarray(scorer.score(batch))
    if scores.shape != (len(batch), listings):
        raise ValueError(
            f"scorer '{scorer.name}' returned scores of shape {scores.shape}, not {(len(batch), listings)}"
        )
    # One pass without a copy, since the minimum of numbers with NaN is NaN.
    lowest = _by_pieces(lambda rows: scores[rows].min(axis=1, initial=np.inf), *scores.shape)
    if np.isnan(lowest).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise ValueError(
            f"scorer '{scorer.name}' returned NaN for listing row {column} (query {row} of a batch)"
        )
    return scores


def pessimistic_ranks(scores: np.ndarray, allowed: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return ranks (B,) int64: 1 + the number of other candidates with a score at least as high as the target's.

    A target that is not a candidate (it is in a hidden history) ranks behind all candidates.

    Args:
        scores: (B, L).
        allowed: (B, L) bool, the candidates.
        target: (B,) listing rows.
    """

    def count(rows: slice) -> np.ndarray:
        line = np.arange(rows.stop - rows.start)
        # (b, L), the target itself among them
        as_good = scores[rows] >= scores[rows][line, target[rows]][:, None]
        return _counts(np.logical_and(as_good, allowed[rows], out=as_good))

    ranks = _by_pieces(count, *scores.shape)
    missing = np.flatnonzero(~allowed[np.arange(len(target)), target])
    ranks[missing] = allowed[missing].sum(axis=1) + 1
    return ranks


def _by_pieces(function: Callable[[slice], np.ndarray], queries: int, listings: int) -> np.ndarray:
    """Return the results of a function of a few rows of (B, L) arrays, concatenated; those of large arrays are computed on all
    cores.
    """
    step = max(1, IN_CACHE // max(1, listings))
    rows = [slice(low, min(low + step, queries)) for low in range(0, max(1, queries), step)]
    if queries * listings < IN_THREADS:
        return np.concatenate([function(item) for item in rows])
    with ThreadPoolExecutor(cores()) as pool:
        return np.concatenate(list(pool.map(function, rows)))


def _counts(result: np.ndarray) -> np.ndarray:
    """Return (B,) int64: the number of True in each row (B, L); faster than `np.count_nonzero` along an axis."""
    if result.shape[1] * 8 > IN_CACHE:  # few rows per slice
        return np.array([np.count_nonzero(row) for row in result], np.int64)
    ones = np.ones(result.shape[1], np.float32)
    return (result.astype(np.float32) @ ones).astype(np.int64)  # exact, below 2 ** 24


def top(scores: np.ndarray, allowed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k allowed listings with the highest scores in each row of `scores` (B, L).

    Listings with the score `-inf` are left out, so a row can have fewer than k. Ties are in catalog order.

    Args:
        scores: (B, L), a query a row.
        allowed: (B, L), whether a listing is a candidate of a query.
        k: the most listings of a row.

    Returns:
        The row numbers (n,) and the listing numbers (n,) of all results, by row and within a row by listing number.
    """

    def best_allowed(rows: slice) -> np.ndarray:
        masked = scores[rows].flatten()  # a copy
        masked[np.flatnonzero(~allowed[rows])] = -np.inf  # `np.where` takes three times as long.
        return best(masked.reshape(-1, scores.shape[1]), k)[0]

    listings = _by_pieces(best_allowed, *scores.shape)  # (B, k)
    listings.sort(axis=1)
    row, column = np.nonzero(listings >= 0)
    return row, listings[row, column]
