"""From scores to ranks and lists: ties always count against the scorer."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries
from listing_vibes.search.index import best

#: Scores (B, L) of a batch that one scorer gives, 64 MiB of float32; several scorers may hold theirs at once.
HELD = 16_000_000
#: Scorers whose scores may be held at once without asking for smaller batches.
SCORERS = 4
#: Scores of a few queries that stay in a core's own cache while they are compared.
IN_CACHE = 1 << 15


class Scorer(Protocol):
    """Anything that scores listings for a history: the model, a baseline, an ensemble."""

    @property
    def name(self) -> str:
        """What tables and files call it."""
        ...

    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32, higher is better, of all L listings; `-inf` where the scorer cannot recommend a listing.

        Of the log it may use the events that trained it, those strictly before `batch.at` and the rows
        `start : end` of each query; never `event` or `target`.
        """
        ...


def batches(
    log: EventLog, queries: Queries, catalogue: Catalogue, batch_size: int, scorers: int = SCORERS
) -> Iterator[tuple[slice, Queries, np.ndarray]]:
    """(rows, queries of the batch, (B, L) bool candidates) until all queries have been seen.

    A batch has `batch_size` queries, or as many fewer as keep the scores of so many `scorers` below `SCORERS` times `HELD`: of a
    million listings a product of many queries takes a third of what it takes of few.
    """
    held = HELD * max(1, SCORERS // max(1, scorers))
    batch_size = max(1, min(batch_size, held // max(1, log.listings)))
    for low in range(0, len(queries), batch_size):
        rows = slice(low, min(low + batch_size, len(queries)))
        batch = queries.take(rows)
        yield rows, batch, catalogue.candidates(log, batch)


def checked_scores(scorer: Scorer, batch: Queries, listings: int) -> np.ndarray:
    """The scores (B, L) of a batch.

    Raises:
        ValueError: they have another shape or hold NaN, which has no place in an order.
    """
    scores = np.asarray(scorer.score(batch))
    if scores.shape != (len(batch), listings):
        raise ValueError(
            f"scorer '{scorer.name}' gave scores of shape {scores.shape}, not {(len(batch), listings)}"
        )
    if np.isnan(scores.min(initial=np.inf)):  # one pass that keeps nothing; a NaN is the least
        row, column = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"scorer '{scorer.name}' gave NaN for listing row {column} (query {row} of a batch)")
    return scores


def pessimistic_ranks(scores: np.ndarray, allowed: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(B,) int64: 1 + how many other candidates have a score at least as good as the target's.

    `scores` (B, L), `allowed` (B, L) bool candidates, `target` (B,) listing rows. A target that is no candidate itself
    (it lies in a history that is hidden) can't be found: it stands behind them all.
    """
    ranks = np.empty(len(target), np.int64)
    for rows in pieces(*scores.shape):
        line = np.arange(rows.stop - rows.start)
        as_good = (
            scores[rows] >= scores[rows][line, target[rows]][:, None]
        )  # (b, L), the target itself among them
        ranks[rows] = _counts(np.logical_and(as_good, allowed[rows], out=as_good))
    return _behind_all(ranks, allowed, target)


def ranks_of_sums(
    own: np.ndarray, beside: np.ndarray, weights: np.ndarray, allowed: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """(B, W) int64: the `pessimistic_ranks` of `own` + weight x `beside`, both (B, L), for each of `weights` (W,).

    What is tried is never held: of a few queries at a time, each sum is made, compared and forgotten in the processor's
    cache.
    """
    ranks = np.empty((len(target), len(weights)), np.int64)
    for rows in pieces(*own.shape):
        line, at, other = np.arange(rows.stop - rows.start), target[rows], beside[rows]
        mine = np.where(allowed[rows], own[rows], np.float32(np.nan))  # (b, L): NaN is as good as nothing
        total, as_good = np.empty_like(mine), np.empty(mine.shape, bool)
        for column, weight in enumerate(weights):
            np.multiply(other, weight, out=total)
            np.add(mine, total, out=total)
            np.greater_equal(total, total[line, at][:, None], out=as_good)
            ranks[rows, column] = _counts(as_good)
    return _behind_all(ranks, allowed, target)


def pieces(queries: int, listings: int) -> Iterator[slice]:
    """Rows of (B, L) arrays, a few at a time."""
    step = max(1, IN_CACHE // max(1, listings))
    for low in range(0, queries, step):
        yield slice(low, min(low + step, queries))


def _counts(result: np.ndarray) -> np.ndarray:
    """(B,) int64: how many of each row of `result` (B, L) bool hold; numpy's own count along an axis is the slowest way."""
    if result.shape[1] * 8 > IN_CACHE:  # few rows in a piece
        return np.array([np.count_nonzero(row) for row in result], np.int64)
    ones = np.ones(result.shape[1], np.float32)
    return (result.astype(np.float32) @ ones).astype(np.int64)  # exact, below 2 ** 24


def _behind_all(ranks: np.ndarray, allowed: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The ranks (B,) or (B, W), those of targets that are no candidates replaced."""
    gone = np.flatnonzero(~allowed[np.arange(len(target)), target])
    if len(gone):
        behind = allowed[gone].sum(axis=1) + 1
        ranks[gone] = behind if ranks.ndim == 1 else behind[:, None]
    return ranks


def top(scores: np.ndarray, allowed: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k best candidates of each row of `scores` (B, L), ties in catalog order; never one scored `-inf`.

    Returns:
        rows (n,) and listings (n,), both ascending.
    """
    listings, _ = best(np.where(allowed, scores, -np.inf), k)  # (B, k)
    listings.sort(axis=1)
    row, column = np.nonzero(listings >= 0)
    return row, listings[row, column]
