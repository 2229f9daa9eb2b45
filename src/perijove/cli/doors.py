"""The listening sockets of hub and proxy, kept open by `perijove up` while the processes that serve at them change."""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from perijove.config.listen import parse_listen
from perijove.config.load import Loaded
from perijove.domain.errors import SettingsError
from perijove.proxy.listening import bind_tcp, listen_unix
from perijove.proxy.settings import ProxySettings

_HUB = "hub"
_GATEWAY = "gateway"
_SETTINGS = {
    _HUB: "[hub] listen",
    _GATEWAY: "[gateway] listen",
    "public": "[proxy] listen",
    "plain": "[proxy] redirect_listen",
    "admin": "[proxy] admin_listen",
}


@dataclass(frozen=True)
class Door:
    """What is wanted: a role ("hub", "gateway", or one of the proxy's), where, and how many sockets there."""

    role: str
    host: str = ""
    port: int = 0
    path: str = ""
    number: int = 1

    @property
    def key(self) -> str:
        return f"{self.role} unix:{self.path}" if self.path else f"{self.role} {self.host}:{self.port}"

    @property
    def address(self) -> str:
        return self.key.partition(" ")[2]

    def bound(self) -> list[socket.socket]:
        """One more group of sockets, one for each address of the host. Raises SettingsError."""
        try:
            return [listen_unix(self.path)] if self.path else bind_tcp(self.host, self.port, shared=self.role != _HUB)
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {self.address}: {error.strerror or error}.",
                f"Is something else there, or is the address not this machine's? It is {_SETTINGS[self.role]} in the configuration.",
            ) from None


def wanted(loaded: Loaded, parts: Sequence[str], proxy: ProxySettings) -> list[Door]:
    """The doors that these settings name."""
    doors = []
    if "hub" in parts:
        hub = parse_listen(loaded.settings.hub.listen)
        doors.append(Door(_HUB, hub.host, hub.port))
    if _GATEWAY in parts:
        gateway = parse_listen(loaded.settings.gateway.listen)
        doors.append(Door(_GATEWAY, gateway.host, gateway.port, gateway.path))
    if "proxy" in parts:
        many = proxy.workers
        doors.append(Door("public", path=proxy.unix_path) if proxy.unix_path else Door("public", proxy.host, proxy.port, number=many))
        if proxy.redirect_port is not None:
            doors.append(Door("plain", proxy.redirect_host, proxy.redirect_port, number=many))
        if proxy.admin_unix_path:
            doors.append(Door("admin", path=proxy.admin_unix_path))
        elif proxy.admin_port is not None:
            doors.append(Door("admin", proxy.admin_host, proxy.admin_port, number=many))
    return doors


class Doors:
    """Sockets by door. The hub's one is bound and not listened at until a hub does: without any hub, requests are refused at once."""

    def __init__(self, wanted: Sequence[Door], inherited: Mapping[str, Sequence[int]]) -> None:
        """`inherited`: as numbers() gave them to the code before us."""
        self._sockets = {key: [socket.socket(fileno=number) for number in numbers] for key, numbers in inherited.items()}
        self._wanted = wanted
        for number in (number for numbers in inherited.values() for number in numbers):
            os.set_inheritable(number, False)

    def open(self) -> None:
        """Bind what is missing. Raises SettingsError."""
        for door in self._wanted:
            have = self._sockets.setdefault(door.key, [])
            groups = len(have) // len({sock.getsockname() for sock in have}) if have else 0
            for _ in range(1 if door.path and groups else door.number, groups, -1):
                have.extend((replace(door, port=have[0].getsockname()[1]) if have and not door.path else door).bound())

    def shut_others(self) -> None:
        """Those that nobody wants any more."""
        kept = {door.key for door in self._wanted}
        for key in [key for key in self._sockets if key not in kept]:
            self._shut(key)

    def shut(self) -> None:
        """All."""
        for key in list(self._sockets):
            self._shut(key)

    def refuse(self, role: str) -> None:
        """Whoever served at this role's sockets has died, so who comes is refused until they are opened again."""
        for key in [door.key for door in self._wanted if door.role == role]:
            self._shut(key)

    def of(self, part: str) -> dict[str, list[int]]:
        """role -> descriptors, for the hub, the gateway or the proxy."""
        own = {door.role for door in self._wanted if (door.role if door.role in {_HUB, _GATEWAY} else "proxy") == part}
        return {door.role: [sock.fileno() for sock in self._sockets.get(door.key, ())] for door in self._wanted if door.role in own}

    def numbers(self) -> dict[str, list[int]]:
        """As `inherited`."""
        return {key: [sock.fileno() for sock in sockets] for key, sockets in self._sockets.items()}

    def _shut(self, key: str) -> None:
        for sock in self._sockets.pop(key, ()):
            if sock.family == socket.AF_UNIX:
                with suppress(OSError):
                    Path(os.fsdecode(sock.getsockname())).unlink(missing_ok=True)
            sock.close()
