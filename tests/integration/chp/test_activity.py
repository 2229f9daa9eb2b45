"""What counts as somebody being there: `last_activity` of a route, by which idle servers are found."""

import json
import socket
from collections.abc import Callable
from contextlib import closing

from tests.running.perijove import until

from .asking import Ask
from .conftest import Pair
from .differences import ACTIVITY
from .question import acting
from .running import ITSELF, Proxy

_WS = ("Connection: Upgrade", "Upgrade: websocket")
Act = Callable[[], object]


def _connect(proxy: Proxy, path: str) -> socket.socket:
    sock = proxy.addresses["public"].connect()
    sock.sendall(Ask(f"GET {path}", _WS).sent)
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    assert head.startswith(b"HTTP/1.1 101"), head
    return sock


def _asking(line: str, act: str = "", arg: str = "", body: bytes = b"", fields: tuple[str, ...] = ()) -> Callable[[Proxy, str], Act]:
    method, _, below = line.partition(" ")
    return lambda proxy, path: lambda: proxy.ask(Ask(f"{method} {path}{below}", (*fields, *acting(act, arg)), body))


def _message(proxy: Proxy, path: str) -> Act:
    """From a client that is connected already; the masked frame of a WebSocket message."""
    sock = _connect(proxy, path)

    def act() -> None:
        with closing(sock):
            sock.sendall(b"\x81\x82\x01\x02\x03\x04ij")
            sock.recv(6)

    return act


def _leaving(proxy: Proxy, path: str) -> Act:
    return _connect(proxy, path).close


EVENTS: dict[str, Callable[[Proxy, str], Act]] = {
    "a page": _asking("GET /x"),
    "HEAD": _asking("HEAD /x"),
    "created": _asking("POST /x", "status", "201", b"some text"),
    "nothing to say": _asking("GET /x", "status", "204"),
    "moved": _asking("GET /x", "status", "302"),
    "not modified": _asking("GET /x", "status", "304"),
    "forbidden": _asking("GET /x", "status", "403"),
    "not found": _asking("GET /x", "status", "404"),
    "an error": _asking("GET /x", "status", "500"),
    "the server hangs up": _asking("GET /x", "end"),
    "a body that is refused": _asking("POST /x", "status", "403", b"some text"),
    "an upgrade is refused": _asking("GET /x", "status", "403", fields=_WS),
    "an upgrade of nothing": _asking("GET /x", "end", fields=_WS),
    "a message": _message,
    "the page is closed": _leaving,
    "somebody else": lambda proxy, path: lambda: proxy.ask(Ask(f"GET {path}x/y")),
    "nothing at all": lambda proxy, path: lambda: None,
}
_PATHS = {event: f"/act/{number}" for number, event in enumerate(EVENTS)}


def _last(proxy: Proxy) -> dict[str, str]:
    """By path; the times are in one format, so that they compare as text."""
    return {path: route["last_activity"] for path, route in json.loads(proxy.api("GET /api/routes").body).items()}


def _visited(proxy: Proxy, path: str, after: str) -> bool:
    proxy.ask(Ask(f"GET {path}/x"))
    return _last(proxy)[path] > after


def _noted(proxy: Proxy) -> set[str]:
    """The events that are noted as activity of their routes."""
    for path in (*_PATHS.values(), "/act/before", "/act/after"):
        assert proxy.api(f"POST /api/routes{path}", {"target": proxy.world.words["backend"]}).status == 201
    acts = [prepare(proxy, _PATHS[event]) for event, prepare in EVENTS.items()]
    # Ours reads the clock twice a second: what happens from here on is later than what was before.
    newest = max(_last(proxy).values())
    until(lambda: _visited(proxy, "/act/before", newest), what="the clock to go on", within_s=10)
    before = _last(proxy)
    for act in acts:
        act()
    until(lambda: _visited(proxy, "/act/after", before["/act/before"]), what="the last event to be noted", within_s=10)
    after = _last(proxy)
    return {event for event, path in _PATHS.items() if after[path] > before[path]}


def test_both_note_the_same(start_pair: Callable[[str], Pair]) -> None:
    theirs, ours = (_noted(proxy) for proxy in start_pair("rest"))
    assert theirs ^ ours == (set() if ITSELF else set(ACTIVITY))
    assert "a page" in ours
    assert "nothing at all" not in ours
