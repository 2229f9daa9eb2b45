"""The settings of the TOML file, section by section. Every field is documented in docs/reference/settings.md (generated).

Sections of plugins ([spawner], [authenticator]) are kept raw here but for `use`, and decoded by the plugin's own type.
In [limits] 0 means "no limit". Durations are seconds as a number, or text such as "30s", "15m", "8h", "14d".
"""

import shlex
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from perijove.config.quantities import DURATION, SIZE, Duration, Size
from perijove.config.section import Secret, Section

Count = Annotated[int, Meta(ge=0)]


class HubSection(Section, frozen=True):
    """The hub itself."""

    listen: str = "127.0.0.1:8081"
    """Where the hub listens for proxies and servers: host:port."""
    connect_url: str = ""
    """How servers reach the hub, if not at http://{listen}: scheme://host:port."""
    base_url: str = "/"
    """The path below which all of Perijove lives; begins and ends with a slash."""
    public_url: str = ""
    """The address people type, scheme://host[:port]; empty: subdomain_host, or taken from each request."""
    subdomain_host: str = ""
    """Give each person and each service a host of their own below this one, scheme://host[:port]. Needs wildcard DNS. Empty: all share one."""
    subdomain_naming: Literal["idna", "legacy"] = "idna"
    """How hosts are made from names, as JupyterHub does it. legacy: as it did before version 5, with one host for all services."""
    state_dir: str = ""
    """Where database, keys and logs are kept; empty: beside the configuration file, or the platform's place."""
    runtime_dir: str = ""
    """Short path for sockets; empty: chosen."""
    cookie_secret: Secret | None = None
    """The master secret shared by all replicas, at least 32 characters; without it one is made in state_dir."""
    crypt_keys: tuple[Secret, ...] = ()
    """Keys for secrets at rest, the newest first; without them one is derived from the master secret."""
    keep_auth_state: bool = True
    """Keep what the authenticator hands over for a person (auth_state), encrypted. Otherwise nothing is kept, and what there was is deleted."""
    default_url: str = ""
    """Where people land after signing in; empty: their server if it runs, else the home page."""
    redirect_to_server: bool = True
    """After signing in, go on to start the default server."""
    shutdown_on_sign_out: bool = False
    """Signing out stops the person's servers."""
    session_age: Duration = 14 * 86400.0
    """How long a sign-in lasts."""
    refresh_age: Duration = 300.0
    """How often a signed-in person is checked again with the authenticator; 0: never."""
    oauth_token_age: Duration = 14 * 86400.0
    """How long a server's or service's OAuth token lasts."""
    token_max_age: Duration = 0.0
    """The longest life of a token made by request."""
    page_default: Annotated[int, Meta(ge=1)] = 50
    page_max: Annotated[int, Meta(ge=1)] = 200
    drain: Duration = 0.0
    """At the end: how long the hub goes on as before while it says that it is not ready (/hub/perijove/ready), so that load balancers and proxies
    with other hubs send requests elsewhere first. Asked to end a second time, it does not wait. `perijove up --replace` needs none of it."""
    service_check_every: Duration = 60.0
    """How often services are asked whether they are there; 0: never."""
    health_insecure_warning: bool = True
    """Warn on the sign-in page when it was reached without TLS from another machine."""

    @property
    def public_address(self) -> str:
        """public_url, which is that of subdomain_host if there is one; "" if neither says."""
        return (self.public_url or self.subdomain_host).rstrip("/")


class CertificateEntry(Section, frozen=True):
    """A certificate of the public door: [[proxy.certificates]]. It says itself for which host names it is; wildcards count."""

    cert: str
    """Path of the certificate, and behind it those that lead to a known authority (PEM). Read again when it changes."""
    key: str = ""
    """Path of its key (PEM); empty: it is in the same file."""
    passphrase: Secret | None = None
    """Of the key, if it has one."""


class ProxySection(Section, frozen=True):
    """The public door."""

    listen: str = "127.0.0.1:8000"
    """Where people come in: host:port, or unix:/path."""
    hubs: tuple[str, ...] = ()
    """Hub addresses for a proxy that runs alone; empty: the hub of this file."""
    gateways: tuple[str, ...] = ()
    """Addresses of gateways, http://host:port or http+unix://%2Fpath, for proxies and hubs; empty: the gateway of this file, if it is enabled.
    All proxies name them in the same order."""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    token: Secret | None = None
    """Shared secret between proxies and hubs; without it one is derived from the master secret."""
    state_file: str = ""
    """Where the last route table is kept; empty: in state_dir."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) of load balancers whose X-Forwarded-… headers are believed; "unix:" for what comes by a unix socket."""
    proxy_protocol: bool = False
    """Connections come from trusted_proxies alone, each with a PROXY protocol preamble (version 1 or 2) that names the client."""
    forwarded_header: bool = False
    """Tell servers about clients by Forwarded (RFC 7239) too, besides X-Forwarded-…."""
    tls_cert: str = ""
    """Path of the certificate, and behind it those that lead to a known authority (PEM). Read again when it changes."""
    tls_key: str = ""
    """Path of its key (PEM)."""
    tls_key_passphrase: Secret | None = None
    """Of the key, if it has one."""
    certificates: tuple[CertificateEntry, ...] = ()
    """More certificates, as [[proxy.certificates]]. Visitors are shown the one of the name they ask for; if there is none, tls_cert, or the first."""
    tls_min_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest TLS that is spoken. Of 1.2 only forward-secret ciphers with authenticated encryption."""
    tls_client_cert: Literal["off", "optional", "required"] = "off"
    """Whether visitors must show a certificate. optional: they may, but a bad one is refused."""
    tls_client_ca: str = ""
    """Path of the authorities (PEM) that visitors' certificates must come from. Read again when it changes."""
    hsts_max_age: Duration = 0.0
    """How long browsers are told to come by TLS only (Strict-Transport-Security); 0: they are not told."""
    hsts_subdomains: bool = False
    """Tell them so for all names below the site's, too."""
    redirect_listen: str = ""
    """Where plain HTTP is sent on to https, such as 0.0.0.0:80; empty: nowhere. The port is that of public_url, else of listen."""
    acme_folder: str = ""
    """A web root for ACME clients: what they put below .well-known/acme-challenge in it is served at redirect_listen."""
    upstream_ca: str = ""
    """Path of the authorities (PEM) that https servers and hubs are checked against; empty: the system's."""
    upstream_cert: str = ""
    """Path of the certificate (PEM) that the proxy shows to https servers and hubs."""
    upstream_key: str = ""
    """Path of its key; empty: it is in the same file."""
    upstream_verify: bool = True
    """Check that https servers and hubs are who they say. Without it whoever is in between can read and change everything."""
    admin_listen: str = ""
    """Status and metrics of the proxy: host:port or unix:/path; empty: none."""
    access_log: Literal["off", "json", "combined"] = "off"
    """A line for each request, without its query. combined: Apache's format; json says more."""
    access_log_sample: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """The share of requests that is logged; answers from 500 up always are."""
    access_log_file: str = ""
    """Opened again on SIGUSR1; empty: standard error, "-": standard output."""

    @property
    def ends_tls(self) -> bool:
        """Whether visitors come by TLS to the proxy itself."""
        return bool(self.tls_cert or self.certificates)


Patience = Annotated[float, Meta(gt=0, description=DURATION)]
Positive = Annotated[int, Meta(ge=1)]


class ProxyLimitsSection(Section, frozen=True):
    """What the proxy bears with, for each of its workers. Except where it says so, 0 is refused: a door without these limits can be held shut."""

    head: Patience = 15.0
    """For a client to send the whole head of a request."""
    idle: Patience = 75.0
    """Between two requests on one connection."""
    body: Patience = 60.0
    """Between two pieces of a request's body."""
    connect: Patience = 10.0
    """To reach a server or a hub."""
    response: Patience = 900.0
    """For a server to begin an answer, and between two pieces of it."""
    send: Patience = 60.0
    """For a slow reader to take some of what is kept for it."""
    websocket_idle: Patience = 3600.0
    """Without a byte either way on a WebSocket, or another upgraded connection."""
    pool_idle: Patience = 30.0
    """How long an unused connection to a server is kept for the next request."""
    pool_per_target: Positive = 64
    """Unused connections kept to one server."""
    connections: Positive = 10_000
    """Of clients; what comes beyond is answered 503. Lowered at the start to what the open-files limit allows."""
    connections_per_address: Count = 2_500
    """Of one client address (IPv6: one /64 network), WebSockets included; what comes beyond is answered 429. trusted_proxies are not counted.
    A quarter of `connections`, and room for a class of 200 behind one address. 0: no limit."""
    body_size: Size = 0
    """Of a request; what is larger is answered 413. 0: any size, for people upload what they work with."""
    head_size: Annotated[int, Meta(ge=1024, description=SIZE)] = 64 * 1024
    """Of a request: first line and header fields."""
    fields: Annotated[int, Meta(ge=16)] = 128
    """Header fields of one request."""
    buffer_size: Annotated[int, Meta(ge=4096, description=SIZE)] = 64 * 1024
    """Kept for a slow reader before the sender is made to wait."""
    drain: Duration = 10.0
    """At the end: how long running requests may take to finish."""
    drain_websockets: Duration = 0.0
    """At the end: how long WebSockets are kept (they do not end by themselves; pages connect again)."""
    retire_websockets: Duration = 12 * 3600.0
    """When a worker gives way to a new one: how long it keeps the WebSockets that it has."""


class GatewaySection(Section, frozen=True):
    """The gateway: where jobs of a batch system dial in, so that their servers can be reached although their machines cannot. See `[proxy]
    gateways` for gateways elsewhere."""

    enabled: bool = False
    """Run one with `perijove up`."""
    listen: str = "127.0.0.1:8082"
    """Where the gateway listens for proxies and hubs: host:port or unix:/path. Agents come to it by way of the proxies."""
    url: str = ""
    """What agents dial, wss://host/path/, if compute nodes reach the site at another address than people do; empty: public_url and base_url."""
    agents: Annotated[int, Meta(ge=1)] = 20_000
    """How many may be connected; each needs an open file."""
    agents_per_address: Count = 10_000
    """How many may come from one address; clusters often show one for all of their nodes. 0: no limit."""
    keep: Duration = 90.0
    """How long open connections to a server wait for an agent that has lost its own."""


class StoreSection(Section, frozen=True):
    """The database."""

    url: str | Secret = ""
    """sqlite:///path or postgresql://user:password@host/name; empty: perijove.sqlite in state_dir."""
    direct_url: str | Secret = ""
    """Where `url` leads to a pooler in transaction mode, such as pgbouncer: the database itself, for one connection of each hub that listens."""
    pool_size: Annotated[int, Meta(ge=1)] = 8
    """Connections of each hub to PostgreSQL."""


class AccessSection(Section, frozen=True):
    """Who may sign in. Nobody is allowed by default; deny rules always win."""

    allow_all: bool = False
    allowed_users: tuple[str, ...] = ()
    allowed_groups: tuple[str, ...] = ()
    allow_existing_users: bool = False
    blocked_users: tuple[str, ...] = ()
    blocked_groups: tuple[str, ...] = ()
    admin_users: tuple[str, ...] = ()
    admin_groups: tuple[str, ...] = ()
    manage_groups: bool = True
    """Groups that the authenticator tells are the person's groups here, exactly. Without it they count for the rules of this section alone."""
    manage_roles: bool = False
    """Roles that the authenticator tells are given to people, and taken back when it tells them no more; so are the roles it keeps."""
    reset_managed_roles: bool = False
    """At each start, forget the roles that the authenticator kept or gave, but for those it still keeps. People have theirs again when they are checked."""
    extra_user_scopes: tuple[str, ...] = ()
    """Scopes that everybody holds beside those of the default role `user`, such as `shares!user`."""


class GroupLimitsEntry(Section, frozen=True):
    """The people of a group, wherever the group comes from: [[limits.groups]]. Whoever is in several is bound by the limits of each."""

    name: str
    active_servers: Count = 0
    """How many servers its people may have at once, together."""
    concurrent_starts: Count = 0
    """How many of their servers may be starting at the same time."""
    active_servers_per_user: Count | None = None
    """How many servers each of them may have, in place of what [limits] says; 0: any number. Of several groups, the most generous counts."""
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    """So many steps of the queue before others, or, below 0, behind them. Of several [[limits.groups]] the highest counts; whoever is in none has 0."""


class LimitsSection(Section, frozen=True):
    """How much at once, and how long. 0 lifts a limit. Starts that a limit keeps back wait in a queue."""

    concurrent_starts: Count = 100
    """How many servers may be starting at the same time, on the whole site. A spawner may say a smaller number."""
    active_servers: Count = 0
    """How many servers there may be at once, on the whole site."""
    active_servers_per_user: Count = 0
    """How many servers one person may have at once."""
    queue_step: Duration = 300.0
    """In the queue, a step of priority is worth having asked so much earlier, and each server one has, or asked for before, so much later. So
    whoever asks for their first goes before those who ask for more, and still nobody waits for ever. 0: who asked first goes first."""
    named_servers: bool = True
    """Whether people may have servers beside their default one."""
    named_servers_per_user: Count = 0
    start_timeout: Duration = 60.0
    """How long a spawner may take to bring a server up; a batch queue needs hours."""
    ready_timeout: Duration = 60.0
    """How long a server that is up may take to answer."""
    stop_grace: Duration = 15.0
    """How long a server may take to end before it is forced."""
    stop_timeout: Duration = 60.0
    hook_timeout: Duration = 30.0
    """How long a hook or another plugin call may take."""
    api_wait: Duration = 10.0
    """How long an API call that starts or stops a server waits before it answers 202."""
    sign_in_failures: Count = 10
    """Failed sign-ins of one name or one address within sign_in_window before it has to wait."""
    sign_in_window: Duration = 900.0
    groups: tuple[GroupLimitsEntry, ...] = ()
    """Limits and priorities of groups, as [[limits.groups]]."""


class CullSection(Section, frozen=True):
    """Stopping what nobody uses."""

    idle_after: Duration = 0.0
    """Stop a server after this long without activity; 0: never."""
    max_age: Duration = 0.0
    """Stop a server when it is this old, busy or not; 0: never."""
    every: Duration = 60.0
    poll_every: Duration = 15.0
    """How often running servers are looked after."""


class LogSection(Section, frozen=True):
    """The log of hub and proxy, on standard error."""

    level: str = "info"
    """debug, info, warning or error: what is less than this is left out."""
    format: str = "auto"
    """json, console, or auto: console on a terminal."""
    audit_keep: Duration = 365 * 86400.0
    """How long the audit log is kept in the database; 0: for ever."""


class EventsSection(Section, frozen=True):
    """The event log: JSON lines for other programs. Nothing is written unless file or stdout is set."""

    file: str = ""
    """Where it is appended to. It may be rotated in any way; no signal is needed."""
    stdout: bool = False
    """Write it to standard output, too."""
    server_actions: bool = True
    """Servers started and stopped, as JupyterHub writes them."""
    audit: bool = True
    """What the audit log records."""


class MetricsSection(Section, frozen=True):
    """What Prometheus reads at /hub/metrics."""

    authenticate: bool = True
    """Ask for a token with the scope read:metrics."""
    prefix: str = "jupyterhub_"
    """What the names of metrics begin with. Dashboards made for JupyterHub want it as it is."""


class ServiceEntry(Section, frozen=True):
    """A program that uses the API: [[services]]. With `url` it is reached at /services/NAME/, with `command` the hub runs it."""

    name: str
    url: str = ""
    """Where it listens, scheme://host:port. The proxy sends /services/NAME/ there, and it may ask who its visitors are."""
    api_token: Secret | str | None = None
    """With which it asks the API, at least 8 characters. A managed service without one gets a new one at each start."""
    admin: bool = False
    """It may do all that an administrator may; a role with just the scopes it needs is better."""
    display: bool = True
    """Whether those who may open it find it in the menu."""
    info: dict[str, Any] = field(default_factory=dict)
    """Whatever you want to be told about it by the API."""
    oauth_no_confirm: bool = False
    """People are not asked before it learns who they are."""
    oauth_client_id: str = ""
    """Must begin with service-; empty: service-NAME."""
    oauth_redirect_uri: str = ""
    """Where people come back to after it asked who they are; empty: /services/NAME/oauth_callback."""
    oauth_client_allowed_scopes: tuple[str, ...] = ()
    """What it may do in the name of its visitors, as far as they may; empty: learn who they are."""
    timeout: Duration = 30.0
    """How long it may take to come up, and to answer when it is asked whether it is there."""
    command: str | tuple[str, ...] = ()
    """Makes it a managed service: what the hub runs, with nothing of the hub's own environment."""
    cwd: str = ""
    """Managed: the folder it runs in, an absolute path; empty: the home of its account."""
    environment: dict[str, Secret | str] = field(default_factory=dict)
    """Managed: variables for it. A value may be a secret."""
    user: str = ""
    """Managed: the Unix account it runs as, if the hub is root; empty: the hub's own."""

    @property
    def command_words(self) -> tuple[str, ...]:
        """The command as a list of words."""
        return tuple(shlex.split(self.command)) if isinstance(self.command, str) else self.command


class RoleEntry(Section, frozen=True):
    """A named set of scopes and who holds it: [[roles]]."""

    name: str
    description: str = ""
    scopes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


class GroupEntry(Section, frozen=True):
    """[[groups]]"""

    name: str
    users: tuple[str, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)


class UserEntry(Section, frozen=True):
    """[[users]]: exists from the start, whether or not the person ever signed in."""

    name: str
    admin: bool = False
    groups: tuple[str, ...] = ()


class ProfileEntry(Section, frozen=True):
    """[[profiles]]: a prepared choice on the start page."""

    name: str
    display_name: str = ""
    description: str = ""
    default: bool = False
    groups: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


class CustomScopeEntry(Section, frozen=True):
    """A scope of the site's own that brings others along."""

    description: str
    subscopes: tuple[str, ...] = ()
    """Custom scopes that whoever holds this one holds too."""


class Settings(Section, frozen=True):
    """The whole file."""

    hub: HubSection = field(default_factory=HubSection)
    proxy: ProxySection = field(default_factory=ProxySection)
    proxy_limits: ProxyLimitsSection = field(default_factory=ProxyLimitsSection)
    gateway: GatewaySection = field(default_factory=GatewaySection)
    store: StoreSection = field(default_factory=StoreSection)
    authenticator: dict[str, Any] = field(default_factory=lambda: {"use": "accounts"})
    spawner: dict[str, Any] = field(default_factory=lambda: {"use": "local"})
    access: AccessSection = field(default_factory=AccessSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    cull: CullSection = field(default_factory=CullSection)
    log: LogSection = field(default_factory=LogSection)
    events: EventsSection = field(default_factory=EventsSection)
    metrics: MetricsSection = field(default_factory=MetricsSection)
    services: tuple[ServiceEntry, ...] = ()
    roles: tuple[RoleEntry, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    users: tuple[UserEntry, ...] = ()
    profiles: tuple[ProfileEntry, ...] = ()
    custom_scopes: dict[str, str | CustomScopeEntry] = field(default_factory=dict)
    """custom:… scope -> description, or { description = "…", subscopes = ["custom:…"] }."""
