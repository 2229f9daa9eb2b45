"""A very small HTTP/1.1 client that asks one question: does it answer? Over TCP, TLS or a unix socket."""

import asyncio
import ssl
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from perijove.ports.prober import Answer
from perijove.wire.agents import connect_head, connected
from perijove.wire.target import TUNNEL, parse_target

_MAX_HEAD = 64 * 1024
_GATEWAY_S = 1.0
"""For a gateway to say whether it leads there; the next one is asked then."""


class HttpProber:
    """Implements ports.prober.Prober."""

    def __init__(self, gateways: Sequence[str] = (), token: str = "") -> None:
        """`gateways`: addresses by which tunnel:// addresses are reached; `token`: that of proxies. Raises BadTargetError."""
        self._gateways = [parse_target(address) for address in gateways]
        self._token = token

    async def probe(self, address: str, path: str, timeout_s: float) -> Answer | None:
        """Any failure to connect, to answer in time or to speak HTTP is None: the caller asks again."""
        try:
            async with asyncio.timeout(timeout_s):
                if address.startswith(TUNNEL):
                    return await self._ask_by_tunnel(address.removeprefix(TUNNEL), path)
                return await _ask(await _connect(address), address, path)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None

    async def _ask_by_tunnel(self, start_id: str, path: str) -> Answer | None:
        """Of all gateways, the one that leads there."""
        for gateway in self._gateways:
            try:
                async with asyncio.timeout(_GATEWAY_S):
                    to = asyncio.open_unix_connection(gateway.path) if gateway.path else asyncio.open_connection(gateway.host, gateway.port)
                    reader, writer = await to
            except OSError:
                continue
            writer.write(connect_head(start_id, self._token))
            try:
                async with asyncio.timeout(_GATEWAY_S):
                    found = connected(await reader.readuntil(b"\r\n\r\n"))
                if found:
                    return await _ask((reader, writer), TUNNEL, path)
            except (OSError, asyncio.IncompleteReadError):
                continue
            finally:
                writer.close()
        return None


async def _ask(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], address: str, path: str) -> Answer:
    reader, writer = connection
    try:
        host = urlsplit(address).netloc if not address.startswith(("http+unix:", TUNNEL)) else "localhost"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n".encode())
        return _parse(await reader.readuntil(b"\r\n\r\n"))
    finally:
        writer.close()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(address)
    if parts.scheme == "http+unix":
        return await asyncio.open_unix_connection(unquote(parts.netloc), limit=_MAX_HEAD)
    tls: ssl.SSLContext | None = None
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE  # only asks whether somebody answers, and tells nothing
    port = parts.port or (443 if tls else 80)
    return await asyncio.open_connection(parts.hostname, port, ssl=tls, limit=_MAX_HEAD)


def _parse(head: bytes) -> Answer:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, status = status_line.split(" ", 2)[:2]
    if not version.startswith("HTTP/1."):
        raise ValueError("not HTTP")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(status), fields.get("x-jupyterhub-version"))
