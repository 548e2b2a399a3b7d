"""A writer that dies before any of the files it puts in place leaves the run as it was, or the new one."""

import pytest
import torch
from helpers.once import once

from tests.faults.deaths import Deaths
from tests.faults.writers import WRITERS, stage


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_a_death_before_any_rename_leaves_the_old_state_or_the_new_one(writer, tmp_path, tmp_path_factory):
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    one = Deaths(writer, once(tmp_path_factory, "stage", stage), tmp_path / "copy")
    assert one.renames > 1
    for number in range(1, one.renames + 1):
        one.before(number)
    assert not one.seen.wrong, one.seen.wrong
