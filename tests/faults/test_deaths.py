"""A writer that dies before any of the files it puts in place leaves the run as it was, or the new one."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.faults.deaths import Deaths
from tests.faults.writers import WRITERS, stage

from helpers.once import once

ROOT = Path(__file__).parents[2]


@pytest.fixture
def one_thread():
    """A forked process has none of its parent's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    "writer", [one for one in WRITERS if one.name != "train"], ids=lambda writer: writer.name
)
def test_a_death_before_any_rename_leaves_the_old_state_or_the_new_one(writer, tmp_path, tmp_path_factory):
    one = Deaths(writer, once(tmp_path_factory, "stage", stage), tmp_path / "copy")
    assert one.renames > 1
    for number in {
        *range(1, one.renames + 1, 3),
        one.renames,
    }:  # `python -m tests.faults.deaths` looks at each
        one.before(number)
    assert not one.seen.wrong, one.seen.wrong


@pytest.mark.slow
def test_a_training_that_dies_leaves_the_old_state_or_the_new_one():
    # In a process of its own: one whose autograd has run cannot be forked into one that trains.
    command = [
        sys.executable,
        "-m",
        "tests.faults.deaths",
        "--count",
        "1",
        "--readers",
        "0",
        "--writer",
        "train",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and done.stdout.rstrip().endswith(" deaths, 0 wrong"), (
        done.stdout + done.stderr
    )
