"""`vibes serve`: the application on uvicorn, in one process or several behind one address, until SIGINT or SIGTERM."""

import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import Multiprocess

from listing_vibes.cores import cores
from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.market.durable import scratch_folder
from listing_vibes.run.other_market import is_other_market
from listing_vibes.run.run import Run
from listing_vibes.search.index import Shared
from listing_vibes.serving.event_database import Database
from listing_vibes.serving.events import PostedEventLog
from listing_vibes.serving.experiment import Arm, Setup, begin_experiment
from listing_vibes.serving.impressions import ImpressionLog
from listing_vibes.serving.places import resolve_place
from listing_vibes.serving.service.access import Access
from listing_vibes.serving.service.app import make_app
from listing_vibes.serving.service.limits import BACKLOG, BoundedProtocol, connection_limits
from listing_vibes.serving.service.lists import CurrentRun
from listing_vibes.serving.service.metrics import MULTIPROCESS_FOLDER
from listing_vibes.serving.service.service import GRACE_S, Service

#: Timeouts in seconds: of a worker's start, of its heartbeat, and of its shutdown.
START_S, SILENT_S, END_S = 600, 10, GRACE_S + 2
THREADS = "OMP_NUM_THREADS"
#: Maximum number of concurrent connections per process; fewer if the limit of open files is lower.
CONNECTIONS = 1024


@dataclass(frozen=True)
class ServiceSettings:
    """Settings of a service.

    Attributes:
        blend: the blend of requests that name none, see `Run.recommend`.
        events: database of posted events, see `listing_vibes.serving.event_database.Database`; None: events are not accepted.
        impressions: database in which every response is recorded; None: responses are not recorded.
        other: a second run, with `other_blend`; every list is interleaved from both.
    """

    run: Path
    blend: str | None = None
    events: str | None = None
    impressions: str | None = None
    hash_users: bool = False
    other: Path | None = None
    other_blend: str | None = None
    workers: int = 1


def serve(
    settings: ServiceSettings,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGINT or SIGTERM, then answer pending requests and end within `GRACE_S` seconds.

    Access rules are set in the environment, see `listing_vibes.serving.service.access.Access`.

    Args:
        port: 0: any free one.
        ready: called with the URL once the server accepts requests.

    Raises:
        VibesError: the settings contradict each other, a run or database cannot be opened, or the port is taken.
    """
    Access.of_environment()
    experiment = prepare(settings)
    if settings.workers > 1:
        return _serve_by_workers(settings, experiment, host, port, ready)
    with listen(host, port) as bound:
        config = server_config(partial(open_app, settings, experiment, ready=lambda: ready(url_of(bound))))
        # uvicorn raises the signal again after its shutdown; a requested stop is not a failure.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run([bound])


def prepare(settings: ServiceSettings) -> Setup | None:
    """Create the databases and start or resume the experiment, once before several processes open them."""
    if settings.impressions is None and (settings.other is not None or settings.hash_users):
        raise VibesError(
            "Two runs and --hash-users need impressions; give --impressions PLACE to record them."
        )
    run = Run.open(settings.run)
    if settings.other is not None and is_other_market(settings.other, run.market):
        raise VibesError(
            f"{settings.other} shares no listing with {settings.run}, since it is over another market; make a run of its model with "
            f"`vibes embed {run.market.path} NEW --model {settings.other}`, and serve NEW."
        )
    if settings.events is not None:
        Database(settings.events, "--events", create=True).close()
    if settings.impressions is None:
        return None
    ImpressionLog(settings.impressions, settings.hash_users).database.close()
    if settings.other is None:
        return None
    return begin_experiment(
        settings.impressions,
        Setup(
            a=Arm(run=str(settings.run.resolve()), blend=settings.blend),
            b=Arm(run=str(settings.other.resolve()), blend=settings.other_blend),
            events="" if settings.events is None else resolve_place(settings.events),
        ),
    )


def open_app(
    settings: ServiceSettings,
    experiment: Setup | None = None,
    shared: Path | None = None,
    ready: Callable[[], None] | None = None,
) -> FastAPI:
    """Open the runs and return the application; uvicorn calls it in each process of the service.

    Args:
        shared: folder of the vectors that several processes share by memory mapping; `ready` cannot be passed to these.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        return make_app(_open(settings, experiment, shared), Access.of_environment(), ready)
    except VibesError as error:
        if parent is None:
            raise
        logging.getLogger("uvicorn.error").error(sentence_of(error))
        sys.exit(1)


def _open(settings: ServiceSettings, setup: Setup | None, folder: Path | None) -> Service:
    shared = None if folder is None else Shared(folder)
    if Run.open(settings.run).has_model:
        import listing_vibes.model.encoder  # noqa: F401 (torch, and all else that a model needs)
    gc.freeze()  # excludes the libraries from garbage collection, which would delay requests
    current = CurrentRun(settings.run, settings.blend, shared)
    events, impressions, experiment = None, None, None
    run = current.state.run
    if settings.events is not None and run.has_market and len(run.log) and not run.market.timed:
        raise VibesError(
            f"Events can be posted to markets with timestamps only, but those of {run.market.path} have positions; leave out --events."
        )
    if settings.events is not None:
        events = PostedEventLog(settings.events, lambda: current.state.run)
    if settings.impressions is not None:
        impressions = ImpressionLog(settings.impressions, settings.hash_users)
    if setup is not None and settings.other is not None:
        experiment = setup, CurrentRun(settings.other, settings.other_blend, shared)
    return Service(current, events, impressions, experiment)


def server_config(
    app: Callable[..., object], connections: int = CONNECTIONS, **options: object
) -> uvicorn.Config:
    """Return uvicorn's configuration for an application, or for a `partial` that returns it, with at most so many connections a process."""
    limit, backlog = connection_limits(connections)
    return uvicorn.Config(
        app,
        factory=isinstance(app, partial),
        http=BoundedProtocol,
        ws="none",
        log_level="error",  # clients must not fill the log with invalid requests
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=int(GRACE_S) - 1,
        limit_concurrency=limit + 1,  # uvicorn refuses the connection that reaches this number
        backlog=backlog,
        lifespan="on",
        **options,  # type: ignore[arg-type]
    )


class Supervisor(Multiprocess):
    """Supervisor of worker processes that calls `ready` once all of them accept requests; `counts` is the folder of their metrics."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], counts: Path, ready: Callable[[], None]
    ) -> None:
        super().__init__(config, sockets)
        self._counts, self._ready = counts, ready

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(START_S, self.should_exit) for process in self.processes):
            return self._ready()
        self.terminate_all()
        self.join_all()
        if not self.signal_queue:
            raise VibesError(
                f"A process of the service could not start; is there memory for {len(self.processes)} of them? Try fewer --workers."
            )

    def keep_subprocess_alive(self) -> None:
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid, str(self._counts))
            logging.getLogger("uvicorn.error").error("Process %s of the service died and was replaced.", pid)

    def join_all(self) -> None:
        until = time.monotonic() + END_S
        for process in self.processes:
            process.process.join(max(0.0, until - time.monotonic()))
            if process.process.is_alive():  # a suspended process cannot end by itself
                process.kill()


def _serve_by_workers(
    settings: ServiceSettings, experiment: Setup | None, host: str, port: int, ready: Callable[[str], None]
) -> None:
    with listen(host, port) as bound, scratch_folder() as folder:
        # Inherited by the processes: the folder for metrics, and their share of the processors.
        os.environ[MULTIPROCESS_FOLDER] = str(folder)
        if os.environ.get(THREADS) in (None, str(cores())):  # else the user has set the number of threads
            os.environ[THREADS] = str(max(1, cores() // settings.workers))
        config = server_config(
            partial(open_app, settings, experiment, folder),
            workers=settings.workers,
            timeout_worker_healthcheck=SILENT_S,
        )
        Supervisor(config, [bound], folder, lambda: ready(url_of(bound))).run()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        VibesError: the port is taken, or the host does not exist.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        is_dual = family == socket.AF_INET6 and socket.has_dualstack_ipv6()  # `::` takes IPv4, too
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
    except OSError as error:
        reason = str(error.strerror).split(" (")[0]  # the address follows
        raise VibesError(
            f"Cannot listen on {host} port {port} ({reason}); choose another with --host and --port."
        ) from error


def url_of(bound: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
