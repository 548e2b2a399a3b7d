"""The first level of baselines, what any model has to beat: one class in one file each."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split, choosing
from listing_vibes.progress import Counted, Report
from listing_vibes.registry import Registry


class Baseline(ABC):
    """A scorer without a training of its own: `recent_popularity.py` in this folder is "recent-popularity" in a grid.

    Evaluation, ablations, tables and the report measure every one of them. One that derives from
    `listing_vibes.scoring.interactions.IdModel` knows listings by their ids, and is also blended with a model.
    """

    #: What tables and files call it.
    name: str
    #: What people read; "": the name.
    label: ClassVar[str] = ""
    #: Its place among the baselines.
    order: ClassVar[int] = 100
    #: Fitted many times over to be tuned, each time in cubic time or many passes: what `--baselines fast` leaves out.
    slow: ClassVar[bool] = False
    #: The name of the baseline that it approximates: measured only where that one is left out of a large market.
    stands_in_for: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def tune(cls, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0) -> Self:
        """Fitted on the training events, with the settings that are best on validation (see `listing_vibes.scoring.tuning`).

        Raises:
            LeftOut: the market is beyond what it can serve.
            VibesError: no event trains.
        """

    def fitted_on(self, log: EventLog, train: np.ndarray, seed: int = 0) -> Self:
        """The same settings, fitted on the events where `train` (N,) holds; itself, where nothing is fitted.

        Raises:
            LeftOut: the market is beyond what it can serve.
        """
        return self

    @abstractmethod
    def score(self, batch: Queries) -> np.ndarray:
        """(B, L) float32, see `listing_vibes.scoring.ranking.Scorer`."""


class LeftOut(VibesError):
    """A baseline cannot serve this market; the others are measured without it."""

    #: The reason in the words of tables.
    why: ClassVar[str] = "too many listings"


#: All of them by the names that grids give them.
BASELINES = Registry(__name__, Baseline, "baseline", group="listing_vibes.baselines")


def in_order() -> dict[str, type[Baseline]]:
    """All baselines by name, in the order of tables."""
    return dict(sorted(BASELINES.items(), key=lambda item: item[1].order))


def tuned(
    baseline: type[Baseline], log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0
) -> Baseline:
    """A `baseline` with the settings that are best on validation, fitted on the training events; of a refit, which validates
    nothing, with those that are best where `choosing` has it.

    Raises:
        LeftOut: the market is beyond what it can serve.
        VibesError: no event trains.
    """
    query = choosing(split, log, catalogue)
    result = baseline.tune(log, query, catalogue, seed)
    return result if query is split else result.fitted_on(log, split.train, seed)


def first_level(
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    report: Report | None = None,
    seed: int = 0,
    slow_too: bool = True,
    left_out: dict[str, str] | None = None,
) -> list[Baseline]:
    """Every baseline, tuned on validation recall@30 (see `tuned`); one that cannot serve so large a market is left out, with a warning
    in the log that says so, and what stands in for it is measured.

    Args:
        slow_too: False: without those that take long (`Baseline.slow`).
        left_out: is told which were left out, by label, and why.

    Raises:
        VibesError: no event trains.
    """
    missing = {} if left_out is None else left_out
    steps = [item for item in in_order().values() if slow_too or not item.slow]
    missing |= {
        item.label or item.name: "takes long"
        for item in in_order().values()
        if item not in steps and not item.stands_in_for
    }
    scorers: list[Baseline] = []
    for done, baseline in enumerate(steps):
        if any(scorer.name == baseline.stands_in_for for scorer in scorers):
            continue
        if report is not None:
            report(Counted(f"baseline {baseline.name}", done, len(steps)))
        try:
            scorers.append(tuned(baseline, log, split, catalogue, seed))
        except LeftOut as reason:
            logging.getLogger(__name__).warning("%s", reason)
            missing[baseline.label or baseline.name] = reason.why
    if report is not None:
        report(Counted("baselines", len(steps), len(steps)))
    return scorers
