"""What the hub tells this server through environment variables, checked and typed.

The names and meanings are JupyterHub's single-user contract. Only the standard library is
used here, because this is read before anything of Jupyter is imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

_TRUE = frozenset({"1", "true", "yes", "on"})
_REQUIRED = (
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_CLIENT_ID",
    "JUPYTERHUB_SERVICE_PREFIX",
    "JUPYTERHUB_SERVICE_URL",
    "JUPYTERHUB_USER",
)
# sockaddr_un.sun_path is 108 bytes on Linux, 104 on macOS and the BSDs, the last one a NUL.
_SOCKET_PATH_LIMIT = 103


class ContractError(Exception):
    """The environment does not describe a server of a hub; the message says who mends what."""


@dataclass(frozen=True)
class Bind:
    """Where to listen: a unix socket if `socket_path` is set, else `ip` (empty: all) and `port`."""

    ip: str = ""
    port: int = 0
    socket_path: str = ""
    tls: bool = False


@dataclass(frozen=True)
class Contract:
    """One server's place in its hub. URLs and prefixes that end in `/` say so below."""

    api_url: str  # without the last slash; http, https or http+unix
    api_token: str = field(repr=False)
    client_id: str
    user: str
    server_name: str
    prefix: str  # "/user/alice/"
    hub_prefix: str  # "/hub/"
    hub_host: str  # "" when hub and servers share one host, else "https://hub.example.org"
    callback_url: str
    access_scopes: frozenset[str]
    bind: Bind
    activity_url: str = ""
    activity_interval_s: float = 300.0
    public_url: str = ""
    default_url: str = ""
    root_dir: str = ""
    cookie_host_prefix: bool = False
    cookie_options: Mapping[str, Any] = field(default_factory=dict)
    allow_token_in_url: bool = False
    allow_websocket_cookie: bool = True
    disable_user_config: bool = False
    debug: bool = False
    keyfile: str = ""
    certfile: str = ""
    client_ca: str = ""
    start_timeout_s: float = 45.0
    grace_s: float = 86_400.0
    identity_max_age_s: float = 300.0

    @property
    def authorize_url(self) -> str:
        """Where the browser goes to sign in."""
        return f"{self.hub_host}{self.hub_prefix}api/oauth2/authorize"

    @property
    def logout_url(self) -> str:
        """Where the browser goes to sign out of the hub."""
        return f"{self.hub_host}{self.hub_prefix}logout"

    @property
    def home_url(self) -> str:
        """The hub's page that lists, starts and stops this person's servers."""
        return f"{self.hub_host}{self.hub_prefix}home"


def is_true(value: str | None) -> bool:
    """Whether an environment variable says yes."""
    return (value or "").strip().lower() in _TRUE


def read_contract(environ: Mapping[str, str]) -> Contract:
    """Read the hub's variables. Raises ContractError that names every mistake at once."""
    missing = [name for name in _REQUIRED if not environ.get(name)]
    if missing:
        raise ContractError(
            "perijove-singleuser is started by a hub, and the hub sets these variables, which are "
            f"not set here: {', '.join(missing)}. Start your server from the hub's page; to run "
            "Jupyter without a hub use `jupyter lab`. If the hub did start this, its administrator "
            "must let the spawner pass these variables on."
        )
    mistakes: list[str] = []

    def parsed(name: str, parse: Callable[[str], Any], default: Any) -> Any:
        text = environ.get(name, "")
        if not text.strip():
            return default
        try:
            return parse(text)
        except ValueError as error:
            mistakes.append(f"{name} is {text!r}: {error}")
            return default

    user = environ["JUPYTERHUB_USER"]
    server_name = environ.get("JUPYTERHUB_SERVER_NAME", "")
    prefix = _prefix(environ["JUPYTERHUB_SERVICE_PREFIX"])
    own_scopes = frozenset({f"access:servers!server={user}/{server_name}", f"access:servers!user={user}"})
    scopes_name = "JUPYTERHUB_OAUTH_ACCESS_SCOPES" if environ.get("JUPYTERHUB_OAUTH_ACCESS_SCOPES") else "JUPYTERHUB_OAUTH_SCOPES"
    contract = Contract(
        api_url=parsed("JUPYTERHUB_API_URL", _api_url, ""),
        api_token=environ["JUPYTERHUB_API_TOKEN"],
        client_id=environ["JUPYTERHUB_CLIENT_ID"],
        user=user,
        server_name=server_name,
        prefix=prefix,
        hub_prefix=_prefix(environ.get("JUPYTERHUB_BASE_URL") or "/") + "hub/",
        hub_host=environ.get("JUPYTERHUB_HOST", "").rstrip("/"),
        callback_url=environ.get("JUPYTERHUB_OAUTH_CALLBACK_URL") or prefix + "oauth_callback",
        access_scopes=parsed(scopes_name, _scope_list, own_scopes),
        bind=parsed("JUPYTERHUB_SERVICE_URL", parse_bind, Bind()),
        activity_url=environ.get("JUPYTERHUB_ACTIVITY_URL", ""),
        activity_interval_s=parsed("JUPYTERHUB_ACTIVITY_INTERVAL", _seconds, 300.0),
        public_url=environ.get("JUPYTERHUB_PUBLIC_URL", ""),
        default_url=environ.get("JUPYTERHUB_DEFAULT_URL", ""),
        root_dir=environ.get("JUPYTERHUB_ROOT_DIR", ""),
        cookie_host_prefix=is_true(environ.get("JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED")),
        cookie_options=parsed("JUPYTERHUB_COOKIE_OPTIONS", _cookie_options, {}),
        allow_token_in_url=is_true(environ.get("JUPYTERHUB_ALLOW_TOKEN_IN_URL")),
        allow_websocket_cookie=is_true(environ.get("JUPYTERHUB_ALLOW_WEBSOCKET_COOKIE_AUTH", "1")),
        disable_user_config=is_true(environ.get("JUPYTERHUB_DISABLE_USER_CONFIG")),
        debug=is_true(environ.get("JUPYTERHUB_DEBUG")),
        keyfile=environ.get("JUPYTERHUB_SSL_KEYFILE", ""),
        certfile=environ.get("JUPYTERHUB_SSL_CERTFILE", ""),
        client_ca=environ.get("JUPYTERHUB_SSL_CLIENT_CA", ""),
        start_timeout_s=parsed("PERIJOVE_SINGLEUSER_START_TIMEOUT", _seconds, 45.0),
        grace_s=parsed("PERIJOVE_SINGLEUSER_GRACE", _seconds, 86_400.0),
        identity_max_age_s=parsed("PERIJOVE_SINGLEUSER_IDENTITY_MAX_AGE", _seconds, 300.0),
    )
    if mistakes:
        raise ContractError("The hub's administrator must mend what the spawner passes to this server: " + "; ".join(mistakes) + ".")
    return contract


def parse_bind(url: str) -> Bind:
    """`http://ip:port/prefix`, `https://…` or `http+unix://%2Fpath%2Fsock/prefix` to a Bind.

    Raises ValueError with a reason.
    """
    parts = urlsplit(url)
    if parts.scheme == "http+unix":
        # not parts.hostname: that lower-cases, and a path's case matters
        path = unquote(parts.netloc)
        if not path.startswith("/"):
            raise ValueError("the socket must be an absolute path, written with %2F for /")
        if len(path.encode()) > _SOCKET_PATH_LIMIT:
            raise ValueError(f"a unix socket's path may have {_SOCKET_PATH_LIMIT} bytes; choose a shorter one")
        return Bind(socket_path=path)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("it must begin with http://, https:// or http+unix://")
    tls = parts.scheme == "https"
    port = parts.port
    if port is None:
        port = 443 if tls else 80
    return Bind(ip=parts.hostname or "", port=port, tls=tls)


def _api_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https", "http+unix"} or not parts.netloc:
        raise ValueError("it must be a URL that begins with http://, https:// or http+unix://")
    return url.rstrip("/")


def _prefix(path: str) -> str:
    inner = path.strip("/")
    return f"/{inner}/" if inner else "/"


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError("it must be a number of seconds, zero or more")
    return value


def _scope_list(text: str) -> frozenset[str]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(scope, str) for scope in value):
        raise ValueError("it must be a JSON list of scopes")
    if not value:
        raise ValueError("it lists no scope, so nobody could enter")
    return frozenset(value)


def _cookie_options(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it must be a JSON object")
    return {str(name).lower().replace("-", "_"): option for name, option in value.items()}
