"""Records with the fields that a test does not care about filled in."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from perijove.domain.server import UserId
from perijove.domain.token import OAuthClient, OAuthCode, Session, Token, TokenKind
from perijove.domain.user import User
from perijove.ports.store.credentials import Invitation
from perijove.ports.store.store import Tx


def token(now: datetime, **fields: Any) -> Token:
    return replace(Token(id=0, kind=TokenKind.API, created=now), **fields)


def session(now: datetime, user_id: UserId, **fields: Any) -> Session:
    made = Session(
        id=0,
        user_id=user_id,
        session_id="public",
        issuer="pam",
        subject="ann",
        created=now,
        last_seen=now,
        expires_at=now + timedelta(days=1),
        refreshed_at=now,
    )
    return replace(made, **fields)


def client(name: str, **fields: Any) -> OAuthClient:
    return replace(OAuthClient(id=name, description=name, secret=b"\x00" * 32, redirect_uri=f"/{name}/cb"), **fields)


def code(now: datetime, client_id: str, user_id: UserId) -> OAuthCode:
    return OAuthCode(
        client_id=client_id,
        user_id=user_id,
        redirect_uri="/cb",
        scopes=("identify",),
        session_id="public",
        code_challenge="abc",
        code_challenge_method="S256",
        expires_at=now + timedelta(minutes=5),
    )


def invitation(now: datetime, **fields: Any) -> Invitation:
    return replace(Invitation(id=0, created=now, expires_at=now + timedelta(days=7)), **fields)


def adding(name: str, now: datetime) -> Callable[[Tx], User]:
    """A change that adds this user."""
    return lambda tx: tx.users.add(name, now=now)
