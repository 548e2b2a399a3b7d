"""Several processes behind one address: started, replaced where one dies, and ended together.

uvicorn has a supervisor, too; it passes one socket around, starts again without a pause what cannot start, and does not say
when the service is up or why it is not.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from listing_vibes.cores import cores
from listing_vibes.errors import VibesError, needs, sentence_of
from listing_vibes.market.durable import lock
from listing_vibes.serving.service.answering import Wanted
from listing_vibes.serving.service.listening import SHARES_OUT, address_of, join, keep_place, listen

#: Seconds between two looks at whether to stop, and more than a process takes to end, see `listing_vibes.serving.service.process`.
LOOK_S, END_S = 0.2, 10.0
#: Seconds before one that did not get as far as answering is started again: doubled each time, to the second number.
PAUSE_S, MOST_PAUSE_S = 1.0, 30.0
FOLDER, ALIVE = "vibes-serve-", ".alive"  # what it has, and the lock that says so
#: Seconds without a heartbeat after which a process that was up is replaced: it was stopped, or its loop hangs.
SILENT_S = 10.0
THREADS = "OMP_NUM_THREADS"
UP = "up"  # what a process tells once it takes requests; else why it cannot


def answer_by_several(wanted: Wanted, count: int, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Run `count` processes that answer at one address until SIGINT or SIGTERM; one that dies is replaced.

    Each opens the run for itself and follows its newer states; what is large, the vectors, they share.

    Args:
        ready: is told the address as soon as all take requests.

    Raises:
        VibesError: one cannot start, or the port is taken.
    """
    place = keep_place(host, port) if SHARES_OUT else listen(host, port)
    with place, _folder() as folder, _environment(folder, count):
        vectors = Path(folder) / "vectors"
        vectors.mkdir()
        _Crew(replace(wanted, shared=vectors), count, host, place, Path(folder)).run(
            lambda: ready(address_of(place))
        )


@contextmanager
def _folder() -> Iterator[str]:
    """A folder that is there as long as the service is; those of killed ones go, too."""
    for left in Path(gettempdir()).glob(f"{FOLDER}*/{ALIVE}"):
        with suppress(OSError):
            opened = os.open(left, os.O_RDWR)
            try:
                begun = time.time() - left.stat().st_mtime > END_S  # else it may be about to be locked
                if SHARES_OUT and begun and lock(opened):  # elsewhere a lock may say nothing
                    shutil.rmtree(left.parent, ignore_errors=True)
            finally:
                os.close(opened)
    with TemporaryDirectory(prefix=FOLDER) as folder:
        opened = os.open(Path(folder) / ALIVE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(opened)
            yield folder
        finally:
            os.close(opened)


@contextmanager
def _environment(folder: str, count: int) -> Iterator[None]:
    """What the processes inherit: where they count together, and their share of the processors."""
    with needs("Serving", "serve"):
        from listing_vibes.serving.service.metrics import TOGETHER

    before = {name: os.environ.get(name) for name in (TOGETHER, THREADS)}
    os.environ[TOGETHER] = folder
    if before[THREADS] in (None, str(cores())):  # else somebody has said how many each has
        os.environ[THREADS] = str(max(1, cores() // count))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    told: Connection
    beat: Any  # a shared float: when its loop last ran, seconds of the monotonic clock
    up: bool = False
    problem: str = ""  # why it cannot be

    def hear(self) -> None:
        """Take what it has told."""
        with suppress(EOFError, OSError):
            while self.told.poll():
                word = self.told.recv()
                self.up, self.problem = (True, "") if word == UP else (self.up, word)
                self.beat.value = time.monotonic()

    def is_silent(self, since: float) -> bool:
        """Whether it is up, and has missed its heartbeats at least as long as others could be heard, from `since` on."""
        return self.up and time.monotonic() - max(self.beat.value, since) > SILENT_S


class _Crew:
    def __init__(self, wanted: Wanted, count: int, host: str, place: socket.socket, counts: Path) -> None:
        self.wanted, self.count, self.host, self.place, self.counts = wanted, count, host, place, counts
        self.workers: list[_Worker] = []
        self._stop, self._pause, self._next = False, PAUSE_S, 0.0
        self._looked = self._heard = time.monotonic()  # when it last looked, and since when without a gap
        self._log = logging.getLogger("uvicorn.error")

    def run(self, ready: Callable[[], None]) -> None:
        stopping = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._told_to_stop) for number in stopping}
        try:
            started = False
            while not self._stop:
                while len(self.workers) < self.count and (not started or time.monotonic() >= self._next):
                    self.workers.append(self._started())
                self._look(started)
                if not started and all(one.up for one in self.workers):
                    started = True
                    ready()
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told_to_stop(self, *_: Any) -> None:
        self._stop = True

    def _started(self) -> _Worker:
        context = multiprocessing.get_context(
            "spawn"
        )  # a fork would inherit the threads' locks without the threads
        ours, theirs = context.Pipe()
        given: int | socket.socket = self.place.getsockname()[1] if SHARES_OUT else self.place
        beat = context.Value("d", time.monotonic(), lock=False)  # a pipe would fill where nobody reads it
        process = context.Process(target=_work, args=(self.wanted, self.host, given, theirs, beat))
        process.start()
        theirs.close()
        return _Worker(process, ours, beat)

    def _look(self, started: bool) -> None:
        """Hear what processes tell, and clear away those that ended."""
        wait([key for one in self.workers for key in (one.told, one.process.sentinel)], LOOK_S)
        now = time.monotonic()
        if now - self._looked > SILENT_S / 2:  # all of us were stopped, for example at a terminal
            self._heard = now
        self._looked = now
        for one in list(self.workers):
            one.hear()
            if one.is_silent(self._heard):
                one.problem = f"it gave no sign for {SILENT_S:.0f} s"
                one.process.kill()
                one.process.join()
            if one.problem and not started:
                raise VibesError(one.problem)
            if one.process.exitcode is not None and not self._stop:
                self._clear(one, started)

    def _clear(self, one: _Worker, started: bool) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        self.workers.remove(one)
        one.told.close()
        mark_process_dead(one.process.pid, str(self.counts))
        why = one.problem or f"it ended with {one.process.exitcode}"
        if not started:
            raise VibesError(
                f"A process of the service could not start ({why}); is there memory for {self.count} of them? Try fewer --workers."
            )
        self._next = time.monotonic() + (0 if one.up else self._pause)
        self._pause = PAUSE_S if one.up else min(2 * self._pause, MOST_PAUSE_S)
        self._log.error("Process %s of the service is replaced: %s", one.process.pid, why)

    def _end(self) -> None:
        for one in self.workers:
            with suppress(ProcessLookupError):
                one.process.terminate()
        until = time.monotonic() + END_S
        for one in self.workers:
            one.process.join(max(0.0, until - time.monotonic()))
            if one.process.exitcode is None:
                one.process.kill()
                one.process.join()


def _work(wanted: Wanted, host: str, given: int | socket.socket, told: Connection, beat: Any) -> None:
    """What a process of the service does: it ends with the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until it answers, the other one sees to that
    threading.Thread(target=_end_with, args=(told,), daemon=True).start()

    def alive() -> None:
        beat.value = time.monotonic()

    try:
        wanted.answer(
            lambda: join(host, given) if isinstance(given, int) else given, lambda _: told.send(UP), alive
        )
    except Exception as error:
        told.send(sentence_of(error))


def _end_with(told: Connection) -> None:
    with suppress(EOFError, OSError):
        told.recv()  # nothing is ever sent this way
    os.kill(os.getpid(), signal.SIGTERM)
