"""A run and its market in a folder of a test's own."""

import shutil
from pathlib import Path

from listing_vibes.market.market import Market
from listing_vibes.run.contents import seal
from listing_vibes.run.manifest import Manifest
from listing_vibes.run.run import Run


def copied(run: Run, folder: Path) -> Run:
    """A copy of `run` in `folder` over a copy of its market."""
    shutil.copytree(run.market.path, folder / "market")
    shutil.copytree(run.path, folder / "run")
    place = str((folder / "market").resolve())
    Manifest.load(run.path).model_copy(update={"market": place}).save(folder / "run")
    return Run.open(folder / "run", Market.open(folder / "market"))


def resealed(run: Path) -> None:
    """Let a run's files be what somebody made of them, as if they had been written so."""
    seal(run, Manifest.load(run))
