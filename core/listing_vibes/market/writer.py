"""Write a market folder atomically; replace an existing market only on request."""

import filecmp
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import MarketConfig
from listing_vibes.market.durable import (
    LOCK,
    WRITING,
    inside,
    only_writer,
    staging_folder,
    sweep_left,
    sync,
    sync_tree,
    write_error,
)
from listing_vibes.market.io import TABLES, table_files
from listing_vibes.market.photo_files import may_be_photo

#: The folder that the files of a photos table are in, or a function that writes them to a folder.
Photos: TypeAlias = Path | Callable[[Path], None]
#: Holds a finished market until its files are moved to the market's folder; a file that ends in `ABSENT` means that a table is absent.
COMMIT, ABSENT = ".commit", ".absent"
#: The lock of the process that moves them.
COMMITTING = ".committing"
#: Allowed content of a folder without a market.
_HIDDEN = (LOCK, COMMIT, COMMITTING, ".cache", ".user-key", ".downloading")


@contextmanager
def replacing(path: Path, overwrite: bool, command: str) -> Iterator[None]:
    """Lock the folder of a market for writing.

    Raises:
        VibesError: the folder holds a market and `overwrite` is False, or it holds other content.
    """
    if path.exists() and not path.is_dir():
        raise VibesError(f"{path} is a file; name a new folder for the market.")
    with only_writer(path, command):
        finish_writing(path)
        sweep_left(path)
        _check_folder(path, overwrite)
        yield


def _check_folder(path: Path, overwrite: bool) -> None:
    names = {file.name for file in path.iterdir()}
    if not {name for name in names if name not in _HIDDEN and not name.startswith(WRITING)}:
        return
    if "run.toml" in names:
        raise VibesError(f"{path} is a run; name a new folder for the market.")
    if not table_files(path, "listings"):
        if "market.toml" in names and not any(table_files(path, name) for name in TABLES):
            return  # a configuration without tables yet
        raise VibesError(f"{path} is not empty and holds no market; name a new folder for the market.")
    if not overwrite:
        raise VibesError(
            f"{path} holds a market; choose another folder or pass overwrite=True (command: --overwrite)."
        )


def write_market(
    path: Path,
    config: MarketConfig | None,
    listings: pd.DataFrame,
    photos: pd.DataFrame | None = None,
    events: pd.DataFrame | None = None,
    photo_root: Photos | None = None,
    other_files: Sequence[str] = (),
) -> None:
    """Write a market folder, replacing an existing market; photo files are copied from `photo_root / path` to `path / path`.

    The market is built in a temporary folder and moved when all of it is on disk: a writer that fails or is killed before leaves the
    old market unchanged; after a later kill, `Market.open` finishes the move. Tables that are not given are removed. Photo paths
    that leave the market are not copied; photo files of the old market that the new one does not
    have stay.

    Args:
        config: None: an existing `market.toml` stays.
        photo_root: a folder, or a function that writes photo files to the folder that is its argument.
        other_files: paths of other files that are copied from `photo_root`, such as vectors.

    Raises:
        VibesError: the disk is full, the folder cannot be written, or a photo folder in it is a link that leaves it.
    """
    path = Path(path)
    try:
        finish_writing(path)
        with staging_folder(path) as staging:
            built = staging / "market"
            built.mkdir()
            if callable(photo_root):
                photo_root(built)
            elif photos is not None and photo_root is not None and C.PATH in photos:
                _copy_files(photos[C.PATH].dropna().astype("str").unique(), photo_root, built, path)
            if other_files and isinstance(photo_root, Path):
                _copy_files(other_files, photo_root, built, path)
            for name, table in zip(TABLES, (listings, photos, events), strict=True):
                if table is None:
                    (built / f"{name}{ABSENT}").touch()
                else:
                    table.to_parquet(built / f"{name}.parquet", index=False)
            if config is not None:
                config.save(built / "market.toml")
            for file in _files(built):
                inside(path, (path / file.relative_to(built)).parent)
                file.chmod(0o644)
            sync_tree(built)
            built.chmod(0o755)
            finish_writing(path, built)
    except OSError as error:
        raise write_error(Path(error.filename or path), error) from error


def finish_writing(path: Path, built: Path | None = None) -> None:
    """Move the files of a finished market to its folder: of `built`, or of a writer that was killed; usually there are none.

    Raises:
        VibesError: the folder cannot be written.
    """
    commit = path / COMMIT
    if built is None and (not commit.is_dir() or commit.is_symlink()):
        return
    with only_writer(path, "writing a market", COMMITTING, wait=True):
        if built is not None:
            os.rename(built, commit)
            sync(path)
        if commit.is_dir():  # else another process has finished
            _put_in_place(path)


def _put_in_place(path: Path) -> None:
    """Move each file of `COMMIT` to the market; a second call continues after an interruption."""
    built = path / COMMIT
    for name in TABLES:
        absent = (built / f"{name}{ABSENT}").is_file()
        if absent or (built / f"{name}.parquet").is_file():
            for file in table_files(path, name):
                if absent or file.name != f"{name}.parquet":
                    file.unlink(missing_ok=True)
    # market.toml comes first, so that no table is read without its exclusions, and listings come before tables that refer to them.
    first = [built / name for name in ("market.toml", *(f"{name}.parquet" for name in TABLES))]
    files = sorted(_files(built), key=lambda file: first.index(file) if file in first else -1)
    folders = {path}
    for file in files:
        target = path / file.relative_to(built)
        inside(path, target.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        folders |= {target.parent}
        os.replace(file, target)
    for folder in folders:
        sync(folder)
    shutil.rmtree(built)


def _files(built: Path) -> list[Path]:
    return [file for file in built.rglob("*") if file.is_file() and not file.name.endswith(ABSENT)]


def _copy_files(names: Sequence[str], root: Path, built: Path, path: Path) -> None:
    """Copy files that are missing or different in the market."""
    for name in names:
        source, target, existing = root / name, built / name, path / name
        if not may_be_photo(name) or not source.is_file():
            continue
        if existing.is_file() and (existing.samefile(source) or filecmp.cmp(existing, source, shallow=False)):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
