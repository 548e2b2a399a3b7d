"""A process that dies in the middle of its work: before a chosen rename, or whenever a signal hits it.

The work runs in a forked child, so that the libraries are loaded once; the child is gone at once, as by `kill -9` or a power
cut: nothing is cleaned up behind it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

DIED, FAILED = 7, 3


def renames(work: Callable[[], object]) -> int:
    """How many files and folders a work puts in place, by doing it."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        counted = _counting(lambda number: None)
        finish(work, lambda: os.write(writer, str(counted()).encode()))
    os.close(writer)
    told = os.fdopen(reader).read()
    _, status = os.waitpid(child, 0)
    assert status == 0, "the work failed"
    return int(told)


def die_before(work: Callable[[], object], number: int) -> None:
    """Do a work that dies before it puts the file `number` (from 1) in place."""

    def die(reached: int) -> None:
        if reached == number:
            os._exit(DIED)

    child = os.fork()
    if not child:
        _counting(die)
        finish(work)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == DIED, f"it ended with {os.waitstatus_to_exitcode(status)}"


def killed_after(work: Callable[[], object], seconds: float) -> bool:
    """Do a work that is killed after some time; False where it was done before that."""
    child = os.fork()
    if not child:
        finish(work)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, "the work failed"
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status != 0


def finish(work: Callable[[], object], after: Callable[[], object] = lambda: None) -> None:
    """End a forked child with its work: with 0, or with a traceback and `FAILED`; nothing of its parent's is cleaned up."""
    code = FAILED
    try:
        work()
        after()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _counting(before: Callable[[int], None]) -> Callable[[], int]:
    """From here on `before` hears of every rename of this process; returns what says how many there were."""
    count = 0

    def counted(real: Callable[..., None]) -> Callable[..., None]:
        def rename(*arguments: object, **options: object) -> None:
            nonlocal count
            count += 1
            before(count)
            real(*arguments, **options)

        return rename

    os.replace, os.rename = counted(os.replace), counted(os.rename)  # type: ignore[assignment]
    return lambda: count
