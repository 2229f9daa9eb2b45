"""Numbered notices that something changed: what caches, progress streams and proxies follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class Topic(Enum):
    """What a notice is about; the key's meaning in brackets."""

    ROUTE = "route"
    """A route was set or deleted [routespec]."""
    SERVER = "server"
    """A server row changed [server id]."""
    PROGRESS = "progress"
    """A start has news for the person who waits [server id]."""
    USER = "user"
    """A user, their groups, roles or blocking changed [user name], or "*" for all."""
    SERVICE = "service"
    """[service name]"""
    GROUP = "group"
    """[group name]"""
    ROLE = "role"
    """[role name]"""
    TOKEN = "token"
    """A token was revoked [hex of its hash], or "*"."""
    SESSION = "session"
    """A session ended [hex of its hash], or "*"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`revision` numbers are unique and become visible in order, so a follower that has N has all up to N."""

    revision: int
    topic: Topic
    key: str
    data: Mapping[str, Any] = field(default_factory=dict)
    at: datetime
