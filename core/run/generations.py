"""Published states of a run: a folder each, and one small file that names the one that counts.

    run/run.toml, listings.npz ...    what `vibes train` or `vibes embed` wrote
    run/current.json                  {"base": sha256 of run.toml, "generation": 3}, replaced by a rename
    run/generations/000003/           the same files after the third refresh, and `market/` with the tables they are of

A generation never changes once it is named, and is kept as long as somebody reads it: a reader holds a shared lock on
it (where the system has such locks), which ends with the reader. `current.json` counts only for the `run.toml` that it
was written for, so that a run that is trained or embedded anew leaves its generations behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import VibesError
from core.market.documents import read_json, write_json

try:
    import fcntl
except ImportError:  # Windows: generations are kept by their number alone
    fcntl = None  # type: ignore[assignment]

POINTER, FOLDER, LOCK, BUILDING = "current.json", "generations", ".reading", ".building"
#: The newest ones, which are kept even where nobody reads them: a reader may be about to.
KEEP = 2


@dataclass(frozen=True)
class Stamp:
    """What tells one published state of a run from another."""

    base: str  # sha256 of `run.toml`; "" = there is none
    generation: int  # 0 = as trained or embedded


@dataclass(frozen=True)
class Place:
    """Where one state of a run lies; `lease` is a file descriptor whose closing lets go of the folder."""

    stamp: Stamp
    folder: Path
    lease: int | None = None


def stamp_of(run: Path) -> Stamp:
    """The state that a reader of the run folder would get now; reads two small files.

    Raises:
        VibesError: `current.json` is damaged.
    """
    base = _base(run)
    mend = "remove it to read the run as it was before its refreshes"
    pointed = read_json(run / POINTER, mend, lambda pointer: (pointer["base"], int(pointer["generation"])))
    return Stamp(base, pointed[1] if pointed is not None and pointed[0] == base else 0)


def settle(run: Path) -> Place:
    """The folder of the current state, held against removal until `Place.lease` is closed.

    Raises:
        VibesError: what `current.json` names is gone.
    """
    for _ in range(3):
        stamp = stamp_of(run)
        if not stamp.generation:
            return Place(stamp, run)
        folder = folder_of(run, stamp.generation)
        try:
            return Place(stamp, folder, _lease(folder))
        except FileNotFoundError:  # replaced and removed between the two lines
            continue
    raise VibesError(
        f"{run / POINTER} names generation {stamp.generation}, which is gone; remove that file, or refresh again."
    )


def folder_of(run: Path, generation: int) -> Path:
    """Where a generation lies."""
    return run / FOLDER / f"{generation:06d}"


@contextmanager
def building(run: Path) -> Iterator[Path]:
    """An empty folder for the next generation, removed again unless it was published."""
    folder = run / FOLDER / BUILDING
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise VibesError(
            f"Cannot write {folder} ({error.strerror or error}); free some space or choose a run that can be written."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(run: Path, built: Path) -> Stamp:
    """Make the folder `built` the run's current generation; readers get the one before or this one, whole."""
    numbers = [_number(folder) for folder in _folders(run)]
    stamp = Stamp(_base(run), max([stamp_of(run).generation, *numbers]) + 1)
    (built / LOCK).touch()
    os.replace(built, folder_of(run, stamp.generation))
    write_json(run / POINTER, {"base": stamp.base, "generation": stamp.generation})
    return stamp


def sweep(run: Path) -> list[int]:
    """Remove generations that were replaced and that nobody reads; returns their numbers."""
    current, removed = stamp_of(run).generation, []
    published = [folder for folder in _folders(run) if _number(folder) <= current]
    for folder in _folders(run):
        if folder not in published[-KEEP:] and _remove(folder):
            removed.append(_number(folder))
    return removed


def forget(run: Path) -> None:
    """Let the run be what lies in its own folder, not one of its generations."""
    (run / POINTER).unlink(missing_ok=True)


@contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """Keeps a second refresh away from the run.

    Raises:
        VibesError: there is one already, or the folder cannot be written.
    """
    path = run / FOLDER / ".refreshing"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a")
    except OSError as error:
        raise VibesError(
            f"Cannot write {path.parent} ({error.strerror or error}); choose a run that can be written."
        ) from error
    with stream:
        if fcntl is not None:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise VibesError(
                    f"Another `vibes refresh` is at work on {run}; stop it first, or leave it to that one."
                ) from None
        yield


def _base(run: Path) -> str:
    try:
        return hashlib.sha256((run / "run.toml").read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _folders(run: Path) -> list[Path]:
    """Folders of all generations, oldest first."""
    return sorted(run.joinpath(FOLDER).glob("[0-9]*"), key=_number)


def _number(folder: Path) -> int:
    return int(folder.name)


def _lease(folder: Path) -> int | None:
    """A shared lock on a generation.

    Raises:
        FileNotFoundError: it is gone.
    """
    lease = os.open(folder / LOCK, os.O_RDONLY)
    if fcntl is not None:
        fcntl.flock(lease, fcntl.LOCK_SH)
    if not folder.is_dir():  # removed while the lock was waited for
        os.close(lease)
        raise FileNotFoundError(folder)
    return lease


def _remove(folder: Path) -> bool:
    """Remove a generation unless somebody holds it; True where it is gone."""
    try:
        with (folder / LOCK).open("a") as stream:
            if fcntl is not None:  # held while removing: a reader that waits for it finds the folder gone
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                return True
        aside = folder.with_name(f".removing-{folder.name}")
        os.replace(folder, aside)  # refused while a file in it is open
        shutil.rmtree(aside, ignore_errors=True)
        return True
    except OSError:
        return False
