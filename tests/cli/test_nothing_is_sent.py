"""Every command and page: no name is resolved, no other machine is asked, and nothing is written where nobody expects it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from helpers.commands import ROOT

pytestmark = pytest.mark.slow
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


def test_every_command_and_page_keeps_to_this_machine_and_to_its_folders(tmp_path):
    before = _demo()
    assert recorded(tmp_path, "-m", "helpers.every_command", tmp_path / "work") == []
    cached = {path.parts[0:2] for path in _files(tmp_path / "home")}
    assert cached <= {(".cache", "listing-vibes")}  # also what was written by no Python
    assert _demo() == before


def test_the_recorder_records(tmp_path, tmp_path_factory):
    file = tmp_path_factory.mktemp("elsewhere") / "file"
    code = f"import socket; open({str(file)!r}, 'w')\ntry: socket.getaddrinfo('nowhere.invalid', 80)\nexcept OSError: pass"
    assert recorded(tmp_path, "-c", code) == [f"writes {file}", "resolves nowhere.invalid"]


def _files(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def _demo() -> set[Path]:
    return {*_files(ROOT / "assets" / "demo"), *_files(ROOT / "assets" / "models")}
