"""The cookies this server sets, with the attributes its hub asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tornado.httputil import HTTPServerRequest

from .browser import is_public_https
from .contract import Contract
from .signing import Signer

SESSION_ID = "jupyterhub-session-id"
# As long as JupyterHub keeps an OAuth token, for hubs that do not say.
TOKEN_MAX_AGE_S = 14 * 86_400
# The hub decides when a token ends; this only bounds how old a signature may be.
_OLDEST_TOKEN_S = 366 * 86_400


class CookieWriter(Protocol):
    """The part of a tornado request handler that deals with cookies."""

    request: HTTPServerRequest

    def get_cookie(self, name: str) -> str | None: ...
    def set_cookie(self, name: str, value: str, **options: Any) -> None: ...


class Cookies:
    """Names, attributes and signatures."""

    def __init__(self, contract: Contract, signer: Signer) -> None:
        self._contract = contract
        self._signer = signer
        host_prefix = "__Host-" if contract.cookie_host_prefix else ""
        self.token_name = host_prefix + contract.client_id

    def read_token(self, handler: CookieWriter) -> str | None:
        """The visitor's access token, or None."""
        return self._signer.unseal(self.token_name, handler.get_cookie(self.token_name), max_age_s=_OLDEST_TOKEN_S)

    def has_token(self, handler: CookieWriter) -> bool:
        """Whether the browser sent a sign-in cookie, be it good or not."""
        return handler.get_cookie(self.token_name) is not None

    def write_token(self, handler: CookieWriter, token: str, expires_in_s: int | None) -> None:
        """Sign the visitor in to this server."""
        self.write_private(
            handler,
            self.token_name,
            self._signer.seal(self.token_name, token),
            max_age_s=expires_in_s or TOKEN_MAX_AGE_S,
        )

    def write_private(self, handler: CookieWriter, name: str, value: str, *, max_age_s: int) -> None:
        """Set a cookie that page scripts cannot read."""
        options = {**self._private(handler), "max_age": max_age_s, "expires_days": None}
        handler.set_cookie(name, value, **options)

    def clear(self, handler: CookieWriter, name: str) -> None:
        """Make the browser drop a private cookie."""
        # tornado leaves out a Max-Age of 0, and a Max-Age would override Expires
        options = {**self._private(handler), "max_age": None, "expires": 1}
        handler.set_cookie(name, "", **options)

    def write_readable(self, handler: CookieWriter, name: str, value: str) -> None:
        """Set a cookie that this server's own pages must read, for the browser's session."""
        options = {**self._options(handler), "expires_days": None}
        options.pop("httponly", None)
        options.pop("max_age", None)
        handler.set_cookie(name, value, **options)

    def _private(self, handler: CookieWriter) -> dict[str, Any]:
        options = {**self._options(handler), "httponly": True}
        if self._contract.cookie_host_prefix:
            # What browsers demand of a __Host- cookie (RFC 6265bis 4.1.3.2).
            options.update(path="/", secure=True)
            options.pop("domain", None)
        return options

    def _options(self, handler: CookieWriter) -> Mapping[str, Any]:
        request = handler.request
        https = is_public_https((self._contract.public_url, self._contract.hub_host), request.headers, request.protocol)
        options: dict[str, Any] = {"path": self._contract.prefix, "samesite": "Lax"}
        if https:
            options["secure"] = True
        options.update(self._contract.cookie_options)
        return options
