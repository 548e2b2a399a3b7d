"""What an evaluation found: ranks, and on demand means, intervals, differences and slices."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import Estimate, estimates, paired
from listing_vibes.evaluation.slices import slice_masks
from listing_vibes.evaluation.stability import stability
from listing_vibes.evaluation.table import differences_frame, results_frame, slices_frames
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Queries, Split
from listing_vibes.scoring.metrics import Coverage, Cutoffs, per_query, user_means
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING
from listing_vibes.tables import render_table
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.evaluation.saved import EvaluationRequest
    from listing_vibes.run.fits import Fit

Results = dict[str, dict[str, Estimate]]  # of each scorer (or pair of scorers), of each metric

NOTE = "Means over users, not over queries, with 95 % intervals over users; ties count against a scorer."


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """S scorers on the same Q queries and candidates; the first scorer is the subject of the comparison."""

    protocol: str
    log: EventLog
    split: Split
    queries: Queries
    ranks: dict[str, np.ndarray]  # scorer: (Q,) int64, 1-based, pessimistic
    coverage: dict[str, Coverage]
    candidates: np.ndarray  # (Q,) int64, how many listings were ranked
    cold_listing: np.ndarray  # (Q,) bool
    cold_user: np.ndarray  # (Q,) bool
    week: np.ndarray | None  # (Q,) int64, 1 is the first after training
    cutoffs: Cutoffs
    seed: int
    notes: dict[str, str] = field(default_factory=dict)  # scorer: what was fitted, where it says so
    request: "EvaluationRequest | None" = None  # what was asked for, where a run was evaluated
    fits: "list[Fit]" = field(default_factory=list)  # what serving adds, as it was fitted on validation
    new_by: str | None = None  # the attribute that no candidate shares with the history
    new: "Evaluation | None" = (
        None  # the same scores among such candidates alone, of the queries whose target is one
    )

    @property
    def names(self) -> list[str]:
        """The scorers, the subject first."""
        return list(self.ranks)

    @property
    def history_length(self) -> np.ndarray:
        """(Q,) int64: events in each history."""
        return self.queries.length

    @cached_property
    def users(self) -> np.ndarray:
        """(U,) int32: the distinct users of the queries, ascending."""
        return np.unique(self.queries.user)

    def user_values(self, name: str, mask: np.ndarray | None = None) -> np.ndarray:
        """(U, M) the metrics `cutoffs.names` of each user, of the queries where `mask` (Q,) holds."""
        rows = slice(None) if mask is None else mask
        return user_means(per_query(self.ranks[name][rows], self.cutoffs), self.queries.user[rows])

    def taken(self, mask: np.ndarray) -> "Evaluation":
        """The queries where `mask` (Q,) holds; the coverage stays that of all."""
        return replace(
            self,
            queries=self.queries.take(mask),
            ranks={name: ranks[mask] for name, ranks in self.ranks.items()},
            candidates=self.candidates[mask],
            cold_listing=self.cold_listing[mask],
            cold_user=self.cold_user[mask],
            week=None if self.week is None else self.week[mask],
        )

    @cached_property
    def results(self) -> Results:
        """value, low and high of every metric of every scorer, coverage among them."""
        results = self._means(None)
        for name, coverage in self.coverage.items():
            low, high = coverage.interval(self.users)
            results[name][f"coverage@{self.cutoffs.coverage}"] = {
                "value": coverage.value,
                "low": low,
                "high": high,
            }
        return results

    @cached_property
    def differences(self) -> Results:
        """The subject minus each other scorer: value, interval, p-value, and the p-value after Holm's correction
        for the number of other scorers."""
        subject, *others = self.names
        if not others:
            return {}
        found = paired([self.user_values(subject) - self.user_values(other) for other in others], self.seed)
        return {
            f"{subject} - {other}": dict(zip(self.cutoffs.names, one, strict=True))
            for other, one in zip(others, found, strict=True)
        }

    @cached_property
    def slices(self) -> dict[str, dict]:
        """Of each slice its numbers of queries and users and, where it has any, the results of every scorer."""
        found: dict[str, dict] = {}
        masks = slice_masks(self.cold_listing, self.cold_user, self.history_length, self.week)
        for name, mask in masks.items():
            found[name] = {
                "queries": int(mask.sum()),
                "users": len(np.unique(self.queries.user[mask])),
                "results": self._means(mask) if mask.any() else {},
            }
        return found

    @cached_property
    def stability(self) -> list[dict]:
        """recall@30 by week after validation, by training events of the target, by length of history."""
        found = stability(self.log, self.split, self.queries, self.ranks, self.seed).astype(object)
        return found.where(found.notna(), None).to_dict("records")  # JSON knows no NaN

    def to_dict(self) -> dict:
        """The document of `vibes evaluate --json`; plain numbers only, None for an interval of fewer than two users."""
        document = {
            "protocol": self.protocol,
            "history_hidden": self.queries.masked,
            "queries": len(self.queries),
            "users": len(self.users),
            "results": self.results,
            "differences": self.differences,
            "slices": self.slices,
            "stability": self.stability,
            "notes": self.notes,
        }
        if self.new is not None:
            new = self.new
            document["new_by"] = {
                "attribute": new.new_by,
                "queries": len(new.queries),
                "users": len(new.users),
                "results": new.results,
                "differences": new.differences,
            }
        return document

    def queries_frame(self, market: Market, name: str = DEFAULT_RANKING) -> pd.DataFrame:
        """One row a query: user_id, at, target, rank (of scorer `name`), candidates, history_length, cold flags.

        Raises:
            VibesError: no scorer has that name.
        """
        if name not in self.ranks:
            raise VibesError(f"No scorer '{name}' was evaluated; choose one of {', '.join(self.names)}.")
        at = self.queries.at
        listings = market.listings[C.LISTING].to_numpy()
        return pd.DataFrame(
            {
                C.USER: [self.log.users[user] for user in self.queries.user],
                "at": pd.to_datetime(at, unit="ns", utc=True) if self.log.timed else at,
                "target": listings[self.queries.target],
                "rank": self.ranks[name],
                "candidates": self.candidates,
                "history_length": self.history_length,
                "cold_listing": self.cold_listing,
                "cold_user": self.cold_user,
            }
        )

    def frame(self, slices: bool = False) -> pd.DataFrame:
        """One row a figure: `scorer, metric, value, low, high`, the interval one of 95 % over users.

        >>> evaluate(run).frame().query("scorer == 'default ranking'")["metric"].tolist()[:3]
        ['recall@10', 'recall@30', 'recall@100']

        With `slices` also `slice`, "all" or one of those in `slices`, and its `queries` and `users`.
        """
        parts: dict[str, dict] = {
            "all": {"queries": len(self.queries), "users": len(self.users), "results": self.results}
        }
        rows = [
            {"scorer": scorer, "slice": name, "metric": metric, **estimate, "queries": part["queries"], "users": part["users"]}
            for name, part in (parts | self.slices if slices else parts).items()
            for scorer, found in part["results"].items()
            for metric, estimate in found.items()
        ]  # fmt: skip
        frame = pd.DataFrame(rows).astype({"value": "float64", "low": "float64", "high": "float64"})
        return frame if slices else frame.drop(columns=["slice", "queries", "users"])

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.headline)}</p>{results_frame(self.results).to_html(index=False)}"

    def table(self) -> str:
        """Return every scorer and metric with its interval, the differences, and what was fitted, as plain text."""
        parts = self._tables()
        parts += [f"{name} = {note}" for name, note in self.notes.items()]
        return "\n".join(parts + ([] if self.new is None else ["", *self.new._tables()]))

    def slice_table(self, metric: str = "recall@30") -> str:
        """Return one metric of every scorer in every slice, as plain text."""
        frames = slices_frames(self.slices, self.names, metric)
        return "\n\n".join([metric, *map(render_table, frames)])

    def _tables(self) -> list[str]:
        parts = [self.headline, "", render_table(results_frame(self.results)), "", NOTE]
        if self.differences:
            metric = "recall@30" if "recall@30" in self.cutoffs.names else self.cutoffs.names[0]
            pairs = render_table(differences_frame(self.differences, metric))
            parts += ["", f"Paired differences of {metric} (p-values with Holm's correction):", pairs, ""]
        return parts

    @property
    def headline(self) -> str:
        """Protocol and size in one line."""
        hidden = ", history hidden" if self.queries.masked and self.protocol == "leave-one-out" else ""
        new = f", what is new by {self.new_by}" if self.new_by else ""
        most = int(self.candidates.max(initial=0))
        idle = [f"recall@{k}" for k in self.cutoffs.recall if len(self.queries) and k >= most]
        told = ""
        if idle:
            are = "is" if len(idle) == 1 else "are"
            told = f"; with {count(most, 'candidate')} at most, {' and '.join(idle)} {are} 1 in any order"
        size = f"{count(len(self.queries), 'query', 'queries')} of {count(len(self.users), 'user')}"
        return f"{self.protocol}{hidden}{new}: {size}{told}"

    def _means(self, mask: np.ndarray | None) -> Results:
        width = len(self.cutoffs.names)
        values = np.hstack([self.user_values(name, mask) for name in self.names])  # (U, S * M)
        flat = estimates(values, self.seed)
        return {
            name: dict(zip(self.cutoffs.names, flat[row * width : (row + 1) * width], strict=True))
            for row, name in enumerate(self.names)
        }
