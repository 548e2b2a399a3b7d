"""Published versions of a run and of its evaluation results: a folder each, and a small file that names the current one.

    run/run.toml, listings.safetensors ...   written by `vibes train` or the first `vibes embed`
    run/current.json                         {"base": sha256 of run.toml, "version": 3, "made": 0, "model": 0}, replaced by a rename
    run/versions/000003/                     the same files after the third refresh, and `market/` with its tables
    run/measured.json, run/measured/         the same for the results of `vibes evaluate`

A published version never changes, and stays as long as a reader leases it: a reader has a shared lock on it (if the system has
such locks), which ends with the reader. A pointer is valid only for the `run.toml` that it was written for, so that training a
run again discards its versions. Embedding a run again also publishes a version: `made` is the last one that was embedded, and
those after it are refreshes of it. Evaluation results are valid as long as the run has the same model.
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
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from listing_vibes.errors import VibesError
from listing_vibes.market.documents import read_json, write_text
from listing_vibes.market.durable import inside, sweep_left, sync, sync_tree, write_error
from listing_vibes.run.manifest import Manifest, seal

try:
    import fcntl
except ImportError:  # On Windows there are no locks, and only the newest versions stay.
    fcntl = None  # type: ignore[assignment]

LOCK, BUILDING, REMOVING = ".reading", ".building", ".removing-"
#: The number of newest versions that stay without a lease, since a reader may be about to open one.
KEEP = 2


@dataclass(frozen=True)
class Series:
    """A series of published versions: their folder, the pointer file, and the hint if the pointer is damaged."""

    folder: str
    pointer: str
    hint: str

    def path(self, run: Path) -> Path:
        """Return the folder of the versions of a run; a link that leaves the run raises a `VibesError`."""
        return inside(run, run / self.folder)


STATES = Series("versions", "current.json", "remove it to read the run as it was before its refreshes")
RESULTS = Series("measured", "measured.json", "remove it and evaluate the run again")


Number = Annotated[StrictInt, Field(ge=0, lt=10**9)]


class Stamp(BaseModel):
    """The identity of a published version, as a pointer file has it."""

    model_config = ConfigDict(frozen=True)

    base: StrictStr  # sha256 of `run.toml`; "" without one, and for results, which are valid for any
    version: Number = 0  # number of the folder; 0 = the run folder itself
    made: Number = 0  # number of the last state that was trained or embedded
    model: Number = 0  # number of the last state with a new model; for results, that of the evaluated model
    last: Number = 0  # greatest number ever published, where it is not this one
    before: Stamp | None = None  # the state that this embedding replaced

    @model_validator(mode="after")
    def _check_order(self) -> Stamp:
        if self.made > self.version:
            raise ValueError(f"version {self.version} cannot follow {self.made}")
        return self


@dataclass(frozen=True)
class Lease:
    """A version that must not be removed until the file descriptor `lock` is closed."""

    stamp: Stamp
    folder: Path
    lock: int | None = None


def stamp_of(run: Path, series: Series = STATES) -> Stamp:
    """Return the current version of a run; reads two small files.

    Raises:
        VibesError: the pointer is damaged.
    """
    try:
        base = hashlib.sha256((run / "run.toml").read_bytes()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        base = ""
    pointed = read_json(run / series.pointer, series.hint, Stamp.model_validate)
    return pointed if pointed is not None and pointed.base in ("", base) else Stamp(base=base)


def lease_current(run: Path, series: Series = STATES) -> Lease:
    """Return the current version, which is not removed until `Lease.lock` is closed.

    Raises:
        VibesError: the version that the pointer names is missing.
    """
    for _ in range(3):
        stamp = stamp_of(run, series)
        if not stamp.version:
            return Lease(stamp, run)
        folder = folder_of(run, stamp.version, series)
        try:
            return Lease(stamp, folder, _lock(folder))
        except (FileNotFoundError, NotADirectoryError):
            continue  # The version was replaced and removed in the meantime.
    raise VibesError(
        f"{run / series.pointer} names version {stamp.version}, which is missing; {series.hint}."
    )


def _lock(folder: Path) -> int:
    """Return a shared lock on a version.

    Raises:
        FileNotFoundError: the version was removed.
    """
    lock = os.open(folder / LOCK, os.O_RDONLY)
    if fcntl is not None:
        with contextlib.suppress(OSError):  # The file system has no locks.
            fcntl.flock(lock, fcntl.LOCK_SH)
    if not folder.is_dir():  # It was removed while waiting for the lock.
        os.close(lock)
        raise FileNotFoundError(folder)
    return lock


@contextmanager
def reading(run: Path, series: Series = STATES) -> Iterator[Path]:
    """Yield the folder of the current version, which is not removed within the block."""
    lease = lease_current(run, series)
    try:
        yield lease.folder
    finally:
        if lease.lock is not None:
            os.close(lease.lock)


def folder_of(run: Path, number: int, series: Series = STATES) -> Path:
    """Return the folder of a version."""
    return inside(run, series.path(run) / f"{number:06d}") if number else run


def folders_of(run: Path, series: Series = STATES) -> list[Path]:
    """Return the folders of all versions, oldest first."""
    folders = [folder for folder in series.path(run).glob("[0-9]*") if folder.name.isdecimal()]
    return sorted(folders, key=lambda folder: int(folder.name))


def results_of(run: Path, state: Stamp | None = None) -> Path:
    """Return the folder of the last evaluation results of the model of `state` (None: the current one).

    It is the folder of the state itself if a run was copied with its results, or has none.

    Raises:
        VibesError: `measured.json` is damaged.
    """
    state, measured = stamp_of(run) if state is None else state, stamp_of(run, RESULTS)
    is_current = measured.version and measured.model == state.model
    return folder_of(run, measured.version, RESULTS) if is_current else folder_of(run, state.model)


@contextmanager
def building(run: Path, series: Series = STATES) -> Iterator[Path]:
    """Yield an empty folder for the next version, which is removed unless published; needs the run's `only_writer`."""
    folder = series.path(run) / BUILDING
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(
    run: Path, built: Path, manifest: Manifest, embedded: bool = False, other_model: bool = False
) -> None:
    """Publish the folder `built` with its `manifest` as the run's current state, atomically for readers.

    Args:
        embedded: whether the state is embedded again, rather than a refresh of the previous one.
        other_model: whether the model is another one, so that earlier evaluation results are no longer valid.
    """
    before, version = stamp_of(run), _next_version(run, STATES)
    made, model = version if embedded else before.made, version if other_model else before.model
    seal(built, manifest)
    replaced = before.model_copy(update={"before": None}) if embedded else None
    stamp = Stamp(base=before.base, version=version, made=made, model=model, before=replaced)
    _publish(run, built, stamp, STATES)


def undo_embedding(run: Path) -> Stamp:
    """Make the state current that the last embedding of a run replaced, and return its stamp; needs the run's `only_writer`.

    A refresh is not undone: the sources would not send its rows again.

    Raises:
        VibesError: the current state is not one that was embedded over another one.
    """
    stamp = stamp_of(run)
    if stamp.before is None or not folder_of(run, stamp.before.version).is_dir():
        reason = (
            "was refreshed since" if stamp.made < stamp.version and stamp.made else "has no earlier version"
        )
        raise VibesError(f"{run} {reason}, so no embedding can be undone; embed the market again.")
    before = stamp.before.model_copy(update={"last": stamp.version})
    write_text(run / STATES.pointer, before.model_dump_json())
    return before


def publish_results(run: Path, built: Path, of: Stamp) -> None:
    """Publish the folder `built` as the evaluation results of the model of the state `of`."""
    _publish(run, built, Stamp(base="", version=_next_version(run, RESULTS), model=of.model), RESULTS)


def _next_version(run: Path, series: Series) -> int:
    numbers = [int(folder.name) for folder in folders_of(run, series)]
    stamp = stamp_of(run, series)
    return max([stamp.version, stamp.last, *numbers]) + 1


def _publish(run: Path, built: Path, stamp: Stamp, series: Series) -> None:
    (built / LOCK).touch()
    sync_tree(built)
    os.replace(built, folder_of(run, stamp.version, series))
    sync(series.path(run))
    write_text(run / series.pointer, stamp.model_dump_json())


def sweep(run: Path, series: Series = STATES) -> None:
    """Remove replaced versions without a reader, and the remains of killed writers."""
    stamp = stamp_of(run, series)
    published = [folder for folder in folders_of(run, series) if int(folder.name) <= stamp.version]
    needed = {*published[-KEEP:], folder_of(run, stamp.made, series)}
    if stamp.before is not None:
        needed |= {folder_of(run, number, series) for number in (stamp.before.version, stamp.before.made)}
    for folder in folders_of(run, series):
        if folder not in needed:
            remove(folder)
    for left in series.path(run).glob(f"{REMOVING}*"):
        shutil.rmtree(left, ignore_errors=True)
    sweep_left(run)


def forget(run: Path) -> None:
    """Discard the published versions and evaluation results of a run before it is written again."""
    for name in (
        STATES.pointer,
        RESULTS.pointer,
        "metrics.json",
        "queries.parquet",
        "serving.json",
        "request.json",
    ):
        (run / name).unlink(missing_ok=True)


def remove(folder: Path) -> bool:
    """Remove a version unless a reader leases it, and return whether it was removed."""
    aside = folder.with_name(f"{REMOVING}{folder.name}")
    try:
        with (folder / LOCK).open("a") as stream:
            if fcntl is not None:  # A reader that waits for this lock then sees that the folder was removed.
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.replace(folder, aside)  # Renamed first, so that a killed writer leaves no partial version.
        if fcntl is None:
            os.replace(folder, aside)  # Windows refuses this while a file in it is open.
        shutil.rmtree(aside, ignore_errors=True)
        return True
    except OSError:
        return False
