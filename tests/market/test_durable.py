"""Files that are whole or not there, one writer a folder, and what killed writers left."""

import os
import subprocess
import sys

import pytest

from listing_vibes.errors import VibesError
from listing_vibes.market.durable import atomic_path, only_writer, sweep_left

DIES = """
import os, sys
from pathlib import Path
from listing_vibes.market.durable import atomic_path, only_writer
with only_writer(Path(sys.argv[1]), "vibes train"), atomic_path(Path(sys.argv[1]) / "weights") as temporary:
    temporary.write_text("half")
    os._exit(9)
"""


def test_what_a_killed_writer_left_is_swept_and_what_is_being_written_is_not(tmp_path):
    done = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)])
    assert done.returncode == 9
    (left,) = tmp_path.glob(".writing-*")
    with (
        only_writer(tmp_path, "vibes embed"),
        atomic_path(tmp_path / "other") as temporary,
    ):  # the lock died, too
        temporary.write_text("whole")
        sweep_left(tmp_path)
        assert temporary.exists() and not left.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]


def test_a_second_writer_is_told_of_the_first_one(tmp_path):
    run = tmp_path / "run"
    with (
        only_writer(run, "vibes train"),
        pytest.raises(
            VibesError, match=rf"run is being written by `vibes train` \(process {os.getpid()}\); wait"
        ),
        only_writer(run, "vibes embed"),
    ):
        pass
    assert not run.exists()  # nothing was written into it
    with only_writer(run, "vibes evaluate"), only_writer(run, "vibes embed", name=".other"):
        (run / "file").touch()
    assert [path.name for path in run.iterdir()] == ["file"]


def test_file_and_folder_are_synced_before_and_after_the_rename(tmp_path, monkeypatch):
    order: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(opened: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{opened}") else "file")
        real_sync(opened)

    def replace(*arguments: object) -> None:
        order.append("rename")
        real_replace(*arguments)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    with atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("a")
    assert order == ["file", "rename", "folder"]
    with atomic_path(tmp_path / "b", durable=False) as temporary:
        temporary.write_text("b")
    assert order[3:] == ["rename"]


def test_a_name_of_255_bytes_is_written(tmp_path):
    with atomic_path(tmp_path / ("x" * 255)) as temporary:
        temporary.write_text("long")
    assert (tmp_path / ("x" * 255)).read_text() == "long"
