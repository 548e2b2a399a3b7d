"""A job on Ray Data: actors that hold the model score chunk after chunk, on one machine or on a cluster.

With RAY_ADDRESS set, the job goes to that cluster, whose machines must see the run, the market and the job's folder
under the same paths; else a cluster of `workers` processes lives on this machine, on 127.0.0.1, until the job ends.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from listing_vibes.errors import VibesError, needs
from listing_vibes.progress import Counted, Report
from listing_vibes.serving.batch.job import Job, JobScorer


class RayScorer:
    """What an actor does: opens the job once, then scores the chunks it is given."""

    def __init__(self, folder: str) -> None:
        self._scorer = JobScorer.reopen(Path(folder))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Score the chunks `batch["chunk"]` (n,), each into its file; Ray gets numbers alone."""
        lists = [self._scorer.write_chunk(int(number)) for number in batch["chunk"]]
        return {"chunk": batch["chunk"], "lists": lists}


def score_on_ray(folder: Path, workers: int, report: Report | None = None) -> int:
    """Score what is left of the job in `folder` with `workers` actors; returns how many lists were made.

    A worker that dies is started again and its chunk is scored again; a slow one only keeps the chunk it is at, since
    each is given one at a time.

    Raises:
        VibesError: Ray is not installed or does not start, or a chunk cannot be scored.
    """
    job = Job.load(folder)
    if job is None:
        raise VibesError(f"{folder} holds no job; it was removed while it was worked on.")
    todo = job.todo(folder)
    if not todo:
        return 0
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it reports nothing to anybody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning
    if not os.environ.get("RAY_ADDRESS") and "ray" not in sys.modules:
        # Its processes know each other by a token, which Ray else writes into the home folder.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with needs("--engine ray", "ray"):
        import ray
        import ray.data
    with redirect_stdout(sys.stderr):  # where Ray tells of a worker that died; stdout is the caller's
        return _score(ray, job, folder, todo, workers, report)


def _score(ray: Any, job: Job, folder: Path, todo: list[int], workers: int, report: Report | None) -> int:
    started_here = not ray.is_initialized()
    if started_here:
        _start(ray, workers)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        chunks = ray.data.from_items([{"chunk": n} for n in todo], override_num_blocks=len(todo))
        done = chunks.map_batches(
            RayScorer,
            batch_size=1,
            fn_constructor_args=(str(folder.resolve()),),
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
            num_gpus=_gpu_share(workers),
        )  # a worker that dies is started again and its chunk given again without end: Ray Data's default
        created = 0
        for place, row in enumerate(done.iter_rows(), start=job.chunks - len(todo) + 1):
            created += int(row["lists"])
            if report is not None:
                report(Counted("chunks", place, job.chunks))
        return created
    except ray.exceptions.RayError as error:
        reason = [line for line in str(error).splitlines() if line.strip()]
        raise VibesError(
            f"A Ray worker failed ({reason[-1].strip()}); the same command goes on where it stopped."
        ) from error
    finally:
        if started_here:
            ray.shutdown()


def _gpu_share(workers: int) -> float | None:
    """Of a GPU for each actor: Ray hides all of them from one that asks for none. None where the job runs on CPUs."""
    try:
        import torch

        from listing_vibes.device import device
    except ImportError:  # similar listings need no torch
        return None
    return min(1.0, torch.cuda.device_count() / workers) if device().type == "cuda" else None


def _start(ray: Any, workers: int) -> None:
    options: dict[str, Any] = {
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if not os.environ.get("RAY_ADDRESS"):
        # One more than the actors take, for the reading of the list of chunks.
        options |= {"num_cpus": workers + 1, "_node_ip_address": "127.0.0.1"}
    # Even without a dashboard Ray starts its server, which asks the addresses of three clouds whether it runs there, whatever is said
    # of usage statistics. Ray goes on where that server does not start, which is what these values say.
    without = mock.patch("ray._private.services.start_api_server", create=True, return_value=(None, None))
    try:
        with without:
            ray.init(**options)
    except Exception as error:  # Ray raises a bare Exception where a part of it does not answer in time
        raise VibesError(
            f"Ray did not start ({str(error).splitlines()[0]}); run the same again when the machine is less busy, "
            "or use --engine local."
        ) from error
