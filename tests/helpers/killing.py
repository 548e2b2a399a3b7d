"""Trainings that are killed as `kill -9` would, for tests of resuming."""

import subprocess
import sys
from pathlib import Path

from core.market.market import Market
from core.model.settings import Settings


def weights(run: Path) -> bytes:
    """The bytes of a run's weights."""
    return (run / "model.safetensors").read_bytes()


TRAINING = """
import os, signal, sys
from pathlib import Path
from core.market.market import Market
from core.model.settings import Settings
from core.training.train import train

def report(update):
    if getattr(update, "step", None) == {step} and {when}:
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings.model_validate_json({settings!r})
train(Market.open({market!r}), Path({run!r}), settings, None, resume={resume}, report=report)
"""


def kill_at(market: Market, run: Path, settings: Settings, step: int, when: str = "True") -> None:
    """Train in a process of its own that kills itself, as `kill -9` would, at `step`."""
    done = _apart(market, run, settings, step, when, False)
    assert done.returncode == -9, done.stderr


def train_apart(market: Market, run: Path, settings: Settings, resume: bool = False) -> None:
    """Train in a process of its own, as the one that is killed: libraries that other tests load change no sum there."""
    done = _apart(market, run, settings, -1, "False", resume)
    assert done.returncode == 0, done.stderr


def _apart(
    market: Market, run: Path, settings: Settings, step: int, when: str, resume: bool
) -> subprocess.CompletedProcess[str]:
    code = TRAINING.format(
        step=step,
        when=when,
        resume=resume,
        market=str(market.path),
        run=str(run),
        settings=settings.model_dump_json(exclude_unset=True),
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
