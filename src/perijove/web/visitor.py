"""Who is at the other end: a proxy of ours is believed what it says of its client, nobody else is.

The hub's port is open to every process of the machine, people's servers among them. One that could choose its own address would
not be stopped by the limits on failed sign-ins, and would have others shut out instead.
"""

import hmac

from starlette.types import Scope

from perijove.wire.proxymark import HEADER

PROXIED = "perijove.proxied"
"""In a scope: it came by a proxy of ours."""
_NAME = HEADER.lower().encode()


def believe_proxies(scope: Scope, mark: bytes) -> None:
    """Set the client's address and scheme to what was told with the right mark (wire/proxymark.py), and take marks out, right or wrong."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    marks = [value for name, value in headers if name == _NAME]
    if not marks:
        return
    scope["headers"] = [header for header in headers if header[0] != _NAME]
    if len(marks) > 1 or not mark or not hmac.compare_digest(marks[0], mark):
        return
    scope[PROXIED] = True
    for name, value in headers:
        if name == b"x-real-ip":
            scope["client"] = (value.decode("latin-1"), 0)
        elif name == b"x-forwarded-proto" and value in {b"http", b"https"}:
            scope["scheme"] = value.decode()
