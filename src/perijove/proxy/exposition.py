"""The proxy's numbers in Prometheus' text format."""

from collections.abc import Mapping
from typing import Final, NamedTuple

PREFIX: Final = "perijove_proxy_"


class Metric(NamedTuple):
    """`label` is empty where there is none; `fields` are the counts of stats.py that are its value, by the label's value."""

    name: str
    kind: str
    label: str
    fields: Mapping[str, str]
    help: str


def _plain(name: str, text: str) -> Metric:
    return Metric(name, "gauge", "", {"": name}, text)


def _counter(name: str, text: str) -> Metric:
    return Metric(f"{name}_total", "counter", "", {"": name}, text)


METRICS: Final = (
    _plain("connections", "Open client connections"),
    _plain("exchanges", "Requests being served"),
    _plain("tunnels", "Open upgraded connections"),
    _plain("upstream_idle", "Connections to servers kept for the next request"),
    _plain("upstream_open", "Open connections to servers"),
    _plain("routes", "Routes in the table"),
    _plain("feed_connected", "Workers that follow a hub just now"),
    _plain("feed_revision", "Revision of the route table, of the worker that is furthest behind"),
    _plain("started_at", "When the worker that runs longest began, seconds since the epoch"),
    Metric(
        "responses_total", "counter", "code", {f"{hundreds}xx": f"answered_{hundreds}xx" for hundreds in range(1, 6)}, "Answers sent, by status"
    ),
    _counter("accepted", "Client connections accepted"),
    Metric(
        "shed_total", "counter", "reason", {"full": "shed", "address": "shed_address"},
        "Client connections turned away: because there were too many, or too many of one address",
    ),
    _counter("requests", "Requests begun"),
    Metric(
        "refused_total", "counter", "reason",
        {"malformed": "refused_malformed", "too_large": "refused_too_large", "unsupported": "refused_unsupported", "preamble": "refused_preamble"},
        "Requests refused as malformed, too large, or something the proxy does not do; connections refused for want of a proper PROXY protocol preamble",
    ),
    _counter("tunnels_opened", "Connections upgraded"),
    _counter("upstream_connects", "Connections to servers made"),
    _counter("upstream_failures", "Connections to servers that could not be made"),
    _counter("upstream_retries", "Requests repeated because a kept connection had just been closed"),
    _counter("timeouts", "Requests and connections that ran out of time"),
    _counter("client_aborts", "Requests given up by the client"),
    _counter("feed_snapshots", "Whole route tables taken from a hub"),
    _counter("feed_changes", "Route changes taken from a hub"),
    _counter("feed_reports", "Reports taken by a hub"),
)  # fmt: skip


def expose(totals: Mapping[str, int]) -> str:
    """`totals`: the counts of all workers together."""
    lines = []
    for metric in METRICS:
        name = PREFIX + metric.name
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}"]
        for value, field in metric.fields.items():
            labels = f'{{{metric.label}="{value}"}}' if metric.label else ""
            lines.append(f"{name}{labels} {totals[field]}")
    return "\n".join(lines) + "\n"
