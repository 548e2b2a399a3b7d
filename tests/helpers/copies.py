"""A run and its market in a folder of a test's own."""

import gzip
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from listing_vibes.market.market import Market
from listing_vibes.run.manifest import Manifest, seal
from listing_vibes.run.run import Run


def copied(run: Run, folder: Path) -> Run:
    """A copy of `run` in `folder` over a copy of its market."""
    shutil.copytree(run.market.path, folder / "market")
    shutil.copytree(run.path, folder / "run")
    place = str((folder / "market").resolve())
    Manifest.load(run.path).model_copy(update={"market": place}).save(folder / "run")
    return Run.open(folder / "run", Market.open(folder / "market"))


def change_settings(run: Path, training: dict | None = None, **changes: object) -> Path:
    """Let a run have other resolved settings; returns its folder."""
    manifest = Manifest.load(run)
    if training:
        changes["training"] = manifest.settings.training.model_copy(update=training)
    manifest.model_copy(update={"settings": manifest.settings.model_copy(update=changes)}).save(run)
    return run


def resealed(run: Path) -> None:
    """Let a run's files be what somebody made of them, as if they had been written so."""
    seal(run, Manifest.load(run))


def traces(folder: Path, word: str) -> list[str]:
    """The files at and below `folder` whose name or content has `word`: as text, and inside gzip, Parquet, npz, npy, zip and
    SQLite."""
    found = []
    for path in sorted(folder.rglob("*")):
        if word in path.name or (path.is_file() and any(word.encode() in part for part in _contents(path))):
            found.append(path.relative_to(folder).as_posix())
    return found


def _contents(path: Path) -> Iterator[bytes]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:  # a lock or a temporary file of a process that goes on
        return
    yield raw
    yield raw.replace(b"\0", b"")  # UTF-32, as numpy keeps text, and UTF-16
    if raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    elif raw[:4] == b"PAR1":
        yield pq.read_table(path).to_pandas().to_csv().encode()
        yield str(pq.read_metadata(path).metadata).encode()
    elif raw[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                content = packed.read(name)
                yield content
                yield content.replace(b"\0", b"")
    elif raw[:6] == b"\x93NUMPY":
        yield str(np.load(path, allow_pickle=False).tolist()).encode()
    elif raw[:15] == b"SQLite format 3":
        with sqlite3.connect(path) as base:
            yield "\n".join(base.iterdump()).encode()
