"""Comparison of two rankings of the same test queries: metrics, paired differences, slices, and queries with other ranks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import Estimate, RankedQueries, Results, with_holm
from listing_vibes.evaluation.result import MOST_WEEKS, WEEK, slice_masks
from listing_vibes.evaluation.saved import RANK
from listing_vibes.insight.rankings import ABOUT, KEY, load_rankings, query_moments, rankers
from listing_vibes.market.columns import Columns as C
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_metrics import DEFAULT_RANKING, METRIC
from listing_vibes.words import count, render_table, write_interval, write_p

FIRST, SECOND = SIDES = ("first", "second")
PAIR = f"{FIRST} - {SECOND}"
EXAMPLES = 5  # queries per side in the document and in the text


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Two rankings on their Q shared queries; a difference is the first minus the second.

    Attributes:
        queries: (Q rows) `user_id, at, target, candidates, history_length, cold_listing, cold_user`, both ranks as `first` and
            `second`, and `gain`, the difference of the discounted gains 1 / log2(rank + 1), in which top ranks count most.
        names: (run, ranking) of the first and of the second.
        alone: number of queries of the first only, and of the second only.
        other_candidates: number of shared queries with different numbers of candidates.
        t1: the end of training on the market, from which weeks are counted, in nanoseconds; None: no weeks.
        others: (Q,) ranks by the other rankings of the run, if both rankings are of the same one.
        seed: the seed of intervals and tests.
    """

    queries: pd.DataFrame
    names: tuple[tuple[str, str], tuple[str, str]]
    alone: tuple[int, int]
    other_candidates: int
    t1: int | None = None
    others: Mapping[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0

    @property
    def users(self) -> int:
        """Return the number of users of the shared queries."""
        return int(self.queries[C.USER].nunique())

    @cached_property
    def results(self) -> Results:
        """Return by side: value, low and high of every metric, as means over users with 95 % intervals."""
        return self._ranked.means()

    @cached_property
    def differences(self) -> dict[str, Estimate]:
        """Return by metric: value, low, high and p-values of the paired difference, as in `vibes evaluate`.

        `p_holm` is corrected for the comparisons of the first ranking with all others of the run.
        """
        pairs = [SIDES, *((FIRST, name) for name in self.others)]
        ranked = replace(self._ranked, ranks={**self._ranked.ranks, **self.others})
        return with_holm([*ranked.differences(pairs).values()])[0]

    @cached_property
    def slices(self) -> dict[str, dict[str, Any]]:
        """Return for each slice with queries: `queries`, `users`, `results` and `differences`, whose `p_holm` is corrected for
        the number of slices.
        """
        masks = {name: mask for name, mask in self._masks().items() if mask.any()}
        pairs = with_holm([self._ranked.differences([SIDES], mask)[PAIR] for mask in masks.values()])
        return {
            name: self._ranked.size(mask) | {"results": self._ranked.means(mask), "differences": differences}
            for (name, mask), differences in zip(masks.items(), pairs, strict=True)
        }

    @cached_property
    def apart(self) -> pd.DataFrame:
        """Return the queries that both scorers rank differently, those most in favor of the first on top."""
        apart = self.queries[self.queries["first"] != self.queries["second"]]
        return apart.sort_values(["gain", "first"], ascending=[False, True], ignore_index=True, kind="stable")

    @property
    def ahead(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the queries that the first ranked better, and those that the second did, the largest gains on top."""
        gain = self.apart["gain"]
        return self.apart[gain > 0], self.apart[gain < 0][::-1]

    def frame(self) -> pd.DataFrame:
        """Return one row per shared query, those most in favor of the first on top, with `rank_first, rank_second, gain`."""
        ordered = self.queries.sort_values("gain", ascending=False, kind="stable", ignore_index=True)
        return ordered.rename(columns={side: f"rank_{side}" for side in SIDES})

    def measures(self) -> pd.DataFrame:
        """Return every measure of both rankings and their difference as text: `measure, first, second, difference, 95 % interval, p`."""
        rows = [
            _row("measure", metric, self.results, metric, difference, "p_holm")
            for metric, difference in self.differences.items()
        ]
        return pd.DataFrame(rows)

    def measures_by_slice(self) -> pd.DataFrame:
        """Return `METRIC` in each slice like `measures`, p corrected for their number; without weeks if there are too many."""
        weeks = [name for name in self.slices if name.startswith("week ")]
        rows = []
        for name, part in self.slices.items():
            if len(weeks) <= MOST_WEEKS or name not in weeks:
                row = _row("slice", name, part["results"], METRIC, part["differences"][METRIC], "p_holm")
                rows.append(row | {"queries": f"{part['queries']:,}"})
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes compare --json`."""
        return {
            **{side: {"run": run, "ranking": name} for side, (run, name) in zip(SIDES, self.names, strict=True)},
            "queries": len(self.queries),
            "users": self.users,
            "only_first": self.alone[0],
            "only_second": self.alone[1],
            "other_candidates": self.other_candidates,
            "results": self.results,
            "differences": self.differences,
            "slices": self.slices,
            "apart": {side: self._examples(side).to_dict("records") for side in SIDES},
        }  # fmt: skip

    def __repr__(self) -> str:
        item, two = (f"{name} of {run}" for run, name in self.names)
        lines = [
            f"First: {item}; second: {two}.",
            f"{count(len(self.queries), 'query', 'queries')} of {count(self.users, 'user')} that both ranked; "
            f"{self.alone[0]:,} only the first, {self.alone[1]:,} only the second.",
        ]
        if self.other_candidates:
            lines.append(f"In {self.other_candidates:,} of them the two had different numbers of candidates.")
        title = f"{METRIC} by slice (p-values with Holm's correction):"
        lines += ["", render_table(self.measures()), "", title, render_table(self.measures_by_slice())]
        for side in SIDES:
            rows = self._examples(side)
            if len(rows):
                lines += ["", f"The {side} ranked better:", render_table(rows[[*KEY, *SIDES]].astype(str))]
        note = (
            "Means over users; a difference is the first minus the second, with a sign-flip test over users."
        )
        return "\n".join([*lines, "", note])  # fmt: skip

    @cached_property
    def _ranked(self) -> RankedQueries:
        ranks = {side: self.queries[side].to_numpy() for side in SIDES}
        return RankedQueries(self.queries[C.USER].to_numpy(str), ranks, self.seed)

    def _examples(self, side: str) -> pd.DataFrame:
        """Return the queries with the largest gain of one side."""
        return self.ahead[SIDES.index(side)].head(EXAMPLES)[[*KEY, *SIDES, "gain"]].astype({"at": str})

    def _masks(self) -> dict[str, np.ndarray]:
        frame = self.queries
        week = None
        if self.t1 is not None and frame["at"].dtype.kind == "M":
            week = (query_moments(frame).to_numpy() - self.t1) // WEEK + 1
        listing, user = frame["cold_listing"].to_numpy(bool), frame["cold_user"].to_numpy(bool)
        return slice_masks(listing, user, frame["history_length"].to_numpy(), week)


def _row(
    heading: str, name: str, results: Results, metric: str, difference: Estimate, p: str
) -> dict[str, str]:
    return {
        heading: name,
        **{side: f"{results[side][metric]['value']:.3f}" for side in SIDES},
        "difference": f"{difference['value']:+.3f}",
        "95 % interval": write_interval(difference, signed=True),
        "p": write_p(difference[p]),
    }


def compare(
    first: Run | Path | str, second: Run | Path | str, ranking: str | None = None, other: str | None = None
) -> Comparison:
    """Compare two evaluated runs on their shared test queries; the function behind `vibes compare`.

    >>> compare(run, run, other="popularity").differences["recall@30"]["p_holm"] <= 1
    True

    Args:
        first: a run, or its folder; a run may be compared with itself by two rankings.
        ranking: which ranking of the first, such as "model + recency" or "EASE"; None: the default ranking, else the first one.
        other: which ranking of the second; None: the same default.

    Raises:
        VibesError: a run was not evaluated or has no such ranking, the protocols differ, or there is no shared query.
    """
    runs = [run if isinstance(run, Run) else Run.open(run) for run in (first, second)]
    frames = [_require_rankings(run) for run in runs]
    names = [
        (str(run.path), _choose_ranking(run, rankers(frame), name))
        for run, frame, name in zip(runs, frames, (ranking, other), strict=True)
    ]
    require_same_protocol(*runs)
    result = compared(frames[0], frames[1], (names[0], names[1]), runs[0].trained_until)
    if runs[0].path != runs[1].path:
        return result
    left = {name: frames[0].drop_duplicates(KEY)[RANK + name].to_numpy() for name in rankers(frames[0])}
    others = {name: ranks for name, ranks in left.items() if name not in {chosen for _, chosen in names}}
    return replace(result, others=others, seed=runs[0].manifest.settings.seed)


def compared(
    left: pd.DataFrame,
    right: pd.DataFrame,
    names: tuple[tuple[str, str], tuple[str, str]],
    t1: int | None = None,
) -> Comparison:
    """Compare two tables of `load_rankings` by `names`, (run, ranking) each.

    Raises:
        VibesError: there is no shared query.
    """
    (_, first), (_, second) = names
    left = left.drop_duplicates(KEY)[[*KEY, *ABOUT, RANK + first]].rename(columns={RANK + first: FIRST})
    right = right.drop_duplicates(KEY)[[*KEY, "candidates", RANK + second]]
    right = right.rename(columns={RANK + second: SECOND})
    is_comparable = left["at"].dtype.kind == right["at"].dtype.kind  # not moments and positions
    both = left.merge(right, on=KEY, suffixes=("", " of second")) if is_comparable else left[:0]
    if both.empty:
        raise VibesError(
            "These two runs share no test query, so they cannot be compared; evaluate both on the same market."
        )
    different = int((both.pop("candidates of second") != both["candidates"]).sum())
    both["gain"] = 1 / np.log2(both["first"] + 1) - 1 / np.log2(both["second"] + 1)
    return Comparison(both, names, (len(left) - len(both), len(right) - len(both)), different, t1)


def require_same_protocol(first: Run, second: Run) -> None:
    """Check that both runs have the same protocol, so that neither was trained on the shared queries.

    Raises:
        VibesError: the protocols differ; a leave-one-out run is trained on most test queries of a temporal one.
    """
    item, two = (
        (run.metrics or {}).get("protocol") or run.manifest.settings.split.protocol for run in (first, second)
    )
    if None not in (item, two) and item != two:  # an untrained run has no protocol
        raise VibesError(
            f"{first.path} was tested as {item} and {second.path} as {two}, so one was trained on test events of the other"
            f"; train and evaluate both with the same --protocol."
        )


def _require_rankings(run: Run) -> pd.DataFrame:
    frame = load_rankings(run)
    if frame is None:
        raise VibesError(
            f"{run.path} was not evaluated, so it cannot be compared; run `vibes evaluate {run.path}`, which needs events."
        )
    return frame


def _choose_ranking(run: Run, available: list[str], name: str | None) -> str:
    """Return the ranking of a name; for None the default one, else the first."""
    if name is None:
        return DEFAULT_RANKING if DEFAULT_RANKING in available else available[0]
    if name not in available:
        raise VibesError(f"{run.path} has no ranking '{name}'; give one of: {', '.join(available)}.")
    return name
