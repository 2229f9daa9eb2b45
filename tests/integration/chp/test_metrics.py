"""What monitoring finds: the names it knows already."""

import re
from collections.abc import Callable
from contextlib import suppress

from tests.running.perijove import until

from .asking import Ask
from .conftest import Pair
from .differences import METRICS
from .running import ITSELF, Proxy

_OF_NODE = ("nodejs_", "process_")


def _read(proxy: Proxy) -> tuple[dict[str, str], dict[str, float]]:
    """Types by metric and values by series, but for those of the process itself."""
    text = proxy.ask(Ask("GET /metrics", to="metrics"))[0].body.decode()
    types = {name: kind for name, kind in re.findall(r"(?m)^# TYPE (\S+) (\S+)$", text) if not name.startswith(_OF_NODE)}
    values = {series: float(value) for series, value in re.findall(r"(?m)^([^#\s]\S*) (\S+)$", text) if not series.startswith(_OF_NODE)}
    return types, values


def test_what_is_counted_has_the_same_names_and_types(start_pair: Callable[[str], Pair]) -> None:
    theirs, ours = (_read(proxy)[0] for proxy in start_pair("open"))
    missing = {name for name, kind in theirs.items() if ours.get(name) != kind}
    assert missing == (set() if ITSELF else set(METRICS))


def _counts(proxy: Proxy) -> dict[str, float]:
    return {series: value for series, value in _read(proxy)[1].items() if not series.startswith(tuple(METRICS))}


def test_both_count_alike(start_pair: Callable[[str], Pair]) -> None:
    asked = [Ask("GET /x"), Ask("GET /x", ("X-Act: status", "X-Arg: 404")), Ask("GET /x", ("X-Act: status", "X-Arg: 404"))]
    asked += [Ask("GET /ws", ("Connection: Upgrade", "Upgrade: websocket"), then=b"ping")]
    asked += [Ask("POST /api/routes/m", body=b'{"target": "http://127.0.0.1:1"}', to="api"), Ask("DELETE /api/routes/m", to="api")]
    asked += [Ask("GET /api/routes", to="api"), Ask("GET /api/routes/none", to="api")]
    before = [_counts(proxy) for proxy in start_pair("open")]

    def grown() -> list[dict[str, float]]:
        after = [_counts(proxy) for proxy in start_pair("open")]
        return [
            {series: new[series] - old.get(series, 0) for series in new if new[series] != old.get(series, 0)}
            for old, new in zip(before, after, strict=True)
        ]

    for proxy in start_pair("open"):
        for question in asked:
            proxy.ask(question)
    with suppress(AssertionError):
        until(lambda: grown()[0] == grown()[1], what="equal counts", within_s=3)  # ours adds up its workers' counts once in a while
    theirs, ours = grown()
    assert ours == theirs
