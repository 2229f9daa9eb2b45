"""Tokens, OAuth, sessions, passwords, invitations, throttling. Secrets come in hashed (domain/token.py: hash_secret)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perijove.domain.page import Page
from perijove.domain.server import ServerId, UserId
from perijove.domain.token import OAuthClient, OAuthCode, Session, Token


class Tokens(Protocol):
    def add(self, token: Token, hashed: bytes) -> Token:
        """`token.id` is ignored; returns it with its id. Raises ConflictError if the hash exists."""
        ...

    def find(self, hashed: bytes) -> Token | None:
        """Expired ones too: the caller compares with its clock."""
        ...

    def get(self, token_id: int) -> Token | None: ...
    def of_user(self, user_id: UserId, now: datetime) -> list[Token]:
        """Unexpired, of all kinds, newest first."""
        ...

    def delete(self, token_id: int, *, at: datetime) -> None:
        """Every deletion adds a TOKEN notice with the hex of the hash (more than 100 at once: one with "*")."""
        ...

    def delete_of_session(self, user_id: UserId, session_id: str, *, at: datetime) -> int: ...
    def delete_of_client(self, client_id: str, user_id: UserId | None = None, *, at: datetime) -> int: ...
    def delete_of_server(self, server_id: ServerId, *, at: datetime) -> int:
        """The server's own, and those issued to its OAuth client."""
        ...

    def delete_of_user(self, user_id: UserId, *, at: datetime) -> int: ...
    def delete_of_service(self, service_id: int, *, at: datetime) -> int: ...
    def touch(self, token_ids: Sequence[int], at: datetime) -> None: ...
    def purge_expired(self, now: datetime) -> int: ...


class OAuth(Protocol):
    def put_client(self, client: OAuthClient) -> None: ...
    def client(self, client_id: str) -> OAuthClient | None: ...
    def delete_client(self, client_id: str, *, at: datetime) -> None:
        """With its codes and tokens."""
        ...

    def add_code(self, code: OAuthCode, hashed: bytes) -> None: ...
    def take_code(self, hashed: bytes) -> OAuthCode | None:
        """Read and delete: a code works once."""
        ...

    def purge_expired(self, now: datetime) -> int: ...


class Sessions(Protocol):
    def add(self, session: Session, hashed: bytes) -> Session: ...
    def find(self, hashed: bytes) -> Session | None: ...
    def of_user(self, user_id: UserId) -> list[Session]: ...
    def save_seen(self, session_id: int, *, seen: datetime, refreshed: datetime | None = None, expires: datetime | None = None) -> None: ...
    def seen_all(self, seen: Mapping[int, datetime]) -> None:
        """Move last_seen of many sessions forward in one statement."""
        ...

    def delete(self, session_id: int, *, at: datetime) -> None:
        """Every deletion adds a SESSION notice with the hex of the hash (more than 100 at once: one with "*")."""
        ...

    def delete_of_user(self, user_id: UserId, *, at: datetime) -> int: ...
    def purge_expired(self, now: datetime) -> int: ...


class Passwords(Protocol):
    """Local accounts' password hashes (argon2id, in PHC form)."""

    def get(self, user_id: UserId) -> str | None: ...
    def put(self, user_id: UserId, phc: str) -> None: ...
    def delete(self, user_id: UserId) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A link that lets its bearer make one account (or more: `uses_left`). `user_name` fixes the name; `reset` lets an
    existing user set a new password."""

    id: int
    admin: bool = False
    user_name: str | None = None
    reset: bool = False
    groups: tuple[str, ...] = ()
    note: str = ""
    created_by: str = ""
    uses_left: int = 1
    created: datetime
    expires_at: datetime


class Invitations(Protocol):
    def add(self, invitation: Invitation, hashed: bytes) -> Invitation: ...
    def find(self, hashed: bytes) -> Invitation | None: ...
    def take(self, hashed: bytes, now: datetime) -> Invitation | None:
        """Use it once (atomically): None if unknown, expired or used up."""
        ...

    def page(self, offset: int, limit: int, now: datetime) -> Page[Invitation]: ...
    def delete(self, invitation_id: int) -> None: ...
    def purge_expired(self, now: datetime) -> int: ...


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failures counted under one key since `first_at`."""

    failures: int
    first_at: datetime
    last_at: datetime


class Throttle(Protocol):
    """Failed attempts, by key ("user:NAME", "address:IP")."""

    def get(self, key: str) -> Attempts | None: ...
    def fail(self, key: str, now: datetime, window_start: datetime) -> Attempts:
        """Count one more; counting starts over if the first was before `window_start`."""
        ...

    def clear(self, key: str) -> None: ...
    def purge(self, before: datetime) -> int: ...
