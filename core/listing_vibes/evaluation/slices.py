"""Slices of the queries by cold start, history length, training events of the target, and week."""

from collections.abc import Iterator

import numpy as np

from listing_vibes.market.log import DAY, EventLog
from listing_vibes.market.splits import Queries, Split

WEEK = 7 * DAY
#: Lower bounds of the groups of history lengths and of training events of the target.
LENGTHS = (1, 2, 4, 10)
FINE_LENGTHS = (1, 2, 3, 4, 5, 6, 11, 21)
EVENTS = (0, 1, 3, 6, 11, 21, 51)


def cold_listing(log: EventLog, train: np.ndarray, queries: Queries) -> np.ndarray:
    """Return which queries (Q,) bool have a target without an event in training."""
    return np.asarray(log.counts(train)[queries.target] == 0)


def cold_user(log: EventLog, train: np.ndarray, queries: Queries) -> np.ndarray:
    """Return which queries (Q,) bool have a user without an event in training."""
    return np.asarray(np.bincount(log.user[train], minlength=len(log.users))[queries.user] == 0)


def week_after_training(split: Split, queries: Queries) -> np.ndarray | None:
    """Return the week (Q,) int64, 1 in the first seven days after training ended; None for leave-one-out."""
    if split.t1 is None:
        return None
    return (queries.at - split.t1) // WEEK + 1


def slice_masks(
    cold_listing: np.ndarray, cold_user: np.ndarray, length: np.ndarray, week: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Return the named slices as (Q,) bool masks; weeks only if they have queries, the others even if empty."""
    masks = {
        "cold listings": cold_listing,
        "warm listings": ~cold_listing,
        "cold users": cold_user,
        "warm users": ~cold_user,
    }
    masks |= {f"history {name}": mask for name, mask in _groups(length, LENGTHS)}
    if week is not None:
        masks |= {f"week {number}": week == number for number in np.unique(week)}
    return masks


def stability_masks(log: EventLog, split: Split, queries: Queries) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (by, group, (Q,) bool) of each group of queries that is not empty.

    The groups are by `week` (1 is the first after validation, so the age of the model grows with the group; none in
    leave-one-out), by `events` of the target in training and by `history`, its number of events.
    """
    if split.t2 is not None:
        week = (queries.at - split.t2) // WEEK + 1  # (Q,)
        for number in np.unique(week):
            yield "week", str(number), week == number
    events = log.counts(split.train)[queries.target]  # (Q,)
    for by, values, ends in (("events", events, EVENTS), ("history", queries.length, FINE_LENGTHS)):
        for name, mask in _groups(values, ends):
            if mask.any():
                yield by, name, mask


def _groups(values: np.ndarray, ends: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each group, such as `2-3` or `10+`, and which of `values` (Q,) are in it."""
    for low, above in zip(ends, (*ends[1:], None), strict=True):
        name = f"{low}+" if above is None else str(low) if above == low + 1 else f"{low}-{above - 1}"
        yield name, (values >= low) & ((values < above) if above is not None else True)
