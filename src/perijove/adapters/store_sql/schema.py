"""The tables, as they are after the newest migration (a test compares the two).

Moments are microseconds since 1970-01-01 UTC: `datetime(created / 1000000, 'unixepoch')` reads one in SQLite,
`to_timestamp(created / 1e6)` in PostgreSQL. In `last_activity` 0 stands for never, so that both sort it alike. JSON is text.
Secrets are there as their SHA-256 only.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint, text

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)
Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is INTEGER."""


def _table(name: str, *parts: Column[object] | Index | UniqueConstraint) -> Table:
    return Table(
        name,
        METADATA,
        *parts,
        sqlite_autoincrement="id" in {part.name for part in parts if isinstance(part, Column) and isinstance(part.type, BigInteger)},
    )


def _id() -> Column[object]:
    return Column("id", Id, primary_key=True)


def _text(name: str, *, default: str | None = "") -> Column[object]:
    return Column(name, Text, nullable=False, server_default=default)


def _optional_text(name: str) -> Column[object]:
    return Column(name, Text)


def _flag(name: str) -> Column[object]:
    return Column(name, Boolean, nullable=False)


def _managed() -> Column[object]:
    """Whether the authenticator gave it."""
    return Column("managed", Boolean, nullable=False, server_default=text("false"))


def _number(name: str) -> Column[object]:
    return Column(name, BigInteger, nullable=False)


def _moment(name: str) -> Column[object]:
    return Column(name, BigInteger, nullable=False)


def _optional_moment(name: str) -> Column[object]:
    return Column(name, BigInteger)


def _refers(name: str, target: str, *, key: bool = False, optional: bool = False, on_delete: str | None = "CASCADE") -> Column[object]:
    kind = Text() if target in {"roles.name", "oauth_clients.id"} else BigInteger().with_variant(Integer, "sqlite")
    return Column(name, kind, ForeignKey(target, ondelete=on_delete), primary_key=key, nullable=optional)


META = _table("meta", Column("name", Text, primary_key=True), _text("value"))
"""`epoch` names the numbering of notices; `trimmed` is the newest notice forgotten."""

USERS = _table(
    "users",
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _flag("admin"),
    _flag("blocked"),
    _text("display_name"),
    _optional_text("user_info"),
    _moment("created"),
    Column("last_activity", BigInteger, nullable=False, server_default="0"),
    Index("ix_users_last_activity", "last_activity", "id", "name"),
)
IDENTITIES = _table(
    "identities",
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    _refers("user_id", "users.id"),
    Index("ix_identities_user_id", "user_id"),
)
PASSWORDS = _table("passwords", _refers("user_id", "users.id", key=True), _text("phc", default=None))
AUTH_STATES = _table("auth_states", _refers("user_id", "users.id", key=True), Column("sealed", LargeBinary, nullable=False))

GROUPS = _table("groups", _id(), Column("name", Text, nullable=False, unique=True), _text("properties", default="{}"))
MEMBERSHIPS = _table(
    "memberships",
    _refers("user_id", "users.id", key=True),
    _refers("group_id", "groups.id", key=True),
    Index("ix_memberships_group_id", "group_id", "user_id"),
)

SERVICES = _table(
    "services",
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _flag("admin"),
    _optional_text("url"),
    _text("info", default="{}"),
    _flag("display"),
    _flag("oauth_no_confirm"),
    _optional_text("oauth_client_id"),
    _optional_text("oauth_redirect_uri"),
    _text("oauth_client_allowed_scopes", default="[]"),
    _flag("from_config"),
    _text("command", default="[]"),
    Column("timeout", Float, nullable=False, server_default="30"),
)
SERVICE_STATES = _table(
    "service_states",
    _refers("service_id", "services.id", key=True),
    _text("run", default="{}"),
    _text("health", default="{}"),
    Column("restarts_asked", BigInteger, nullable=False, server_default="0"),
)
"""How services are: `run` and `health` are JSON of domain.service_life, each written by whoever looks after it."""

ROLES = _table("roles", Column("name", Text, primary_key=True), _text("description"), _text("scopes", default="[]"), _managed())
USER_ROLES = _table(
    "user_roles",
    _refers("user_id", "users.id", key=True),
    _refers("role", "roles.name", key=True),
    _managed(),
    Index("ix_user_roles_role", "role"),
)
GROUP_ROLES = _table(
    "group_roles", _refers("group_id", "groups.id", key=True), _refers("role", "roles.name", key=True), Index("ix_group_roles_role", "role")
)
SERVICE_ROLES = _table(
    "service_roles",
    _refers("service_id", "services.id", key=True),
    _refers("role", "roles.name", key=True),
    Index("ix_service_roles_role", "role"),
)

_BUSY = "phase IN ('queued', 'ready', 'routing', 'starting', 'stopping', 'unknown', 'waiting')"
"""All phases but those at rest, in the words and the order that statements use: SQLite takes a partial index only then."""
SERVERS = _table(
    "servers",
    _id(),
    _refers("user_id", "users.id", on_delete=None),
    _text("name"),
    _text("display_name"),
    _text("desired", default="stopped"),
    _text("phase", default="stopped"),
    Column("attempt", BigInteger, nullable=False, server_default="0"),
    _text("start_id"),
    _optional_text("spawner_state"),
    _optional_text("address"),
    _text("options", default="{}"),
    _optional_text("failure"),
    _optional_text("version"),
    _optional_moment("queued_at"),
    _optional_moment("started_at"),
    _optional_moment("ready_at"),
    Column("last_activity", BigInteger, nullable=False, server_default="0"),
    _optional_moment("created"),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    _optional_text("lease_holder"),
    _optional_moment("lease_until"),
    UniqueConstraint("user_id", "name", name="uq_servers_user_id_name"),
    Index("ix_servers_phase", "phase", "id"),
    Index("ix_servers_busy", "user_id", "phase", sqlite_where=text(_BUSY), postgresql_where=text(_BUSY)),
    Index("ix_servers_queue", "queued_at", "id", sqlite_where=text("phase = 'queued'"), postgresql_where=text("phase = 'queued'")),
    Index("ix_servers_started", "started_at", "queued_at", "user_id"),
    Index("ix_servers_absent", "id", sqlite_where=text("desired = 'absent'"), postgresql_where=text("desired = 'absent'")),
)
"""Deleting a user who has servers is refused: they must be stopped first."""
SERVER_REPORTS = _table(
    "server_reports",
    _refers("server_id", "servers.id", key=True),
    _text("start_id"),
    _moment("at"),
    _optional_moment("ends_at"),
    _text("facts", default="{}"),
    _text("log_tail"),
)
"""The newest report of the program beside each server. `facts` is JSON of domain.report.Facts. Written once or twice a minute for each server
that runs on a cluster, so not a part of the server's row, which says what is wanted and by whom it is looked after."""

ROUTES = _table(
    "routes",
    Column("spec", Text, primary_key=True),
    _text("target", default=None),
    _text("data", default="{}"),
    _refers("server_id", "servers.id", optional=True, on_delete=None),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Index("ix_routes_server_id", "server_id"),
)
"""`revision`: of the notice that announced it as it is. Routes go before their server does, so that proxies are told."""

OAUTH_CLIENTS = _table(
    "oauth_clients",
    Column("id", Text, primary_key=True),
    _text("description"),
    Column("secret", LargeBinary, nullable=False),
    _text("redirect_uri"),
    _text("allowed_scopes", default="[]"),
    _refers("server_id", "servers.id", optional=True),
    _refers("service_id", "services.id", optional=True),
    Index("ix_oauth_clients_server_id", "server_id"),
    Index("ix_oauth_clients_service_id", "service_id"),
)
OAUTH_CODES = _table(
    "oauth_codes",
    Column("hash", LargeBinary, primary_key=True),
    _refers("client_id", "oauth_clients.id"),
    _refers("user_id", "users.id"),
    _text("redirect_uri"),
    _text("scopes", default="[]"),
    _text("session_id"),
    _optional_text("code_challenge"),
    _optional_text("code_challenge_method"),
    _moment("expires_at"),
    Index("ix_oauth_codes_client_id", "client_id"),
    Index("ix_oauth_codes_user_id", "user_id"),
    Index("ix_oauth_codes_expires_at", "expires_at"),
)

TOKENS = _table(
    "tokens",
    _id(),
    Column("hash", LargeBinary, nullable=False, unique=True),
    _text("kind", default=None),
    _refers("user_id", "users.id", optional=True),
    _refers("service_id", "services.id", optional=True),
    _refers("client_id", "oauth_clients.id", optional=True),
    _optional_text("session_id"),
    _refers("server_id", "servers.id", optional=True),
    _text("scopes", default="[]"),
    _text("note"),
    _moment("created"),
    _optional_moment("expires_at"),
    Column("last_activity", BigInteger, nullable=False, server_default="0"),
    Index("ix_tokens_user_id", "user_id"),
    Index("ix_tokens_service_id", "service_id"),
    Index("ix_tokens_client_id", "client_id"),
    Index("ix_tokens_server_id", "server_id"),
    Index("ix_tokens_expires_at", "expires_at"),
)
"""The cascades are a second line: repositories delete tokens themselves, because each deletion is announced."""

SESSIONS = _table(
    "sessions",
    _id(),
    Column("hash", LargeBinary, nullable=False, unique=True),
    _refers("user_id", "users.id"),
    _text("session_id", default=None),
    _text("issuer"),
    _text("subject"),
    _moment("created"),
    _moment("last_seen"),
    _moment("expires_at"),
    _moment("refreshed_at"),
    _text("address"),
    _text("user_agent"),
    Index("ix_sessions_user_id", "user_id"),
    Index("ix_sessions_expires_at", "expires_at"),
)
INVITATIONS = _table(
    "invitations",
    _id(),
    Column("hash", LargeBinary, nullable=False, unique=True),
    _flag("admin"),
    _optional_text("user_name"),
    _flag("reset"),
    _text("groups", default="[]"),
    _text("note"),
    _text("created_by"),
    _number("uses_left"),
    _moment("created"),
    _moment("expires_at"),
    Index("ix_invitations_expires_at", "expires_at"),
)
SHARES = _table(
    "shares",
    _id(),
    _refers("server_id", "servers.id"),
    _refers("user_id", "users.id", optional=True),
    _refers("group_id", "groups.id", optional=True),
    _text("scopes", default="[]"),
    _moment("created"),
    UniqueConstraint("server_id", "user_id", name="uq_shares_server_id_user_id"),
    UniqueConstraint("server_id", "group_id", name="uq_shares_server_id_group_id"),
    Index("ix_shares_user_id", "user_id"),
    Index("ix_shares_group_id", "group_id"),
)
"""Either a user or a group. `scopes` are names: the limit to the server is put there when they are read."""
SHARE_CODES = _table(
    "share_codes",
    _id(),
    Column("hash", LargeBinary, nullable=False, unique=True),
    _refers("server_id", "servers.id"),
    _text("scopes", default="[]"),
    _moment("created"),
    _moment("expires_at"),
    Column("exchange_count", BigInteger, nullable=False, server_default="0"),
    _optional_moment("last_exchanged_at"),
    Index("ix_share_codes_server_id", "server_id"),
    Index("ix_share_codes_expires_at", "expires_at"),
)
THROTTLE = _table(
    "throttle",
    Column("key", Text, primary_key=True),
    _number("failures"),
    _moment("first_at"),
    _moment("last_at"),
    Index("ix_throttle_last_at", "last_at"),
)

LEASES = _table("leases", Column("name", Text, primary_key=True), _text("holder", default=None), _moment("until"))
NOTICES = _table(
    "notices",
    Column("revision", Id, primary_key=True, autoincrement=False),
    _text("topic", default=None),
    _text("key", default=None),
    _text("data", default="{}"),
    _moment("at"),
    Index("ix_notices_at", "at"),
    Index("ix_notices_progress", "key", "revision", sqlite_where=text("topic = 'progress'"), postgresql_where=text("topic = 'progress'")),
)
"""Numbered by the store (SQLite: under the write lock; PostgreSQL: by `announce()`, under an advisory lock), so in commit order."""
PROXIES = _table("proxies", Column("proxy_id", Text, primary_key=True), _number("revision"), _moment("seen_at"))
REPLICAS = _table(
    "replicas",
    Column("name", Text, primary_key=True),
    _text("address"),
    _text("version"),
    _number("clock_ahead_ms"),
    _moment("started"),
    _moment("seen_at"),
)
AUDIT = _table(
    "audit",
    _id(),
    _text("action", default=None),
    _moment("at"),
    _text("actor"),
    _text("target"),
    _text("outcome"),
    _text("address"),
    _text("request_id"),
    _text("detail", default="{}"),
    Index("ix_audit_at", "at"),
    Index("ix_audit_target", "target", "action"),
)
