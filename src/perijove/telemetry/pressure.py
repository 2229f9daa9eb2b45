"""The queues in front of the database, as they are when the numbers are asked for: also while it does not answer."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from perijove.ports.store.pressure import Condition


def _nothing() -> Condition:
    return Condition(away=True, outages=0, lanes={})


class PressureCollector(Collector):
    """Set `look` once there is a store."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        self._prefix = prefix
        self.look: Callable[[], Condition] = _nothing
        registry.register(self)

    def families(self) -> tuple[tuple[GaugeMetricFamily | CounterMetricFamily, list[str]], ...]:
        """Without samples, with the names of their labels."""
        lane, reason = ["lane"], ["lane", "reason"]
        prefix = self._prefix
        waiting = GaugeMetricFamily(f"{prefix}store_waiting", "Functions that wait for a connection to the database", labels=lane)
        text = "Functions for requests that were refused: too many waited (full), it waited too long (late), or the database was away (away)"
        available = "1 while the database can be asked, 0 while this hub refuses what needs it"
        return (
            (waiting, lane),
            (CounterMetricFamily(f"{prefix}store_refused", text, labels=reason), reason),
            (GaugeMetricFamily(f"{prefix}store_available", available), []),
            (CounterMetricFamily(f"{prefix}store_outages", "How often the database went away since this hub began"), []),
        )

    def collect(self) -> Iterator[Metric]:
        (waiting, _), (refused, _), (available, _), (outages, _) = self.families()
        condition = self.look()
        for lane, pressure in condition.lanes.items():
            waiting.add_metric([lane], pressure.waiting)
            for reason, count in pressure.refused.items():
                refused.add_metric([lane, reason], count)
        available.add_metric([], 0 if condition.away else 1)
        outages.add_metric([], condition.outages)
        yield from (waiting, refused, available, outages)
