"""The scopes of JupyterHub 6: what each allows, and which others it brings along."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

SELF: Final = "self"
INHERIT: Final = "inherit"
METASCOPES: Final = frozenset({SELF, INHERIT})
"""They stand for other scopes and take no filter."""

SELF_SCOPES: Final = ("read:users", "users:shares", "read:shares", "users:activity", "servers", "tokens", "access:servers")
"""What `self` stands for, each with its sub-scopes and limited to the person who holds it."""


class Definition(Struct, frozen=True):
    """One scope: `description` completes "This allows to …", `subscopes` are the direct ones."""

    description: str
    subscopes: tuple[str, ...] = ()


STANDARD_SCOPES: Final[Mapping[str, Definition]] = MappingProxyType(
    {
        "(no_scope)": Definition("know who you are, and nothing more"),
        SELF: Definition("do everything a person may do with their own account and servers"),
        INHERIT: Definition("do everything its owner may do, now and later"),
        "admin-ui": Definition("open the administration page"),
        "admin:users": Definition(
            "create, change and delete accounts and see all about them",
            ("admin:auth_state", "users", "read:roles:users", "delete:users"),
        ),
        "admin:auth_state": Definition("read what the sign-in provider handed over for a person"),
        "users": Definition("see and change accounts, but not create or delete them", ("read:users", "list:users", "users:activity")),
        "delete:users": Definition("delete accounts"),
        "list:users": Definition("list accounts by name", ("read:users:name",)),
        "read:users": Definition("read accounts: names, groups, activity", ("read:users:name", "read:users:groups", "read:users:activity")),
        "read:users:name": Definition("read the names of people"),
        "read:users:groups": Definition("read which groups people are in"),
        "read:users:activity": Definition("read when people were last active"),
        "read:roles": Definition("read who holds which role", ("read:roles:users", "read:roles:services", "read:roles:groups")),
        "read:roles:users": Definition("read the roles of people"),
        "read:roles:services": Definition("read the roles of services"),
        "read:roles:groups": Definition("read the roles of groups"),
        "users:activity": Definition("record when people were last active", ("read:users:activity",)),
        "admin:servers": Definition("start, stop and delete servers, and see what their spawner keeps about them", ("admin:server_state", "servers")),
        "admin:server_state": Definition("read what the spawner keeps about a server"),
        "servers": Definition("start, stop and delete servers", ("read:servers", "start:servers", "delete:servers")),
        "read:servers": Definition("see servers and how they do", ("read:users:name",)),
        "start:servers": Definition("start servers and change their options"),
        "delete:servers": Definition("stop and delete servers"),
        "tokens": Definition("create, read and revoke API tokens", ("read:tokens",)),
        "read:tokens": Definition("read about API tokens, not the tokens themselves"),
        "admin:groups": Definition("create, change and delete groups and see all about them", ("groups", "read:roles:groups", "delete:groups")),
        "groups": Definition("see groups and change their members and properties", ("read:groups", "list:groups")),
        "list:groups": Definition("list groups by name", ("read:groups:name",)),
        "read:groups": Definition("read groups: members and properties", ("read:groups:name",)),
        "read:groups:name": Definition("read the names of groups"),
        "delete:groups": Definition("delete groups"),
        "admin:services": Definition(
            "create, change and delete services and see all about them",
            ("list:services", "read:services", "read:roles:services"),
        ),
        "list:services": Definition("list services by name", ("read:services:name",)),
        "read:services": Definition("read services: addresses, commands, details", ("read:services:name",)),
        "read:services:name": Definition("read the names of services"),
        "read:hub": Definition("read versions and set-up of the hub"),
        "access:servers": Definition("open running servers and work in them"),
        "access:services": Definition("open services"),
        "users:shares": Definition("see and give up access to servers that was shared with a person", ("read:users:shares",)),
        "read:users:shares": Definition("see which servers are shared with a person"),
        "groups:shares": Definition("see and give up access to servers that was shared with a group", ("read:groups:shares",)),
        "read:groups:shares": Definition("see which servers are shared with a group"),
        "read:shares": Definition("see with whom servers are shared"),
        "shares": Definition("share servers with others and end it", ("access:servers", "read:shares", "users:shares", "groups:shares")),
        "proxy": Definition("read and repair the routes of the proxy"),
        "shutdown": Definition("shut the hub down"),
        "read:metrics": Definition("read metrics"),
    }
)
