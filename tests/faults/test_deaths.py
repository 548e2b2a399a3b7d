"""A writer that dies before any of the files it puts in place leaves the run as it was, or the new one."""

import pytest
from tests.faults.deaths import die_sometimes
from tests.faults.writers import WRITERS, stage

from helpers.killing import run_apart
from helpers.once import once


@pytest.mark.slow
@pytest.mark.parametrize("name", [writer.name for writer in WRITERS])
def test_a_death_before_any_rename_leaves_the_old_state_or_the_new_one(name, tmp_path, tmp_path_factory):
    """In a process of its own: one whose autograd has run, or that has threads, cannot be forked into one that trains."""
    code, told = run_apart(die_sometimes, name, once(tmp_path_factory, "stage", stage), tmp_path / "copy")
    assert code == 0, told
