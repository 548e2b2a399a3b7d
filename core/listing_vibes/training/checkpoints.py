"""When a training writes a checkpoint: every so many steps, every minute, and before a signal ends it."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from listing_vibes.progress import Notice, Report

#: Seconds between two checkpoints, at most, and times as long as writing the last one took, at least: of a large model that takes seconds.
SECONDS, TIMES = 60.0, 20.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Checkpoints:
    """Writes the checkpoints of one loop of training steps.

    SIGTERM and SIGINT (Ctrl-C) end the training after the step at work, once a checkpoint is written; a second one ends it at once.

    Args:
        every: steps between two checkpoints, at most.
        write: writes a checkpoint of the state after the last step; None: another process does.
        report: told from which step `--resume` goes on, when a signal ends the training.
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
