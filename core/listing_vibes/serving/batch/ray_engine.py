"""A job on Ray Data: actors that hold the model score the chunks, on one machine or on a cluster.

If RAY_ADDRESS is set, the job runs on that cluster, whose machines need the run, the market and the job's folder
under the same paths; otherwise a cluster of `workers` processes runs on 127.0.0.1 until the job ends.
"""

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
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.serving.batch.job import JobScorer


class RayScorer:
    """Ray actor that opens the job once and scores the chunks assigned to it."""

    def __init__(self, folder: str) -> None:
        self._scorer = JobScorer.reopen(Path(folder))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Score the chunks `batch["chunk"]` (n,) and write each to its file; return the number of lists per chunk."""
        lists = [self._scorer.write_chunk(int(number)) for number in batch["chunk"]]
        return {"chunk": batch["chunk"], "lists": lists}


def score_on_ray(scorer: JobScorer, workers: int, report: Report = silent) -> int:
    """Score the remaining chunks of a job with `workers` actors; return the number of lists.

    A worker that dies is restarted and its chunk is scored again. A slow worker delays its current chunk only, since
    chunks are assigned one at a time.

    Raises:
        VibesError: Ray is not installed or does not start, or a chunk cannot be scored.
    """
    todo = scorer.todo()
    if not todo:
        return 0
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage statistics are sent
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning
    if not os.environ.get("RAY_ADDRESS") and "ray" not in sys.modules:
        # Its processes share a token, which Ray would otherwise write into the home folder.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with needs("--engine ray", "ray"):
        import ray
        import ray.data
    with redirect_stdout(sys.stderr):  # Ray reports a dead worker on stdout, which belongs to the caller
        return _score(ray, scorer, todo, workers, report)


def _score(ray: Any, scorer: JobScorer, todo: list[int], workers: int, report: Report) -> int:
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
            fn_constructor_args=(str(scorer.folder.resolve()),),
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
            num_gpus=_gpu_share(workers),
        )  # Ray Data's default: a worker that dies is restarted and its chunk retried without limit
        created = 0
        for place, row in enumerate(done.iter_rows(), start=scorer.chunks - len(todo) + 1):
            created += int(row["lists"])
            report(Counted("chunks", place, scorer.chunks))
        return created
    except ray.exceptions.RayError as error:
        reason = [line for line in str(error).splitlines() if line.strip()]
        raise VibesError(
            f"A Ray worker failed ({reason[-1].strip()}); run the same command again to continue."
        ) from error
    finally:
        if started_here:
            ray.shutdown()


def _gpu_share(workers: int) -> float | None:
    """Return the share of a GPU per actor, since Ray hides the GPUs from actors that request none; None for a job on CPUs."""
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
        # One more than the actors take, for the task that reads the list of chunks.
        options |= {"num_cpus": workers + 1, "_node_ip_address": "127.0.0.1"}
    # Even without a dashboard Ray starts its server, which queries the metadata addresses of three clouds regardless of the setting of
    # usage statistics. These values keep that server from starting; Ray runs without it.
    without = mock.patch("ray._private.services.start_api_server", create=True, return_value=(None, None))
    try:
        with without:
            ray.init(**options)
    except Exception as error:  # Ray raises a bare Exception on a timeout
        raise VibesError(
            f"Ray did not start ({str(error).splitlines()[0]}); run the same again when the machine is less busy, "
            "or use --engine local."
        ) from error
