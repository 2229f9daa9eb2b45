"""Sockets to listen on."""

import contextlib
import errno
import socket
import stat
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

_DEAD_PEER_MS: Final = 120_000
BACKLOG: Final = 2048


def bind_tcp(host: str, port: int, *, shared: bool = True) -> list[socket.socket]:
    """Bound, not yet listening, one for each address of the host; more sockets may be bound to the same if `shared`. Raises OSError.

    The options of a listening socket pass to what it accepts, so that no connection costs a system call for them.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, proto, _, address in dict.fromkeys(found):
            try:
                sock = socket.socket(family, kind, proto)
            except OSError as error:
                if error.errno != errno.EAFNOSUPPORT or len(found) == 1:
                    raise
                continue
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A laptop that was closed says nothing: find out.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MS)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            same_port = sockets[0].getsockname()[1] if port == 0 and len(sockets) > 1 else port
            try:
                sock.bind((address[0], same_port, *address[2:]))
            except OSError as error:
                # A host of several addresses, such as localhost, where IPv6 is switched off.
                if error.errno != errno.EADDRNOTAVAIL or len(found) == 1:
                    raise
                sockets.remove(sock)
                sock.close()
                continue
            sock.setblocking(False)
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, f"no address of {host or 'this machine'} can be listened on")
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def listen_unix(path: str) -> socket.socket:
    """Listening; processes share it by inheritance. A socket left behind by a dead process is replaced. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(Path(path).stat().st_mode):
            probe = socket.socket(socket.AF_UNIX)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()
            finally:
                probe.close()
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


class Listeners:
    """Where the workers listen: made once, before there is any.

    On TCP each worker has sockets of its own (SO_REUSEPORT), and the kernel spreads connections over them. Whoever made them keeps them open,
    so the connections that wait for a worker that died are taken by the one that follows it. A unix socket is shared by all.
    """

    def __init__(self, workers: int) -> None:
        self.public: list[list[socket.socket]] = [[] for _ in range(workers)]
        self.admin: list[list[socket.socket]] = [[] for _ in range(workers)]
        self.plain: list[list[socket.socket]] = [[] for _ in range(workers)]
        """From where people are sent to https."""

    def adopt(self, given: Mapping[str, Sequence[socket.socket]]) -> None:
        """Take bound sockets ("public", "admin" and "plain") that whoever started us keeps open. Each is listened at, even if there are more than
        workers, for connections may wait in it; those of one address are spread over the workers. Raises OSError."""
        for sockets, name in ((self.public, "public"), (self.admin, "admin"), (self.plain, "plain")):
            turns: dict[Any, count[int]] = {}
            for sock in given.get(name, ()):
                sock.listen(BACKLOG)
                sock.setblocking(False)
                if sock.family == socket.AF_UNIX:
                    for own in sockets:
                        own.append(sock)
                else:
                    turn = next(turns.setdefault(sock.getsockname(), count()))
                    sockets[turn % len(sockets)].append(sock)

    def listen(self, sockets: list[list[socket.socket]], host: str, port: int) -> None:
        """Raises OSError."""
        for own in sockets:
            own.extend(bind_tcp(host, port))
            port = own[0].getsockname()[1]
        for own in sockets:
            for sock in own:
                sock.listen(BACKLOG)

    def listen_unix(self, sockets: list[list[socket.socket]], path: str) -> None:
        """Raises OSError."""
        sock = listen_unix(path)
        for own in sockets:
            own.append(sock)

    def keep(self, worker: int) -> None:
        """In a worker's process: close what belongs to the others."""
        kept = {sock.fileno() for sock in self.public[worker] + self.admin[worker] + self.plain[worker]}
        for own in self.public + self.admin + self.plain:
            for sock in own:
                if sock.fileno() not in kept:
                    sock.close()

    def close(self) -> None:
        for own in self.public + self.admin + self.plain:
            for sock in own:
                sock.close()

    def address(self, tls: bool) -> str:
        """What people can type, or "unix:/path"."""
        sock = self.public[0][0]
        if sock.family == socket.AF_UNIX:
            return f"unix:{sock.getsockname()}"
        host, port = sock.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
        return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
