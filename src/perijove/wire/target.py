"""Targets: the addresses that routes lead to."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from perijove.wire.agents import is_start_id


class BadTargetError(ValueError):
    """A text that is no address of a server; the message says why."""


class Target(NamedTuple):
    """Where to connect: a unix socket if `path` is given, else host and port."""

    tls: bool
    host: str
    """A name or address without brackets; "localhost" for unix sockets."""
    port: int
    path: str
    """The unix socket's path, or empty."""
    prefix: bytes
    """Put before the path of each request; usually empty."""
    start_id: str = ""
    """Where there is no address: the start whose agent is dialled in (wire/agents.py)."""

    @property
    def authority(self) -> bytes:
        """What a Host header says for this target."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.path or self.port == (443 if self.tls else 80) else f"{host}:{self.port}").encode()


TUNNEL: Final = "tunnel://"
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_UNIX = re.compile(r"(?:http\+unix|unix\+http)://([^/?#]+)(/[^?#]*)?", re.IGNORECASE)


def parse_target(text: str) -> Target:
    """Parse "http://host:port", "https://host:port" or "http+unix://%2Fpath%2Fof.sock", each with an optional path, or "tunnel://START_ID".

    Raises BadTargetError.
    """
    if _UNPRINTABLE.search(text):
        raise BadTargetError(f"{text!r} is not a target: it has spaces or control characters.")
    if text.startswith(TUNNEL):
        start_id = text.removeprefix(TUNNEL)
        if not is_start_id(start_id):
            raise BadTargetError(f"{text!r} is not a target: behind tunnel:// there is the id of a start and nothing else.")
        return Target(False, "localhost", 80, "", b"", start_id)
    if unix := _UNIX.fullmatch(text):
        path = unquote(unix[1])
        if not path.startswith("/") or "\0" in path:
            raise BadTargetError(f"{text!r} is not a target: the socket's path must be absolute, with its slashes written %2F.")
        return Target(False, "localhost", 0, path, _prefix(unix[2] or ""))
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadTargetError(f"{text!r} is not a target: {error}.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadTargetError(f"{text!r} is not a target: write http://host:port, https://host:port or http+unix://%2Fpath%2Fof.sock.")
    if parts.username is not None or parts.query or parts.fragment:
        raise BadTargetError(f"{text!r} is not a target: it can have no user name, query or fragment.")
    tls = parts.scheme == "https"
    return Target(tls, parts.hostname, port if port is not None else (443 if tls else 80), "", _prefix(parts.path))


def _prefix(path: str) -> bytes:
    return path.rstrip("/").encode()
