"""Typical users made from the market itself: groups of similar histories, and what distinguishes each group.

Personas are clusters of spherical k-means over the mean vectors of users' histories, each represented by its most typical user.
In a market without events the clusters are of listings, and those nearest to the center make the history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from listing_vibes.features.units import unit_rows
from listing_vibes.insight.kmeans import spherical_kmeans
from listing_vibes.insight.map.cluster_names import portraits
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run

if TYPE_CHECKING:
    from scipy import sparse

GROUPS = 6
POINTS = 4000  # maximum number of users or listings to cluster
LEAST = 3  # minimum number of distinct listings of a user
LENGTH = 6  # maximum number of events in the history of a persona
EVENTS = 20_000  # maximum number of (user, listing) pairs for names


@dataclass(frozen=True)
class Persona:
    """A starting point for a simulated user."""

    name: str  # the distinctive traits of the group
    history: pd.DataFrame = field(repr=False, compare=False)  # for `Run.recommend`
    members: int  # users, or listings, in the group
    user: str | None  # the most typical user, whose last events are the history; None: made of listings


def personas(run: Run, groups: int = GROUPS) -> list[Persona]:
    """Return the market's personas, the largest group first; none if no space has vectors of half of the listings."""
    space = next((name for name in run.spaces if run.index(name).known.mean() >= 0.5), None)
    if space is None:
        return []
    log, vectors = run.log, run.vectors(space)
    rows = np.array([run.market.listing_row.get(name, -1) for name in run.listing_ids])  # in the market
    users, history = _histories(run, rows)
    if len(users) < 2:
        from scipy import sparse

        users = np.empty(0, np.int64)
        listings = _sample(np.flatnonzero(run.index(space).known & (rows >= 0)), POINTS)
        history = sparse.identity(len(vectors), np.float32, format="csr")[listings]
    points = unit_rows(np.asarray(history @ vectors))
    if not len(points):
        return []
    group, centers = spherical_kmeans(points, min(groups, len(points)))
    largest = np.argsort(-np.bincount(group), kind="stable")
    group, centers = np.argsort(largest)[group], centers[largest]
    names = _names(run, rows, history, group)
    results = []
    for number, (name, center) in enumerate(zip(names, centers, strict=True)):
        members = np.flatnonzero(group == number)
        typical = members[np.argsort(-(points[members] @ center), kind="stable")]
        if len(users):
            user = int(users[typical[0]])
            results.append(Persona(name, _last_events(run, user), len(members), log.users[user]))
        else:
            ids = [run.listing_ids[row] for row in history[typical[:LENGTH]].indices]
            results.append(Persona(name, pd.DataFrame({C.LISTING: ids}), len(members), None))
    return results


def _histories(run: Run, rows: np.ndarray) -> tuple[np.ndarray, sparse.csr_matrix]:
    """Return a sample of users with `LEAST` listings or more, (U,), and the listings of the run in each history (U, L)."""
    from scipy import sparse

    log = run.log
    row_of = np.full(len(run.market.listings), -1)  # of the run, by row of the market
    row_of[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    listing = row_of[log.listing] if len(log) else np.empty(0, np.int64)
    requested = np.flatnonzero((listing >= 0) & log.is_positive)
    pairs = np.unique(np.stack([log.user[requested], listing[requested]], axis=1), axis=0)  # however often
    shape = (len(log.users), len(rows))
    history = sparse.csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])), shape)
    users = _sample(np.flatnonzero(np.diff(history.indptr) >= LEAST), POINTS)
    return users, history[users]


def _names(run: Run, rows: np.ndarray, history: sparse.csr_matrix, group: np.ndarray) -> list[str]:
    """Return a name for each group by the listings of its members, weighted by the number of members."""
    member, listing = history.nonzero()
    available = _sample(np.flatnonzero(rows[listing] >= 0), EVENTS)
    given = portraits(run.market, rows[listing[available]], group[member[available]])
    return [
        *(portrait.name for portrait in given),
        *(f"Group {n + 1}" for n in range(len(given), int(group.max()) + 1)),
    ]


def _last_events(run: Run, user: int) -> pd.DataFrame:
    """Return the newest event of each of a user's last listings, oldest first."""
    log, ids = run.log, run.market.listings[C.LISTING].to_numpy(str)
    events = np.flatnonzero(log.is_positive[log.start[user] : log.start[user + 1]]) + log.start[user]
    frame = pd.DataFrame(
        {
            C.LISTING: ids[log.listing[events]],
            C.ACTION: [log.actions[code] if code >= 0 else None for code in log.action[events]],
            C.DURATION: log.duration[events].astype(float),
        }
    )
    frame = frame[frame[C.LISTING].isin(run.listing_row)].drop_duplicates(C.LISTING, keep="last").tail(LENGTH)
    return frame.dropna(axis=1, how="all").reset_index(drop=True)


def _sample(rows: np.ndarray, most: int) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
