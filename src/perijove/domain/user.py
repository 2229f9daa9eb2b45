"""People, groups and services as the hub records them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perijove.domain.server import UserId
from perijove.wire.names import UserName


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person. `blocked` people cannot sign in, and nothing of theirs is honoured."""

    id: UserId
    name: UserName
    admin: bool = False
    blocked: bool = False
    display_name: str = ""
    user_info: Mapping[str, Any] | None = None
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """Directly assigned role names, not those through groups."""
    created: datetime
    last_activity: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program that uses the hub's API, and may be reached at /services/NAME/ if it has a `url`."""

    id: int
    name: str
    admin: bool = False
    url: str | None = None
    roles: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    display: bool = True
    oauth_no_confirm: bool = False
    oauth_client_id: str | None = None
    oauth_redirect_uri: str | None = None
    oauth_client_allowed_scopes: tuple[str, ...] = ()
    from_config: bool = True
    """False: made at run time, by the API."""
    command: tuple[str, ...] = ()
    """Of a managed service: what the hub runs."""
    pid: int = 0
    """Of a managed service that runs. Written with its state (domain/service_life.py), not with the service."""
    timeout_s: float = 30.0
    """How long it may take to come up, and to answer when it is asked whether it is there."""
