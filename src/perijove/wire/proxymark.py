"""How a proxy of ours shows a hub that a request came through it, so that the hub believes what it says about the client.

Every process of the machine can connect to the hub; only the proxies know the secret that this mark is made from. It goes to hubs alone,
and proxies strip it from what clients send.
"""

import hmac
from typing import Final

HEADER: Final = "X-Perijove-Proxy"


def proxy_mark(token: str) -> str:
    """The header's value for a proxy token, 64 hexadecimal digits; empty without a token. Tells nothing about the token."""
    return hmac.digest(token.encode(), b"perijove: came through a proxy", "sha256").hex() if token else ""
