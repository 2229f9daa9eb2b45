"""A very small HTTP/1.1 client that asks one question: does it answer? Over TCP, TLS or a unix socket."""

import asyncio
import ssl
from urllib.parse import unquote, urlsplit

from perijove.ports.prober import Answer

_MAX_HEAD = 64 * 1024


class HttpProber:
    """Implements ports.prober.Prober."""

    async def probe(self, address: str, path: str, timeout_s: float) -> Answer | None:
        """Any failure to connect, to answer in time or to speak HTTP is None: the caller asks again."""
        try:
            async with asyncio.timeout(timeout_s):
                return await _ask(address, path)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None


async def _ask(address: str, path: str) -> Answer:
    reader, writer = await _connect(address)
    try:
        host = urlsplit(address).netloc if not address.startswith("http+unix:") else "localhost"
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
