"""Keys made from the server's own token, one for each use."""

from __future__ import annotations

import base64
import hashlib
import hmac

from tornado.web import create_signed_value, decode_signed_value


class Signer:
    """Signs what this server gives to browsers.

    The key comes from the server's API token, which the hub makes new for each server: cookies
    outlive a restart of the process, and end with the server. User code can read that token, and
    then it could sign cookies of its own server; it gains nothing, for a cookie only carries a
    token, and the hub judges tokens.
    """

    def __init__(self, api_token: str) -> None:
        self._root = api_token.encode()

    def seal(self, name: str, value: str) -> str:
        """A signed, dated cookie value that is good under this cookie name only."""
        return create_signed_value(self._key("cookie").hex(), name, value).decode()

    def unseal(self, name: str, sealed: str | None, *, max_age_s: float) -> str | None:
        """What `seal` was given, or None if it is forged, for another name, or too old."""
        if not sealed:
            return None
        value = decode_signed_value(self._key("cookie").hex(), name, sealed, max_age_days=max_age_s / 86_400, min_version=2)
        return None if value is None else value.decode()

    def tag(self, use: str, text: str) -> str:
        """43 URL-safe characters that only this server can compute from `text` for this use."""
        digest = hmac.new(self._key(use), text.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _key(self, use: str) -> bytes:
        return hmac.new(self._root, b"perijove-singleuser " + use.encode(), hashlib.sha256).digest()
