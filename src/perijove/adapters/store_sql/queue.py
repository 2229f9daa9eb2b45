"""The queue as few numbers for all who wait, whatever their number: what decides who goes on, in a handful of statements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Select, Text, bindparam, func, literal_column, select

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.rows import from_us, to_json, to_us
from perijove.adapters.store_sql.schema import GROUPS, MEMBERSHIPS, SERVERS
from perijove.adapters.store_sql.server_rows import select_servers, server_of
from perijove.adapters.store_sql.statement import Speech, Statement, constant, constants, equals
from perijove.domain.limits import ACTIVE_PHASES, STARTING_PHASES, Load, Waiting
from perijove.domain.server import Phase, Server, ServerId, UserId

_QUEUED: Final = SERVERS.c.phase == constant(Phase.QUEUED.value)
_BY_QUEUE: Final = (SERVERS, "INDEXED BY ix_servers_queue", "sqlite")
_ACTIVE: Final = SERVERS.c.phase.in_(constants(sorted(phase.value for phase in ACTIVE_PHASES)))
_STARTING: Final = SERVERS.c.phase.in_(constants(sorted(phase.value for phase in STARTING_PHASES)))
_PEOPLE: Final = select(SERVERS.c.user_id).where(_QUEUED)
_WAITED: Final = (SERVERS.c.started_at > bindparam("since"), SERVERS.c.started_at > SERVERS.c.queued_at)

_WAITING = Statement(
    select(SERVERS.c.id, SERVERS.c.user_id, SERVERS.c.queued_at)
    .where(_QUEUED)
    .order_by(SERVERS.c.queued_at, SERVERS.c.id)
    .limit(bindparam("size"))
    .with_hint(*_BY_QUEUE)
)
_LENGTH = Statement(select(func.count()).select_from(SERVERS).where(_QUEUED).with_hint(*_BY_QUEUE))
_TWO: Final = select(SERVERS.c.id).where(_QUEUED).limit(literal_column("2")).with_hint(*_BY_QUEUE).correlate(None).subquery("two")
_SOME: Final = select(func.count()).select_from(_TWO).scalar_subquery()
_LOAD_STARTING = Statement(select(func.count(), func.count(), _SOME).select_from(SERVERS).where(_STARTING))
_LOAD_ACTIVE = Statement(select(func.count().filter(_STARTING), func.count(), _SOME).select_from(SERVERS).where(_ACTIVE))
"""The phases stand in the text: so the index of phases is counted through, whatever the database believes to be in it."""
_ALREADY: Final = func.count().filter(SERVERS.c.phase != constant(Phase.QUEUED.value))
_ACTIVE_OF_PEOPLE = Statement(
    select(SERVERS.c.user_id, _ALREADY)
    .where(SERVERS.c.phase.in_(constants(sorted(phase.value for phase in {*ACTIVE_PHASES, Phase.QUEUED}))), SERVERS.c.user_id.in_(_PEOPLE))
    .group_by(SERVERS.c.user_id)
    .having(_ALREADY > 0)
    .with_hint(SERVERS, "INDEXED BY ix_servers_busy", "sqlite")
)


def _groups_named(speech: Speech) -> Select[Any]:
    return select(GROUPS.c.id).where(GROUPS.c.name.in_(speech.listed("names", Text())))


_GROUP_IDS = Statement(lambda speech: select(GROUPS.c.id, GROUPS.c.name).where(GROUPS.c.name.in_(speech.listed("names", Text()))))
_GROUPS_OF_PEOPLE = Statement(
    lambda speech: select(MEMBERSHIPS.c.user_id, MEMBERSHIPS.c.group_id).where(
        MEMBERSHIPS.c.user_id.in_(_PEOPLE), (MEMBERSHIPS.c.group_id + literal_column("0")).in_(speech.listed("ids", BigInteger()))
    )
)
"""`+ 0`: each person's memberships are looked through, not each group's for each person."""
_LOAD_OF_GROUPS = Statement(
    lambda speech: (
        select(GROUPS.c.name, func.count().filter(_STARTING), func.count())
        .where(_ACTIVE, MEMBERSHIPS.c.user_id == SERVERS.c.user_id, MEMBERSHIPS.c.group_id == GROUPS.c.id, GROUPS.c.id.in_(_groups_named(speech)))
        .group_by(GROUPS.c.name)
    )
)
_TAKE = Statement(
    lambda speech: (
        select_servers()
        .where(_QUEUED, SERVERS.c.id.in_(speech.listed("ids", BigInteger())))
        .order_by(SERVERS.c.id)
        .with_for_update(of=SERVERS, key_share=True)
    )
)
_LEFT = Statement(select(func.count()).select_from(SERVERS).where(*_WAITED))
_LEFT_OF_GROUP = Statement(
    select(func.count())
    .select_from(SERVERS)
    .where(
        *_WAITED,
        SERVERS.c.user_id.in_(select(MEMBERSHIPS.c.user_id).where(MEMBERSHIPS.c.group_id == GROUPS.c.id, equals(GROUPS.c.name, "group_name"))),
    )
)


class SqlQueue:
    """Implements ports.store.Queue."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def length(self) -> int:
        return int(self._link.value(_LENGTH))

    def load(self, *, active: bool) -> tuple[Load, int]:
        starting, present, waiting = self._link.rows(_LOAD_ACTIVE if active else _LOAD_STARTING)[0]
        return Load(starting=starting, active=present), waiting

    def waiting(self, limit: int) -> list[Waiting]:
        return [Waiting(ServerId(key), UserId(user), from_us(queued or 0)) for key, user, queued in self._link.rows(_WAITING, size=limit)]

    def active_of_people(self) -> dict[UserId, int]:
        return {UserId(user): number for user, number in self._link.rows(_ACTIVE_OF_PEOPLE)}

    def groups_of_people(self, names: Sequence[str]) -> dict[UserId, list[str]]:
        known: dict[int, str] = dict(self._link.rows(_GROUP_IDS, names=to_json(list(names)))) if names else {}
        found: dict[UserId, list[str]] = {}
        for user, group in self._link.rows(_GROUPS_OF_PEOPLE, ids=to_json(list(known))) if known else ():
            found.setdefault(UserId(user), []).append(known[group])
        for several in found.values():
            several.sort()
        return found

    def load_of_groups(self, names: Sequence[str]) -> dict[str, Load]:
        rows = self._link.rows(_LOAD_OF_GROUPS, names=to_json(list(names))) if names else ()
        return {name: Load(starting=starting, active=active) for name, starting, active in rows}

    def take(self, server_ids: Sequence[ServerId]) -> list[Server]:
        return [server_of(row) for row in self._link.rows(_TAKE, ids=to_json(list(server_ids)))] if server_ids else []

    def left_since(self, moment: datetime, group: str = "") -> int:
        since = to_us(moment)
        return int(self._link.value(_LEFT_OF_GROUP, since=since, group_name=group) if group else self._link.value(_LEFT, since=since))
