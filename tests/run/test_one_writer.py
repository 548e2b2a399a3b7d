"""Every command that writes a run is told of the one that is writing it; readers are not."""

import os
import shutil

import pytest

from helpers.commands import vibes
from listing_vibes.market.durable import only_writer
from listing_vibes.run.run import Run
from run.damages import SMALL_RUN


@pytest.fixture
def place(tmp_path):
    return shutil.copytree(SMALL_RUN, tmp_path / "small")


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["train", "market", "fresh", "--preset", "tiny"], "fresh"),
        (["embed", "market", "run", "--model", "run"], "run"),
        (["refresh", "run", "--events", "market"], "run"),
        (["batch", "run", "lists"], "lists"),
    ],
)
def test_a_second_writer_is_refused_in_one_sentence_that_names_the_first(arguments, written, place):
    command, *paths = (
        str(place / one) if one in ("market", "fresh", "run", "lists") else one for one in arguments
    )
    with only_writer(place / written, "vibes train"):
        done = vibes(command, *paths, check=2)
        assert f"is being written by `vibes train` (process {os.getpid()}); wait" in done.stderr
        assert len(Run.open(place / "run").recommend("user-0001", k=3)) == 3  # a reader needs no lock
    assert not (place / "fresh").exists() and not (place / "lists").exists()
