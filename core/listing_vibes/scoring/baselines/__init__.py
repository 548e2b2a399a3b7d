"""The first level of baselines, which any model has to beat: one class per file."""

import logging
from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np

from listing_vibes.errors import VibesError
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, Queries, Split, choosing
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.registry import Registry


class Baseline(ABC):
    """A scorer that is fitted in seconds or not trained at all: `recent_popularity.py` in this folder is "recent-popularity" in a grid.

    Evaluation, ablations, tables and the report have all of them. A baseline that derives from
    `listing_vibes.scoring.interactions.IdModel` knows only listing ids, and is also blended with the model.
    """

    #: The name in tables and files.
    name: str
    #: The position among the baselines.
    order: ClassVar[int] = 100
    #: Whether tuning is slow (many fits in cubic time or with many passes), so that `--baselines fast` leaves it out.
    slow: ClassVar[bool] = False
    #: The name of the baseline that it approximates; it is evaluated only if that one is left out in a large market.
    stands_in_for: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def tune(cls, log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0) -> Self:
        """Return the baseline with the best settings on validation (see `listing_vibes.scoring.tuning`), fitted on the training events.

        Raises:
            LeftOut: the market is too large for it.
            VibesError: there are no training events.
        """

    def fitted_on(self, log: EventLog, train: np.ndarray, seed: int = 0) -> Self:
        """Return the baseline with the same settings, fitted on the events `train` (N,) bool; itself if nothing is fitted.

        Raises:
            LeftOut: the market is too large for it.
        """
        return self

    @abstractmethod
    def score(self, batch: Queries) -> np.ndarray:
        """Return scores (B, L) float32, see `listing_vibes.scoring.ranking.Scorer`."""


class LeftOut(VibesError):
    """The market is too large for a baseline; the others are evaluated without it."""

    #: The reason in tables.
    why: ClassVar[str] = "too many listings"


#: All baselines by name.
BASELINES = Registry(__name__, Baseline, "baseline", group="listing_vibes.baselines")


def in_order() -> dict[str, type[Baseline]]:
    """Return all baselines by name, in the order of tables."""
    return dict(sorted(BASELINES.items(), key=lambda item: item[1].order))


def tuned(
    baseline: type[Baseline], log: EventLog, split: Split, catalogue: Catalogue, seed: int = 0
) -> Baseline:
    """Return a `baseline` with the best settings on validation, fitted on the training events.

    For a refit, which has no validation, the settings are the best ones on the split `choosing`.

    Raises:
        LeftOut: the market is too large for it.
        VibesError: there are no training events.
    """
    query = choosing(split, log, catalogue)
    result = baseline.tune(log, query, catalogue, seed)
    return result if query is split else result.fitted_on(log, split.train, seed)


def first_level(
    log: EventLog,
    split: Split,
    catalogue: Catalogue,
    report: Report = silent,
    seed: int = 0,
    slow_too: bool = True,
    left_out: dict[str, str] | None = None,
) -> list[Baseline]:
    """Return every baseline, tuned on validation recall@30 (see `tuned`).

    A baseline for which the market is too large is left out with a warning, and replaced by its approximation.

    Args:
        slow_too: whether to include slow baselines (`Baseline.slow`).
        left_out: receives the name of each baseline that is left out, and the reason.

    Raises:
        VibesError: there are no training events.
    """
    missing = {} if left_out is None else left_out
    steps = [item for item in in_order().values() if slow_too or not item.slow]
    missing |= {
        item.name: "takes long"
        for item in in_order().values()
        if item not in steps and not item.stands_in_for
    }
    scorers: list[Baseline] = []
    for done, baseline in enumerate(steps):
        if any(scorer.name == baseline.stands_in_for for scorer in scorers):
            continue
        report(Counted(f"baseline {baseline.name}", done, len(steps)))
        try:
            scorers.append(tuned(baseline, log, split, catalogue, seed))
        except LeftOut as reason:
            logging.getLogger(__name__).warning("%s", reason)
            missing[baseline.name] = reason.why
    report(Counted("baselines", len(steps), len(steps)))
    return scorers
