"""What the keeper is told. Plain records."""

from dataclasses import dataclass, field
from typing import Final

from perijove.proxy.tlsdemands import TlsDemands

PRIVATE_NETWORKS: Final = (
    "unix:", "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10",
)  # fmt: skip
"""Where load balancers and ingresses before a hub usually are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """The API's certificate, and what is asked of those who connect."""

    cert: str
    key: str = ""
    password: str = field(default="", repr=False)
    """Of the key; empty: it has none."""
    demands: TlsDemands = field(default_factory=TlsDemands)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperSettings:
    """What the keeper needs besides its listeners."""

    token: str = field(default="", repr=False)
    """Of the API; empty: anybody may use it."""
    feed_token: str = field(default="", repr=False)
    """Shared with the workers alone."""
    feed_socket: str = ""
    journal: str = ""
    """Path of the file that the routes outlive the keeper in."""
    default_target: str = ""
    host_routing: bool = False
    tls: ServerTls | None = None
    """Of the API."""
