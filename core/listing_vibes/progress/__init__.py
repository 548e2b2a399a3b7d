"""What long work tells while it runs: updates of a few kinds, given to one function.

Every long function takes `report: Report | None = None`; None means that nobody listens. `listing_vibes.progress.bar` shows the
updates on a terminal.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias


@dataclass(frozen=True)
class Stage:
    """A piece of work begins of which nobody can say how long it takes."""

    what: str


@dataclass(frozen=True)
class Counted:
    """How much of a piece of work is done."""

    what: str
    done: float
    total: int
    left: float | None = None  # seconds; None where nobody can say


@dataclass(frozen=True)
class Trained:
    """A step of a training was taken."""

    step: int
    planned: int
    loss: float
    left: float | None = None  # seconds
    what: str = "training"


@dataclass(frozen=True)
class Validated:
    """The model was measured on the validation queries."""

    step: int
    recall: float  # recall@30, a mean over users
    smooth: (
        float  # its smooth form (`listing_vibes.scoring.metrics.smooth_recall`), by which weights are kept
    )
    best_step: int  # whose weights are kept
    best: float  # their smooth recall


@dataclass(frozen=True)
class Notice:
    """A sentence that whoever waits should read."""

    text: str


@dataclass(frozen=True)
class JobDone:
    """One of several jobs came to its end; `standing` says how much of all of them is done."""

    job: str
    seed: int
    seconds: float
    standing: Counted
    error: str = ""  # why it failed


Update: TypeAlias = Stage | Counted | Trained | Validated | Notice | JobDone
Report: TypeAlias = Callable[[Update], None]


def silent(update: Update) -> None:
    """Nobody listens."""


@contextmanager
def shown(progress: Report | bool) -> Iterator[Report]:
    """What somebody asks for who calls from Python: True is the bar of the command line, False silence."""
    if progress is True:
        from listing_vibes.progress.bar import ProgressBar  # rich takes a while to load

        with ProgressBar() as bar:
            yield bar
    else:
        yield progress if callable(progress) else silent


def renamed(report: Report | None, what: str) -> Report | None:
    """`report`, where a piece of work that is counted goes by the name `what`."""
    if report is None:
        return None
    return lambda update: report(replace(update, what=what) if isinstance(update, Counted) else update)
