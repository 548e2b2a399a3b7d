"""Published versions of a run, and of what was measured of it: a folder each, and one small file that names the current one.

    run/run.toml, listings.safetensors ...   what `vibes train` or the first `vibes embed` wrote
    run/current.json                         {"base": sha256 of run.toml, "version": 3, "made": 0, "model": 0}, replaced by a rename
    run/versions/000003/                     the same files after the third refresh, and `market/` with the tables they are of
    run/measured.json, run/measured/         likewise what `vibes evaluate` measured

A version never changes once it is published, and stays as long as a reader leases it: a reader holds a shared lock on it (where
the system has such locks), which ends with the reader. A pointer counts only for the `run.toml` that it was written for, so that
a run that is trained again leaves its versions behind. To embed a run again publishes one, too: `made` is the last one that was
embedded, and those after it are refreshes of that. What was measured counts as long as the run has the model of then, whatever
`run.toml` says.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
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
except ImportError:  # Windows: versions are kept by their number alone
    fcntl = None  # type: ignore[assignment]

LOCK, BUILDING, REMOVING = ".reading", ".building", ".removing-"
#: The newest versions, which stay even where nobody reads them: a reader may be about to.
KEEP = 2


@dataclass(frozen=True)
class Series:
    """What is published one version after the other: the folder of its versions, its pointer, and the hint of a damaged one."""

    folder: str
    pointer: str
    hint: str


STATES = Series("versions", "current.json", "remove it to read the run as it was before its refreshes")
RESULTS = Series("measured", "measured.json", "remove it and evaluate the run again")


@dataclass(frozen=True)
class Stamp:
    """What tells one published version from another."""

    base: str  # sha256 of `run.toml`; "" = there is none, or of results, which count for any
    number: int = 0  # of the folder; 0 = the run folder itself
    made: int = 0  # number of the last state that was trained or embedded
    model: int = 0  # number of the last state with another model than the one before it; of results, of what they measured

    @property
    def generation(self) -> int:
        """How many refreshes the state has behind it; 0 = as trained or embedded."""
        return self.number - self.made


@dataclass(frozen=True)
class Lease:
    """A version that is held against removal; `lock` is a file descriptor whose closing lets go of the folder."""

    stamp: Stamp
    folder: Path
    lock: int | None = None


def stamp_of(run: Path, series: Series = STATES) -> Stamp:
    """Return the version that a reader of the run folder would get now; reads two small files.

    Raises:
        VibesError: the pointer is damaged.
    """
    try:
        base = hashlib.sha256((run / "run.toml").read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        base = ""
    pointed = read_json(run / series.pointer, series.hint, _read_stamp)
    return pointed if pointed is not None and pointed.base in ("", base) else Stamp(base)


def _read_stamp(pointer: Any) -> Stamp:
    stamp = Stamp(pointer["base"], pointer["version"], pointer["made"], pointer["model"])
    numbers = (stamp.number, stamp.made, stamp.model)
    is_whole = all(type(number) is int and 0 <= number < 10**9 for number in numbers) and isinstance(
        stamp.base, str
    )
    if not is_whole or stamp.made > stamp.number:
        raise ValueError(f"it names the version {stamp.number!r}"[:100])
    return stamp


def lease_current(run: Path, series: Series = STATES) -> Lease:
    """Return the current version, held against removal until `Lease.lock` is closed.

    Raises:
        VibesError: what the pointer names is gone.
    """
    for _ in range(3):
        stamp = stamp_of(run, series)
        if not stamp.number:
            return Lease(stamp, run)
        folder = folder_of(run, stamp.number, series)
        try:
            return Lease(stamp, folder, _lock(folder))
        except (FileNotFoundError, NotADirectoryError):  # replaced and removed between the two lines
            continue
    raise VibesError(f"{run / series.pointer} names version {stamp.number}, which is gone; {series.hint}.")


def _lock(folder: Path) -> int:
    """Return a shared lock on a version.

    Raises:
        FileNotFoundError: it is gone.
    """
    lock = os.open(folder / LOCK, os.O_RDONLY)
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_SH)
    if not folder.is_dir():  # removed while the lock was waited for
        os.close(lock)
        raise FileNotFoundError(folder)
    return lock


@contextmanager
def reading(run: Path, series: Series = STATES) -> Iterator[Path]:
    """Yield the folder of the current version, held as long as the block lasts."""
    lease = lease_current(run, series)
    try:
        yield lease.folder
    finally:
        if lease.lock is not None:
            os.close(lease.lock)


def folder_of(run: Path, number: int, series: Series = STATES) -> Path:
    """Return where a version lies."""
    return run / series.folder / f"{number:06d}" if number else run


def folders_of(run: Path, series: Series = STATES) -> list[Path]:
    """Return the folders of all versions, oldest first."""
    folders = [folder for folder in run.joinpath(series.folder).glob("[0-9]*") if folder.name.isdecimal()]
    return sorted(folders, key=lambda folder: int(folder.name))


def results_of(run: Path, state: Stamp | None = None) -> Path:
    """Return where what `vibes evaluate` measured last of the model of `state` (None: the current one) lies: in the folder of the
    state itself, where a run is shipped with it, or nothing was measured.

    Raises:
        VibesError: `measured.json` is damaged.
    """
    state, measured = stamp_of(run) if state is None else state, stamp_of(run, RESULTS)
    is_current = measured.number and measured.model == state.model
    return folder_of(run, measured.number, RESULTS) if is_current else folder_of(run, state.model)


@contextmanager
def building(run: Path, series: Series = STATES) -> Iterator[Path]:
    """Yield an empty folder for the next version, removed again unless it was published; hold the run's `only_writer`."""
    folder = run / series.folder / BUILDING
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(run: Path, built: Path, embedded: bool = False, other_model: bool = False) -> Stamp:
    """Make the folder `built` the run's current state; readers get the one before or this one, whole.

    Args:
        embedded: it is no refresh of the one before.
        other_model: what was measured before counts no more.
    """
    before = stamp_of(run)
    number = _next_number(run, STATES)
    stamp = Stamp(
        before.base, number, number if embedded else before.made, number if other_model else before.model
    )
    seal(built, Manifest.load(built))
    return _publish(run, built, stamp, STATES)


def publish_results(run: Path, built: Path, of: Stamp) -> Stamp:
    """Make the folder `built` what was measured last of the model of the state `of`."""
    return _publish(run, built, Stamp("", _next_number(run, RESULTS), 0, of.model), RESULTS)


def _next_number(run: Path, series: Series) -> int:
    numbers = [int(folder.name) for folder in folders_of(run, series)]
    return max([stamp_of(run, series).number, *numbers]) + 1


def _publish(run: Path, built: Path, stamp: Stamp, series: Series) -> Stamp:
    (built / LOCK).touch()
    sync_tree(built)
    os.replace(built, folder_of(run, stamp.number, series))
    sync(run / series.folder)
    write_json(
        run / series.pointer,
        {"base": stamp.base, "version": stamp.number, "made": stamp.made, "model": stamp.model},
    )
    return stamp


def sweep(run: Path, series: Series = STATES) -> None:
    """Remove versions that were replaced and that nobody reads, and what killed writers left."""
    stamp = stamp_of(run, series)
    published = [folder for folder in folders_of(run, series) if int(folder.name) <= stamp.number]
    needed = {*published[-KEEP:], folder_of(run, stamp.made, series)}
    for folder in folders_of(run, series):
        if folder not in needed:
            remove(folder)
    for left in run.joinpath(series.folder).glob(f"{REMOVING}*"):
        shutil.rmtree(left, ignore_errors=True)
    sweep_left(run)


def forget(run: Path) -> None:
    """Leave behind what was published of a run that is about to be written again, and what was measured of it."""
    (run / STATES.pointer).unlink(missing_ok=True)
    forget_results(run)


def forget_results(run: Path) -> None:
    """Leave behind what was measured of a run."""
    for name in (RESULTS.pointer, "metrics.json", "queries.parquet", "serving.json", "request.json"):
        (run / name).unlink(missing_ok=True)


def remove(folder: Path) -> bool:
    """Remove a version unless a reader leases it; True where it is gone."""
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
