"""Trainings that are killed as `kill -9` would, for tests of resuming."""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from unittest import mock

from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Update

#: What a process that is forked here has loaded.
LIBRARIES = [
    "listing_vibes.training.train",
    "listing_vibes.serving.batch",
    "listing_vibes.serving.refresh.refresher",
]


def weights(run: Path) -> bytes:
    """The bytes of a run's weights."""
    return (run / "model.safetensors").read_bytes()


def kill_at(market: Market, run: Path, settings: Resolved, step: int, after: type = object) -> None:
    """Train in a process of its own that kills itself, as `kill -9` would, once it tells an `after` of `step`."""
    code, told = run_apart(
        _train, market.path, run, settings.model_dump_json(exclude_unset=True), step, after
    )
    assert code == -9, told


def train_apart(market: Market, run: Path, settings: Resolved, resume: bool = False) -> None:
    """Train in a process of its own, as the one that is killed: libraries that other tests load change no sum there."""
    given = settings.model_dump_json(exclude_unset=True)
    code, told = run_apart(_train, market.path, run, given, -1, object, resume)
    assert code == 0, told


def run_apart(work: Callable[..., object], *given: object) -> tuple[int | None, str]:
    """Return exit code and words of a process that does some work, forked from one that did nothing but load the libraries."""
    apart = multiprocessing.get_context("forkserver")
    apart.set_forkserver_preload(LIBRARIES)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        told.touch()
        process = apart.Process(target=_work, args=(told, dict(os.environ), work, *given))
        # A page that was run here before has left its script as the main module, which the process would run once more.
        with mock.patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):
            process.start()
        process.join()
        return process.exitcode, told.read_text()


def _work(told: Path, environment: dict[str, str], work: Callable[..., object], *given: object) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with told.open("w") as stream:
        os.dup2(stream.fileno(), sys.stderr.fileno())
    work(*given)


def _train(market: Path, run: Path, settings: str, step: int, after: type, resume: bool = False) -> None:
    def report(update: Update) -> None:
        if getattr(update, "step", None) == step and isinstance(update, after):
            os.kill(os.getpid(), signal.SIGKILL)

    from listing_vibes.training.train import train

    read = Resolved.model_validate_json(settings)
    train(Market.open(market), run, read, None, resume=resume, report=report)
