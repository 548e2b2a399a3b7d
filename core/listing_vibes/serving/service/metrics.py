"""Prometheus metrics of the service."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
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
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from listing_vibes.errors import VibesError
from listing_vibes.serving.monitor_checks import Monitored

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
#: Environment variable of the folder for the metrics of all processes; prometheus_client reads it at import.
MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

#: Gauges of `vibes monitor` by check and attribute, with their help texts.
MONITOR_GAUGES = {
    "value": "Current value of a check",
    "before": "Value when the model was trained or evaluated",
    "crossed": "1 if the threshold is crossed",
}


class Metrics:
    """Metrics in a separate registry, so that several services in one process do not mix.

    Every process of a service reports the same values: counts and times summed over all processes, including ended ones; gauges of
    the live ones (the minimum of version and listings, since a refresh has arrived when all processes have it).

    Args:
        run: run folder whose last result of `vibes monitor` is reported, if there is one.
    """

    def __init__(self, run: Path) -> None:
        self.registry = CollectorRegistry()
        self.is_multiprocess = MULTIPROCESS_FOLDER in os.environ
        PlatformCollector(registry=self.registry)
        if self.is_multiprocess:
            MultiProcessCollector(self.registry)
        else:
            ProcessCollector(registry=self.registry)
        self._target = registry = None if self.is_multiprocess else self.registry
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        self.requests = counter("vibes_requests", "Requests answered", ["path", "status"])
        self.seconds = histogram(
            "vibes_request_seconds", "Time from request to response", ["path"], buckets=SECONDS
        )
        self.batch_size = histogram("vibes_batch_requests", "Requests per batch", buckets=SIZES)
        self.batch_seconds = histogram(
            "vibes_batch_seconds", "Time of encoding and search per batch", buckets=SECONDS
        )
        self.openings = counter("vibes_run_openings", "Openings of newer states of the run", ["outcome"])
        self.unrecorded = counter("vibes_unrecorded_responses", "Responses that could not be recorded")
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []
        self.registry.register(MonitorCollector(lambda: Monitored.load(run)))

    def add_gauge(self, name: str, help: str, value: Callable[[], float], mode: str = "livemin") -> None:
        """Add a gauge that `update` sets to `value()`; `mode` is its aggregation over processes, "livesum" or "livemin"."""
        gauge = Gauge(name, help, registry=self._target, multiprocess_mode=mode)  # type: ignore[arg-type]
        self._gauges.append((gauge, value))

    def update(self) -> None:
        """Set all gauges to their current values."""
        for gauge, value in self._gauges:
            gauge.set(value())

    def text(self) -> bytes:
        """Return all metrics in Prometheus' format."""
        self.update()
        return generate_latest(self.registry)


class MetricsMiddleware:
    """ASGI middleware that counts and times requests by route path, so that ids do not create series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begin, status = time.perf_counter(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        finally:
            route = scope.get("route")
            path = "other" if route is None else route.path_format
            self.metrics.requests.labels(path, str(status)).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - begin)


class MonitorCollector(Collector):
    """Collector of the gauges `vibes_monitor_value`, `_before`, `_crossed` and the time of the check; calls `load` at each scrape."""

    def __init__(self, load: Callable[[], Monitored | None]) -> None:
        self.load = load

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing, so that registering does not call `load`."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges, see `prometheus_client.registry.Collector`."""
        try:
            result = self.load()
        except VibesError:  # a damaged file must not suppress the other metrics
            return
        if result is None:
            return
        for part, words in MONITOR_GAUGES.items():
            gauge = GaugeMetricFamily(f"vibes_monitor_{part}", words, labels=["check", "of"])
            for check in result.checks:
                if (value := getattr(check, part)) is not None:
                    gauge.add_metric([check.name, check.of], float(value))
            yield gauge
        at = datetime.strptime(result.checked_at, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()
        yield GaugeMetricFamily("vibes_monitor_timestamp_seconds", "Time of this check", value=at)
