"""Checkpoints of a training, every so many steps, every minute and before a signal ends it; and the log of its steps."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from listing_vibes.market.documents import write_text
from listing_vibes.progress import Notice, Report

#: The maximum seconds between two checkpoints, and their minimum distance in multiples of the time to write one.
SECONDS, TIMES = 60.0, 20.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class TrainingState:
    """The position of a training, which is part of every checkpoint."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # the next batch of the epoch
    best: float = -1.0  # recall@30 of the best validation; -1 before the first one
    best_smooth: float = -1.0  # smooth recall@30 of the best validation, the selection criterion
    best_step: int = 0
    worse: int = 0  # steps since the best validation of the stage, at the last one
    bank_step: int = -1  # step of the last encoding of the bank
    finished: bool = False
    stage: int = 1  # stage of a two-stage training
    stage_step: int = 0  # first step of the stage
    stage_epoch: int = 0


class TrainingLog:
    """`train.jsonl`, one line per step, unless `path` is None; on resuming, lines after the checkpoint, at `step`, are removed."""

    def __init__(self, path: Path | None, step: int) -> None:
        self.path = path
        if path is None:
            return
        remaining = []
        if step and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= step:
                        remaining.append(line + "\n")
                except (ValueError, KeyError):  # The last line may be incomplete if the process was killed.
                    break
        write_text(path, "".join(remaining))

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")


class Checkpoints:
    """Writes the checkpoints of one loop of training steps.

    SIGTERM and SIGINT (Ctrl-C) end the training after the current step, once a checkpoint is written; a second one ends it at
    once.

    Args:
        every: the maximum number of steps between two checkpoints.
        write: writes a checkpoint after the last step; None if another process does.
        report: called with the step from which `--resume` continues, when a signal ends the training.
    """

    def __init__(self, every: int, write: Callable[[], None] | None, report: Report) -> None:
        self.every, self.write, self.report = every, write, report
        self.last, self.took = time.monotonic(), 0.0
        self.signal: int | None = None
        self.handlers: dict[int, Any] = {}  # the previous handlers

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Delay signals until the end of a step. This does nothing outside the main thread, which receives signals."""
        if self.write is not None and threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self.handlers[number] = signal.signal(number, self._handle)
        try:
            yield
        finally:
            self._restore()
        if self.signal is not None:  # The signal came after the last step.
            self._end(self.signal)

    def after_step(self, step: int) -> None:
        """Write a checkpoint if one is due, and end the training after a signal.

        Raises:
            SystemExit, KeyboardInterrupt: there was a SIGTERM or SIGINT; or the exception of the previous handler.
        """
        if self.write is None:
            return
        due = max(SECONDS, TIMES * self.took)
        if step % self.every == 0 or self.signal is not None or time.monotonic() - self.last >= due:
            started = time.monotonic()
            self.write()
            self.last = time.monotonic()
            self.took = self.last - started
        if self.signal is not None:
            self.report(Notice(f"Stopped by a signal after step {step}; continue with --resume."))
            self._end(self.signal)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:  # This is the second signal.
            self._end(number)
        self.signal = number

    def _restore(self) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self.handlers = {}

    def _end(self, number: int) -> None:
        """End the training by the previous handler, or by the signal's default action after closing all files."""
        self.signal = None
        self._restore()
        if signal.getsignal(number) is signal.SIG_DFL:
            raise SystemExit(128 + number)
        signal.raise_signal(number)


def has_checkpoint(run: Path) -> bool:
    """Return whether a training in the folder `run` was stopped and can be resumed."""
    return (run / ".training" / "run.toml").is_file()
