"""What Prometheus reads of the service."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from listing_vibes.errors import VibesError
from listing_vibes.serving.monitor.checks import Monitored
from listing_vibes.serving.monitor.prometheus import MonitorCollector

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


#: Seconds between two looks at the numbers that other processes of the service tell as well.
LOOK_S = 0.5
#: Names a folder in which the processes of one service keep what they count; read by prometheus_client when it is imported.
MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The service's own registry, so that several services in one process do not mix.

    Of a service of several processes each tells the same: counts and times of all of them added up, those of processes that
    ended too; of numbers that come and go those of the living (the least of generation and listings, since a refresh has
    arrived when all have it).
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.together = MULTIPROCESS_FOLDER in os.environ
        PlatformCollector(registry=self.registry)
        if self.together:
            MultiProcessCollector(self.registry)
        else:  # it tells of this process alone
            ProcessCollector(registry=self.registry)
        kept = None if self.together else self.registry
        self.requests = Counter("vibes_requests", "Requests answered", ["path", "status"], registry=kept)
        self.seconds = Histogram(
            "vibes_request_seconds", "From request to answer", ["path"], buckets=SECONDS, registry=kept
        )
        self.batch_size = Histogram(
            "vibes_batch_requests", "Requests of a batch", buckets=SIZES, registry=kept
        )
        self.batch_seconds = Histogram(
            "vibes_batch_seconds", "Encoding and search of a batch", buckets=SECONDS, registry=kept
        )
        self.openings = Counter("vibes_run_openings", "Newer states of the run", ["outcome"], registry=kept)
        self.unkept = Counter(
            "vibes_unkept_answers", "Answers that could not be kept as impressions", registry=kept
        )
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []
        self.run: Path | None = None  # whose last look is told, where `vibes monitor` kept one
        self.registry.register(MonitorCollector(self._monitored))

    def follow(self, name: str, what: str, value: Callable[[], float], of_all: str = "livemin") -> None:
        """Tell a number that `look` asks for.

        Args:
            of_all: what is told of several processes: "livesum", "livemin", or "liveall" (each, by its number).
        """
        kept = None if self.together else self.registry
        self._gauges.append((Gauge(name, what, registry=kept, multiprocess_mode=of_all), value))  # type: ignore[arg-type]

    def look(self) -> None:
        """Ask for the numbers that `follow` named."""
        for gauge, value in self._gauges:
            gauge.set(value())

    async def keep_looking(self) -> None:
        """Look for ever, so that whichever process is asked tells the numbers of this one."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def _monitored(self) -> Monitored | None:
        with suppress(VibesError):  # a damaged file is no reason to tell nothing
            return None if self.run is None else Monitored.load(self.run)
        return None

    def batch(self, size: int, seconds: float) -> None:
        """Count a batch."""
        self.batch_size.observe(size)
        self.batch_seconds.observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' format."""
        self.look()
        return generate_latest(self.registry)


class Measured:
    """ASGI middleware that counts and times requests, by the path of their route so that ids make no series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begin, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            route = scope.get("route")
            path = "other" if route is None else route.path_format
            self.metrics.requests.labels(path, str(status)).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - begin)
