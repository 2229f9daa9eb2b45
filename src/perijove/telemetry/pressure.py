"""The queues in front of the database, as they are when the numbers are asked for: also while it does not answer."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from perijove.ports.store.pressure import Pressure


class PressureCollector(Collector):
    """Set `look` once there is a store."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        self._prefix = prefix
        self.look: Callable[[], Mapping[str, Pressure]] = dict
        registry.register(self)

    def families(self) -> tuple[tuple[GaugeMetricFamily, list[str]], tuple[CounterMetricFamily, list[str]]]:
        """Without samples, with the names of their labels."""
        lane, reason = ["lane"], ["lane", "reason"]
        waiting = GaugeMetricFamily(f"{self._prefix}store_waiting", "Functions that wait for a connection to the database", labels=lane)
        text = "Functions for requests that were refused: too many waited (full), or it waited too long (late)"
        return (waiting, lane), (CounterMetricFamily(f"{self._prefix}store_refused", text, labels=reason), reason)

    def collect(self) -> Iterator[Metric]:
        (waiting, _), (refused, _) = self.families()
        for lane, pressure in self.look().items():
            waiting.add_metric([lane], pressure.waiting)
            for reason, count in pressure.refused.items():
                refused.add_metric([lane, reason], count)
        yield waiting
        yield refused
