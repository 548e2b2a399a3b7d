"""Progress updates of long functions, passed to a callback.

Every long function has an argument `report: Report = silent`, which discards the updates. `listing_vibes.progress.bar` shows
them on a terminal.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Stage:
    """The start of a stage of unknown duration."""

    what: str


@dataclass(frozen=True)
class Counted:
    """The progress of a stage that is counted."""

    what: str
    done: float
    total: int
    left: float | None = None  # seconds; None if unknown


@dataclass(frozen=True)
class Trained:
    """The completion of a training step."""

    step: int
    planned: int
    loss: float
    left: float | None = None  # seconds
    what: str = "training"


@dataclass(frozen=True)
class Validated:
    """The result of an evaluation on the validation queries."""

    step: int
    recall: float  # recall@30, a mean over users
    smooth: float  # its smooth form (`listing_vibes.scoring.ranking_metrics.smooth_recall`), which selects the best weights
    best_step: int  # step of the best weights
    best: float  # their smooth recall


@dataclass(frozen=True)
class Notice:
    """A message to the user."""

    text: str


Update: TypeAlias = Stage | Counted | Trained | Validated | Notice
Report: TypeAlias = Callable[[Update], None]


def silent(update: Update) -> None:
    """Discard an update."""


@contextmanager
def shown(progress: Report | bool) -> Iterator[Report]:
    """Yield the callback for an argument `progress`: True is the bar of the command line, False discards updates."""
    if progress is True:
        from listing_vibes.progress.bar import ProgressBar  # rich takes a while to load

        with ProgressBar() as bar:
            yield bar
    else:
        yield progress if callable(progress) else silent
