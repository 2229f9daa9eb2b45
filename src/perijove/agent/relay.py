"""`perijove-agent relay STATE_FILE`: standard input and output, carried to the agent that listens (listen.py) and wrote the file.

For whoever can run a program on the login node, but may not have it forward ports. It ends when either side does.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from pathlib import Path

_CONNECT_S = 15.0
_PIECE = 64 * 1024
_NOT_THERE = 75
"""As sysexits.h: try again."""
_USAGE = 64


class StateError(Exception):
    """The file does not say where the agent is."""


def relay(arguments: list[str]) -> int:
    """The subcommand. Returns the exit status: 0 after a connection, 75 if there was none."""
    if len(arguments) != 1:
        sys.stderr.write("usage: perijove-agent relay STATE_FILE\n")
        return _USAGE
    try:
        host, port = address(Path(arguments[0]))
        connection = socket.create_connection((host, port), timeout=_CONNECT_S)
    except (OSError, StateError) as error:
        sys.stderr.write(f"the job's agent is not reached: {error}\n")
        return _NOT_THERE
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    upwards = threading.Thread(target=_up, args=(connection,), daemon=True)  # it may wait for input that never comes
    upwards.start()
    _down(connection)
    return 0


def address(state: Path) -> tuple[str, int]:
    """Where the agent listens. Raises OSError, StateError."""
    try:
        told = json.loads(state.read_text("utf-8"))
        host, port = told["host"], told["port"]
    except (ValueError, KeyError, TypeError):
        raise StateError(f"{state} is not understood") from None
    if not isinstance(host, str) or not host or not isinstance(port, int) or not 0 < port < 65536:
        raise StateError(f"{state} is not understood")
    return host, port


def _up(connection: socket.socket) -> None:
    """Until the input's end, after which nothing is carried back either: its writer is gone."""
    source = sys.stdin.buffer.raw if hasattr(sys.stdin.buffer, "raw") else sys.stdin.buffer
    try:
        while True:
            data = source.read(_PIECE)
            if not data:
                break
            connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is closed: the other direction sees that too


def _down(connection: socket.socket) -> None:
    sink = sys.stdout.buffer
    try:
        while True:
            data = connection.recv(_PIECE)
            if not data:
                return
            sink.write(data)
            sink.flush()
    except OSError:
        return
