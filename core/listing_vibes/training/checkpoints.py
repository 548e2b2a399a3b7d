"""When a training writes a checkpoint: every so many steps, every minute, and before a signal ends it; and the log of its steps."""

from __future__ import annotations

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

#: Seconds between two checkpoints, at most, and times as long as writing the last one took, at least.
SECONDS, TIMES = 60.0, 20.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass
class TrainingState:
    """Where a training is; part of every checkpoint."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # of the epoch, the next to come
    best: float = -1.0  # recall@30 of the best validation; -1 = there was none
    best_smooth: float = -1.0  # what the best one is chosen by
    best_step: int = 0
    worse: int = 0  # steps from the best validation of the stage to the last one
    bank_step: int = -1  # step at which the bank was last encoded
    photo_step: int = -1  # step at which trained photo vectors were last encoded
    finished: bool = False
    stage: int = 1  # of a two-stage training
    stage_step: int = 0  # step at which the stage began
    stage_epoch: int = 0
    above: int = 0  # steps in a row with a loss above that of a model that knows nothing


class TrainingLog:
    """`train.jsonl`, one line a step; on resuming, lines after the checkpoint are dropped.

    Args:
        step: of the checkpoint.
        writes: whether this process writes.
    """

    def __init__(self, path: Path, step: int, writes: bool) -> None:
        self.path, self.writes = path, writes
        if not writes:
            return
        remaining = []
        if step and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= step:
                        remaining.append(line + "\n")
                except (ValueError, KeyError):  # the line that was being written when the process was killed
                    break
        write_text(path, "".join(remaining))

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line."""
        if self.writes:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")


class Checkpoints:
    """Writes the checkpoints of one loop of training steps.

    SIGTERM and SIGINT (Ctrl-C) end the training after the current step, once a checkpoint is written; a second one ends it at
    once.

    Args:
        every: steps between two checkpoints, at most.
        write: writes a checkpoint of the state after the last step; None: another process does.
        report: receives from which step `--resume` goes on, when a signal ends the training.
    """

    def __init__(self, every: int, write: Callable[[], None] | None, report: Report) -> None:
        self.every, self.write, self.report = every, write, report
        self.last, self.took = time.monotonic(), 0.0
        self.signal: int | None = None
        self.handlers: dict[int, Any] = {}  # those before

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Let a signal wait for the end of a step. Elsewhere than in the main thread, which alone gets signals, change nothing."""
        if self.write is not None and threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self.handlers[number] = signal.signal(number, self._handle)
        try:
            yield
        finally:
            self._restore()
        if self.signal is not None:  # it came after the last step
            self._end(self.signal)

    def after_step(self, step: int) -> None:
        """Write a checkpoint where one is due, and end where a signal asked for it.

        Raises:
            SystemExit, KeyboardInterrupt: there was a SIGTERM, a SIGINT; or what the handler that was installed before raises.
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
            self.report(
                Notice(f"Stopped by a signal after step {step}; with --resume it goes on from there.")
            )
            self._end(self.signal)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:  # the second one
            self._end(number)
        self.signal = number

    def _restore(self) -> None:
        for number, handler in self.handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self.handlers = {}

    def _end(self, number: int) -> None:
        """End by the handler that was installed before, or as by the signal itself, but with everything that is open closed."""
        self.signal = None
        self._restore()
        if signal.getsignal(number) is signal.SIG_DFL:
            raise SystemExit(128 + number)
        signal.raise_signal(number)
