"""Whether a server listens where it should, told by the kernel: no connection is made, and no other account can pretend."""

import os
import socket
import stat
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from secrets import token_hex
from typing import Final

from perijove.processes.claims import RunFolder

_ACCEPTS: Final = 0x10000  # __SO_ACCEPTCON in the flags of /proc/net/unix
_LISTEN: Final = "0A"  # TCP_LISTEN, proc(5)
_LOOPBACK: Final = frozenset({"0100007F", "00000000", "0" * 32, "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"})


class Listener(Enum):
    NOBODY = auto()
    EXPECTED = auto()
    STRANGER = auto()


def on_socket(run: RunFolder, uid: int) -> Listener:
    """Look whether the server's socket is up; if so, give it the name below which the proxy finds it.

    The proxy must never follow a name the account can change: behind a link could be any other socket of the machine,
    which the proxy, being root, may open. So the socket itself gets a second name in the hub's private folder, and is
    checked there, where nobody can exchange it.
    """
    if not _accepts(str(run.server_socket)):
        return Listener.NOBODY
    # By a name of our own and a rename: several replicas may look at once, and the proxy may be using the name just now.
    own = run.proxy_socket.with_name(f"{run.proxy_socket.name}.{token_hex(4)}")
    try:
        os.link(run.server_socket, own, follow_symlinks=False)
    except FileNotFoundError:
        return Listener.NOBODY
    try:
        found = own.lstat()
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != uid:
            run.proxy_socket.unlink(missing_ok=True)
            return Listener.STRANGER
        own.rename(run.proxy_socket)
    finally:
        own.unlink(missing_ok=True)  # a rename onto another name of the same socket leaves both (rename(2))
    return Listener.EXPECTED


def on_port(port: int, uid: int) -> Listener:
    """Who listens on the port of 127.0.0.1."""
    owners = {owner for table in ("/proc/net/tcp", "/proc/net/tcp6") for owner in _owners(Path(table), port)}
    if not owners:
        return Listener.NOBODY
    return Listener.EXPECTED if owners == {uid} else Listener.STRANGER


def free_port(taken: frozenset[int], choice: int) -> int:
    """A port nobody uses, outside the range from which the kernel itself gives out ports, so that it stays free a while.

    `choice`: any number, to begin at a different place each time. Raises OSError if there is none.
    """
    first, last = _kernel_range()
    candidates = [port for port in range(10_000, 65_536) if not first <= port <= last] or list(range(first, last + 1))
    for offset in range(len(candidates)):
        port = candidates[(choice + offset) % len(candidates)]
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("every port of 127.0.0.1 is in use")


def _accepts(path: str) -> bool:
    wanted = path.encode()
    with suppress(OSError):
        for line in Path("/proc/net/unix").read_bytes().splitlines()[1:]:
            # Num RefCount Protocol Flags Type St Inode Path; a path may hold blanks
            fields = line.split(None, 7)
            if len(fields) == 8 and fields[7] == wanted and int(fields[3], 16) & _ACCEPTS:
                return True
    return False


def _owners(table: Path, port: int) -> set[int]:
    owners = set()
    with suppress(OSError):
        for line in table.read_text("ascii").splitlines()[1:]:
            fields = line.split()
            address, _, number = fields[1].partition(":")
            if fields[3] == _LISTEN and int(number, 16) == port and address in _LOOPBACK:
                owners.add(int(fields[7]))
    return owners


def _kernel_range() -> tuple[int, int]:
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()
    except OSError:
        return 32_768, 60_999
    return int(first), int(last)
