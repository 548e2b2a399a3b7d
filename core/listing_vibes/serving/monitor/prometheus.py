"""Results of `vibes monitor` for Prometheus: among the metrics of the service, or as a file for the textfile collector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from listing_vibes.serving.monitor.checks import Monitored

#: Gauges by check and attribute, with their help texts.
GAUGES = {
    "value": "Current value of a check",
    "before": "Value when the model was trained or evaluated",
    "crossed": "1 if the threshold is crossed",
}


class MonitorCollector(Collector):
    """Collector of the gauges `vibes_monitor_value`, `_before`, `_crossed` and the time of the check; calls `load` at each scrape."""

    def __init__(self, load: Callable[[], Monitored | None]) -> None:
        self.load = load

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing, so that registering does not call `load`."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges, see `prometheus_client.registry.Collector`."""
        result = self.load()
        if result is None:
            return
        for part, words in GAUGES.items():
            gauge = GaugeMetricFamily(f"vibes_monitor_{part}", words, labels=["check", "of"])
            for check in result.checks:
                if (value := getattr(check, part)) is not None:
                    gauge.add_metric([check.name, check.of], float(value))
            yield gauge
        at = datetime.strptime(result.looked, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp()
        yield GaugeMetricFamily("vibes_monitor_timestamp_seconds", "Time of this check", value=at)


def exposition(result: Monitored) -> str:
    """Return the result of a check in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(MonitorCollector(lambda: result))
    return generate_latest(registry).decode()
