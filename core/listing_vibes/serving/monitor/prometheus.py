"""What a look found, for Prometheus: among the metrics of the service, or as a text file for a node's collector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from listing_vibes.serving.monitor.checks import Monitored

#: Gauges by check and attribute, and what each is.
GAUGES = {
    "value": "What a check found",
    "before": "What it was when the model was trained or measured",
    "crossed": "1 where its threshold is crossed",
}


class MonitorCollector(Collector):
    """The gauges `vibes_monitor_value`, `_before` and `_crossed`, and when the look was, of what `load` gives at each scrape."""

    def __init__(self, load: Callable[[], Monitored | None]) -> None:
        self.load = load

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing, so that registering reads nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See `prometheus_client.registry.Collector`."""
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
        yield GaugeMetricFamily("vibes_monitor_timestamp_seconds", "When this look was", value=at)


def exposition(found: Monitored) -> str:
    """What a look found in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(MonitorCollector(lambda: found))
    return generate_latest(registry).decode()
