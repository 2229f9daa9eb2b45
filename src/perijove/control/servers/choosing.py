"""What a person chose for a start: user options, and the profile that an administrator prepared."""

from collections.abc import Mapping
from typing import Any

import msgspec

from perijove.control.context import Hub
from perijove.domain.errors import BadInputError
from perijove.domain.options import Profile
from perijove.domain.server import JsonObject
from perijove.ports.store.store import Tx

MAX_OPTIONS = 64 * 1024
"""Bytes, as JSON. They are kept with the server, and shown in every list that it is in."""
PROFILE = "profile"
"""The user option that names a profile."""


async def checked_options(hub: Hub, user: str, options: Mapping[str, Any]) -> JsonObject:
    """The options with those of the chosen profile (or the default one) on top, checked by the spawner. Raises BadInputError."""
    if len(msgspec.json.encode(options)) > MAX_OPTIONS:
        raise BadInputError(f"The user options have more than {MAX_OPTIONS} bytes.", "Put what is large into a file that the server reads.")
    if not hub.profiles:
        return hub.spawner.check_options(options)
    groups = await hub.store.read(lambda tx: _groups(tx, user))
    profile = _chosen(hub, options.get(PROFILE), groups)
    return hub.spawner.check_options(options if profile is None else {**options, **profile.options, PROFILE: profile.name})


async def options_for_start(hub: Hub, user: str, name: str, options: Mapping[str, Any] | None) -> JsonObject | None:
    """Checked options; None if those of the last start go on to hold. Raises BadInputError."""
    if options is not None:
        return await checked_options(hub, user, options)
    if not hub.profiles:
        return None
    server = await hub.store.read(lambda tx: tx.servers.find(user, name))
    return None if server is not None and server.options else await checked_options(hub, user, {})


def _groups(tx: Tx, user: str) -> frozenset[str]:
    found = tx.users.get(user)
    return frozenset(found.groups) if found is not None else frozenset()


def _chosen(hub: Hub, name: Any, groups: frozenset[str]) -> Profile | None:
    """None if none is chosen and none is the default."""
    offered = [profile for profile in hub.profiles if not profile.groups or groups.intersection(profile.groups)]
    if name is None:
        return next((profile for profile in offered if profile.default), None)
    for profile in offered:
        if profile.name == name:
            return profile
    choice = ", ".join(profile.name for profile in offered) or "none"
    for profile in hub.profiles:
        if profile.name == name:
            raise BadInputError(f"The profile {name!r} is for members of {', '.join(profile.groups)}.", f"Choose one of: {choice}.")
    raise BadInputError(f"There is no profile {name!r}.", f"Choose one of: {choice}.")
