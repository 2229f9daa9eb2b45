"""How servers without an address are reached: `tunnel://START_ID`, by way of a gateway to which the program in the job keeps a connection.

A proxy, or a hub that asks whether a server answers, says to a gateway

    CONNECT START_ID HTTP/1.1       Authorization: token PROXY_TOKEN
    200                             and what follows is the connection to the server
    404                             there is no such agent here; another gateway may have it
    503                             its connection is broken for the moment

The job's program says to the gateway who it is with a token of its own, which is made from the start's id: no hub has to be asked, and
whoever has one can open that tunnel and no other.
"""

import hmac
import re
from hashlib import sha256
from typing import Final

PREFIX: Final = "tunnel/"
"""The path below base_url where agents come in. They add a number (perijove.agent.NUMBERS) that says which gateway is meant."""
AWAY_S: Final = 5.0
"""How long a connection to a server waits for its agent to come back."""
PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8, 1.0)
"""Between attempts meanwhile; the last one again and again."""
_START_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")


class NoTunnelError(OSError):
    """No gateway leads to the server now."""


def is_start_id(text: str) -> bool:
    """Letters, digits, points, dashes and underscores, at most 128."""
    return _START_ID.fullmatch(text) is not None


def agent_token(proxy_token: str, start_id: str) -> str:
    """What the agent of this start shows to gateways."""
    key = hmac.digest(proxy_token.encode(), b"agents", sha256)
    return hmac.digest(key, start_id.encode(), sha256).hex()


def connect_head(start_id: str, proxy_token: str) -> bytes:
    """What a gateway is asked with."""
    return f"CONNECT {start_id} HTTP/1.1\r\nHost: {start_id}\r\nAuthorization: token {proxy_token}\r\n\r\n".encode()


def connected(head: bytes) -> bool:
    """Whether the gateway's answer is yes. `head`: all of it. Raises OSError if it is neither that nor "not here, or not now"."""
    found = _STATUS.match(head)
    status = int(found[1]) if found is not None else 0
    if status == 401:
        raise PermissionError("the gateway does not accept our token: proxies, hubs and gateways need the same [proxy] token")
    if status not in {200, 404, 503}:
        raise ConnectionAbortedError("what answers there is no gateway")
    return status == 200
