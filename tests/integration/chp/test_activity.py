"""What counts as somebody being there: `last_activity` of a route, by which idle servers are found."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from .asking import Ask
from .conftest import Pair
from .differences import ACTIVITY
from .question import acting, get
from .running import ITSELF, Proxy
from .traffic_questions import upgrade

_WS = Ask("GET /user/alice/ws", ("Connection: Upgrade", "Upgrade: websocket"))


def _connect(proxy: Proxy, act: str = "") -> socket.socket:
    sock = proxy.addresses["public"].connect()
    sock.sendall(Ask("GET /user/alice/ws", (*_WS.fields, *acting(act))).sent)
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536)
    assert head.startswith(b"HTTP/1.1 101"), head
    return sock


def _asking(question: Ask) -> Callable[[Proxy], Callable[[], None]]:
    def prepare(proxy: Proxy) -> Callable[[], None]:
        def act() -> None:
            proxy.ask(question)

        return act

    return prepare


def _message(proxy: Proxy) -> Callable[[], None]:
    """From a client that is connected already; the masked frame of a WebSocket message."""
    sock = _connect(proxy)

    def act() -> None:
        with closing(sock):
            sock.sendall(b"\x81\x82\x01\x02\x03\x04ij")
            sock.recv(6)

    return act


def _silence(proxy: Proxy) -> Callable[[], None]:
    sock = _connect(proxy)

    def act() -> None:
        sock.close()

    return act


EVENTS: dict[str, Callable[[Proxy], Callable[[], None]]] = {
    "a page": _asking(get("/user/alice/x")),
    "a page below, of another route": _asking(get("/user/alice/deeper/x")),
    "HEAD": _asking(Ask("HEAD /user/alice/x")),
    "created": _asking(Ask("POST /user/alice/x", acting("status", "201"), b"some text")),
    "nothing to say": _asking(get("/user/alice/x", act="status", arg="204")),
    "moved": _asking(get("/user/alice/x", act="status", arg="302")),
    "not modified": _asking(get("/user/alice/x", act="status", arg="304")),
    "forbidden": _asking(get("/user/alice/x", act="status", arg="403")),
    "not found": _asking(get("/user/alice/x", act="status", arg="404")),
    "an error": _asking(get("/user/alice/x", act="status", arg="500")),
    "the server hangs up": _asking(get("/user/alice/x", act="end")),
    "a body that is refused": _asking(Ask("POST /user/alice/x", acting("status", "403"), b"some text")),
    "a connection is upgraded": _asking(upgrade("/user/alice/ws", then=b"")),
    "an upgrade is refused": _asking(upgrade("/user/alice/ws", act="status", arg="403", then=b"")),
    "a message": _message,
    "the page is closed": _silence,
    "somebody else": _asking(get("/user/bob/x")),
}


def _last(proxy: Proxy) -> str:
    found: str = json.loads(proxy.api("GET /api/routes/user/alice").body)["last_activity"]
    return found


def _moves(proxy: Proxy, prepare: Callable[[Proxy], Callable[[], None]]) -> bool:
    """Whether the event is noted as activity of /user/alice."""
    act = prepare(proxy)
    proxy.api("POST /api/routes/user/alice", {"target": proxy.world.words["backend"]})
    before = _last(proxy)
    time.sleep(0.005)  # the times have milliseconds: an event must not fall into the same one
    act()
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        if _last(proxy) > before:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("event", EVENTS)
def test_both_note_the_same(start_pair: Callable[[str], Pair], event: str) -> None:
    theirs, ours = (_moves(proxy, EVENTS[event]) for proxy in start_pair("plain"))
    if event in ACTIVITY and not ITSELF:
        assert ours != theirs, f"{event} is listed as a difference, and both note it alike: take it from the table"
    else:
        assert ours == theirs
