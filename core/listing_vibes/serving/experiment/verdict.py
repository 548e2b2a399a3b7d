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
from listing_vibes.evaluation.sequential import LEVEL, POWER, AlwaysValid, always_valid, needed
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.words import count, percent

with needs("An experiment", "serve"):
    from listing_vibes.serving.experiment.assignment import A, B, Setup, read_setup
    from listing_vibes.serving.impressions import read_feedback, read_impressions

#: Differences for which the document gives the sample size, and the number of lost responses per arm that it lists.
DIFFERENCES, MAX_LOST = (0.02, 0.05, 0.1, 0.2), 10
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

    def difference(self, share: float) -> float:
        """Return the difference for a share of B among the decisions: B's share minus A's if interleaved, else the relative lift of B."""
        if self.setup.design == "interleave":
            return 2 * share - 1
        odds = self.setup.share / (1 - self.setup.share)
        return float("inf") if share >= 1 else share / (1 - share) / odds - 1

    def share_at(self, difference: float) -> float:
        """Return the share of B for a difference."""
        if self.setup.design == "interleave":
            return (1 + difference) / 2
        odds = (1 + difference) * self.setup.share / (1 - self.setup.share)
        return odds / (1 + odds)

    def more(self, share: float) -> int | None:
        """Return how many more units the test needs for a power of `POWER` if this is the true share; None if unknown."""
        rate, total = len(self.outcomes) / max(1, sum(self.units.values())), needed(share, self.null)
        if not rate or total is None:
            return None
        return max(0, int(np.ceil((total - len(self.outcomes)) / rate)))

    def to_dict(self) -> dict[str, Any]:
        """Return the document of `vibes experiment --json`."""
        tested, decided = self.tested, len(self.outcomes)
        return {
            "design": self.setup.design,
            "arms": {A: self.setup.a.model_dump(), B: self.setup.b.model_dump()},
            "share": self.setup.share,
            "units": {"of": "answers" if self.setup.design == "interleave" else "users", **self.units},
            "decided": decided,
            "wins": {A: int(decided - self.outcomes.sum()), B: int(self.outcomes.sum())},
            "events": {"joined": self.events[0], "all": self.events[1]},
            "difference": {
                "value": None if tested.value is None else _finite(self.difference(tested.value)),
                "low": _finite(self.difference(tested.low)),
                "high": _finite(self.difference(tested.high)),
                "p_value": tested.p_value,
            },
            "verdict": self.verdict,
            "balance_p": self.balance,
            "more": {
                "power": POWER,
                "as_seen": None if tested.value is None or self.verdict else self.more(tested.value),
                "at": {f"{item:g}": self.more(self.share_at(item)) for item in DIFFERENCES},
            },
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
        """Return the verdict, the figures, the remaining sample size, and warnings, as sentences."""
        document, units = self.to_dict(), self.units
        wins, difference, more = document["wins"], document["difference"], document["more"]
        interval = f"95 % interval {_percent(difference['low'])} to {_percent(difference['high'])}, p {difference['p_value']:.3g}"
        lines = ["No verdict yet: the difference is not significant."]
        if not len(self.outcomes):
            lines = ["No verdict yet: no user has interacted with a shown listing."]
        elif self.verdict is not None:
            lines = [f"{self.verdict} is better than {A if self.verdict == B else B}."]
        if self.setup.design == "split":
            acted = "; ".join(f"{arm}: {wins[arm]:,} of {units[arm]:,} users acted" for arm in (A, B))
            compared = (
                f"Share of B's users who acted minus A's: {_percent(difference['value'])} ({interval})."
            )
        else:
            acted = f"{len(self.outcomes):,} of {count(units['all'], 'response')} decided: {wins[A]:,} for A, {wins[B]:,} for B"
            compared = f"B's share minus A's: {_percent(difference['value'])} ({interval})."
        lines.append(f"{acted}. {compared}" if len(self.outcomes) else f"{acted}.")
        if more["as_seen"] is not None:
            unit = "users" if self.setup.design == "split" else "responses"
            sizes = ", ".join(
                f"{n:,} for {float(item):.0%}" for item, n in more["at"].items() if n is not None
            )
            lines.append(
                f"About {more['as_seen']:,} more {unit} are needed if the difference is as large as it seems (power {POWER:.0%}; {sizes})."
            )
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


def experiment(
    folder: Path | str, events: Path | str | None = None, actions: Sequence[str] | None = None
) -> Experiment:
    """Evaluate the experiment of `vibes serve A B`, with or without `--split`, so far; the function behind `vibes experiment`.

    >>> experiment(shown).verdict in ("A", "B", None)
    True

    Interleaved, a response decides for the arm of its first listing that has an event. Split, a user decides for their arm with
    their first event on a listing that they were shown. A decision is final as long as events are not removed and arrive in the
    order of their times. If the arms are equal, each decision is as likely as the coin, so the test is exact at any number of
    checks.

    Args:
        folder: the place of `--impressions`.
        events: the place of `--events`; None: as recorded by the services.
        actions: actions that count; None: all but the unwanted ones ("not this").

    Raises:
        VibesError: the place has no experiment, or there are no events.
    """
    setup = read_setup(folder)
    if setup is None:
        raise VibesError(
            f"{folder} has no experiment; start one with `vibes serve A B --impressions {folder}`."
        )
    if not (place := events or setup.events):
        raise VibesError(
            f"The experiment of {folder} has no events; give --events with the place that events were posted to."
        )
    feedback = read_feedback(place)
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


def _percent(value: float | None) -> str:
    return "unknown" if value is None else percent(value, unit=" %", signed=True)


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
