"""Shares of servers, and the links that make them. Codes come in hashed (domain/token.py: hash_secret)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from perijove.domain.page import Page
from perijove.domain.server import ServerId, UserId
from perijove.domain.share import Recipient, Share, ShareCode


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareQuery:
    """Exactly one is set. `owner`: all servers of this user. `held_by`: what this user holds, through groups too. `group`: what
    this group holds."""

    owner: UserId | None = None
    server: ServerId | None = None
    held_by: UserId | None = None
    group: str | None = None


class Shares(Protocol):
    """Every writer here announces those whose access changes (USER and GROUP notices). So do the renaming and deleting of servers,
    users and groups, with which shares are renamed and deleted."""

    def find(self, owner: str, server: str, to: Recipient) -> Share | None: ...

    def put(self, server_id: ServerId, to: Recipient, names: frozenset[str], *, now: datetime) -> Share:
        """Add, or replace the scopes of the one that is there. Raises NotFoundError for a server or recipient that is not there."""
        ...

    def delete(self, share_id: int, *, now: datetime) -> bool: ...
    def delete_of_server(self, server_id: ServerId, *, now: datetime) -> int: ...

    def held_by(self, user_id: UserId) -> list[Share]:
        """All, those through groups too, in order of making."""
        ...

    def page(self, offset: int, limit: int, query: ShareQuery) -> Page[Share]:
        """In order of making."""
        ...


class ShareCodes(Protocol):
    def add(self, server_id: ServerId, names: frozenset[str], hashed: bytes, *, now: datetime, expires_at: datetime) -> ShareCode: ...

    def find(self, hashed: bytes, now: datetime) -> ShareCode | None:
        """Only while it works."""
        ...

    def exchanged(self, code_id: int, now: datetime) -> None:
        """Count a use."""
        ...

    def delete(self, server_id: ServerId, *, code_id: int | None = None, hashed: bytes | None = None) -> int:
        """Those of a server, or the one of them that is named by id, hash or both; returns how many."""
        ...

    def page(self, offset: int, limit: int, now: datetime, *, owner: UserId | None = None, server: ServerId | None = None) -> Page[ShareCode]:
        """Those that still work, of a server or of all servers of a user, in order of making."""
        ...

    def purge_expired(self, now: datetime) -> int: ...
