"""The gateway's metrics, as Prometheus reads them."""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from perijove.gateway.agents import Agents


class Metric(NamedTuple):
    name: str
    kind: str
    help: str


AGENTS: Final = Metric("perijove_gateway_agents", "gauge", "Jobs whose program is connected (state here), or will be waited for a while (away).")
CONNECTIONS: Final = Metric("perijove_gateway_connections", "gauge", "Connections to servers that go through the gateway.")
BROKEN: Final = Metric("perijove_gateway_broken_total", "counter", "Connections of agents that were lost.")
RESUMED: Final = Metric("perijove_gateway_resumed_total", "counter", "Connections of agents that went on where one was lost.")
REFUSED: Final = Metric("perijove_gateway_refused_total", "counter", "Requests that were turned away, by status.")
METRICS: Final = (AGENTS, CONNECTIONS, BROKEN, RESUMED, REFUSED)


def rendered(agents: Agents, refused: Counter[str]) -> str:
    """The text exposition format, version 0.0.4."""
    counts = agents.counts()
    values = {
        AGENTS: [(f'{{state="{state}"}}', counts[state]) for state in ("here", "away")],
        CONNECTIONS: [("", counts["connections"])],
        BROKEN: [("", agents.broken)],
        RESUMED: [("", agents.resumed)],
        REFUSED: [(f'{{status="{status}"}}', count) for status, count in sorted(refused.items())],
    }
    return "\n".join(line for metric, found in values.items() for line in _lines(metric, found)) + "\n"


def _lines(metric: Metric, values: list[tuple[str, int]]) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    yield from (f"{metric.name}{labels} {value}" for labels, value in values)
