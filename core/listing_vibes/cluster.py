"""Ray: a cluster on this machine, or the one of RAY_ADDRESS, whose actors each hold a model and map batches.

With RAY_ADDRESS the machines of the cluster need the market and the run under the same paths; without it, processes on 127.0.0.1 run
until the context ends.
"""

import logging
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np

from listing_vibes.cores import cores
from listing_vibes.errors import VibesError, needs

#: An address at which nothing listens. Ray's server asks the metadata addresses of three clouds where it runs, whatever the settings of
#: its dashboard and of its usage statistics; through this proxy the requests end on this machine.
_NOWHERE = "http://127.0.0.1:9"

Batch = Mapping[str, np.ndarray]


class Worker(Protocol):
    """An actor that maps batches; what it holds is made once."""

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Return the columns (n,) of the result of a batch."""


class Cluster:
    """A pool of actors on Ray, which starts with the first batch.

    Args:
        workers: number of actors.
    """

    def __init__(self, workers: int) -> None:
        self.workers, self._started_here = workers, False

    @property
    def threads(self) -> int:
        """The number of threads of a worker: 1, or with a GPU its share of the cores, which decode photos for it."""
        return 1 if _gpu_share(self.workers) is None else max(1, cores() // self.workers)

    def map(
        self, worker: type[Worker], arguments: tuple[Any, ...], items: Sequence[Mapping[str, Any]]
    ) -> Iterator[Batch]:
        """Yield the result of a worker for each item, in any order.

        An actor that dies is restarted and its item is mapped again. Items wait at the driver while all actors are busy, so that
        the memory of the cluster holds few results.

        Args:
            arguments: of the worker's class; they reach it on another machine.
            items: each becomes a batch of one row.

        Raises:
            VibesError: Ray is not installed or does not start, or an item cannot be mapped.
        """
        if not items:
            return
        with redirect_stdout(sys.stderr):  # Ray reports a dead worker on stdout, which belongs to the caller
            ray = self._ray()
            rows = ray.data.from_items([dict(item) for item in items], override_num_blocks=len(items))
            results = rows.map_batches(
                worker,
                batch_size=1,
                fn_constructor_args=arguments,
                compute=ray.data.ActorPoolStrategy(size=self.workers, max_tasks_in_flight_per_actor=1),
                num_cpus=self.threads,
                num_gpus=_gpu_share(self.workers),
            )  # Ray Data's default: a worker that dies is restarted and its item retried without limit
            try:
                yield from results.iter_batches(batch_size=None, prefetch_batches=1)
            except ray.exceptions.RayError as error:
                reason = [line for line in str(error).splitlines() if line.strip()]
                raise VibesError(
                    f"A Ray worker failed ({reason[-1].strip()}); run the same command again to continue."
                ) from error

    def stop(self) -> None:
        """Stop the processes that this cluster started."""
        if self._started_here:
            sys.modules["ray"].shutdown()
            self._started_here = False

    def _ray(self) -> Any:
        """Return the module `ray.data` belongs to, connected to a cluster."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage statistics are sent
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning
        if not os.environ.get("RAY_ADDRESS") and "ray" not in sys.modules:
            # Its processes share a token, which Ray would otherwise write into the home folder.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        with needs("--engine ray", "ray"):
            import ray
            import ray.data
        if not ray.is_initialized():
            _start(ray, self.workers)
            self._started_here = True
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        return ray


_current: ContextVar[Cluster | None] = ContextVar("cluster", default=None)


@contextmanager
def on_ray(workers: int | None = None) -> Iterator[Cluster]:
    """Embed new photos and texts in this context on Ray instead of in this process; None: one worker per core.

    >>> with on_ray(2) as cluster:
    ...     (cluster.workers, current_cluster() is cluster)
    (2, True)
    """
    cluster = Cluster(workers or cores())
    token = _current.set(cluster)
    try:
        yield cluster
    finally:
        _current.reset(token)
        cluster.stop()


def current_cluster() -> Cluster | None:
    """Return the cluster of the context; None: everything runs in this process."""
    return _current.get()


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
    own = not os.environ.get("RAY_ADDRESS")
    if own:
        # One more than the actors take, for the task that reads the items.
        options |= {"num_cpus": workers + 1, "_node_ip_address": "127.0.0.1"}
    before = os.environ.get("http_proxy")
    if own and before is None:
        os.environ["http_proxy"] = _NOWHERE
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises a bare Exception on a timeout
        raise VibesError(
            f"Ray did not start ({str(error).splitlines()[0]}); run the same again when the machine is less busy, "
            "or use --engine local."
        ) from error
    finally:
        if own and before is None:
            del os.environ["http_proxy"]
