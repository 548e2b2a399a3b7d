"""Typical users made from the market itself: groups of like histories, and what sets each group apart.

Spherical k-means (Dhillon & Modha 2001) over the mean vectors of users' histories; a group stands for its most typical
user. In a market without events the groups are of listings, and the ones in their middle make the history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from listing_vibes.features.units import unit_rows
from listing_vibes.insight.map.cluster_names import portraits
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run

if TYPE_CHECKING:
    from scipy import sparse

GROUPS = 6
POINTS = 4000  # users or listings that are grouped, at most
LEAST = 3  # distinct listings a user must have touched
LENGTH = 6  # events in the history of a persona, at most
TOUCHES = 20_000  # touches that names are made from, at most
ROUNDS = 30


@dataclass(frozen=True)
class Persona:
    """A starting point for a simulated user."""

    name: str  # what sets the group apart
    history: pd.DataFrame = field(repr=False, compare=False)  # as `Run.recommend` takes it
    members: int  # users, or listings, in the group
    user: str | None  # the most typical user, whose last events the history is; None: made of listings


def personas(run: Run, groups: int = GROUPS) -> list[Persona]:
    """The market's personas, the largest group first; none where no space knows half of the listings."""
    space = next((name for name in run.spaces if run.index(name).known.mean() >= 0.5), None)
    if space is None:
        return []
    from scipy import sparse

    log, listings = run.log, run.vectors(space)
    rows = np.array([run.market.listing_row.get(name, -1) for name in run.listing_ids])
    place = np.full(len(run.market.listings), -1)
    place[rows[rows >= 0]] = np.flatnonzero(rows >= 0)  # by row of the market: the row of the run
    touched = sparse.csr_matrix((0, len(listings)), dtype=np.float32)
    users = np.empty(0, np.int64)
    if len(log):
        where = place[log.listing]
        ok = (where >= 0) & log.wanted
        shape = (len(log.users), len(listings))
        whole = sparse.csr_matrix((np.ones(ok.sum(), np.float32), (log.user[ok], where[ok])), shape)
        whole.data[:] = 1  # touched or not, however often
        users = _sample(np.flatnonzero(np.diff(whole.indptr) >= LEAST))
        touched = whole[users]
    if len(users) < 2:
        users = np.empty(0, np.int64)
        touched = sparse.identity(len(listings), np.float32, format="csr")[
            _sample(np.flatnonzero(run.index(space).known & (rows >= 0)))
        ]
    points = unit_rows(np.asarray(touched @ listings))
    if not len(points):
        return []
    group, centre = spherical_kmeans(points, min(groups, len(points)))
    largest = np.argsort(
        -np.bincount(group), kind="stable"
    )  # who has no name of its own has its place as one
    group, centre = np.argsort(largest)[group], centre[largest]
    names = _names(run, rows, touched, group)
    found = []
    for number in range(len(centre)):
        mine = np.flatnonzero(group == number)
        near = mine[np.argsort(-(points[mine] @ centre[number]), kind="stable")]
        if len(users):
            user = int(users[near[0]])
            history, who = _last_events(run, user), log.users[user]
        else:
            middle = touched[near[:LENGTH]].indices
            history, who = pd.DataFrame({C.LISTING: [run.listing_ids[row] for row in middle]}), None
        found.append(Persona(names[number], history, len(mine), who))
    return found


def spherical_kmeans(points: np.ndarray, groups: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Group (n,) of each of `points` (n, d; L2-normalised), and the centres (g, d), g <= `groups`; none is empty."""
    import faiss

    points = np.ascontiguousarray(points, np.float32)  # as faiss takes them
    rng = np.random.default_rng(seed)
    chosen = [int(rng.integers(len(points)))]
    nearest = points @ points[chosen[0]]
    while len(chosen) < groups:  # the start of k-means++: far points are likelier
        far = np.maximum(1 - nearest, 0) ** 2
        if far.sum() < 1e-9:
            break
        chosen.append(int(rng.choice(len(points), p=far / far.sum())))
        nearest = np.maximum(nearest, points @ points[chosen[-1]])
    found = faiss.Kmeans(
        points.shape[1],
        len(chosen),
        niter=ROUNDS,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(points),  # all of them, not a sample
    )
    found.train(points, init_centroids=points[chosen])
    group = found.index.search(points, 1)[1][:, 0]
    kept, group = np.unique(group, return_inverse=True)
    return group, np.asarray(found.centroids)[kept]


def _names(run: Run, rows: np.ndarray, touched: sparse.csr_matrix, group: np.ndarray) -> list[str]:
    """A name for each group, from the listings that its members touched, those touched by many counting more."""
    member, place = touched.nonzero()
    known = np.flatnonzero(rows[place] >= 0)
    if len(known) > TOUCHES:
        known = np.sort(np.random.default_rng(0).choice(known, TOUCHES, replace=False))
    told = portraits(run.market, rows[place[known]], group[member[known]])
    names = [one.name for one in told]
    return names + [f"Group {number + 1}" for number in range(len(names), int(group.max()) + 1)]


def _last_events(run: Run, user: int) -> pd.DataFrame:
    """The newest event of each of a user's last listings, oldest first."""
    log = run.log
    rows = np.flatnonzero(log.wanted[log.start[user] : log.start[user + 1]]) + log.start[user]
    newest = rows[::-1][np.unique(log.listing[rows][::-1], return_index=True)[1]]
    ids = run.market.listings[C.LISTING].tolist()
    known = [row for row in np.sort(newest) if ids[log.listing[row]] in run.listing_row][-LENGTH:]
    frame = pd.DataFrame({C.LISTING: [ids[log.listing[row]] for row in known]})
    if (log.action[known] >= 0).any():
        frame[C.ACTION] = [log.actions[code] if code >= 0 else None for code in log.action[known]]
    if np.isfinite(log.duration[known]).any():
        frame[C.DURATION] = log.duration[known].astype(float)
    return frame


def _sample(rows: np.ndarray) -> np.ndarray:
    if len(rows) <= POINTS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, POINTS, replace=False))
