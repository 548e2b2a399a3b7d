"""Trainings that are killed as `kill -9` would, for tests of resuming."""

import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from unittest import mock

from listing_vibes.market.market import Market
from listing_vibes.model.settings import Resolved
from listing_vibes.progress import Update


def weights(run: Path) -> bytes:
    """The bytes of a run's weights."""
    return (run / "model.safetensors").read_bytes()


def kill_at(market: Market, run: Path, settings: Resolved, step: int, after: type = object) -> None:
    """Train in a process of its own that kills itself, as `kill -9` would, once it tells an `after` of `step`."""
    code, told = _apart(market, run, settings, step, after, False)
    assert code == -9, told


def train_apart(market: Market, run: Path, settings: Resolved, resume: bool = False) -> None:
    """Train in a process of its own, as the one that is killed: libraries that other tests load change no sum there."""
    code, told = _apart(market, run, settings, -1, object, resume)
    assert code == 0, told


def _apart(
    market: Market, run: Path, settings: Resolved, step: int, after: type, resume: bool
) -> tuple[int | None, str]:
    """Exit code and words of such a process. It is forked from one that did nothing but load the libraries, once for all."""
    apart = multiprocessing.get_context("forkserver")
    apart.set_forkserver_preload(["listing_vibes.training.train"])
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        told.touch()
        given = settings.model_dump_json(exclude_unset=True)
        process = apart.Process(
            target=_train, args=(told, str(market.path), run, given, step, after, resume, dict(os.environ))
        )
        # A page that was run here before has left its script as the main module, which the process would run once more.
        with mock.patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):
            process.start()
        process.join()
        return process.exitcode, told.read_text()


def _train(
    told: Path,
    market: str,
    run: Path,
    settings: str,
    step: int,
    after: type,
    resume: bool,
    environment: dict[str, str],
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with told.open("w") as stream:
        os.dup2(stream.fileno(), sys.stderr.fileno())

    def report(update: Update) -> None:
        if getattr(update, "step", None) == step and isinstance(update, after):
            os.kill(os.getpid(), signal.SIGKILL)

    from listing_vibes.training.train import train

    train(
        Market.open(market), run, Resolved.model_validate_json(settings), None, resume=resume, report=report
    )
