"""From scores to ranks and lists: ties always count against the scorer."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from core.market.log import EventLog
from core.market.splits import Catalogue, Queries


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
    log: EventLog, queries: Queries, catalogue: Catalogue, batch_size: int
) -> Iterator[tuple[slice, Queries, np.ndarray]]:
    """(rows, queries of the batch, (B, L) bool candidates) until all queries have been seen."""
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
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"scorer '{scorer.name}' gave NaN for listing row {column} (query {row} of a batch)")
    return scores


def pessimistic_ranks(scores: np.ndarray, allowed: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(B,) int64: 1 + how many other candidates have a score at least as good as the target's.

    `scores` (B, L), `allowed` (B, L) bool candidates, `target` (B,) listing rows. A target that is no candidate itself
    (it lies in a history that is hidden) can't be found: it stands behind them all.
    """
    rows = np.arange(len(target))
    as_good = (scores >= scores[rows, target][:, None]) & allowed  # (B, L)
    there = allowed[rows, target]  # (B,), then the target itself is the 1
    return np.where(there, as_good.sum(axis=1), allowed.sum(axis=1) + 1)


def top(scores: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """(B, L) bool: the k best candidates, ties in catalogue order; never one scored `-inf`."""
    listings = scores.shape[1]
    open_scores = np.where(allowed, scores, -np.inf)  # (B, L)
    possible = open_scores > -np.inf
    if k >= listings:
        return possible
    edge = np.partition(open_scores, listings - k, axis=1)[:, listings - k, None]  # (B, 1) the k-th best
    chosen = possible & (open_scores >= edge)
    crowded = np.flatnonzero(chosen.sum(axis=1) > k)  # ties at the edge
    if len(crowded):
        better = open_scores[crowded] > edge[crowded]
        tied = chosen[crowded] & ~better
        room = k - better.sum(axis=1, keepdims=True)
        chosen[crowded] = better | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= room))
    return chosen
