"""Simulation of the launch of a listing: its audience, its competitors, and the effect of single changes and covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import estimates
from listing_vibes.insight.audience import Audience
from listing_vibes.insight.drafts import Draft, single_changes
from listing_vibes.progress import Report, silent
from listing_vibes.run.describe import cell_text, describe_listings
from listing_vibes.run.newcomers import Newcomers
from listing_vibes.run.run import Run
from listing_vibes.search.index import best
from listing_vibes.tables import render_table
from listing_vibes.words import count

USERS, FEWEST = 1_000, 500  # maximum and minimum number of users; fewer with very many listings
SCORES = 300_000_000  # maximum number of (user, listing) scores per crowd
K = 30  # length of a list
COMPETITORS = 12
CHANGES = 8  # maximum number of attributes in the text
FIGURES = ["audience", "gain", "low", "high"]


@dataclass(frozen=True, eq=False)
class Crowd:
    """U users with the top of their lists of active listings that are not in their histories, prepared for any listing.

    A listing's rank for a user is one more than the number of these scores that are not below its own, so that the ranks of a
    draft need only one matrix product.
    """

    people: Audience
    rows: np.ndarray  # (U, k + 1) int64 listings, best first; -1 in shorter lists
    scores: np.ndarray  # (U, k + 1) float32, -inf in shorter lists
    k: int

    @classmethod
    def of(cls, run: Run, limit: int | None = None, k: int = K, report: Report = silent) -> Crowd:
        """Return the `limit` most recently active users; None: as many as `SCORES` allows.

        Raises:
            VibesError: the run has no model, or no user has a history.
        """
        if limit is None:
            limit = min(USERS, max(FEWEST, SCORES // max(len(run.listing_ids), 1)))
        people = Audience.of(run, limit, report=report)
        rows = np.empty((len(people), k + 1), np.int64)
        scores = np.empty((len(people), k + 1), np.float32)
        for users, block in people.new_scores():
            rows[users], scores[users] = best(block, k + 1)
        return cls(people, rows, scores, k)

    def ranks(self, vectors: np.ndarray, row: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (rank, score), both (U, V), of listings with these vectors (V, d) in each user's list.

        Ranks beyond `k` are `k + 1`; ties count against the listing. A listing with a `row` in the run, changed or not, does not
        compete with itself, and has rank 0 for users with it in their history.
        """
        score = self.people.scores(slice(None), vectors)  # (U, V)
        others = self.scores if row is None else np.where(self.rows == row, -np.inf, self.scores)
        above = [(others >= column[:, None]).sum(axis=1) for column in score.T]
        rank = 1 + np.minimum(np.stack(above, axis=1), self.k)
        if row is not None:
            events = np.flatnonzero(self.people.run.log.listing == row)
            rank[np.searchsorted(events, self.people.start) < np.searchsorted(events, self.people.end)] = 0
        return rank, score

    def typical_audience(self) -> int | None:
        """Return the median audience of the active listings, in users; None if no listing is active."""
        run, rows = self.people.run, self.rows[:, : self.k]
        active = run.index("model").known & run.catalogue.live(self.people.at)
        audience = np.bincount(rows[rows >= 0], minlength=len(active))[active]
        return int(np.median(audience)) if len(audience) else None

    def is_reached(self, rank: np.ndarray) -> np.ndarray:
        """Return which ranks are among the first `k`, bool."""
        return np.asarray((rank > 0) & (rank <= self.k))


@dataclass(frozen=True, eq=False)
class Launch:
    """The result of a simulated launch.

    Attributes:
        users: number of most recently active users with lists.
        k: length of the lists.
        audience: users with the listing in their top `k`, the best rank first: `user_id, rank, score, events`.
        median_rank: its median rank for the audience; None without an audience.
        competitors: the active listings nearest to it: `listing_id, score`.
        changes: one change at a time: `attribute, before, after, audience, gain, low, high`, the largest gain first. A gain
            is in users, its 95 % interval is over users. It is an association in the model, not a causal effect.
        covers: each photo as the cover: `photo, audience, gain, low, high`, by its position in the draft.
    """

    users: int
    k: int
    audience: pd.DataFrame
    median_rank: float | None
    competitors: pd.DataFrame
    changes: pd.DataFrame | None = None
    covers: pd.DataFrame | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes launch --json`."""
        frames = {"competitors": self.competitors, "changes": self.changes, "covers": self.covers}
        return {
            "users": self.users,
            "k": self.k,
            "audience": len(self.audience),
            "median_rank": self.median_rank,
            "first": self.audience.head(self.k).to_dict("records"),
            **{
                name: None if frame is None else frame.replace({np.nan: None}).to_dict("records")
                for name, frame in frames.items()
            },
        }

    def to_text(self, run: Run) -> str:
        """Return audience, competitors and the largest gains as tables."""
        share = len(self.audience) / max(self.users, 1)
        median = "" if self.median_rank is None else f"; its median rank with them is {self.median_rank:g}"
        lines = [
            f"Among the first {self.k} of {len(self.audience):,} of {count(self.users, 'user')} ({share:.1%}){median}.",
            "",
            "The active listings nearest to it:",
            render_table(describe_listings(run, self.competitors)),
        ]
        if self.changes is not None and len(self.changes):
            labels = {item.name: item.label for item in run.market.attributes}
            best = self.changes.drop_duplicates("attribute").head(CHANGES)
            best = best.assign(
                attribute=best["attribute"].map(lambda name: labels.get(name, name)),
                before=best["before"].map(cell_text),
                after=best["after"].map(cell_text),
            )
            lines += ["", "One change at a time, the best of each attribute:", _with_intervals(best)]
            lines.append("These are associations in the model, not causal effects.")
        if self.covers is not None:
            covers = self.covers.assign(photo=self.covers["photo"] + 1)
            lines += ["", "Each photo as the cover:", _with_intervals(covers)]
        return "\n".join(lines)


def _with_intervals(frame: pd.DataFrame) -> str:
    rows = zip(frame["gain"], frame["low"], frame["high"], strict=True)
    gains = [f"{gain:+,} ({low:+,} to {high:+,})" for gain, low, high in rows]
    return render_table(frame.drop(columns=["low", "high"]).assign(gain=gains))


def launch(
    run: Run,
    listing: str | Mapping[str, Any] | Draft,
    *,
    advise: bool = True,
    crowd: Crowd | None = None,
    newcomers: Newcomers | None = None,
) -> Launch:
    """Simulate the launch of a listing now; the function behind `vibes launch`.

    >>> result = launch(run, {"district": "Harbour", "rooms": 3, "area_m2": 70.0, "price": 1400.0})
    >>> len(result.audience) <= result.users, result.competitors.columns.tolist()
    (True, ['listing_id', 'score'])
    >>> result.changes.columns.tolist()
    ['attribute', 'before', 'after', 'audience', 'gain', 'low', 'high']

    Args:
        listing: the id of a listing of the market; values by attribute, optionally with `like`, a listing to start from,
            `photos`, paths of files, and `cover`; or a `Draft`.
        advise: whether to evaluate single changes and covers as well.
        crowd: the users; None: the most recently active ones. Pass one for several calls.
        newcomers: encoder of drafts; pass one for several calls.

    Raises:
        VibesError: the run has no model or no events, a listing or attribute is unknown, or a value cannot be read.
    """
    crowd, newcomers = crowd or Crowd.of(run), newcomers or Newcomers(run)
    row = None
    if isinstance(listing, Draft):
        draft = listing
    elif isinstance(listing, Mapping):
        draft = Draft.of_mapping(run.market, listing)
    else:
        row = run.row(str(listing))
        draft = Draft.of_listing(run.market, str(listing))
    vectors = (
        newcomers.encode_models([draft.cells], draft.photos) if row is None else run.vectors("model")[[row]]
    )
    rank, score = (column[:, 0] for column in crowd.ranks(vectors, row))
    reached, index = crowd.is_reached(rank), run.index("model")
    is_active = index.known & run.catalogue.live(crowd.people.at)
    if row is not None:
        is_active[row] = False
    changes, covers = _advice(run, draft, crowd, newcomers, row) if advise else (None, None)
    return Launch(
        len(crowd.people),
        crowd.k,
        crowd.people.table(rank, score, reached),
        float(np.median(rank[reached])) if reached.any() else None,
        run.nearest(np.where(is_active, index.vectors @ vectors[0], -np.inf), COMPETITORS),
        changes,
        covers,
    )


def _advice(
    run: Run, draft: Draft, crowd: Crowd, newcomers: Newcomers, row: int | None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return the gains of single changes and covers, compared with the draft itself and encoded in one pass with it; an unchanged
    listing of the run has a `row`.
    """
    live = run.catalogue.live(crowd.people.at)
    tried = list(single_changes(run.market, draft, live if live.any() else np.ones_like(live)))
    order = list(range(len(draft.photos)))
    covers = order if len(order) > 1 else []
    vectors = newcomers.encode_models(
        [draft.cells, *(change.cells for change in tried), *[draft.cells] * len(covers)],
        draft.photos,
        [order] * (1 + len(tried)) + [[cover, *(n for n in order if n != cover)] for cover in covers],
    )
    figures = gains(crowd, vectors[:1], vectors[1:], row)
    changes = pd.DataFrame(
        [(change.attribute, change.before, change.after) for change in tried],
        columns=["attribute", "before", "after"],
    ).join(figures[: len(tried)])
    changes = changes.sort_values("gain", ascending=False, kind="stable", ignore_index=True)
    if not covers:
        return changes, None
    return changes, figures[len(tried) :].reset_index(drop=True).assign(photo=covers)[["photo", *FIGURES]]


def gains(crowd: Crowd, base: np.ndarray, vectors: np.ndarray, row: int | None = None) -> pd.DataFrame:
    """Return `audience, gain, low, high` of each of `vectors` (V, d), in users; gains over `base` (1, d), `row` as for `Crowd.ranks`."""
    before = crowd.is_reached(crowd.ranks(base, row)[0])  # (U, 1)
    after = crowd.is_reached(crowd.ranks(vectors, row)[0])  # (U, V)
    users = len(crowd.people)
    differences = pd.DataFrame(estimates(after.astype(float) - before)).fillna(0) * users
    gain, low, high = (differences[name].round().astype(int) for name in ("value", "low", "high"))
    return pd.DataFrame({"audience": after.sum(axis=0), "gain": gain, "low": low, "high": high})


def draft_named(run: Run, name: str) -> str | Draft:
    """Return the draft in a JSON file, or the id of a listing, for a command's argument `--listing`.

    Raises:
        VibesError: it is neither a file nor a listing.
    """
    if name in run.listing_row:
        return name
    if name.endswith(".json"):
        return Draft.of_file(run.market, Path(name))
    raise VibesError(
        f"Option --listing is '{name}', which is neither a listing of {run.path} nor a JSON file; give one of them."
    )
