"""People's servers: rows, leases, the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Select, Text, and_, bindparam, case, delete, func, or_, select, union_all, update

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.people import name_of
from perijove.adapters.store_sql.routes import SqlRoutes
from perijove.adapters.store_sql.rows import to_json, to_us
from perijove.adapters.store_sql.schema import SERVERS, USERS
from perijove.adapters.store_sql.server_page import page_of_servers
from perijove.adapters.store_sql.server_rows import ALL, SAVED, saved, select_servers, server_of
from perijove.adapters.store_sql.shares import announce_share_holders
from perijove.adapters.store_sql.statement import Speech, Statement, constant, constants, equals
from perijove.adapters.store_sql.tokens import SqlTokens
from perijove.adapters.store_sql.touching import touching
from perijove.domain.change import Topic
from perijove.domain.errors import ConflictError, NotFoundError, StaleError
from perijove.domain.lifecycle import ACTIVITY
from perijove.domain.page import Page
from perijove.domain.server import IDLE_PHASES, Desired, Phase, Server, ServerId, UserId
from perijove.wire.names import ServerName, UserName

_IDLE: Final = sorted(phase.value for phase in IDLE_PHASES)
_FREE: Final = or_(SERVERS.c.lease_holder.is_(None), equals(SERVERS.c.lease_holder, "holder"), SERVERS.c.lease_until <= bindparam("now"))

_BY_ID: Final = select_servers().where(equals(SERVERS.c.id, "key"))
_BY_NAMES: Final = select_servers().where(
    SERVERS.c.user_id == select(USERS.c.id).where(equals(USERS.c.name, "user")).scalar_subquery(), equals(SERVERS.c.name, "server_name")
)
"""Not `IN (SELECT …)`: PostgreSQL would keep a plan from when there were few servers, and go through all of them until it has counted anew."""
_GET = Statement(_BY_ID)
_GET_HELD = Statement(_BY_ID.with_for_update(of=SERVERS, key_share=True))
_FIND = Statement(_BY_NAMES)
_FIND_HELD = Statement(_BY_NAMES.with_for_update(of=SERVERS, key_share=True))
_OF_USERS = Statement(
    lambda speech: select_servers().where(SERVERS.c.user_id.in_(speech.listed("ids", BigInteger()))).order_by(SERVERS.c.user_id, SERVERS.c.name)
)
_IDS_OF = Statement(
    lambda speech: (
        select(USERS.c.name, USERS.c.id, SERVERS.c.name, SERVERS.c.id)
        .select_from(USERS.outerjoin(SERVERS, SERVERS.c.user_id == USERS.c.id))
        .where(USERS.c.name.in_(speech.listed("names", Text())))
    )
)
_ADD = Statement(
    lambda speech: speech.insert_missing(SERVERS, "user_id", "name", "display_name", "created", keys=("user_id", "name")).returning(SERVERS.c.id)
)
_OWN_LONGER_LEASE: Final = and_(
    SERVERS.c.lease_holder == bindparam("lease_holder", type_=SERVERS.c.lease_holder.type),
    SERVERS.c.lease_until > bindparam("lease_until", type_=SERVERS.c.lease_until.type),
)
_SAVE = Statement(
    update(SERVERS)
    .where(equals(SERVERS.c.id, "key"), equals(SERVERS.c.revision, "was"))
    .values(
        {name: bindparam(name) for name in SAVED}
        | {
            "revision": SERVERS.c.revision + 1,
            "lease_until": case((_OWN_LONGER_LEASE, SERVERS.c.lease_until), else_=bindparam("lease_until", type_=SERVERS.c.lease_until.type)),
        }
    )
)
_TAKEN = Statement(select(SERVERS.c.id).where(equals(SERVERS.c.user_id, "owner"), equals(SERVERS.c.name, "new_name")))
_RENAME = Statement(
    update(SERVERS)
    .where(equals(SERVERS.c.id, "key"), equals(SERVERS.c.revision, "was"))
    .values(name=bindparam("name"), revision=SERVERS.c.revision + 1)
)
_DELETE = Statement(delete(SERVERS).where(equals(SERVERS.c.id, "key")))
_LEASE: Final[dict[str, Any]] = {"lease_holder": bindparam("holder"), "lease_until": bindparam("until")}
_CLAIM = Statement(update(SERVERS).where(equals(SERVERS.c.id, "key"), _FREE).values(_LEASE).returning(*ALL))


def _mine(speech: Speech) -> Select[Any]:
    return select(SERVERS.c.id).where(SERVERS.c.id.in_(speech.listed("ids", BigInteger())), equals(SERVERS.c.lease_holder, "holder"))


def _renew(mine: Select[Any]) -> Any:
    return update(SERVERS).where(SERVERS.c.id.in_(mine)).values(lease_until=bindparam("until")).returning(SERVERS.c.id)


_RENEW = Statement(lambda speech: _renew(_mine(speech)))
_RENEW_FREE = Statement(lambda speech: _renew(_mine(speech).order_by(SERVERS.c.id).with_for_update(skip_locked=True)))
_RELEASE = Statement(
    update(SERVERS).where(equals(SERVERS.c.id, "key"), equals(SERVERS.c.lease_holder, "holder")).values(lease_holder=None, lease_until=None)
)
_RELEASE_ALL = Statement(update(SERVERS).where(equals(SERVERS.c.lease_holder, "holder")).values(lease_holder=None, lease_until=None))
_RELEASE_ALL_BUT = Statement(update(SERVERS).where(SERVERS.c.lease_holder != bindparam("holder")).values(lease_holder=None, lease_until=None))
_WORK: Final = union_all(
    select(SERVERS.c.id).where(SERVERS.c.phase.in_(constants(sorted(phase.value for phase in ACTIVITY if phase is not Phase.QUEUED)))),
    select(SERVERS.c.id)
    .where(SERVERS.c.desired == constant(Desired.ABSENT.value), SERVERS.c.phase.in_(constants(_IDLE)))
    .with_hint(SERVERS, "INDEXED BY ix_servers_absent", "sqlite"),
)
"""SQLite is told the partial index here and below: without statistics it takes that of the phase, and reads every server at rest."""
_HELD = Statement(
    select(SERVERS.c.lease_holder, func.count())
    .where(SERVERS.c.id.in_(_WORK), SERVERS.c.lease_holder.is_not(None), SERVERS.c.lease_until > bindparam("now"))
    .group_by(SERVERS.c.lease_holder)
    .order_by(SERVERS.c.lease_holder)
)
_DUE = Statement(
    select_servers().where(SERVERS.c.id.in_(_WORK), _FREE).order_by(func.coalesce(SERVERS.c.queued_at, 0), SERVERS.c.id).limit(bindparam("size"))
)
_IN_PHASE = Statement(
    select_servers().where(equals(SERVERS.c.phase, "phase_now"), SERVERS.c.id > bindparam("after")).order_by(SERVERS.c.id).limit(bindparam("size"))
)
_COUNTS = Statement(select(SERVERS.c.phase, func.count()).group_by(SERVERS.c.phase))
_COUNTS_OF = Statement(
    lambda speech: select(SERVERS.c.phase, func.count()).where(SERVERS.c.phase.in_(speech.listed("phases", Text()))).group_by(SERVERS.c.phase)
)
_ACTIVE_OF = Statement(
    select(func.count()).select_from(SERVERS).where(equals(SERVERS.c.user_id, "key"), SERVERS.c.phase.not_in(constants([*_IDLE, Phase.QUEUED.value])))
)


def _touch_users(speech: Speech) -> Any:
    pairs = speech.pairs("activity").subquery("pairs")
    owners = select(SERVERS.c.user_id.label("id"), func.max(pairs.c.at).label("at")).where(SERVERS.c.id == pairs.c.id).group_by(SERVERS.c.user_id)
    return touching(speech, USERS, owners)


_TOUCH_USERS = Statement(_touch_users)
_TOUCH_SERVERS = Statement(lambda speech: touching(speech, SERVERS, speech.pairs("activity")))


class SqlServers:
    """Implements ports.store.Servers."""

    def __init__(self, link: Link, tokens: SqlTokens, routes: SqlRoutes) -> None:
        self._link = link
        self._tokens = tokens
        self._routes = routes

    def get(self, server_id: ServerId) -> Server | None:
        row = self._link.row(_GET_HELD if self._link.writable else _GET, key=server_id)
        return None if row is None else server_of(row)

    def find(self, user: str, name: str) -> Server | None:
        row = self._link.row(_FIND_HELD if self._link.writable else _FIND, user=user, server_name=name)
        return None if row is None else server_of(row)

    def ids_of(self, users: Sequence[str]) -> dict[str, tuple[UserId, dict[str, ServerId]]]:
        found: dict[str, tuple[UserId, dict[str, ServerId]]] = {}
        for user, user_id, name, server_id in self._link.rows(_IDS_OF, names=to_json(list(users))) if users else ():
            _, servers = found.setdefault(user, (UserId(user_id), {}))
            if server_id is not None:
                servers[name] = ServerId(server_id)
        return found

    def of_users(self, user_ids: Sequence[UserId]) -> dict[UserId, list[Server]]:
        found: dict[UserId, list[Server]] = {}
        for server in map(server_of, self._link.rows(_OF_USERS, ids=to_json(list(user_ids)))) if user_ids else ():
            found.setdefault(server.user_id, []).append(server)
        return found

    def add(self, user_id: UserId, name: ServerName, *, display_name: str = "", now: datetime) -> Server:
        user = name_of(self._link, user_id)
        if user is None:
            raise NotFoundError("The user is not there any more.")
        added = self._link.returned(_ADD, user_id=user_id, name=name, display_name=display_name, created=to_us(now))
        if not added:
            raise ConflictError(f"{user} already has a server named '{name}'", "Choose another name.")
        server = Server(id=ServerId(added[0][0]), user_id=user_id, user_name=UserName(user), name=name, display_name=display_name, created=now)
        self._link.announce(Topic.SERVER, str(server.id), at=now)
        return server

    def save(self, server: Server) -> Server:
        if not self._link.run(_SAVE, key=server.id, was=server.revision, **saved(server)):
            raise _stale(server)
        self._link.announce(Topic.SERVER, str(server.id), {"phase": server.phase.value})
        return replace(server, revision=server.revision + 1)

    def rename(self, server: Server, name: ServerName) -> Server:
        """Raises ConflictError if the user has another of this name, StaleError."""
        if name == server.name:
            return server
        if self._link.row(_TAKEN, owner=server.user_id, new_name=name) is not None:
            raise ConflictError(f"{server.user_name} already has a server named '{name}'", "Choose another name.")
        if not self._link.run(_RENAME, key=server.id, was=server.revision, name=name):
            raise _stale(server)
        self._link.announce(Topic.SERVER, str(server.id))
        announce_share_holders(self._link, self._link.now(), server=server.id)
        return replace(server, name=name, revision=server.revision + 1)

    def delete(self, server_id: ServerId) -> None:
        now = self._link.now()
        self._tokens.delete_of_server(server_id, at=now)
        self._routes.delete_of_server(server_id, now)
        announce_share_holders(self._link, now, server=server_id)
        if self._link.run(_DELETE, key=server_id):
            self._link.announce(Topic.SERVER, str(server_id), at=now)

    def claim(self, server_id: ServerId, holder: str, now: datetime, until: datetime) -> Server | None:
        claimed = self._link.returned(_CLAIM, key=server_id, holder=holder, now=to_us(now), until=to_us(until))
        return server_of(claimed[0]) if claimed else None

    def renew(self, server_ids: Sequence[ServerId], holder: str, until: datetime, *, wait: bool = False) -> set[ServerId]:
        if not server_ids:
            return set()
        how = _RENEW if wait else _RENEW_FREE
        return {ServerId(row[0]) for row in self._link.returned(how, ids=to_json(list(server_ids)), holder=holder, until=to_us(until))}

    def release(self, server_id: ServerId, holder: str) -> None:
        self._link.run(_RELEASE, key=server_id, holder=holder)

    def release_all(self, holder: str) -> int:
        return self._link.run(_RELEASE_ALL, holder=holder)

    def release_all_but(self, holder: str) -> int:
        return self._link.run(_RELEASE_ALL_BUT, holder=holder)

    def held(self, now: datetime) -> dict[str, int]:
        return {str(holder): int(number) for holder, number in self._link.rows(_HELD, now=to_us(now))}

    def due(self, holder: str, now: datetime, limit: int) -> list[Server]:
        return [server_of(row) for row in self._link.rows(_DUE, holder=holder, now=to_us(now), size=limit)]

    def in_phase(self, phase: Phase, after: ServerId, limit: int) -> list[Server]:
        return [server_of(row) for row in self._link.rows(_IN_PHASE, phase_now=phase.value, after=after, size=limit)]

    def counts(self, phases: Sequence[Phase] = ()) -> dict[Phase, int]:
        """Every phase, with 0 where there are none."""
        rows = self._link.rows(_COUNTS_OF, phases=to_json([phase.value for phase in phases])) if phases else self._link.rows(_COUNTS)
        return dict.fromkeys(Phase, 0) | {Phase(phase): number for phase, number in rows}

    def active_of(self, user_id: UserId) -> int:
        return int(self._link.value(_ACTIVE_OF, key=user_id))

    def touch(self, activity: Mapping[ServerId, datetime]) -> None:
        if not activity:
            return
        self._link.run(_TOUCH_USERS, activity=_pairs(activity))  # users before servers, as everybody locks them
        self.touch_alone(activity)

    def touch_alone(self, activity: Mapping[ServerId, datetime]) -> None:
        if activity:
            self._link.run(_TOUCH_SERVERS, activity=_pairs(activity))

    def page(self, offset: int, limit: int, *, search: str = "", phases: Sequence[Phase] = ()) -> Page[Server]:
        return page_of_servers(self._link, offset, limit, search, phases)


def _pairs(activity: Mapping[ServerId, datetime]) -> str:
    return to_json([(server_id, to_us(at)) for server_id, at in sorted(activity.items())])


def _stale(server: Server) -> StaleError:
    return StaleError(f"The server {server.full_name} changed meanwhile.", "Look at it again, and repeat what you did if it is still needed.")
