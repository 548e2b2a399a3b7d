"""Result of an experiment: impressions joined with events, and a sequential test that is valid at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError, needs
from listing_vibes.evaluation.sequential import LEVEL, AlwaysValid, always_valid
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.words import count, percent

with needs("An experiment", "serve"):
    from listing_vibes.serving.experiment.assignment import A, B, Setup, read_setup
    from listing_vibes.serving.impressions import read_feedback, read_impressions
    from listing_vibes.serving.places import resolve_place

#: Number of lost responses per arm that the document lists.
MAX_LOST = 10
#: p-value below which the split of the users deviates from the setup (sample ratio mismatch).
UNBALANCED = 0.001


@dataclass(frozen=True, eq=False, repr=False)
class Experiment:
    """Result of an experiment so far.

    Attributes:
        setup: the experiment.
        units: number of units that could have decided: responses of interleaved lists, else users; by arm for a split.
        outcomes: (n,) bool, whether each unit that decided did so for B, in the order of the decisions.
        decisions: (n rows) `request_id, user_id, acted_at, arm, listing_id, position`, in that order.
        events: number of events on a response of this database, and of all events that name a response.
        balance: always-valid p-value that the split of users matches the setup; None for interleaved lists.
        lost: by arm the newest responses that it lost: the chosen listing, and the best listing of this arm.
    """

    setup: Setup
    units: Mapping[str, int]
    outcomes: np.ndarray
    decisions: pd.DataFrame
    events: tuple[int, int]
    balance: float | None
    lost: Mapping[str, list[dict[str, Any]]]

    @property
    def null(self) -> float:
        """Return the share of B among the decisions if neither run is better."""
        return self.setup.share if self.setup.design == "split" else 0.5

    @cached_property
    def tested(self) -> AlwaysValid:
        """Return the share of B among the decisions, with its test."""
        return always_valid(self.outcomes, self.null)

    @property
    def verdict(self) -> str | None:
        """Return "A" or "B", the better run; None while the difference is not significant."""
        if self.tested.p_value > 1 - LEVEL or self.tested.value is None:
            return None
        return B if self.tested.low >= self.null else A

    def difference(self, share: float | None) -> float | None:
        """Return B's share minus A's if interleaved, else the relative lift of B, for a share of B among the decisions; None: unknown."""
        if share is None or self.setup.design == "interleave":
            return None if share is None else 2 * share - 1
        odds = self.setup.share / (1 - self.setup.share)
        return None if share >= 1 else share / (1 - share) / odds - 1

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes experiment --json`."""
        tested, decided, wins = self.tested, len(self.outcomes), int(self.outcomes.sum())
        return {
            "design": self.setup.design,
            "arms": {A: self.setup.a.model_dump(), B: self.setup.b.model_dump()},
            "share": self.setup.share,
            "units": {"of": "answers" if self.setup.design == "interleave" else "users", **self.units},
            "decided": decided,
            "wins": {A: decided - wins, B: wins},
            "events": {"joined": self.events[0], "all": self.events[1]},
            "difference": {
                "value": self.difference(tested.value),
                "low": self.difference(tested.low),
                "high": self.difference(tested.high),
                "p_value": tested.p_value,
            },
            "verdict": self.verdict,
            "balance_p": self.balance,
            "lost": dict(self.lost),
        }

    def __repr__(self) -> str:
        lines = [f"A: {self.setup.a}", f"B: {self.setup.b}", "", *self.sentences()]
        for arm, rows in self.lost.items():
            lines += ["", f"Lost by {arm}, the newest:"] if rows else []
            lines += [_lost_line(row) for row in rows]
        method = "Interval and p are valid at any time (a mixture sequential test, Johari et al. 2017)."
        return "\n".join([*lines, "", method])

    def sentences(self) -> list[str]:
        """Return the verdict, the figures, and warnings, as sentences."""
        document, units = self.to_dict(), self.units
        wins, difference = document["wins"], document["difference"]
        value, low, high = (
            "unknown" if difference[name] is None else percent(difference[name], unit=" %", signed=True)
            for name in ("value", "low", "high")
        )
        interval = f"95 % interval {low} to {high}, p {difference['p_value']:.3g}"
        lines = ["No verdict yet: the difference is not significant."]
        if not len(self.outcomes):
            lines = ["No verdict yet: no user has interacted with a shown listing."]
        elif self.verdict is not None:
            lines = [f"{self.verdict} is better than {A if self.verdict == B else B}."]
        if self.setup.design == "split":
            acted = "; ".join(f"{arm}: {wins[arm]:,} of {units[arm]:,} users acted" for arm in (A, B))
            compared = f"B's users act more often than A's by {value} ({interval})."
        else:
            acted = f"{len(self.outcomes):,} of {count(units['all'], 'response')} decided: {wins[A]:,} for A, {wins[B]:,} for B"
            compared = f"B's share minus A's: {value} ({interval})."
        lines.append(f"{acted}. {compared}" if len(self.outcomes) else f"{acted}.")
        if self.balance is not None and self.balance < UNBALANCED:
            lines.append(
                f"The users are not split as they should be ({self.setup.share:.3g} to B; p {self.balance:.2g}): users "
                "of one arm get lost. Find the cause first; until then the verdict is not valid."
            )
        joined, total = self.events
        if joined < total:
            lines.append(
                f"{count(total - joined, 'event')} of {total:,} name a response or a listing that was not shown here."
            )
        return lines


def experiment(folder: Path | str, actions: Sequence[str] | None = None) -> Experiment:
    """Evaluate the experiment of `vibes serve A B`, with or without `--split`, so far; the function behind `vibes experiment`.

    >>> experiment(shown).verdict in ("A", "B", None)
    True

    Interleaved, a response decides for the arm of its first listing that has an event. Split, a user decides for their arm with
    their first event on a listing that they were shown. A decision is final as long as events are not removed and arrive in the
    order of their times. If the arms are equal, each decision is as likely as the coin, so the test is exact at any number of
    checks.

    Args:
        folder: the place of `--impressions`.
        actions: actions that count; None: all but the unwanted ones ("not this").

    Raises:
        VibesError: the place has no experiment, or there are no events.
    """
    setup = read_setup(folder)
    if setup is None:
        raise VibesError(
            f"{folder} has no experiment; start one with `vibes serve A B --impressions {folder}`."
        )
    if not setup.events:
        raise VibesError(f"The experiment of {folder} takes no events; start one with `--events`, too.")
    # The recorded URL has no password, so the given one is used where both are the same database.
    feedback = read_feedback(folder if resolve_place(folder) == setup.events else setup.events)
    if actions is None:
        feedback = feedback[~feedback[C.ACTION].isin(_unwanted_actions(setup))]
    else:
        available = [str(action) for action in feedback[C.ACTION].dropna().unique()]
        if len(feedback) and (wrong := [action for action in actions if action not in available]):
            raise VibesError(
                f"No event has the action '{wrong[0]}'; give one of: {', '.join(available) or 'none'}."
            )
        feedback = feedback[feedback[C.ACTION].isin(actions)]
    return judge(setup, read_impressions(folder), feedback)


def judge(setup: Setup, shown: pd.DataFrame, feedback: pd.DataFrame) -> Experiment:
    """Return the result of an experiment.

    Args:
        shown: all impressions of its database, see `read_impressions`; only those of the experiment count.
        feedback: see `read_feedback`.
    """
    columns = ["request_id", C.LISTING, C.USER, "position", "arm", "time"]
    joined = feedback.merge(shown[columns], on=["request_id", C.LISTING])
    shown = shown[shown["tried"]]
    # An event cannot precede its impression; some clocks have a resolution of one second.
    counted = joined[joined["arm"].notna() & ~(joined["acted_at"] < joined["time"].dt.floor("s"))]
    balance, lost = None, {A: list[dict[str, Any]](), B: list[dict[str, Any]]()}
    if setup.design == "interleave":
        decisions = counted.drop_duplicates("request_id")
        units = {"all": int(shown["request_id"].nunique())}
        lost = {arm: _lost(arm, shown, decisions) for arm in (A, B)}
    else:
        unit = shown[C.USER].fillna(shown["request_id"])
        arms = shown.assign(unit=unit).drop_duplicates("unit")["arm"]
        decisions = counted.assign(unit=counted[C.USER].fillna(counted["request_id"])).drop_duplicates("unit")
        units = {A: int((arms == A).sum()), B: int((arms == B).sum())}
        balance = always_valid((arms == B).to_numpy(), setup.share).p_value
    decided = decisions[["request_id", C.USER, "acted_at", "arm", C.LISTING, "position"]]
    outcomes = (decisions["arm"] == B).to_numpy(bool)
    events = len(joined), len(feedback)
    return Experiment(setup, units, outcomes, decided.reset_index(drop=True), events, balance, lost)


def _lost(arm: str, shown: pd.DataFrame, decisions: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the newest responses in which a listing of the other arm was chosen, with the best listing of this arm."""
    rows = decisions[decisions["arm"] != arm].tail(MAX_LOST)[::-1]
    best = shown[(shown["arm"] == arm) & shown["request_id"].isin(rows["request_id"])]
    best = best.drop_duplicates("request_id").set_index("request_id")

    def describe(row: Any) -> dict[str, Any]:
        return {C.LISTING: row.listing_id, "position": int(row.position)}

    return [
        {
            "request_id": row.request_id,
            C.USER: None if pd.isna(row.user_id) else row.user_id,
            "at": str(row.acted_at),
            "chosen": describe(row),
            "own": describe(best.loc[row.request_id]) if row.request_id in best.index else None,
        }
        for row in rows.itertuples()
    ]


def _unwanted_actions(setup: Setup) -> Sequence[str]:
    """Return the unwanted actions ("not this") in the market of A."""
    from listing_vibes.run.run import Run

    try:
        return Run.open(Path(setup.a.run), events_too=False).market.config.unwanted
    except VibesError:  # the run or its market is not available
        return MarketConfig().unwanted


def _lost_line(row: Mapping[str, Any]) -> str:
    chosen, best = (
        item and f"{item['listing_id']} (rank {item['position']})" for item in (row["chosen"], row["own"])
    )
    user = row["user_id"] or "an unknown user"
    return f"  {row['at'][:16]} {user} ({row['request_id']}) chose {chosen}{f' rather than {best}' if best else ''}"
