"""The hub's REST API, as far as one server needs it."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.netutil import Resolver
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from .contract import Contract
from .scopes import grants_access

VERSION_HEADER = "X-JupyterHub-Version"
_CONNECT_TIMEOUT_S = 5.0
_REQUEST_TIMEOUT_S = 15.0
_ANSWER_LIMIT = 4 * 1024 * 1024


class HubUnavailableError(Exception):
    """No hub answered, or what answered is not a hub at work (5xx, 429, a proxy's error page)."""


class HubRefusedError(Exception):
    """The hub answered, and said no."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(f"the hub answered {status} {error}".rstrip())
        self.status = status
        self.error = error


@dataclass(frozen=True)
class Identity:
    """Who holds a token. `may_enter`: their scopes open this server."""

    name: str
    kind: str
    scopes: frozenset[str]
    may_enter: bool
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grant:
    """What a code was exchanged for; `expires_in_s` is None if the hub does not say."""

    access_token: str = field(repr=False)
    expires_in_s: int | None = None


class HubClient:
    """Speaks to the hub at `contract.api_url`, by TCP or through a unix socket.

    Must be used from one event loop. Every method raises HubUnavailableError when no hub answers.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._root, socket_path = _plain_url(contract.api_url)
        self._ssl = _ssl_context(contract) if self._root.startswith("https://") else None
        self._client = SimpleAsyncHTTPClient(
            force_instance=True,
            max_clients=32,
            max_body_size=_ANSWER_LIMIT,
            **({"resolver": _OneSocket(path=socket_path)} if socket_path else {}),
        )

    async def version(self, *, timeout_s: float = _REQUEST_TIMEOUT_S) -> str | None:
        """The version the hub announces; None if it announces none."""
        response = await self._fetch(f"{self._root}", timeout_s=timeout_s)
        if response.code != 200:
            raise HubUnavailableError(f"it answers {response.code} where a hub answers 200")
        return response.headers.get(VERSION_HEADER)

    async def whoami(self, token: str) -> Identity | None:
        """Who holds this token, or None if the hub does not accept it (401, 403)."""
        response = await self._fetch(f"{self._root}/user", headers={"Authorization": f"token {token}"})
        if response.code in {401, 403}:
            return None
        if response.code != 200:
            # Not a refusal: while a hub restarts, the proxy before it answers 404 or worse,
            # and nobody should lose their session for that.
            raise HubUnavailableError(f"it answers {response.code} to the question who a token is")
        model = _json_object(response)
        name, scopes = model.get("name"), model.get("scopes")
        if not isinstance(name, str) or not name or not isinstance(scopes, list):
            raise HubUnavailableError("it answers without a name and scopes")
        info = model.get("user_info")
        held = frozenset(str(scope) for scope in scopes)
        return Identity(
            name=name,
            kind=str(model.get("kind") or "user"),
            scopes=held,
            may_enter=grants_access(self._contract.access_scopes, held),
            info=info if isinstance(info, dict) else {},
        )

    async def exchange(self, code: str, verifier: str) -> Grant:
        """Exchange an authorization code for a token. Raises HubRefusedError with OAuth's error name."""
        response = await self._fetch(
            f"{self._root}/oauth2/token",
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(
                {
                    "client_id": self._contract.client_id,
                    "client_secret": self._contract.api_token,
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": self._contract.callback_url,
                    "code_verifier": verifier,
                }
            ),
        )
        if response.code in {400, 401, 403}:
            raise HubRefusedError(response.code, _error_name(response))
        if response.code != 200:
            raise HubUnavailableError(f"it answers {response.code} to a sign-in")
        model = _json_object(response)
        token, expires_in = model.get("access_token"), model.get("expires_in")
        if not isinstance(token, str) or not token:
            raise HubUnavailableError("it answers a sign-in without a token")
        return Grant(token, int(expires_in) if isinstance(expires_in, (int, float)) else None)

    async def report_activity(self, last_activity: datetime) -> None:
        """Tell the hub when this server was last used. Raises HubRefusedError on 4xx."""
        stamp = last_activity.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        response = await self._fetch(
            _plain_url(self._contract.activity_url)[0],
            method="POST",
            headers={
                "Authorization": f"token {self._contract.api_token}",
                "Content-Type": "application/json",
            },
            body=json.dumps(
                {
                    "servers": {self._contract.server_name: {"last_activity": stamp}},
                    "last_activity": stamp,
                }
            ),
        )
        if response.code >= 500 or response.code == 429:
            raise HubUnavailableError(f"it answers {response.code}")
        if response.code >= 300:
            raise HubRefusedError(response.code, _error_name(response))

    async def place(self) -> dict[str, Any]:
        """What is known of the place where this server runs. Raises HubRefusedError if the hub knows nothing of such."""
        return await self._about_place("report", None)

    async def extend(self, by_s: int) -> dict[str, Any]:
        """Ask for more time. Raises HubRefusedError with the reason."""
        return await self._about_place("extend", {"by_s": by_s})

    async def _about_place(self, what: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        contract = self._contract
        server = f"servers/{quote(contract.server_name, safe='')}" if contract.server_name else "server"
        headers = {"Authorization": f"token {contract.api_token}", "Content-Type": "application/json"}
        response = await self._fetch(
            f"{self._root}/perijove/users/{quote(contract.user, safe='@~')}/{server}/{what}",
            method="GET" if body is None else "POST",
            headers=headers,
            body=None if body is None else json.dumps(body),
        )
        if response.code in {429, 503}:
            raise HubUnavailableError(f"it answers {response.code}")
        if response.code >= 300:
            raise HubRefusedError(response.code, _sentence(response))
        return _json_object(response)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    async def _fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        timeout_s: float = _REQUEST_TIMEOUT_S,
    ) -> HTTPResponse:
        request = HTTPRequest(
            url,
            method=method,
            headers=dict(headers or {}),
            body=body,
            connect_timeout=min(_CONNECT_TIMEOUT_S, timeout_s),
            request_timeout=timeout_s,
            follow_redirects=False,
            ssl_options=self._ssl,
        )
        try:
            return await self._client.fetch(request, raise_error=False)
        except (HTTPClientError, OSError, ValueError) as error:
            # raise_error=False covers answers only; a refused or timed-out connection still raises
            raise HubUnavailableError(str(error) or type(error).__name__) from error


class _OneSocket(Resolver):
    """Resolves every name to one unix socket."""

    def initialize(self, path: str) -> None:
        self._path = path

    async def resolve(self, *_: Any, **__: Any) -> list[tuple[int, Any]]:
        return [(socket.AF_UNIX, self._path)]


def _plain_url(url: str) -> tuple[str, str]:
    """`http+unix://%2Frun%2Fhub.sock/hub/api` to an http URL for a Host header, and the path."""
    parts = urlsplit(url)
    if parts.scheme != "http+unix":
        return url, ""
    return f"http://localhost{parts.path}", unquote(parts.netloc)


def _ssl_context(contract: Contract) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=contract.client_ca or None)
    if contract.certfile:
        context.load_cert_chain(contract.certfile, contract.keyfile or None)
    return context


def _json_object(response: HTTPResponse) -> dict[str, Any]:
    try:
        model = json.loads(response.body)
    except ValueError as error:
        raise HubUnavailableError("it answers something that is not JSON") from error
    if not isinstance(model, dict):
        raise HubUnavailableError("it answers JSON that is not an object")
    return model


def _sentence(response: HTTPResponse) -> str:
    """What the hub says to people, and what they can do."""
    try:
        model = json.loads(response.body)
        return " ".join(str(model.get(key) or "") for key in ("message", "hint")).strip()[:500]
    except (ValueError, AttributeError):
        return ""


def _error_name(response: HTTPResponse) -> str:
    try:
        model = json.loads(response.body)
        return quote(str(model.get("error") or model.get("message") or ""), safe=" _-.,")[:200]
    except (ValueError, AttributeError):
        return ""
