"""`python -m tests.faults.deaths --count 200`: writers of a run die, and nobody ever sees a mix.

Every writer dies before each file that it puts in place; what is left of `--count` are kills at random moments. All the while
readers open what is being written. After each death a reader sees the state before or the new one, and the writer, started
again, brings what it brings undisturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1])]

from tests.faults.dying import die_before, killed_after, renames  # noqa: E402
from tests.faults.writers import WRITERS, Writer, copied, stage  # noqa: E402


@dataclass
class Seen:
    """What the deaths of one writer left: how many there were, and what was wrong."""

    deaths: int = 0
    kills: int = 0
    looks: int = 0
    wrong: list[str] = field(default_factory=list)


class Deaths:
    """One writer, and what it brings undisturbed."""

    def __init__(self, writer: Writer, staged: Path, folder: Path, readers: int = 0) -> None:
        self.writer, self.folder, self.readers = writer, folder, readers
        self.begun, self.seen = folder.with_name(f"{folder.name}-begun"), Seen()
        copied(staged, folder)
        writer.begin(folder)
        copied(folder, self.begun)
        self.old = self._looked()
        begun = time.monotonic()
        self.renames = renames(lambda: writer.work(folder))
        self.seconds = time.monotonic() - begun
        self.new, self.left = self._looked(), writer.leave(folder)
        if self.old == self.new:
            self.seen.wrong.append("the writer changes nothing that a reader sees")
        self._check("done again")

    def before(self, number: int) -> None:
        """Die before the rename `number`, from 1."""
        self._begin()
        with self._reading():
            die_before(lambda: self.writer.work(self.folder), number)
        self.seen.deaths += 1
        self._check(f"after a death before rename {number} of {self.renames}")

    def after(self, seconds: float) -> None:
        """Be killed after a time."""
        self._begin()
        with self._reading():
            if not killed_after(lambda: self.writer.work(self.folder), seconds):
                return
        self.seen.kills += 1
        self._check(f"killed after {seconds:.3f} s of {self.seconds:.3f}")

    def _begin(self) -> None:
        copied(self.begun, self.folder)
        gc.collect()

    def _check(self, when: str) -> None:
        if not self._known(self._looked()):
            self.seen.wrong.append(f"{when}: a reader sees neither the old state nor the new one")
        try:
            self.writer.work(self.folder)
        except Exception as error:
            self.seen.wrong.append(f"{when}: it cannot be done again ({error})")
            return
        if (self._looked(), self.writer.leave(self.folder)) != (self.new, self.left):
            self.seen.wrong.append(f"{when}: done again it brings something else")
        left = [path for path in self.folder.rglob(".writing-*") if "cache" not in str(path)]
        if left:
            self.seen.wrong.append(f"{when}: {left[0].name} is left")

    def _known(self, view: Any) -> bool:
        if self.writer.parts and isinstance(view, dict):
            return view.items() <= self.new.items()
        return view in (self.old, self.new)

    def _looked(self) -> Any:
        try:
            return self.writer.look(self.folder)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            gc.collect()  # an opened run holds its version until it is collected

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Readers that look all the time; what none of them should see is kept."""
        found = []
        for _ in range(self.readers):
            reader, writer = os.pipe()
            child = os.fork()
            if not child:
                os.close(reader)
                self._read_on(writer)
            os.close(writer)
            found.append((child, reader))
        try:
            yield
        finally:
            for child, reader in found:
                os.kill(child, signal.SIGTERM)
                told = os.fdopen(reader).read()
                os.waitpid(child, 0)
                looks, _, wrong = told.partition("\n")
                self.seen.looks += int(looks or 0)
                if wrong:
                    self.seen.wrong.append(f"a reader saw {wrong[:300]}")

    def _read_on(self, writer: int) -> None:
        stop: list[int] = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        looks, wrong = 0, ""
        while not stop and not wrong:
            view = self._looked()
            looks += 1
            wrong = "" if self._known(view) else str(view)
        os.write(writer, f"{looks}\n{wrong}".encode())
        os._exit(0)


def die_sometimes(name: str, staged: Path, folder: Path) -> None:
    """Let a writer die before every third rename and before the last, which `main` does before each; in a process of its own."""
    import torch

    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    (writer,) = (one for one in WRITERS if one.name == name)
    one = Deaths(writer, staged, folder)
    assert one.renames > 1
    for number in {*range(1, one.renames + 1, 3), one.renames}:
        one.before(number)
    assert not one.seen.wrong, one.seen.wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.deaths", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--count", type=int, default=200, help="deaths in all, at least one a rename")
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--writer", action="append", choices=[one.name for one in WRITERS])
    told = parser.parse_args()
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    chosen = [one for one in WRITERS if told.writer is None or one.name in told.writer]
    rng, wrong, deaths = random.Random(told.seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="deaths-") as folder:
        staged = Path(folder) / "stage"
        stage(staged)
        all_ = [
            Deaths(one, staged, Path(folder) / one.name.replace(" ", "-"), told.readers) for one in chosen
        ]
        for one in all_:
            for number in range(1, one.renames + 1):
                one.before(number)
            print(
                f"{one.writer.name}: died before each of {one.renames} renames", file=sys.stderr, flush=True
            )
        done = sum(one.seen.deaths for one in all_)
        while done < told.count:
            one = rng.choice(all_)
            kills = one.seen.kills
            one.after(rng.uniform(0, one.seconds))
            done += one.seen.kills - kills
        for one in all_:
            seen = one.seen
            print(
                f"{one.writer.name}: {one.renames} renames, {seen.deaths} deaths before one, {seen.kills} random kills, "
                f"{seen.looks} looks of readers, {len(seen.wrong)} wrong",
                flush=True,
            )
            for line in seen.wrong[:5]:
                print(f"  {line}", flush=True)
            wrong += len(seen.wrong)
            deaths += seen.deaths + seen.kills
    print(f"{deaths} deaths, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
