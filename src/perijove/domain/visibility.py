"""Which fields of a user, server, group or service somebody sees: JupyterHub's table, scope by scope."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from perijove.domain.access import Resource, reaches
from perijove.wire.scopes import Scopes

_USER: Final = frozenset({"kind", "name"})
USER_FIELDS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    (
        "read:users",
        _USER | {"user_info", "admin", "roles", "groups", "server", "pending", "created", "last_activity"},
    ),
    ("read:users:name", _USER | {"user_info", "admin"}),
    ("read:users:groups", _USER | {"groups"}),
    ("read:users:activity", _USER | {"last_activity"}),
    ("read:servers", _USER | {"servers"}),
    ("read:roles:users", _USER | {"roles", "admin"}),
    ("admin:auth_state", _USER | {"auth_state"}),
)
SERVER_BASE_FIELDS: Final = frozenset(
    {
        "name",
        "display_name",
        "full_name",
        "last_activity",
        "started",
        "pending",
        "ready",
        "stopped",
        "url",
        "user_options",
        "progress_url",
        "full_url",
        "full_progress_url",
    }
)
"""Shown to whoever may see the server at all; also to whoever just changed it with start:servers."""
SERVER_FIELDS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("read:servers", SERVER_BASE_FIELDS),
    ("admin:server_state", frozenset({"state"})),
)
_GROUP: Final = frozenset({"kind", "name"})
GROUP_FIELDS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("read:groups", _GROUP | {"properties", "users"}),
    ("read:groups:name", _GROUP),
    ("read:roles:groups", _GROUP | {"roles"}),
)
_SERVICE: Final = frozenset({"kind", "name", "admin"})
SERVICE_FIELDS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("read:services", _SERVICE | {"url", "prefix", "command", "pid", "info", "display"}),
    ("read:services:name", _SERVICE),
    ("read:roles:services", _SERVICE | {"roles"}),
)
FIELDS: Final[Mapping[str, tuple[tuple[str, frozenset[str]], ...]]] = MappingProxyType(
    {"user": USER_FIELDS, "server": SERVER_FIELDS, "group": GROUP_FIELDS, "service": SERVICE_FIELDS}
)
_NONE: Final[frozenset[str]] = frozenset()


def visible_fields(scopes: Scopes, on: Resource) -> frozenset[str]:
    """The fields of the model of `on` that a holder of `scopes` sees; none: the model is not shown at all.

    For a user: whoever may read only some of the user's servers does not have `servers` in the result, but sees the field, with
    these servers, if there is any: ask for each server. Raises KeyError for the hub, which has no model.
    """
    fields = _NONE
    for scope, shown in FIELDS[on.kind]:
        if not shown <= fields and reaches(scopes, scope, on):
            fields = fields | shown
    return fields
