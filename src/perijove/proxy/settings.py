"""What a proxy has to be told. A plain record: configuration files are the business of others."""

from dataclasses import dataclass, field
from typing import Final, Literal

from perijove.proxy.certfiles import CertificateFiles
from perijove.proxy.manners import Manners
from perijove.proxy.tlsdemands import TlsDemands

_HUB_COOKIES: Final = ("perijove-session", "perijove-visit", "perijove-sign-in")
HUB_COOKIES: Final = frozenset({*_HUB_COOKIES, *(f"__Host-{name}" for name in _HUB_COOKIES), "jupyterhub-hub-login"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, bytes and counts beyond which a peer is refused or dropped."""

    head_s: float = 15.0
    """To send the whole head of a request."""
    idle_s: float = 75.0
    """Between two requests on one connection."""
    body_s: float = 60.0
    """Between two pieces of a request's body."""
    connect_s: float = 10.0
    """To reach a server or a hub."""
    response_s: float = 900.0
    """For a server to begin an answer, and between two pieces of it."""
    send_s: float = 60.0
    """For a slow reader to take what is buffered for it (see `buffer_bytes`)."""
    tunnel_idle_s: float = 3600.0
    """Without a byte either way on an upgraded connection. Servers ping more often than that."""
    half_close_s: float = 30.0
    """For the other side of an upgraded connection to end when one side has."""
    gone_s: float = 2.0
    """After a client has closed its side: how long its request may stay without any answer before it counts as gone."""
    linger_s: float = 2.0
    """How long what a client still sends is read and thrown away after an early answer, so that it can read the answer."""
    pool_idle_s: float = 30.0
    """How long an unused connection to a server is kept."""
    pool_fresh_s: float = 1.0
    """A request that cannot be repeated only uses a kept connection that was in use this short a time ago."""
    pool_per_target: int = 64
    max_connections: int = 10_000
    """Of clients, in each worker; what comes beyond is answered 503. Lowered at the start to what the open-files limit allows."""
    max_connections_per_address: int = 2_500
    """In each worker, tunnels included; of IPv6, from one /64. What comes beyond is answered 429. Trusted proxies are not counted. 0: no limit."""
    max_body_bytes: int = 0
    """Of a request; 0: any, for people upload what they work with."""
    max_head_bytes: int = 64 * 1024
    max_fields: int = 128
    buffer_bytes: int = 64 * 1024
    """Held for a reader before whoever sends to it is made to wait."""
    drain_s: float = 10.0
    """At the end: for running requests to finish."""
    drain_tunnels_s: float = 0.0
    """At the end: how long upgraded connections are kept at least (they never end by themselves; pages reconnect)."""
    retire_tunnels_s: float = 12 * 3600.0
    """When a worker gives way to a new one: how long it keeps the upgraded connections that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Everything `run` needs."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0: any free port; `run` tells which by `ready`."""
    unix_path: str = ""
    """Listen on this unix socket instead of host and port."""
    hubs: tuple[str, ...] = ()
    """Addresses of hubs (http://host:port, https://..., http+unix://...): the default target, and whose feed is followed."""
    gateways: tuple[str, ...] = ()
    """Addresses (http://host:port, http+unix://...) of gateways: by them servers at tunnel:// addresses are reached, and their agents come in."""
    base_url: str = "/"
    token: str = field(default="", repr=False)
    """The secret shared with the hubs; without one no hub is followed."""
    follow: bool = True
    """Follow the hubs' route feed."""
    feeds: tuple[str, ...] = ()
    """Whose feed is followed instead, and known before the first request is taken; empty: the hubs'."""
    chp: Manners | None = None
    """Behave as configurable-http-proxy would; None: as the proxy of a hub of ours."""
    state_file: str = ""
    """Where the last route table is kept; empty: nowhere."""
    workers: int = 1
    limits: Limits = field(default_factory=Limits)
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) whose X-Forwarded-... fields are believed; "unix:" for those who come by a unix socket."""
    proxy_protocol: bool = False
    """Connections come from load balancers among `trusted_proxies` alone, and begin with a PROXY protocol preamble."""
    forwarded_header: bool = False
    """Tell servers about clients by Forwarded (RFC 7239) too, besides X-Forwarded-..."""
    hub_cookies: frozenset[str] = HUB_COOKIES
    """Cookies that no server but the hub may see."""
    tls_cert: str = ""
    """Path of the certificate chain (PEM); read again when it changes."""
    tls_key: str = ""
    tls_key_password: str = field(default="", repr=False)
    certificates: tuple[CertificateFiles, ...] = ()
    """More of them, for other names."""
    tls_demands: TlsDemands = field(default_factory=TlsDemands)
    upstream_ca: str = ""
    """Path of the certificates (PEM) that https targets are checked against; empty: the system's."""
    upstream_cert: str = ""
    """Path of the certificate this proxy shows to https targets."""
    upstream_key: str = ""
    upstream_verify: bool = True
    """Check the certificates of https targets."""
    redirect_host: str = ""
    redirect_port: int | None = None
    """Send plain requests to this port to https; None: there is no such port."""
    redirect_to: int | str = 0
    """The port that is sent to, or an address without a path ("https://host"); 0: the port of `port`."""
    redirect_status: int = 308
    acme_folder: str = ""
    """Files below .well-known/acme-challenge in it are served at the plain port."""
    hsts_max_age_s: int = 0
    """Browsers are told to come by TLS only for this long, where TLS ends here; 0: they are not."""
    hsts_subdomains: bool = False
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None
    """Status and metrics; None: not served by TCP."""
    admin_unix_path: str = ""
    report_interval_s: float = 10.0
    access_log: Literal["off", "json", "combined"] = "off"
    """A line for each request; combined: Apache's format."""
    access_log_sample: float = 1.0
    """The share of requests that is logged; answers from 500 up always are."""
    access_log_file: str = ""
    """Opened again on SIGUSR1; empty: standard error, "-": standard output."""
    log_level: str = "info"
    log_format: str = "json"
    """json or console; applies if no logging has been set up by the caller."""

    @property
    def all_certificates(self) -> tuple[CertificateFiles, ...]:
        """The door's. The first is for visitors who ask for a name that none has."""
        first = CertificateFiles(cert=self.tls_cert, key=self.tls_key, password=self.tls_key_password)
        return (first, *self.certificates) if self.tls_cert else self.certificates
