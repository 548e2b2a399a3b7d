"""Hostile input by the thousand: a target is fed mutated inputs and may only succeed or say one clear sentence.

A target is one function in one file of `tests/fuzz/targets`, named in its registry:

    @target("market-toml", seeds=lambda: [b"name = 'Town'"])
    def market_toml(folder: Path) -> Callable[[bytes], object]:
        return lambda content: read(content)  # what it raises must be a VibesError

`seeds` are inputs that are right, which get mutated; a target whose input is no bytes of a file draws its own from a
random generator (`draw`), and is shown what it drew as bytes that it understands. Everything else counts as a failure: any
other exception, more than `HANG` seconds, more than `MEMORY` beyond what the process had, a process that dies.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import resource
import signal
import struct
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from tests.faults.dying import finish
from tests.fuzz.mutate import mutated

from listing_vibes.errors import VibesError

HANG = 5.0  # seconds of the processor, so that a busy machine is no hang
STUCK = 60.0  # seconds on the clock
MEMORY = 1 << 30  # bytes

Feed = Callable[[bytes], object]
TARGETS: dict[str, Target] = {}


class Hang(BaseException):
    """An execution took longer than `HANG` or `STUCK`; no `Exception`, so that nothing under test catches it."""


@dataclass(frozen=True)
class Target:
    """One function under hostile input.

    Attributes:
        make: gets a folder of its own, and gives what takes one input; what is costly is done here, once.
        seeds: inputs that are right.
        draw: makes an input, by default a mutated seed.
        allowed: what an execution may raise.
    """

    name: str
    make: Callable[[Path], Feed]
    seeds: Callable[[], Sequence[bytes]]
    draw: Callable[[random.Random, Sequence[bytes]], bytes]
    allowed: tuple[type[BaseException], ...]


@dataclass
class Failure:
    """An input that was not told in one sentence: its number, the input itself, and what it did."""

    number: int
    content: bytes
    what: str


@dataclass
class Outcome:
    """What the executions of a target did: how many there were, how many of them were refused in a sentence."""

    executions: int = 0
    refused: int = 0
    seconds: float = 0.0  # of the processor
    slowest: float = 0.0  # seconds
    memory: int = 0  # bytes at most, beyond what the process had before
    failures: list[Failure] = field(default_factory=list)


def target(
    name: str,
    seeds: Callable[[], Sequence[bytes]] = lambda: [b""],
    draw: Callable[[random.Random, Sequence[bytes]], bytes] | None = None,
    allowed: tuple[type[BaseException], ...] = (VibesError,),
) -> Callable[[Callable[[Path], Feed]], Callable[[Path], Feed]]:
    """Put a function into the registry, see `Target`."""

    def register(make: Callable[[Path], Feed]) -> Callable[[Path], Feed]:
        choose = draw or (lambda rng, corpus: mutated(rng, corpus))
        TARGETS[name] = Target(name, make, seeds, choose, allowed)
        return make

    return register


def targets() -> dict[str, Target]:
    """All targets by name: every module of `tests/fuzz/targets` is loaded."""
    from tests.fuzz import targets as folder

    for module in iter_modules(folder.__path__):
        import_module(f"{folder.__name__}.{module.name}")
    return TARGETS


def input_of(one: Target, seed: int, number: int, corpus: Sequence[bytes]) -> bytes:
    """The input of an execution; the same whenever it is asked."""
    return one.draw(random.Random(f"{one.name} {seed} {number}"), corpus)


def run(one: Target, executions: int, folder: Path, seed: int = 0, most: int = 20, first: int = 0) -> Outcome:
    """Feed a target in this process; ends early after `most` failures."""
    return _loop(one, executions, folder, seed, most, first, None)


def run_apart(one: Target, executions: int, folder: Path, seed: int = 0, most: int = 20) -> Outcome:
    """The same in a process of its own, which may die: that is a failure, and the next process goes on behind it."""
    shared = mmap.mmap(-1, 8)
    outcome, first = Outcome(), 0
    while first < executions and len(outcome.failures) < most:
        shared[:] = struct.pack("q", first)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            _child(one, executions - first, folder, seed, most, first, shared, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            found: Outcome | None = _unpacked(stream.read())
        _, status = os.waitpid(child, 0)
        (reached,) = struct.unpack("q", shared[:])
        if found is None:
            content = input_of(one, seed, reached, one.seeds())
            outcome.executions += reached - first + 1
            outcome.failures.append(Failure(reached, content, f"the process died (status {status})"))
            first = reached + 1
            continue
        return _joined(outcome, found)
    return outcome


def _child(
    one: Target, count: int, folder: Path, seed: int, most: int, first: int, shared: mmap.mmap, writer: int
) -> None:
    def work() -> None:
        import json

        found = _loop(one, count, folder, seed, most, first, shared)
        plain = vars(found) | {
            "failures": [[f.number, f.content.hex(), f.what] for f in found.failures],
        }
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(plain).encode())

    finish(work)


def _unpacked(text: bytes) -> Outcome | None:
    import json

    if not text:
        return None
    plain = json.loads(text)
    failures = [
        Failure(number, bytes.fromhex(content), what) for number, content, what in plain.pop("failures")
    ]
    return Outcome(**plain, failures=failures)


def _joined(before: Outcome, after: Outcome) -> Outcome:
    return Outcome(
        before.executions + after.executions,
        before.refused + after.refused,
        before.seconds + after.seconds,
        max(before.slowest, after.slowest),
        max(before.memory, after.memory),
        before.failures + after.failures,
    )


def _loop(
    one: Target, executions: int, folder: Path, seed: int, most: int, first: int, shared: mmap.mmap | None
) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    feed, corpus, outcome = one.make(folder), one.seeds(), Outcome()
    with contextlib.suppress(*one.allowed):  # what is loaded on first use is no memory of an input
        feed(corpus[0])
    had, begun = _peak(), time.process_time()
    with _guards():
        for number in range(first, first + executions):
            if shared is not None:
                shared[:] = struct.pack("q", number)
            content = input_of(one, seed, number, corpus)
            started = time.process_time()
            what = ""
            try:
                signal.setitimer(signal.ITIMER_PROF, HANG)
                signal.setitimer(signal.ITIMER_REAL, STUCK)
                feed(content)
            except one.allowed:
                outcome.refused += 1
            except Hang:
                what = f"took over {HANG:g} s"
            except BaseException as error:
                where = "".join(traceback.format_tb(error.__traceback__)[-3:])
                what = f"{type(error).__name__}: {error}\n{where}"
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
            took = time.process_time() - started
            outcome.slowest = max(outcome.slowest, took)
            outcome.executions += 1
            if not what and took > HANG:
                what = f"took {took:.1f} s"
            if not number % 16:
                outcome.memory = max(outcome.memory, _peak() - had)
                if not what and outcome.memory > MEMORY:
                    what, had = f"the memory grew by {outcome.memory:,} bytes", _peak()
            if what:
                outcome.failures.append(Failure(number, content, what))
                if len(outcome.failures) >= most:
                    break
    outcome.seconds = time.process_time() - begun
    return outcome


def _peak() -> int:
    """Bytes of memory that the process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextlib.contextmanager
def _guards() -> Iterator[None]:
    """A hang raises `Hang`; more than twice `MEMORY` of new addresses is refused by the system."""

    def stop(*_: object) -> None:
        raise Hang

    clocks = (signal.SIGALRM, signal.SIGPROF)
    before, limit = [signal.signal(clock, stop) for clock in clocks], resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 2 * MEMORY, limit[1]))
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, limit)
        for clock, handler in zip(clocks, before, strict=True):
            signal.signal(clock, handler)
