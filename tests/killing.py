"""Trainings that are killed as `kill -9` would, for tests of resuming."""

import subprocess
import sys
from pathlib import Path

from core.market.market import Market
from core.model.settings import Settings


def weights(run: Path) -> bytes:
    """The bytes of a run's weights."""
    return (run / "model.safetensors").read_bytes()


KILLED = """
import os, signal, sys
from pathlib import Path
from core.market.log import EventLog
from core.market.market import Market
from core.market.splits import Catalogue, make_split
from core.model.settings import Settings
from core.training.train import train

def report(entry):
    if entry.get("step") == {step} and {when}:
        os.kill(os.getpid(), signal.SIGKILL)

train(Market.open({market!r}), Path({run!r}), Settings.model_validate_json({settings!r}), None, report=report)
"""


def kill_at(market: Market, run: Path, settings: Settings, step: int, when: str = "True") -> None:
    """Train in a process of its own that kills itself, as `kill -9` would, at `step`."""
    code = KILLED.format(
        step=step,
        when=when,
        market=str(market.path),
        run=str(run),
        settings=settings.model_dump_json(exclude_unset=True),
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
