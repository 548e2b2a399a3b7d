"""Published states of a run: a folder each, and one small file that names the one that counts.

    run/run.toml, listings.npz ...    what `vibes train` or the first `vibes embed` wrote
    run/current.json                  {"base": sha256 of run.toml, "generation": 3, "made": 0, "model": 0}, replaced by a rename
    run/generations/000003/           the same files after the third refresh, and `market/` with the tables they are of
    run/measured.json, run/measured/  likewise what `vibes evaluate` found, which is of no generation

A generation never changes once it is named, and is kept as long as somebody reads it: a reader holds a shared lock on
it (where the system has such locks), which ends with the reader. A pointer counts only for the `run.toml` that it
was written for, so that a run that is trained anew leaves its generations behind. To embed a run again is to publish
one, too: `made` is the last one that was embedded, and those after it are refreshes of that. What was measured counts as
long as the run has the model that it was measured with.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, write_json
from listing_vibes.market.durable import sweep_left, sync, sync_tree, write_error
from listing_vibes.run.contents import seal
from listing_vibes.run.manifest import Manifest

try:
    import fcntl
except ImportError:  # Windows: generations are kept by their number alone
    fcntl = None  # type: ignore[assignment]

LOCK, BUILDING, REMOVING = ".reading", ".building", ".removing-"
#: What `vibes evaluate` publishes, with copies in the run folder.
MEASURED = ("metrics.json", "queries.parquet", "serving.json", "request.json")
#: The newest ones, which are kept even where nobody reads them: a reader may be about to.
KEEP = 2


@dataclass(frozen=True)
class Line:
    """What is published one after the other: the name of its pointer, that of its folder, and how to do without."""

    pointer: str
    folder: str
    mend: str


STATES = Line("current.json", "generations", "remove it to read the run as it was before its refreshes")
RESULTS = Line("measured.json", "measured", "remove it and evaluate the run again")


@dataclass(frozen=True)
class Stamp:
    """What tells one published state of a run from another."""

    base: str  # sha256 of `run.toml`; "" = there is none
    number: int = 0  # of the folder; 0 = the run folder itself
    made: int = 0  # number of the last state that was trained or embedded
    model: int = 0  # number of the last state with another model than the one before it; of results, of what they measured

    @property
    def generation(self) -> int:
        """How many refreshes the state has behind it; 0 = as trained or embedded."""
        return self.number - self.made


@dataclass(frozen=True)
class Place:
    """Where one state of a run lies; `lease` is a file descriptor whose closing lets go of the folder."""

    stamp: Stamp
    folder: Path
    lease: int | None = None


def stamp_of(run: Path, line: Line = STATES) -> Stamp:
    """The state that a reader of the run folder would get now; reads two small files.

    Raises:
        VibesError: the pointer is damaged.
    """
    base = _base(run)
    pointed = read_json(run / line.pointer, line.mend, _stamp)
    return pointed if pointed is not None and pointed.base == base else Stamp(base)


def settle(run: Path, line: Line = STATES) -> Place:
    """The folder of the current state, held against removal until `Place.lease` is closed.

    Raises:
        VibesError: what the pointer names is gone.
    """
    for _ in range(3):
        stamp = stamp_of(run, line)
        if not stamp.number:
            return Place(stamp, run)
        folder = folder_of(run, stamp.number, line)
        try:
            return Place(stamp, folder, _lease(folder))
        except (FileNotFoundError, NotADirectoryError):  # replaced and removed between the two lines
            continue
    raise VibesError(
        f"{run / line.pointer} names generation {stamp.number}, which is gone; remove that file, or refresh again."
    )


@contextmanager
def reading(run: Path, line: Line = STATES) -> Iterator[Path]:
    """The folder of the current state, held as long as the block lasts."""
    place = settle(run, line)
    try:
        yield place.folder
    finally:
        if place.lease is not None:
            os.close(place.lease)


def folder_of(run: Path, number: int, line: Line = STATES) -> Path:
    """Where a state lies."""
    return run / line.folder / f"{number:06d}" if number else run


@contextmanager
def building(run: Path, line: Line = STATES) -> Iterator[Path]:
    """An empty folder for the next state, removed again unless it was published; hold the run's `only_writer`."""
    folder = run / line.folder / BUILDING
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(
    run: Path,
    built: Path,
    line: Line = STATES,
    anew: bool = False,
    other_model: bool = False,
    of: Stamp | None = None,
    is_current: bool = True,
) -> Stamp:
    """Make the folder `built` the run's current state; readers get the one before or this one, whole.

    Its `run.toml` is told of the files beside it, see `contents.seal`. With `anew` it is no refresh of the one before: it was embedded.
    With `other_model` what was measured before counts no more. Results say which state they are `of`; with `is_current` False the pointer goes on naming the state before.
    """
    before = stamp_of(run, line)
    number = max([before.number, *(_number(folder) for folder in folders_of(run, line))]) + 1
    model = number if other_model else (before if of is None else of).model
    stamp = Stamp(before.base, number, number if anew else before.made, model)
    (built / LOCK).touch()
    if (built / "run.toml").is_file():
        seal(built, Manifest.load(built))
    sync_tree(built)
    os.replace(built, folder_of(run, number, line))
    sync(run / line.folder)
    if is_current:
        write_json(
            run / line.pointer,
            {"base": stamp.base, "generation": number, "made": stamp.made, "model": stamp.model},
        )
    return stamp if is_current else before


def sweep(run: Path, line: Line = STATES, keep: Iterable[Path] = ()) -> list[int]:
    """Remove states that were replaced, that nobody reads and that are not to `keep`, and what killed writers left; returns their numbers."""
    stamp, removed = stamp_of(run, line), []
    published = [folder for folder in folders_of(run, line) if _number(folder) <= stamp.number]
    kept = {*published[-KEEP:], folder_of(run, stamp.made, line), *keep}
    for folder in folders_of(run, line):
        if folder not in kept and remove(folder):
            removed.append(_number(folder))
    for left in run.joinpath(line.folder).glob(f"{REMOVING}*"):
        shutil.rmtree(left, ignore_errors=True)
    sweep_left(run)
    return removed


def forget(run: Path) -> None:
    """Leave behind what was published of a run that is about to be written anew."""
    for line in (STATES, RESULTS):
        (run / line.pointer).unlink(missing_ok=True)
    drop_results(run)


def drop_results(run: Path) -> None:
    """Remove the copies of what was measured of an earlier model."""
    for name in MEASURED:
        (run / name).unlink(missing_ok=True)


def results_of(run: Path, state: Stamp | None = None) -> Path:
    """Where what `vibes evaluate` found last of the model of `state` (None: the current one) lies; the run folder itself, where a copy is, of runs of an earlier version.

    Raises:
        VibesError: `measured.json` is damaged.
    """
    state, found = stamp_of(run) if state is None else state, stamp_of(run, RESULTS)
    if found.model != state.model:  # of another model: nothing was measured yet
        return folder_of(run, state.model)
    folder = folder_of(run, found.number, RESULTS)
    return folder if folder.is_dir() else run


def _stamp(pointer: Any) -> Stamp:
    base, number, made = pointer["base"], pointer["generation"], pointer.get("made", 0)
    model = pointer.get("model", 0)
    whole = all(type(one) is int for one in (number, made, model)) and isinstance(base, str)
    if not whole or not 0 <= made <= number < 10**9 or not 0 <= model < 10**9:
        raise ValueError(f"it names the generation {number!r}"[:100])
    return Stamp(base, number, made, model)


def _base(run: Path) -> str:
    try:
        return hashlib.sha256((run / "run.toml").read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def folders_of(run: Path, line: Line = STATES) -> list[Path]:
    """Folders of all states, oldest first."""
    found = [folder for folder in run.joinpath(line.folder).glob("[0-9]*") if folder.name.isdecimal()]
    return sorted(found, key=_number)


def _number(folder: Path) -> int:
    return int(folder.name)


def _lease(folder: Path) -> int | None:
    """A shared lock on a state.

    Raises:
        FileNotFoundError: it is gone.
    """
    lease = os.open(folder / LOCK, os.O_RDONLY)
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lease, fcntl.LOCK_SH)
    if not folder.is_dir():  # removed while the lock was waited for
        os.close(lease)
        raise FileNotFoundError(folder)
    return lease


def remove(folder: Path) -> bool:
    """Remove a state unless somebody holds it; True where it is gone."""
    aside = folder.with_name(f"{REMOVING}{folder.name}")
    try:
        with (folder / LOCK).open("a") as stream:
            if fcntl is not None:  # held while removing: a reader that waits for it finds the folder gone
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.replace(folder, aside)  # at once: a writer that dies here leaves no half of it
        if fcntl is None:
            os.replace(folder, aside)  # refused while a file in it is open
        shutil.rmtree(aside, ignore_errors=True)
        return True
    except OSError:
        return False
