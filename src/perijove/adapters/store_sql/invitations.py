"""Links that let their bearers make accounts."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, bindparam, delete, func, select, update

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.rows import from_us, strings, to_json, to_us
from perijove.adapters.store_sql.schema import INVITATIONS
from perijove.adapters.store_sql.statement import Statement, equals
from perijove.domain.errors import ConflictError
from perijove.domain.page import Page
from perijove.ports.store.credentials import Invitation

_COLUMNS: Final = ("admin", "user_name", "reset", "groups", "note", "created_by", "uses_left", "created", "expires_at")
_ALL: Final = (INVITATIONS.c.id, *(INVITATIONS.c[name] for name in _COLUMNS))


def _invitation(row: Row) -> Invitation:
    invitation_id, admin, user_name, reset, groups, note, created_by, uses_left, created, expires_at = row
    return Invitation(
        id=invitation_id,
        admin=bool(admin),
        user_name=user_name,
        reset=bool(reset),
        groups=strings(groups),
        note=note,
        created_by=created_by,
        uses_left=uses_left,
        created=from_us(created),
        expires_at=from_us(expires_at),
    )


def _open() -> tuple[ColumnElement[bool], ...]:
    return INVITATIONS.c.expires_at > bindparam("now"), INVITATIONS.c.uses_left > 0


_ADD = Statement(lambda speech: speech.insert_missing(INVITATIONS, "hash", *_COLUMNS, keys=("hash",)).returning(INVITATIONS.c.id))
_FIND = Statement(select(*_ALL).where(equals(INVITATIONS.c.hash, "key")))
_TAKE = Statement(
    update(INVITATIONS).where(equals(INVITATIONS.c.hash, "key"), *_open()).values(uses_left=INVITATIONS.c.uses_left - 1).returning(*_ALL)
)
_PAGE = Statement(select(*_ALL).where(*_open()).order_by(INVITATIONS.c.id.desc()).limit(bindparam("size")).offset(bindparam("skip")))
_COUNT = Statement(select(func.count()).select_from(INVITATIONS).where(*_open()))
_DELETE = Statement(delete(INVITATIONS).where(equals(INVITATIONS.c.id, "key")))
_PURGE = Statement(delete(INVITATIONS).where(INVITATIONS.c.expires_at <= bindparam("now")))


class SqlInvitations:
    """Implements ports.store.Invitations."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def add(self, invitation: Invitation, hashed: bytes) -> Invitation:
        added = self._link.returned(
            _ADD,
            hash=hashed,
            admin=invitation.admin,
            user_name=invitation.user_name,
            reset=invitation.reset,
            groups=to_json(invitation.groups),
            note=invitation.note,
            created_by=invitation.created_by,
            uses_left=invitation.uses_left,
            created=to_us(invitation.created),
            expires_at=to_us(invitation.expires_at),
        )
        if not added:
            raise ConflictError("This invitation exists already.", "Make another one.")
        return replace(invitation, id=added[0][0])

    def find(self, hashed: bytes) -> Invitation | None:
        row = self._link.row(_FIND, key=hashed)
        return None if row is None else _invitation(row)

    def take(self, hashed: bytes, now: datetime) -> Invitation | None:
        """As it is after this use."""
        taken = self._link.returned(_TAKE, key=hashed, now=to_us(now))
        return _invitation(taken[0]) if taken else None

    def page(self, offset: int, limit: int, now: datetime) -> Page[Invitation]:
        """Those that can still be used, newest first."""
        found = self._link.rows(_PAGE, size=limit, skip=offset, now=to_us(now))
        return Page(tuple(map(_invitation, found)), offset, limit, self._link.value(_COUNT, now=to_us(now)))

    def delete(self, invitation_id: int) -> None:
        self._link.run(_DELETE, key=invitation_id)

    def purge_expired(self, now: datetime) -> int:
        return self._link.run(_PURGE, now=to_us(now))
