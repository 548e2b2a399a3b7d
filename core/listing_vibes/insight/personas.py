"""Typical users made from the market itself: groups of similar histories, and what distinguishes each group.

Personas are clusters of spherical k-means over the mean vectors of users' histories, each represented by its most typical user.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from listing_vibes.features.reduce import spherical_kmeans, unit_rows
from listing_vibes.insight.map.cluster_names import attribute_values, portraits
from listing_vibes.market.log import EventLog
from listing_vibes.market.values import sample_rows
from listing_vibes.run.histories import Event, events_at
from listing_vibes.run.run import Run

if TYPE_CHECKING:
    from scipy import sparse

GROUPS = 6
POINTS = 4000  # maximum number of users to cluster
LEAST = 3  # minimum number of distinct listings of a user
LENGTH = 6  # maximum number of events in the history of a persona
EVENTS = 20_000  # maximum number of (user, listing) pairs for names


@dataclass(frozen=True)
class Persona:
    """A starting point for a simulated user."""

    name: str  # the distinctive traits of the group
    history: list[Event] = field(repr=False)  # for `Run.recommend`
    members: int  # users in the group
    user: str  # the most typical user, whose last events are the history


def personas(run: Run) -> list[Persona]:
    """Return the market's personas, the largest group first; none without users, or if no space has vectors of half of the listings."""
    space = next((name for name in run.spaces if run.index(name).known.mean() >= 0.5), None)
    users, history = _histories(run.log)
    if space is None or len(users) < 2:
        return []
    points = unit_rows(np.asarray(history @ run.vectors(space)))
    group, centers = spherical_kmeans(points, min(GROUPS, len(points)))
    largest = np.argsort(-np.bincount(group), kind="stable")
    group, centers = np.argsort(largest)[group], centers[largest]
    results = []
    for number, (name, center) in enumerate(zip(_names(run, history, group), centers, strict=True)):
        members = np.flatnonzero(group == number)
        typical = members[np.argsort(-(points[members] @ center), kind="stable")]
        user = int(users[typical[0]])
        results.append(Persona(name, _last_events(run, user), len(members), run.log.users[user]))
    return results


def _histories(log: EventLog) -> tuple[np.ndarray, sparse.csr_matrix]:
    """Return a sample of users with `LEAST` listings or more, (U,), and the listings in each history (U, L), 0 or 1."""
    from scipy import sparse

    pairs = log.user[log.is_positive], log.listing[log.is_positive]
    history = sparse.csr_matrix((np.ones(len(pairs[0]), np.float32), pairs), (len(log.users), log.listings))
    history.data[:] = 1  # however often
    users = sample_rows(np.flatnonzero(np.diff(history.indptr) >= LEAST), POINTS)
    return users, history[users]


def _names(run: Run, history: sparse.csr_matrix, group: np.ndarray) -> list[str]:
    """Return a name for each group by the listings of its members, weighted by the number of members."""
    member, listing = history.nonzero()
    chosen = sample_rows(len(listing), EVENTS)
    named = portraits(attribute_values(run.market, listing[chosen]), group[member[chosen]])
    names = [item.name if item.is_named else "" for item in named]
    names += [""] * (int(group.max()) + 1 - len(names))
    return [name or f"Persona {number}" for number, name in enumerate(names, 1)]


def _last_events(run: Run, user: int) -> list[Event]:
    """Return the newest event of each of a user's last listings, oldest first."""
    rows = np.arange(run.log.start[user], run.log.start[user + 1])
    newest: dict[str, Event] = {}
    for event in reversed(events_at(run, rows[run.log.is_positive[rows]])):
        newest.setdefault(event.listing, event)
    return [*newest.values()][:LENGTH][::-1]
