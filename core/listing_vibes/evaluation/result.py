"""The result of an evaluation: ranks, and computed from them means, intervals, differences and slices."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from listing_vibes.defaults import K
from listing_vibes.errors import VibesError
from listing_vibes.evaluation.intervals import SIGNIFICANT, RankedQueries, Results, with_holm
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.log import DAY, EventLog
from listing_vibes.market.market import Market
from listing_vibes.market.splits import Protocol, Queries, Split
from listing_vibes.scoring.neighbors import NEIGHBORS
from listing_vibes.scoring.ranking_metrics import (
    DEFAULT_RANKING,
    METRIC,
    MODEL_ONLY,
    NEAR_RECENT,
    ORACLE,
    RECALL,
    Coverage,
    uses_model,
)
from listing_vibes.words import count, render_table, write_difference, write_interval

if TYPE_CHECKING:
    from listing_vibes.model.settings import BlendWeights

WEEK = 7 * DAY
#: Lower bounds of the groups of history lengths and of training events of the target.
LENGTHS = (1, 2, 4, 10)
FINE_LENGTHS = (1, 2, 3, 4, 5, 6, 11, 21)
EVENTS = (0, 1, 3, 6, 11, 21, 51)


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


#: Keys of `notes`: baselines that were not evaluated, users that were sampled, a test set that ignores newer events,
#: and how baselines were tuned if the split has no validation (for a refit, or a log whose T1 is its T2).
LEFT_OUT, DRAWN, FROZEN, TUNED = "left out", "drawn", "test set", "baselines"
WITHIN = "tuned on the last eighth of what trains, as nothing validates, and fitted on all of it"
UNTUNED = "their first settings, as there is nothing to tune them on"
MEANS = "Means over users, not over queries, with 95 % intervals over users; ties count against a scorer."
#: The metrics of paired tests, and the baselines that cost least, the cheapest first; all others cost more.
PAIRED = ("recall@10", "ndcg@10", METRIC)
CHEAPEST = ("popularity", "recent popularity", *NEIGHBORS.values(), NEAR_RECENT)
MOST_WEEKS = 12  # more weeks are in the JSON document only
Baselines = Literal["all", "fast", "none"]


class EvaluationRequest(BaseModel):
    """The request of an evaluation.

    Attributes:
        t1, t2: the split, in the time of the log; None in leave-one-out.
        test_until: the moment of the last test query; later events are not part of the test.
        users: the size of a sample of users; None for all.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    protocol: Protocol
    history_hidden: bool = False
    baselines: Baselines = "all"
    users: int | None = Field(None, ge=1)
    t1: int | None = None
    t2: int | None = None
    test_until: int | None = None

    def is_smaller_than(self, other: "EvaluationRequest") -> bool:
        """Return whether it has fewer baselines or users than the request `other`."""
        levels = get_args(Baselines)
        size, other_size = (
            (-levels.index(request.baselines), math.inf if request.users is None else request.users)
            for request in (self, other)
        )
        return any(part < other_part for part, other_part in zip(size, other_size, strict=True))


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """S scorers on the same Q queries and candidates; the first scorer is the subject of the comparison."""

    log: EventLog
    split: Split
    queries: Queries
    ranks: dict[str, np.ndarray]  # by scorer (Q,) int64, 1-based, pessimistic
    coverage: dict[str, Coverage]
    candidates: np.ndarray  # (Q,) int64, number of ranked listings
    seed: int
    notes: dict[str, str] = field(default_factory=dict)  # by scorer or subject
    request: EvaluationRequest | None = None
    fitted_blends: "list[BlendWeights]" = field(default_factory=list)  # the blends as fitted on validation

    @property
    def names(self) -> list[str]:
        """Return the scorers, the subject first."""
        return list(self.ranks)

    @cached_property
    def users(self) -> np.ndarray:
        """Return the distinct users of the queries, (U,) int32 ascending."""
        return np.unique(self.queries.user)

    @cached_property
    def cold_listing(self) -> np.ndarray:
        """Return which queries (Q,) bool have a target without an event in training."""
        return np.asarray(self.log.counts(self.split.train)[self.queries.target] == 0)

    @cached_property
    def cold_user(self) -> np.ndarray:
        """Return which queries (Q,) bool have a user without an event in training."""
        events = np.bincount(self.log.user[self.split.train], minlength=len(self.log.users))
        return np.asarray(events[self.queries.user] == 0)

    @property
    def _ranked(self) -> RankedQueries:
        return RankedQueries(self.queries.user, self.ranks, self.seed)

    def user_values(self, name: str) -> np.ndarray:
        """Return the metrics of each user, (U, M)."""
        return self._ranked.user_values(name)

    @cached_property
    def results(self) -> Results:
        """Return value, low and high of every metric of every scorer, coverage among them."""
        results = self._ranked.means()
        for name, coverage in self.coverage.items():
            low, high = coverage.interval(self.users)
            estimate = {"value": coverage.value, "low": low, "high": high}
            results[name][f"coverage@{K}"] = estimate
        return results

    @cached_property
    def differences(self) -> Results:
        """Return the paired differences of the first scorer minus each other one, by pair and metric.

        Each has its value, 95 % interval, p-value, and p-value after Holm's correction.
        """
        subject, *others = self.names
        differences = self._ranked.differences([(subject, other) for other in others])
        return dict(zip(differences, with_holm([*differences.values()]), strict=True))

    @cached_property
    def slices(self) -> dict[str, dict[str, Any]]:
        """Return for each slice its numbers of queries and users and, if it has any, the results of every scorer."""
        week = week_after_training(self.split, self.queries)
        masks = slice_masks(self.cold_listing, self.cold_user, self.queries.length, week)
        return {
            name: self._ranked.size(mask) | {"results": self._ranked.means(mask) if mask.any() else {}}
            for name, mask in masks.items()
        }

    @cached_property
    def stability(self) -> list[dict[str, Any]]:
        """Return recall@30 of every scorer by week after validation, by training events of the target, by length of history."""
        rows = []
        for by, group, mask in stability_masks(self.log, self.split, self.queries):
            rows += [
                {"by": by, "group": group, "scorer": name, **estimates[METRIC], **self._ranked.size(mask)}
                for name, estimates in self._ranked.means(mask).items()
            ]
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes evaluate --json`; None for an interval of fewer than two users."""
        return {
            "protocol": self.split.protocol,
            "history_hidden": self.queries.masked,
            "queries": len(self.queries),
            "users": len(self.users),
            "results": self.results,
            "differences": self.differences,
            "slices": self.slices,
            "stability": self.stability,
            "notes": self.notes,
        }

    def queries_frame(self, market: Market, name: str = DEFAULT_RANKING) -> pd.DataFrame:
        """Return one row per query: user_id, at, target, rank (of scorer `name`), candidates, history_length, cold flags.

        Raises:
            VibesError: there is no scorer of that name.
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
                "history_length": self.queries.length,
                "cold_listing": self.cold_listing,
                "cold_user": self.cold_user,
            }
        )

    def frame(self, slices: bool = False) -> pd.DataFrame:
        """Return one row per scorer and metric: `scorer, metric, value, low, high`, with a 95 % interval over users.

        >>> evaluate(run).frame().query("scorer == 'default ranking'")["metric"].tolist()[:3]
        ['recall@10', 'recall@30', 'recall@100']

        With `slices` also `slice`, "all" or one of those in `slices`, and its `queries` and `users`.
        """
        parts: dict[str, dict[str, Any]] = {
            "all": {"queries": len(self.queries), "users": len(self.users), "results": self.results}
        }
        rows = [
            {"scorer": scorer, "slice": name, "metric": metric, **estimate, "queries": part["queries"], "users": part["users"]}
            for name, part in (parts | self.slices if slices else parts).items()
            for scorer, estimates in part["results"].items()
            for metric, estimate in estimates.items()
        ]  # fmt: skip
        frame = pd.DataFrame(rows).astype({"value": "float64", "low": "float64", "high": "float64"})
        return frame if slices else frame.drop(columns=["slice", "queries", "users"])

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.headline)}</p>{results_frame(self.results).to_html(index=False)}"

    def table(self) -> str:
        """Return every scorer and metric with its interval, the differences, and the notes, as plain text."""
        parts = [self.verdict] if self.verdict else []
        parts += [self.headline, "", render_table(results_frame(self.results)), "", MEANS]
        if self.differences:
            pairs = render_table(differences_frame(self.differences, PAIRED))
            parts += [
                "",
                "Paired differences with 95 % intervals, p-values with Holm's correction:",
                pairs,
                "",
            ]
        parts += [f"{name} = {note}" for name, note in self.notes.items()]
        return "\n".join(parts)

    def slice_table(self, metric: str = METRIC) -> str:
        """Return one metric of every scorer in every slice, as plain text."""
        frames = slices_frames(self.slices, self.names, metric)
        return "\n\n".join([metric, *map(render_table, frames)])

    @property
    def verdict(self) -> str:
        """Return whether the default ranking is ahead of the baselines and, if not, the cheapest one that is as good; "" without a model
        or baselines.
        """
        if self.names[0] != DEFAULT_RANKING or MODEL_ONLY not in self.names:
            return ""
        baselines = [name for name in self.names if not uses_model(name) and name != ORACLE]
        as_good = [name for name in baselines if not self._is_ahead_of(name)]
        if not baselines:
            return ""
        if not as_good:
            best = max(baselines, key=lambda name: self.results[name][METRIC]["value"] or 0)
            return f"The {DEFAULT_RANKING} is significantly ahead of every baseline, the best of which is {best}."
        cheapest = min(as_good, key=lambda name: (*CHEAPEST, name).index(name))
        result = self.differences[f"{DEFAULT_RANKING} - {cheapest}"][METRIC]
        return (
            f"The {DEFAULT_RANKING} is not significantly ahead of {cheapest}, the cheapest ranking that is as good ({METRIC} "
            f"{write_difference(result)}): `vibes embed MARKET RUN` makes a run of attributes, photos, co-visits and recent "
            "events without training."
        )

    def _is_ahead_of(self, name: str) -> bool:
        result = self.differences[f"{DEFAULT_RANKING} - {name}"][METRIC]
        return (result["value"] or 0) > 0 and (result["p_holm"] or 0) < SIGNIFICANT

    @property
    def headline(self) -> str:
        """Return protocol and size in one line, and the recalls that are trivial because few listings were ranked."""
        hidden = ", history hidden" if self.queries.masked and self.split.protocol == "leave-one-out" else ""
        size = f"{count(len(self.queries), 'query', 'queries')} of {count(len(self.users), 'user')}"
        most = int(self.candidates.max(initial=0))
        trivial = " and ".join(f"recall@{k}" for k in RECALL if k >= most)
        note = f"; with {count(most, 'candidate')} at most, {trivial} is 1 in any order" if trivial else ""
        return f"{self.split.protocol}{hidden}: {size}{note}"


def results_frame(results: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per scorer and one column per metric: the mean and its 95 % interval."""
    rows = [
        {"": name}
        | {
            metric.replace("ndcg", "NDCG").replace(
                "mrr", "MRR"
            ): f"{item['value']:.3f} {write_interval(item)}"
            for metric, item in result.items()
        }
        for name, result in results.items()
    ]
    return pd.DataFrame(rows)


def differences_frame(
    differences: Mapping[str, Mapping[str, Any]], metrics: Sequence[str] = PAIRED
) -> pd.DataFrame:
    """Return one row per pair and one column per metric: the paired difference, its 95 % interval and its p-value."""
    rows = [
        {"": pair} | {metric.replace("ndcg", "NDCG"): write_difference(result[metric]) for metric in metrics}
        for pair, result in differences.items()
    ]
    return pd.DataFrame(rows)


def slices_frames(
    slices: Mapping[str, Mapping[str, Any]], scorers: Sequence[str], metric: str
) -> list[pd.DataFrame]:
    """Return one row per scorer and one column per slice, with the number of queries on top; weeks, if few, have a separate frame."""
    weeks = [name for name in slices if name.startswith("week ")]
    groups = [[name for name in slices if name not in weeks], weeks if len(weeks) <= MOST_WEEKS else []]
    frames = []
    for names in filter(None, groups):
        rows = [{"": "queries"} | {name: f"{slices[name]['queries']:,}" for name in names}]
        for scorer in scorers:
            values = {name: slices[name]["results"].get(scorer) for name in names}
            cells = {name: f"{item[metric]['value']:.3f}" if item else "-" for name, item in values.items()}
            rows.append({"": scorer} | cells)
        frames.append(pd.DataFrame(rows))
    return frames
