"""Two rankings of the same test queries: what each measures, by how much they differ, where, and on which queries most."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import Estimate, estimates, paired
from listing_vibes.evaluation.slices import WEEK, slice_masks
from listing_vibes.evaluation.table import MOST_WEEKS
from listing_vibes.insight.rankings import KEY, differing, load_rankings, rankers, shared
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.io import find_table
from listing_vibes.scoring.metrics import DEFAULT, per_query, user_means
from listing_vibes.scoring.ranking_names import DEFAULT_RANKING, current_name
from listing_vibes.tables import render_table, write_interval, write_p
from listing_vibes.words import count

if TYPE_CHECKING:
    from listing_vibes.run.run import Run

SIDES = ("first", "second")
#: Queries of either side in the document and in the text.
TOLD = 5
#: The metric of slices.
MAIN = "recall@30"


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Two rankings on the Q queries that both were asked; a difference is the first minus the second.

    Attributes:
        queries: (Q rows) what `listing_vibes.insight.rankings.shared` gives.
        names: (run, ranking) of the first and of the second.
        alone: queries that only the first was asked, and only the second.
        other_candidates: shared queries for which the two runs chose from different numbers of listings.
        t1: the end of training on the market, from which weeks are counted, in nanoseconds; None: no weeks.
    """

    queries: pd.DataFrame
    names: tuple[tuple[str, str], tuple[str, str]]
    alone: tuple[int, int]
    other_candidates: int
    t1: int | None = None
    seed: int = 0

    @property
    def users(self) -> int:
        """Of the shared queries."""
        return int(self.queries[C.USER].nunique())

    @cached_property
    def results(self) -> dict[str, dict[str, Estimate]]:
        """By side, "first" and "second", value, low and high of every metric: means over users with 95 % intervals."""
        return self._results(None)

    @cached_property
    def differences(self) -> dict[str, Estimate]:
        """By metric value, low, high and `p_value` of the paired difference, as `vibes evaluate` gives those of scorers."""
        (found,) = paired([self._delta(None)], self.seed)
        return dict(zip(DEFAULT.names, found, strict=True))

    @cached_property
    def slices(self) -> dict[str, dict[str, Any]]:
        """Of each slice with queries: `queries`, `users`, `results` and `differences`, whose `p_holm` is corrected for
        the number of slices."""
        masks = {name: mask for name, mask in self._masks().items() if mask.any()}
        deltas = paired([self._delta(mask) for mask in masks.values()], self.seed)
        return {
            name: {
                "queries": int(mask.sum()),
                "users": int(self.queries[C.USER][mask].nunique()),
                "results": self._results(mask),
                "differences": dict(zip(DEFAULT.names, delta, strict=True)),
            }
            for (name, mask), delta in zip(masks.items(), deltas, strict=True)
        }

    @cached_property
    def apart(self) -> pd.DataFrame:
        """The queries with different ranks, see `listing_vibes.insight.rankings.differing`."""
        return differing(self.queries)

    def frame(self) -> pd.DataFrame:
        """One row a shared query, those most in favour of the first on top: `rank_first, rank_second, gain` behind what
        the query is."""
        ordered = self.queries.sort_values("gain", ascending=False, kind="stable", ignore_index=True)
        return ordered.rename(columns={side: f"rank_{side}" for side in SIDES})

    def to_dict(self) -> dict[str, Any]:
        """The document of `vibes compare --json`."""
        head = {
            side: {"run": run, "ranking": name} for side, (run, name) in zip(SIDES, self.names, strict=True)
        }
        apart = self.apart.assign(at=self.apart["at"].astype(str)) if len(self.apart) else self.apart
        best = {
            "first": apart[apart["gain"] > 0].head(TOLD),
            "second": apart[apart["gain"] < 0][::-1].head(TOLD),
        }
        columns = [*KEY, *SIDES, "gain"]
        return {
            **head,
            "queries": len(self.queries),
            "users": self.users,
            "only_first": self.alone[0],
            "only_second": self.alone[1],
            "other_candidates": self.other_candidates,
            "results": self.results,
            "differences": self.differences,
            "slices": self.slices,
            "apart": {side: rows[columns].to_dict("records") for side, rows in best.items()},
        }

    def __repr__(self) -> str:
        one, two = (f"{name} of {run}" for run, name in self.names)
        lines = [
            f"First: {one}; second: {two}.",
            f"{count(len(self.queries), 'query', 'queries')} of {count(self.users, 'user')} that both ranked; "
            f"{self.alone[0]:,} only the first, {self.alone[1]:,} only the second.",
        ]
        if self.other_candidates:
            lines.append(
                f"In {self.other_candidates:,} of them the two chose from different numbers of listings."
            )
        whole = [
            _row(metric, self.results, metric, found, "p_value") for metric, found in self.differences.items()
        ]
        lines += ["", render_table(pd.DataFrame(whole))]
        weeks = [name for name in self.slices if name.startswith("week ")]
        shown = {
            name: part for name, part in self.slices.items() if len(weeks) <= MOST_WEEKS or name not in weeks
        }
        if shown:
            parts = [
                _row(name, part["results"], MAIN, part["differences"][MAIN], "p_holm")
                | {"queries": f"{part['queries']:,}"}
                for name, part in shown.items()
            ]
            lines += [
                "",
                f"{MAIN} by slice (p-values with Holm's correction):",
                render_table(pd.DataFrame(parts)),
            ]
        for side, sign in zip(SIDES, (1, -1), strict=True):
            rows = self.apart[self.apart["gain"] * sign > 0]
            rows = (rows if sign > 0 else rows[::-1]).head(TOLD)
            if len(rows):
                lines += ["", f"The {side} ranked better:", render_table(rows[[*KEY, *SIDES]].astype(str))]
        lines += [
            "",
            "Means over users; a difference is the first minus the second, with a sign-flip test over users.",
        ]
        return "\n".join(lines)

    @cached_property
    def _user(self) -> np.ndarray:
        return np.unique(self.queries[C.USER].to_numpy(str), return_inverse=True)[1]  # (Q,)

    @cached_property
    def _values(self) -> dict[str, np.ndarray]:
        return {side: per_query(self.queries[side].to_numpy()) for side in SIDES}  # (Q, M) each

    def _means(self, side: str, mask: np.ndarray | None) -> np.ndarray:
        rows = slice(None) if mask is None else mask
        return user_means(self._values[side][rows], self._user[rows])  # (U, M)

    def _delta(self, mask: np.ndarray | None) -> np.ndarray:
        return self._means("first", mask) - self._means("second", mask)

    def _results(self, mask: np.ndarray | None) -> dict[str, dict[str, Estimate]]:
        width = len(DEFAULT.names)
        both = estimates(np.hstack([self._means(side, mask) for side in SIDES]), self.seed)
        parts = both[:width], both[width:]
        return {
            side: dict(zip(DEFAULT.names, part, strict=True)) for side, part in zip(SIDES, parts, strict=True)
        }

    def _masks(self) -> dict[str, np.ndarray]:
        frame = self.queries
        if not {"cold_listing", "cold_user", "history_length"} <= set(frame.columns):
            return {}
        week, at = None, frame["at"]
        if self.t1 is not None and at.dtype.kind == "M":
            week = (at.dt.as_unit("ns").astype("int64").to_numpy() - self.t1) // WEEK + 1
        listing, user = frame["cold_listing"].to_numpy(bool), frame["cold_user"].to_numpy(bool)
        return slice_masks(listing, user, frame["history_length"].to_numpy(), week)


def _row(
    name: str, results: dict[str, dict[str, Estimate]], metric: str, difference: Estimate, p: str
) -> dict[str, str]:
    return {
        "": name,
        **{side: f"{results[side][metric]['value']:.3f}" for side in SIDES},
        "difference": f"{difference['value']:+.3f}",
        "95 % interval": write_interval(difference, signed=True),
        "p": write_p(difference[p]),
    }


def compare(
    first: Run | Path | str, second: Run | Path | str, ranking: str | None = None, other: str | None = None
) -> Comparison:
    """Compare two evaluated runs on the test queries that both were asked: what `vibes compare` does.

    >>> compare(run, run, other="popularity").differences["recall@30"]["p_value"] <= 1
    True

    Args:
        first: a run, or its folder; a run may be compared with itself by two rankings.
        ranking: which ranking of the first, such as "model only + recency" or "ease"; None: the default ranking, else the first there is.
        other: which of the second; None: the same default.

    Raises:
        VibesError: a run was not evaluated, has no such ranking, they were tested by different protocols, or share no query.
    """
    from listing_vibes.run.run import Run

    runs = [one if isinstance(one, Run) else Run.open(one, events_too=False) for one in (first, second)]
    frames = [load_rankings(run) for run in runs]
    names = []
    for run, frame, asked in zip(runs, frames, (ranking, other), strict=True):
        if frame is None and find_table(run.market.tables, "events") is None:
            raise VibesError(
                f"{run.market.path} has no events, so {run.path} cannot be evaluated and there is nothing to compare; "
                "add an events table."
            )
        if frame is None:
            raise VibesError(
                f"{run.path} was not evaluated, so there is nothing to compare; run `vibes evaluate {run.path}`."
            )
        names.append((str(run.path), _ranking(run, rankers(frame), asked)))
    one, two = frames
    assert one is not None and two is not None
    require_one_protocol(*runs)
    return compared(one, two, (names[0], names[1]), runs[0].trained_until)


def compared(
    one: pd.DataFrame,
    two: pd.DataFrame,
    names: tuple[tuple[str, str], tuple[str, str]],
    t1: int | None = None,
) -> Comparison:
    """The comparison of two tables of `load_rankings` by `names`, (run, ranking) each.

    Raises:
        VibesError: they share no query.
    """
    both = shared(one, names[0][1], two, names[1][1])
    alone = tuple(len(table.drop_duplicates(KEY)) - len(both) for table in (one, two))
    different = 0
    if "candidates" in one.columns and "candidates" in two.columns:
        beside = both[KEY].merge(two.drop_duplicates(KEY)[[*KEY, "candidates"]], on=KEY)
        different = int((beside["candidates"].to_numpy() != both["candidates"].to_numpy()).sum())
    return Comparison(both, names, (alone[0], alone[1]), different, t1)


def require_one_protocol(first: Run, second: Run) -> None:
    """Two temporal runs, or two of leave-one-out, learned from none of the queries that both were asked.

    Raises:
        VibesError: of one each: the run of leave-one-out trained on most of what the other is asked.
    """
    one, two = (
        (run.metrics or {}).get("protocol") or run.manifest.settings.split.protocol for run in (first, second)
    )
    if None not in (one, two) and one != two:  # of a model that nothing trained there is none to tell
        raise VibesError(
            f"{first.path} was tested as {one} and {second.path} as {two}, so one learned from events that the other is asked "
            f"about; train and evaluate both with the same --protocol."
        )


def _ranking(run: Run, known: list[str], asked: str | None) -> str:
    """Raises:
    VibesError: the evaluation of `run` has no such ranking.
    """
    if asked is None:
        return DEFAULT_RANKING if DEFAULT_RANKING in known else known[0]
    asked = current_name(asked)
    if asked not in known:
        raise VibesError(f"{run.path} has no ranking '{asked}'; give one of: {', '.join(known)}.")
    return asked
