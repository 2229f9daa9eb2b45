"""Connections to servers by TLS."""

import asyncio
import ssl
from typing import cast

from perijove.proxy.tlstransport import TlsTransport


async def connect_tls(protocol: asyncio.Protocol, host: str, port: int, context: ssl.SSLContext) -> None:
    """As create_connection; `protocol` is told of the connection when hands have been shaken. Raises OSError, also for what is wrong with the
    server's certificate, and UnicodeError for a host that cannot be one."""
    loop = asyncio.get_running_loop()
    secured: asyncio.Future[None] = loop.create_future()
    raw, _ = await loop.create_connection(lambda: _Beginning(protocol, context, host, secured), host, port)
    try:
        await secured
    except BaseException:
        raw.abort()
        raise


class _Beginning(asyncio.Protocol):
    """In the place of the protocol until hands have been shaken."""

    def __init__(self, protocol: asyncio.Protocol, context: ssl.SSLContext, host: str, secured: asyncio.Future[None]) -> None:
        self._protocol = protocol
        self._context = context
        self._host = host
        self._secured = secured

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        try:
            TlsTransport(cast(asyncio.Transport, transport), self, self._context, self._begin, self._host)
        except ValueError as error:
            self._secured.set_exception(OSError(f"{self._host} cannot be reached by TLS: {error}"))

    def _begin(self, transport: asyncio.Transport) -> None:
        if self._secured.done():  # nobody waits any more
            transport.abort()
        else:
            transport.set_protocol(self._protocol)
            self._protocol.connection_made(transport)
            self._secured.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._secured.done():
            self._secured.set_exception(exc or ConnectionResetError("the server closed the connection before TLS began"))
