"""Addresses whose path holds a secret: what logs may keep of them.

One-time links of ours do, and JupyterHub's old endpoints that look up a token or a cookie given in the path.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

_BEFORE_SECRETS: Final = re.compile(rb"/hub/+(?:invite|api/+authorizations/+(?:token|cookie/+[^/]+))/+(?=.)", re.DOTALL)


def without_secrets(path: bytes) -> bytes:
    """The path as it is (percent-encoded, without a query), or cut off where a secret begins."""
    decoded = unquote_to_bytes(path) if b"%" in path else path
    found = _BEFORE_SECRETS.search(decoded)
    return decoded[: found.end()] + b"..." if found is not None else path
