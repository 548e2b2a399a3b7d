"""Hostile input: one sentence and exit code 2, never a traceback, and no line that fills the screen."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.commands import ROOT, vibes

LONG = "x" * 300


def refuse(*words: object) -> str:
    """Return the sentence that a command ends with."""
    done = vibes(*words, check=2)
    assert done.stdout == "" and "Traceback" not in done.stderr and "unexpected error" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("vibes: ") and len(line) < 1000
    return line


def test_a_count_beyond_all_numbers_is_all_there_are(bare, tmp_path):
    huge = "9" * 20
    found = vibes("similar", bare.path, bare.listing_ids[0], "-k", huge, "--json")
    assert found.stdout.count("listing_id") == len(bare.listing_ids) - 1
    vibes("batch", bare.path, tmp_path / "lists", "--kind", "listings", "-k", huge)
    assert len(pd.read_parquet(tmp_path / "lists")) == len(bare.listing_ids) * (len(bare.listing_ids) - 1)


def test_a_file_a_market_or_a_run_in_place_of_another(bare, tmp_path):
    (tmp_path / "file").touch()
    for command, *rest in (("similar", "a"), ("recommend", "a"), ("explore",), ("export",), ("forget", "a")):
        assert "is not a run folder" in refuse(command, tmp_path / "file", *rest)
    for command, *rest in (("evaluate",), ("similar", "a"), ("explore",)):
        assert "is not a run folder" in refuse(command, bare.market.path, *rest)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.toml").write_bytes((bare.path / "run.toml").read_bytes())
    for command, *rest in (("check",), ("embed", tmp_path / "out")):
        assert "is a run, not a market" in refuse(command, tmp_path / "run", *rest)


@pytest.mark.slow
def test_names_that_no_file_system_takes(bare, tmp_path):
    for words in (
        ("similar", LONG, "a"), ("check", LONG), ("recommend", bare.path, "--history", f"{LONG}.json"),
        ("recommend", bare.path, "--history", f"{LONG}.csv"), ("batch", bare.path, tmp_path / LONG, "--kind", "listings"),
        ("import", "hm", LONG, tmp_path / "m"), ("forget", bare.path, "a", "--also", LONG),
    ):  # fmt: skip
        error = vibes(*words, check=2).stderr
        assert "too long" in error and "Traceback" not in error and "unexpected error" not in error


def test_parquet_that_is_no_text(tiny_market):
    path = tiny_market(photos=0)
    table = pq.read_table(path / "listings.parquet")
    broken = pa.Array.from_buffers(pa.string(), 12, [None, *pa.array([b"\xff\xfe"] * 12).buffers()[1:]])
    for name in ("listing_id", "title"):
        column = table.schema.get_field_index(name)
        pq.write_table(table.set_column(column, name, broken), path / "listings.parquet")
        refuse("check", path)
    pq.write_table(table, path / "listings.parquet")
    events = pq.read_table(path / "events.parquet").slice(0, 12)
    pq.write_table(events.set_column(0, "user_id", broken), path / "events.parquet")
    refuse("check", path)


RECORDER = ROOT / "tests" / "helpers" / "recorder"


def recorded(folder: Path, *line: object) -> list[str]:
    """What the recorder notes of a Python process and its children, which may write below `folder` alone."""
    (folder / "home").mkdir()
    places = [RECORDER, ROOT / "tests", ROOT / "core", ROOT / "app"]
    left = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "LISTING_VIBES_", "TORCH", "MPL", "RAY_"))
    }
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:  # the names of Ray's sockets have to be short
        own = {
            "HOME": folder / "home",
            "TMPDIR": temporary,
            "RECORD_TO": folder / "record",
            "RECORD_ALLOWED": f"{folder}{os.pathsep}{temporary}",
            "PYTHONPATH": os.pathsep.join(map(str, places)),
        }
        environment = left | {name: str(value) for name, value in own.items()}
        command = [sys.executable, *map(str, line)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    record = folder / "record"
    return record.read_text().splitlines() if record.is_file() else []


@pytest.mark.slow
def test_every_command_and_page_keeps_to_this_machine_and_to_its_folders(tmp_path):
    before = _demo()
    assert recorded(tmp_path, "-m", "helpers.every_command", tmp_path / "work") == []
    cached = {path.parts[0:2] for path in _files(tmp_path / "home")}
    assert cached <= {(".cache", "listing-vibes")}  # also what was written by no Python
    assert _demo() == before


@pytest.mark.slow
def test_the_recorder_records(tmp_path, tmp_path_factory):
    file = tmp_path_factory.mktemp("elsewhere") / "file"
    code = f"import socket; open({str(file)!r}, 'w')\ntry: socket.getaddrinfo('nowhere.invalid', 80)\nexcept OSError: pass"
    assert recorded(tmp_path, "-c", code) == [f"writes {file}", "resolves nowhere.invalid"]


def _files(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def _demo() -> set[Path]:
    return {*_files(ROOT / "assets" / "demo"), *_files(ROOT / "assets" / "models")}
