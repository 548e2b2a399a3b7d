"""Progress bar of the command line, on stderr."""

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from listing_vibes.progress import Counted, Notice, Stage, Trained, Update, Validated

#: Seconds between two progress lines in a log, and before the first one.
EVERY_S, FIRST_S = 30.0, 1.0


class TimeLeftColumn(TimeRemainingColumn):
    """The remaining time by the estimate of the update, else by the speed of the bar."""

    def render(self, task: Task) -> Text:
        """Return the time as `0:12:30`."""
        left = task.fields.get("left")
        if left is None:
            return super().render(task)
        return Text(str(timedelta(seconds=round(left))), style="progress.remaining")


class ProgressBar:
    """One progress bar on stderr, with an estimate of the remaining time; if stderr is not a terminal, a line
    after the first second, and then every `EVERY_S`.

    It is a `listing_vibes.progress.Report`.
    """

    def __enter__(self) -> "ProgressBar":
        self.console = Console(stderr=True, force_jupyter=False)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeLeftColumn(),
            console=self.console,
            transient=True,
        )
        if self.console.is_terminal:  # in a log `stop` would write an empty line
            self.bar.start()
        self.tasks: dict[str, TaskID] = {}
        self.due: dict[str, float] = {}  # when the next line of a log is due
        self.first: dict[str, tuple[float, float]] = {}  # when a stage started, and what was done then
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.bar.stop()

    def __call__(self, update: Update) -> None:
        """Show an update: counted stages on the bar, all others as a line."""
        match update:
            case Counted(what, done, total, left):
                self._count(what, done, total, left, what)
            case Trained(step, planned, loss, left, what):
                self._count(what, step, planned, left, f"{what}, loss {loss:.3f}")
            case Stage(what):
                self._line(f"{what} ...")
            case Notice(text):
                self._line(text)
            case Validated(step, recall, smooth, best_step, best):
                stored = f"(kept: step {best_step}, smooth {best:.4f})"
                self._line(f"step {step}: validation recall@30 {recall:.4f}, smooth {smooth:.4f} {stored}")

    def _count(self, what: str, done: float, total: int, left: float | None, given: str) -> None:
        now = time.monotonic()
        if what not in self.tasks:
            self.tasks[what] = self.bar.add_task(what, total=total)
            self.due[what], self.first[what] = now + FIRST_S, (now, done)
        started, before = self.first[what]
        if left is None and done > before:
            left = (now - started) / (done - before) * (total - done)
        self.bar.update(self.tasks[what], completed=done, total=total, left=left, description=given)
        if not self.console.is_terminal and time.monotonic() >= self.due[what]:
            self.due = dict.fromkeys(self.due, time.monotonic() + EVERY_S)
            self._line(f"{given}: {round(done, 1):,.10g} of {total:,}{_left(left)}")

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"
