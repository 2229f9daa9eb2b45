"""API tokens, OAuth clients and codes, and browser sessions.

High-entropy secrets are stored as their SHA-256 and looked up by it (design 5): with 256 random bits there is nothing to
guess, so a slow hash would only slow the hub.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from perijove.domain.server import ServerId, UserId


class TokenKind(Enum):
    API = "api"
    SERVER = "server"
    OAUTH = "oauth"


def hash_secret(secret: str) -> bytes:
    """The 32 bytes by which a token, cookie or code is stored and found."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def server_token(key: bytes, server_id: int, start_id: str) -> str:
    """The API token of one attempt of one server, 43 url-safe characters.

    Derived, not stored: a replica that takes over a half-done start can hand the spawner the same token again.
    """
    digest = hmac.digest(key, f"server-token:{server_id}:{start_id}".encode(), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One API token of a user or a service (exactly one of the two)."""

    id: int
    kind: TokenKind
    user_id: UserId | None = None
    service_id: int | None = None
    client_id: str | None = None
    """The OAuth client it was issued to; None for tokens made by request."""
    session_id: str | None = None
    server_id: ServerId | None = None
    scopes: tuple[str, ...] = ()
    note: str = ""
    created: datetime
    expires_at: datetime | None = None
    last_activity: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """An OAuth client: a server or a service. `secret` is hashed like a token."""

    id: str
    description: str
    secret: bytes
    redirect_uri: str
    allowed_scopes: tuple[str, ...] = ()
    server_id: ServerId | None = None
    service_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthCode:
    """An authorization code: single use, short-lived."""

    client_id: str
    user_id: UserId
    redirect_uri: str
    scopes: tuple[str, ...]
    session_id: str
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser's sign-in. `session_id` is the public id that OAuth tokens and servers tie themselves to."""

    id: int
    user_id: UserId
    session_id: str
    issuer: str
    subject: str
    created: datetime
    last_seen: datetime
    expires_at: datetime
    refreshed_at: datetime
    address: str = ""
    user_agent: str = ""
