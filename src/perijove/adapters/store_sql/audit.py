"""The audit log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Text, bindparam, delete, func, or_, select

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.rows import from_json, from_us, to_json, to_us
from perijove.adapters.store_sql.schema import AUDIT
from perijove.adapters.store_sql.statement import Speech, Statement, equals, insert_all
from perijove.domain.page import Page
from perijove.ports.observer import AuditEvent

_COLUMNS: Final = ("action", "at", "actor", "target", "outcome", "address", "request_id", "detail")
_SELECT: Final = select(*(AUDIT.c[name] for name in _COLUMNS)).order_by(AUDIT.c.id.desc()).limit(bindparam("size")).offset(bindparam("skip"))
_NUMBER: Final = select(func.count()).select_from(AUDIT)


def _found(speech: Speech) -> ColumnElement[bool]:
    return or_(*(speech.contains(AUDIT.c[name], "search") for name in ("action", "actor", "target")))


_ADD = Statement(insert_all(AUDIT, *_COLUMNS))
_PAGE, _COUNT = Statement(_SELECT), Statement(_NUMBER)
_SEARCH = Statement(lambda speech: _SELECT.where(_found(speech)))
_COUNT_FOUND = Statement(lambda speech: _NUMBER.where(_found(speech)))
_ABOUT = Statement(
    lambda speech: (
        select(*(AUDIT.c[name] for name in _COLUMNS))
        .where(equals(AUDIT.c.action, "key"), AUDIT.c.target.in_(speech.listed("targets", Text())))
        .order_by(AUDIT.c.id.desc())
        .limit(bindparam("size"))
    )
)
_TRIM = Statement(delete(AUDIT).where(AUDIT.c.at < bindparam("before")))


def _event(row: Row) -> AuditEvent:
    action, at, actor, target, outcome, address, request_id, detail = row
    return AuditEvent(
        action=action,
        at=from_us(at),
        actor=actor,
        target=target,
        outcome=outcome,
        address=address,
        request_id=request_id,
        detail=from_json(detail),
    )


class SqlAudit:
    """Implements ports.store.Audit."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def add(self, event: AuditEvent) -> None:
        self._link.run(
            _ADD,
            action=event.action,
            at=to_us(event.at),
            actor=event.actor,
            target=event.target,
            outcome=event.outcome,
            address=event.address,
            request_id=event.request_id,
            detail=to_json(event.detail),
        )

    def page(self, offset: int, limit: int, *, search: str = "") -> Page[AuditEvent]:
        if search:
            found = self._link.rows(_SEARCH, size=limit, skip=offset, search=search.lower())
            total = self._link.value(_COUNT_FOUND, search=search.lower())
        else:
            found, total = self._link.rows(_PAGE, size=limit, skip=offset), self._link.value(_COUNT)
        return Page(tuple(map(_event, found)), offset, limit, total)

    def about(self, action: str, targets: Sequence[str], limit: int) -> list[AuditEvent]:
        return [_event(row) for row in self._link.rows(_ABOUT, key=action, targets=to_json(list(targets)), size=limit)]

    def trim(self, before: datetime) -> int:
        return self._link.run(_TRIM, before=to_us(before))
