"""A writer that dies before any of the files it puts in place leaves the run as it was, or the new one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_death_before_any_rename_leaves_the_old_state_or_the_new_one():
    # In a process of its own: one whose autograd has run cannot be forked into one that trains.
    command = [sys.executable, "-m", "tests.faults.deaths", "--count", "1", "--readers", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0 and done.stdout.rstrip().endswith(" deaths, 0 wrong"), (
        done.stdout + done.stderr
    )
    assert all(int(line.split(": ")[1].split()[0]) > 1 for line in done.stdout.splitlines()[:-1])
