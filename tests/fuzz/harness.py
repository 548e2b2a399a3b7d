"""Hostile input by the thousand: a target is fed mutated inputs and may only succeed or say one clear sentence.

A target is one function in one file of `tests/fuzz/targets`, named in its registry:

    @target("market-toml", seeds=lambda: [b"name = 'Town'"])
    def market_toml(folder: Path) -> Callable[[bytes], object]:
        return lambda content: read(content)  # what it raises must be a VibesError

`seeds` are valid inputs, which get mutated; a target whose input is no bytes of a file draws its own from a random generator
(`draw`). Everything else counts as a failure: any other exception, more than `HANG` seconds of the processor, more than `MEMORY`
beyond what the process had. An input that is not done after `STUCK` seconds ends the process with a traceback; where the process
dies, the input that it read lies in `folder / CURRENT`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from tests.fuzz.mutate import mutated

from listing_vibes.errors import VibesError

HANG = 5.0  # seconds of the processor, so that a busy machine is no hang
STUCK = 300.0  # seconds on the clock
MEMORY = 1 << 30  # bytes
CURRENT = "current-input"

Feed = Callable[[bytes], object]
Draw = Callable[[random.Random, Sequence[bytes]], bytes]
TARGETS: dict[str, Target] = {}


@dataclass(frozen=True)
class Target:
    """One function under hostile input.

    Attributes:
        make: gets a folder of its own, and returns what takes one input; what is costly is done here, once.
        seeds: valid inputs.
        draw: makes an input, by default a mutated seed.
    """

    name: str
    make: Callable[[Path], Feed]
    seeds: Callable[[], Sequence[bytes]] = lambda: [b""]
    draw: Draw = mutated


@dataclass
class Failure:
    """An input that was not refused in one sentence: its number, the input itself, and what it did."""

    number: int
    content: bytes
    what: str


@dataclass
class Outcome:
    """What the executions of a target did: how many there were, and how many of them were refused in a sentence."""

    executions: int = 0
    refused: int = 0
    slowest: float = 0.0  # seconds of the processor
    failures: list[Failure] = field(default_factory=list)


def target(
    name: str,
    seeds: Callable[[], Sequence[bytes]] = lambda: [b""],
    draw: Draw = mutated,
) -> Callable[[Callable[[Path], Feed]], Callable[[Path], Feed]]:
    """Put a function into the registry, see `Target`."""

    def register(make: Callable[[Path], Feed]) -> Callable[[Path], Feed]:
        TARGETS[name] = Target(name, make, seeds, draw)
        return make

    return register


def targets() -> dict[str, Target]:
    """Return all targets by name: every module of `tests/fuzz/targets` is loaded."""
    from tests.fuzz import targets as folder

    for module in iter_modules(folder.__path__):
        import_module(f"{folder.__name__}.{module.name}")
    return TARGETS


def run(chosen: Target, executions: int, folder: Path, seed: int = 0, most: int = 20) -> Outcome:
    """Feed a target; ends early after `most` failures."""
    feed, corpus, outcome = chosen.make(folder), chosen.seeds(), Outcome()
    with contextlib.suppress(VibesError):  # what is loaded on first use is no memory of an input
        feed(corpus[0])
    peak = _peak()
    for number in range(executions):
        content = chosen.draw(random.Random(f"{chosen.name} {seed} {number}"), corpus)
        (folder / CURRENT).write_bytes(content)
        started, what = time.process_time(), ""
        try:
            # No timer that sends a signal, which a thread of a library may get.
            faulthandler.dump_traceback_later(STUCK, exit=True, file=sys.__stderr__)
            feed(content)
        except VibesError:
            outcome.refused += 1
        except BaseException as error:
            what = (
                f"{type(error).__name__}: {error}\n{''.join(traceback.format_tb(error.__traceback__)[-3:])}"
            )
        finally:
            faulthandler.cancel_dump_traceback_later()
        took = time.process_time() - started
        outcome.executions += 1
        outcome.slowest = max(outcome.slowest, took)
        if not what and took > HANG:
            what = f"took {took:.1f} s"
        if not what and _peak() - peak > MEMORY:
            what, peak = f"the memory grew by {_peak() - peak:,} bytes", _peak()
        if what:
            outcome.failures.append(Failure(number, content, what))
            if len(outcome.failures) >= most:
                break
    return outcome


def _peak() -> int:
    """Return the bytes of memory that the process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
