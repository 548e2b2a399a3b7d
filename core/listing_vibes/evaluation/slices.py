"""Slices of the queries: where a scorer is strong, and where its mean hides a weakness."""

import numpy as np

from listing_vibes.market.log import DAY, EventLog
from listing_vibes.market.splits import Queries, Split

WEEK = 7 * DAY
LENGTHS = (("history 1", 1, 1), ("history 2-3", 2, 3), ("history 4-9", 4, 9), ("history 10+", 10, None))


def cold_listing(log: EventLog, train: np.ndarray, queries: Queries) -> np.ndarray:
    """(Q,) bool: the target has no event in training."""
    return log.counts(train)[queries.target] == 0


def cold_user(log: EventLog, train: np.ndarray, queries: Queries) -> np.ndarray:
    """(Q,) bool: the user has no event in training."""
    return np.bincount(log.user[train], minlength=len(log.users))[queries.user] == 0


def week_after_training(split: Split, queries: Queries) -> np.ndarray | None:
    """(Q,) int64: 1 in the first seven days after training ended, and so on; None for leave-one-out."""
    if split.t1 is None:
        return None
    return (queries.at - split.t1) // WEEK + 1


def slice_masks(
    cold_listing: np.ndarray, cold_user: np.ndarray, length: np.ndarray, week: np.ndarray | None
) -> dict[str, np.ndarray]:
    """The named slices as (Q,) bool masks; weeks only where they hold queries, the others even when empty."""
    masks = {
        "cold listings": cold_listing,
        "warm listings": ~cold_listing,
        "cold users": cold_user,
        "warm users": ~cold_user,
    }
    for name, low, high in LENGTHS:
        masks[name] = (length >= low) & (length <= high) if high is not None else length >= low
    if week is not None:
        masks |= {f"week {number}": week == number for number in np.unique(week)}
    return masks
