"""Which of two runs is better: impressions and events joined, and a test that may be looked at whenever one likes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.evaluation.sequential import LEVEL, POWER, AlwaysValid, always_valid, needed
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.market import Market
from listing_vibes.market.photo_folders import PhotoFolders
from listing_vibes.serving.experiment.setup import A, B, Setup, setup_of
from listing_vibes.serving.experiment.text import experiment_text
from listing_vibes.serving.impressions.tables import of_experiment, read_feedback, read_impressions

#: Differences for which the document says how long they would take to be seen, and lost queries that it tells of each.
DIFFERENCES, TOLD = (0.02, 0.05, 0.1, 0.2), 10

_READ = ("request_id", "time", "kind", C.USER, "position", C.LISTING, "arm", "tried")


@dataclass(frozen=True, eq=False, repr=False)
class Experiment:
    """What an experiment has shown so far.

    Attributes:
        setup: what is tried against what.
        units: how many could have decided: answers where lists are interleaved, else users; by arm where they are split.
        outcomes: (n,) bool, of those that have decided, in the order in which they did: whether for B.
        decisions: (n rows) `request_id, user_id, acted_at, arm, listing_id, position`, in that order.
        events: that are about an answer that was shown here, and all that name an answer.
        balance: p-value, valid at every look, that the users are split as they should be; None where lists are interleaved.
        lost: by arm the newest answers that it lost: what was chosen, and the best that this arm had put there.
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
        """The share of B among the decided where neither is better."""
        return self.setup.share if self.setup.design == "split" else 0.5

    @property
    def verdict(self) -> str | None:
        """ "A" or "B"; None: nobody knows yet."""
        found = self.tested
        if found.p_value > 1 - LEVEL or found.value is None:
            return None
        return B if found.low >= self.null else A

    @cached_property
    def tested(self) -> AlwaysValid:
        """The share of B among those that have decided."""
        return always_valid(self.outcomes, self.null)

    def difference(self, share: float) -> float:
        """What a share of B among the decided means: interleaved, B's minus A's; split, how much more of B's users act."""
        if self.setup.design == "interleave":
            return 2 * share - 1
        odds = self.setup.share / (1 - self.setup.share)
        return float("inf") if share >= 1 else share / (1 - share) / odds - 1

    def share_at(self, difference: float) -> float:
        """The share that a difference means."""
        if self.setup.design == "interleave":
            return (1 + difference) / 2
        odds = (1 + difference) * self.setup.share / (1 - self.setup.share)
        return odds / (1 + odds)

    def more(self, share: float) -> int | None:
        """How many more units it takes until the test ends with a chance of `POWER`, where this is the truth; None: nobody knows."""
        rate, wanted = len(self.outcomes) / max(1, sum(self.units.values())), needed(share, self.null)
        if not rate or wanted is None:
            return None
        return max(0, int(np.ceil((wanted - len(self.outcomes)) / rate)))

    def to_dict(self) -> dict[str, Any]:
        """The document of `vibes experiment --json`."""
        found, decided = self.tested, len(self.outcomes)
        wins = {A: int(decided - self.outcomes.sum()), B: int(self.outcomes.sum())}
        seen = None if found.value is None else self.difference(found.value)
        return {
            "design": self.setup.design,
            "arms": {A: self.setup.a.model_dump(), B: self.setup.b.model_dump()},
            "share": self.setup.share,
            "units": {"of": "answers" if self.setup.design == "interleave" else "users", **self.units},
            "decided": decided,
            "wins": wins,
            "events": {"joined": self.events[0], "all": self.events[1]},
            "difference": {
                "value": _finite(seen),
                "low": _finite(self.difference(found.low)),
                "high": _finite(self.difference(found.high)),
                "p_value": found.p_value,
            },
            "verdict": self.verdict,
            "balance_p": self.balance,
            "more": {
                "power": POWER,
                "as_seen": None if found.value is None or self.verdict else self.more(found.value),
                "at": {f"{one:g}": self.more(self.share_at(one)) for one in DIFFERENCES},
            },
            "lost": dict(self.lost),
        }

    def __repr__(self) -> str:
        return experiment_text(self.to_dict())


def experiment(
    folder: Path | str, events: Path | str | None = None, actions: Sequence[str] | None = None
) -> Experiment:
    """What `vibes serve A B --interleave` or `--split` has shown so far: what `vibes experiment` does.

    >>> experiment(shown).verdict in ("A", "B", None)
    True

    Interleaved, an answer decides for whoever put there the first listing of it that an event came for. Split, a user decides
    for the arm that they have, at their first event on a listing that they were shown. Neither is taken back while the events stay where they
    are and come in the order of their moments, and where
    the arms are alike each is as likely as the coin was, so the test is exact, and stays so however often it is looked at.

    Args:
        folder: that of `--impressions`.
        events: that of `--events`; None: as the services had it.
        actions: events that count; None: all but those that say "not this".

    Raises:
        VibesError: the place has no experiment, or there are no events.
    """
    shown, setup = read_impressions(folder, columns=_READ), setup_of(folder)
    if setup is None:
        raise VibesError(
            f"{folder} has no experiment; `vibes serve A B --interleave --impressions {folder}` begins one."
        )
    place = events or setup.events
    if not place:
        raise VibesError(
            f"The experiment of {folder} had no --events; give the place that events were posted to."
        )
    told = read_feedback(place)
    if actions is not None:
        known = [str(one) for one in told[C.ACTION].dropna().unique()]
        for one in actions:
            if one not in known and len(told):
                raise VibesError(
                    f"No event has the action '{one}'; give one of: {', '.join(known) or 'none'}."
                )
        told = told[told[C.ACTION].isin(actions)]
    else:
        market = _market(setup)
        unwanted = (MarketConfig() if market is None else market.config).unwanted
        told = told[~told[C.ACTION].isin(unwanted)]
    return _of(setup, shown, told)


def _of(setup: Setup, shown: pd.DataFrame, told: pd.DataFrame) -> Experiment:
    """What came of it: `shown` are all answers of the folder, of which those of the experiment count."""
    joined = told.merge(
        shown[["request_id", C.LISTING, C.USER, "position", "arm", "time"]],
        on=["request_id", C.LISTING],
        how="inner",
    )
    shown = shown[of_experiment(shown)]
    counted = joined[joined["arm"].notna()]
    # No answer is acted on before it is there; clocks may tell whole seconds only.
    if counted["acted_at"].dtype.kind == "M":
        counted = counted[~(counted["acted_at"] < counted["time"].dt.floor("s"))]
    if setup.design == "interleave":
        decisions = counted.drop_duplicates("request_id")
        units = {"all": int(shown["request_id"].nunique())}
        balance = None
    else:
        unit = shown[C.USER].fillna(shown["request_id"])
        arms = shown.assign(unit=unit)[shown["arm"].notna()].drop_duplicates("unit")["arm"]
        decisions = counted.assign(unit=counted[C.USER].fillna(counted["request_id"])).drop_duplicates("unit")
        units = {A: int((arms == A).sum()), B: int((arms == B).sum())}
        balance = always_valid((arms == B).to_numpy(), setup.share).p_value
    outcomes = (decisions["arm"] == B).to_numpy(bool)
    lost = _lost(setup, shown, decisions) if setup.design == "interleave" else {A: [], B: []}
    columns = ["request_id", C.USER, "acted_at", "arm", C.LISTING, "position"]
    return Experiment(
        setup,
        units,
        outcomes,
        decisions[columns].reset_index(drop=True),
        (len(joined), len(told)),
        balance,
        lost,
    )


def _lost(setup: Setup, shown: pd.DataFrame, decisions: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """By arm the newest answers in which a listing of the other was chosen, beside the best of its own."""
    photos = _covers(setup)
    found: dict[str, list[dict[str, Any]]] = {}
    for arm, other in ((A, B), (B, A)):
        rows = decisions[decisions["arm"] == other].tail(TOLD)[::-1]
        best = shown[(shown["arm"] == arm) & shown["request_id"].isin(rows["request_id"])]
        own = {
            one.request_id: _shown(one.listing_id, one.position, photos)
            for one in best.drop_duplicates("request_id").itertuples()
        }
        found[arm] = [
            {
                "request_id": row.request_id,
                C.USER: None if pd.isna(row.user_id) else row.user_id,
                "at": str(row.acted_at),
                "chosen": _shown(row.listing_id, row.position, photos),
                "own": own.get(row.request_id),
            }
            for row in rows.itertuples()
        ]
    return found


def _shown(listing: str, position: int, photos: Mapping[str, str]) -> dict[str, Any]:
    return {C.LISTING: listing, "position": int(position), "photo": photos.get(listing)}


def _covers(setup: Setup) -> dict[str, str]:
    """The path of the first photo of every listing, by the market of A; empty where that is not at hand."""
    market = _market(setup)
    if market is None:
        return {}
    folders = PhotoFolders.of(market.path)
    return {listing: str(Path(folders.file(path)).resolve()) for listing, path in market.cover.items()}


def _market(setup: Setup) -> Market | None:
    """The market of A; None where it is not at hand."""
    from listing_vibes.run.run import Run

    try:
        return Run.open(Path(setup.a.run), events_too=False).market
    except VibesError:
        return None


def _finite(number: float | None) -> float | None:
    return None if number is None or not np.isfinite(number) else float(number)
