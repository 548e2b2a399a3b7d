"""What Prometheus reads of the service."""

from __future__ import annotations

import time
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
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import VibesError
from core.serving.monitor.checks import Monitored
from core.serving.monitor.prometheus import MonitorCollector

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The service's own registry, so that several services in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        kept = self.registry
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
        self.waiting = Gauge("vibes_waiting_requests", "Requests that wait for a batch", registry=kept)
        self.openings = Counter("vibes_run_openings", "Newer states of the run", ["outcome"], registry=kept)
        self.unkept = Counter(
            "vibes_unkept_answers", "Answers that could not be kept as impressions", registry=kept
        )
        self.listings = Gauge("vibes_listings", "Listings of the run", registry=kept)
        self.generation = Gauge("vibes_run_generation", "Refreshes that the run has behind it", registry=kept)
        self.run: Path | None = None  # whose last look is told, where `vibes monitor` kept one
        kept.register(MonitorCollector(self._monitored))
        self.opened = Gauge("vibes_run_opened_timestamp_seconds", "When this state was opened", registry=kept)

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
            path = "other" if route is None else route.path
            self.metrics.requests.labels(path, str(status)).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - begin)
