"""OAuth clients, and the codes they trade for tokens."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select

from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.rows import from_us, strings, to_json, to_us
from perijove.adapters.store_sql.schema import OAUTH_CLIENTS, OAUTH_CODES
from perijove.adapters.store_sql.statement import Statement, equals, insert_all
from perijove.adapters.store_sql.tokens import SqlTokens
from perijove.domain.token import OAuthClient, OAuthCode

_CLIENT: Final = ("id", "description", "secret", "redirect_uri", "allowed_scopes", "server_id", "service_id")
_CODE: Final = ("client_id", "user_id", "redirect_uri", "scopes", "session_id", "code_challenge", "code_challenge_method", "expires_at")

_PUT_CLIENT = Statement(lambda speech: speech.upsert(OAUTH_CLIENTS, *_CLIENT, keys=("id",), update=_CLIENT[1:]))
_GET_CLIENT = Statement(select(*(OAUTH_CLIENTS.c[name] for name in _CLIENT)).where(equals(OAUTH_CLIENTS.c.id, "key")))
_DELETE_CLIENT = Statement(delete(OAUTH_CLIENTS).where(equals(OAUTH_CLIENTS.c.id, "key")))
_ADD_CODE = Statement(insert_all(OAUTH_CODES, "hash", *_CODE))
_TAKE_CODE = Statement(delete(OAUTH_CODES).where(equals(OAUTH_CODES.c.hash, "key")).returning(*(OAUTH_CODES.c[name] for name in _CODE)))
_PURGE = Statement(delete(OAUTH_CODES).where(OAUTH_CODES.c.expires_at <= bindparam("now")))


class SqlOAuth:
    """Implements ports.store.OAuth."""

    def __init__(self, link: Link, tokens: SqlTokens) -> None:
        self._link = link
        self._tokens = tokens

    def put_client(self, client: OAuthClient) -> None:
        self._link.run(
            _PUT_CLIENT,
            id=client.id,
            description=client.description,
            secret=client.secret,
            redirect_uri=client.redirect_uri,
            allowed_scopes=to_json(client.allowed_scopes),
            server_id=client.server_id,
            service_id=client.service_id,
        )

    def client(self, client_id: str) -> OAuthClient | None:
        row = self._link.row(_GET_CLIENT, key=client_id)
        if row is None:
            return None
        key, description, secret, redirect_uri, scopes, server_id, service_id = row
        return OAuthClient(
            id=key,
            description=description,
            secret=bytes(secret),
            redirect_uri=redirect_uri,
            allowed_scopes=strings(scopes),
            server_id=server_id,
            service_id=service_id,
        )

    def delete_client(self, client_id: str, *, at: datetime) -> None:
        self._tokens.delete_of_client(client_id, at=at)
        self._link.run(_DELETE_CLIENT, key=client_id)

    def add_code(self, code: OAuthCode, hashed: bytes) -> None:
        self._link.run(
            _ADD_CODE,
            hash=hashed,
            client_id=code.client_id,
            user_id=code.user_id,
            redirect_uri=code.redirect_uri,
            scopes=to_json(code.scopes),
            session_id=code.session_id,
            code_challenge=code.code_challenge,
            code_challenge_method=code.code_challenge_method,
            expires_at=to_us(code.expires_at),
        )

    def take_code(self, hashed: bytes) -> OAuthCode | None:
        taken = self._link.returned(_TAKE_CODE, key=hashed)
        if not taken:
            return None
        client_id, user_id, redirect_uri, scopes, session_id, challenge, method, expires_at = taken[0]
        return OAuthCode(
            client_id=client_id,
            user_id=user_id,
            redirect_uri=redirect_uri,
            scopes=strings(scopes),
            session_id=session_id,
            code_challenge=challenge,
            code_challenge_method=method,
            expires_at=from_us(expires_at),
        )

    def purge_expired(self, now: datetime) -> int:
        return self._link.run(_PURGE, now=to_us(now))
