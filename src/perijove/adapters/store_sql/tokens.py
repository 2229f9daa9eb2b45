"""API tokens. Each deletion is announced with the token's hash, so that caches drop it at once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, delete, or_, select, update

from perijove.adapters.store_sql.link import Link, Row
from perijove.adapters.store_sql.rows import from_optional_us, from_us, strings, to_json, to_optional_us, to_us
from perijove.adapters.store_sql.schema import OAUTH_CLIENTS, TOKENS
from perijove.adapters.store_sql.statement import Statement, equals
from perijove.domain.change import Topic
from perijove.domain.errors import ConflictError
from perijove.domain.server import ServerId, UserId
from perijove.domain.token import Token, TokenKind

MANY: Final = 100
"""More deletions than this at once are announced as "*"."""
_COLUMNS: Final = (
    "kind",
    "user_id",
    "service_id",
    "client_id",
    "session_id",
    "server_id",
    "scopes",
    "note",
    "created",
    "expires_at",
    "last_activity",
)
_KINDS: Final = {kind.value: kind for kind in TokenKind}
_SELECT: Final = select(TOKENS.c.id, *(TOKENS.c[name] for name in _COLUMNS))


def _token(row: Row) -> Token:
    token_id, kind, user_id, service_id, client_id, session_id, server_id, scopes, note, created, expires_at, last_activity = row
    return Token(
        id=token_id,
        kind=_KINDS[kind],
        user_id=user_id,
        service_id=service_id,
        client_id=client_id,
        session_id=session_id,
        server_id=server_id,
        scopes=strings(scopes),
        note=note,
        created=from_us(created),
        expires_at=from_optional_us(expires_at),
        last_activity=from_optional_us(last_activity),
    )


def _deleting(*terms: ColumnElement[bool]) -> Statement:
    return Statement(delete(TOKENS).where(*terms).returning(TOKENS.c.hash))


_ADD = Statement(lambda speech: speech.insert_missing(TOKENS, "hash", *_COLUMNS, keys=("hash",)).returning(TOKENS.c.id))
_FIND = Statement(_SELECT.where(equals(TOKENS.c.hash, "key")))
_GET = Statement(_SELECT.where(equals(TOKENS.c.id, "key")))
_OF_USER = Statement(
    _SELECT.where(equals(TOKENS.c.user_id, "key"), or_(TOKENS.c.expires_at.is_(None), TOKENS.c.expires_at > bindparam("now"))).order_by(
        TOKENS.c.id.desc()
    )
)
_DELETE = _deleting(equals(TOKENS.c.id, "key"))
_DELETE_OF_SESSION = _deleting(equals(TOKENS.c.user_id, "key"), equals(TOKENS.c.session_id, "session"))
_DELETE_OF_CLIENT = _deleting(equals(TOKENS.c.client_id, "client"))
_DELETE_OF_CLIENT_AND_USER = _deleting(equals(TOKENS.c.client_id, "client"), equals(TOKENS.c.user_id, "key"))
_DELETE_OF_SERVER = _deleting(
    or_(equals(TOKENS.c.server_id, "key"), TOKENS.c.client_id.in_(select(OAUTH_CLIENTS.c.id).where(equals(OAUTH_CLIENTS.c.server_id, "key"))))
)
_DELETE_OF_USER = _deleting(equals(TOKENS.c.user_id, "key"))
_DELETE_OF_SERVICE = _deleting(equals(TOKENS.c.service_id, "key"))
_DELETE_OF_SERVICE_CLIENTS = _deleting(TOKENS.c.client_id.in_(select(OAUTH_CLIENTS.c.id).where(equals(OAUTH_CLIENTS.c.service_id, "key"))))
_PURGE = _deleting(and_(TOKENS.c.expires_at.is_not(None), TOKENS.c.expires_at <= bindparam("now")))
_TOUCH = Statement(
    lambda speech: (
        update(TOKENS)
        .where(TOKENS.c.id.in_(speech.listed("ids", BigInteger())), TOKENS.c.last_activity < bindparam("at"))
        .values(last_activity=bindparam("at"))
    )
)


class SqlTokens:
    """Implements ports.store.Tokens."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def add(self, token: Token, hashed: bytes) -> Token:
        added = self._link.returned(
            _ADD,
            hash=hashed,
            kind=token.kind.value,
            user_id=token.user_id,
            service_id=token.service_id,
            client_id=token.client_id,
            session_id=token.session_id,
            server_id=token.server_id,
            scopes=to_json(token.scopes),
            note=token.note,
            created=to_us(token.created),
            expires_at=to_optional_us(token.expires_at),
            last_activity=to_optional_us(token.last_activity) or 0,
        )
        if not added:
            raise ConflictError("This token is in use already.", "Use a secret that nothing else uses.")
        return replace(token, id=added[0][0])

    def find(self, hashed: bytes) -> Token | None:
        row = self._link.row(_FIND, key=hashed)
        return None if row is None else _token(row)

    def get(self, token_id: int) -> Token | None:
        row = self._link.row(_GET, key=token_id)
        return None if row is None else _token(row)

    def of_user(self, user_id: UserId, now: datetime) -> list[Token]:
        return [_token(row) for row in self._link.rows(_OF_USER, key=user_id, now=to_us(now))]

    def delete(self, token_id: int, *, at: datetime) -> None:
        self._delete(_DELETE, at, key=token_id)

    def delete_of_session(self, user_id: UserId, session_id: str, *, at: datetime) -> int:
        return self._delete(_DELETE_OF_SESSION, at, key=user_id, session=session_id)

    def delete_of_client(self, client_id: str, user_id: UserId | None = None, *, at: datetime) -> int:
        if user_id is None:
            return self._delete(_DELETE_OF_CLIENT, at, client=client_id)
        return self._delete(_DELETE_OF_CLIENT_AND_USER, at, client=client_id, key=user_id)

    def delete_of_server(self, server_id: ServerId, *, at: datetime) -> int:
        return self._delete(_DELETE_OF_SERVER, at, key=server_id)

    def delete_of_user(self, user_id: UserId, *, at: datetime) -> int:
        return self._delete(_DELETE_OF_USER, at, key=user_id)

    def delete_of_service(self, service_id: int, *, at: datetime) -> int:
        return self._delete(_DELETE_OF_SERVICE, at, key=service_id)

    def delete_of_service_clients(self, service_id: int, *, at: datetime) -> int:
        """People's tokens, issued to the service's OAuth clients."""
        return self._delete(_DELETE_OF_SERVICE_CLIENTS, at, key=service_id)

    def touch(self, token_ids: Sequence[int], at: datetime) -> None:
        if token_ids:
            self._link.run(_TOUCH, ids=to_json(list(token_ids)), at=to_us(at))

    def purge_expired(self, now: datetime) -> int:
        return self._delete(_PURGE, now, now=to_us(now))

    def _delete(self, how: Statement, at: datetime, **given: Any) -> int:
        gone = self._link.returned(how, **given)
        for key in [bytes(row[0]).hex() for row in gone] if len(gone) <= MANY else ("*",):
            self._link.announce(Topic.TOKEN, key, at=at)
        return len(gone)
