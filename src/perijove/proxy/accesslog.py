"""One line for each request, for those who ask for it."""

import asyncio
import logging

from perijove.proxy.exchange import Exchange

_log = logging.getLogger("perijove.proxy.access")


def log_access(exchange: Exchange, peer: str) -> None:
    """Queries are left out: they may carry secrets. Status 0: the client went before there was an answer."""
    _log.info(
        "request",
        extra={
            "peer": peer,
            "method": exchange.request.method.decode("latin-1"),
            "path": exchange.request.target.partition(b"?")[0].decode("latin-1"),
            "host": (exchange.request.fields.host or b"").decode("latin-1"),
            "status": exchange.status,
            "route": exchange.request.entry.route.spec if exchange.request.entry is not None else "",
            "ms": round((asyncio.get_running_loop().time() - exchange.started) * 1000, 1),
        },
    )
