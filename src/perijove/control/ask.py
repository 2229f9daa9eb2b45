# LEAD NOTE: read src/perijove/control/AAA_READ_ME_FIRST.txt before changing anything here; do not rewrite this file.
"""Wishes: start, stop and delete a server. Each is one transaction that writes the wish and returns; the reconciler does the work."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from perijove.control.context import Hub
from perijove.control.effects import move, tell
from perijove.control.naming import MISSING, checked_display_name, checked_server_name
from perijove.domain.change import Topic
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError
from perijove.domain.lifecycle import Event, Transition
from perijove.domain.limits import ACTIVE_PHASES, STARTING_PHASES, Admission, Limits, Load, admit
from perijove.domain.options import Profile
from perijove.domain.server import Desired, JsonObject, Phase, Server
from perijove.domain.user import User
from perijove.domain.wish import wish_to_end, wish_to_run
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx

LEASE = timedelta(seconds=15)
ASKED = "asked"
"""In the data of a SERVER notice: somebody wants something; reconcilers look at once."""
PROFILE = "profile"


async def ask_start(hub: Hub, user: str, name: str, *, options: Mapping[str, Any] | None, actor: str, display_name: str | None = None) -> Server:
    """Wish a server to run; makes its row if need be. `options` None: those of the last start.

    Raises NotFoundError, BadInputError (bad options or name, running already), ConflictError (being deleted), ForbiddenError.
    """
    parsed = checked_server_name(hub, name)
    shown = checked_display_name(display_name) if display_name else None
    checked = None if options is None else check_options(hub, options)
    now = hub.clock.now()
    event = AuditEvent(action="server.start", at=now, actor=actor, target=f"{user}/{parsed}")

    def write(tx: Tx) -> tuple[Server, list[Transition]]:
        server = tx.servers.find(user, parsed)
        owner = None
        if server is None or (checked is not None and PROFILE in checked):
            owner = _owner(tx, user)
        if owner is not None and checked is not None:
            _allowed_profile(hub, owner, checked)
        if server is None and owner is not None:
            server = _new(tx, hub, owner, parsed, now)
        if server is None:
            raise NotFoundError(MISSING)
        wish = wish_to_run(server)
        tx.audit.add(event)
        if wish is None:
            return server, []
        wanted = replace(
            wish.server,
            options=server.options if checked is None else checked,
            display_name=server.display_name if shown is None else shown,
        )
        if wish.event is None:  # it is stopping: it starts again when it is gone
            server, moves = tx.servers.save(wanted), []
        else:
            moves = [move(tx, hub, wanted, wish.event, now, queued_at=now, ready_at=None, started_at=None)]
            if admission(tx, hub, moves[0].after, fresh=True).admitted:
                moves.append(admitted(tx, hub, moves[0].after, now))
            server = moves[-1].after
        tx.notices.add(Topic.SERVER, str(server.id), {ASKED: server.lease_holder or True}, at=now)
        return server, moves

    server, moves = await hub.store.write(write)
    tell(hub, moves)
    hub.audit(event)
    return server


async def ask_stop(hub: Hub, user: str, name: str, *, actor: str, reason: str = "") -> Server:
    """Wish a server to be stopped; one that is stopped already is no error. Raises NotFoundError."""
    return await _ask_end(hub, user, name, Desired.STOPPED, actor=actor, reason=reason)


async def ask_delete(hub: Hub, user: str, name: str, *, actor: str) -> Server:
    """Wish a server to be stopped and its row deleted. Raises NotFoundError."""
    return await _ask_end(hub, user, name, Desired.ABSENT, actor=actor, reason="")


async def _ask_end(hub: Hub, user: str, name: str, desired: Desired, *, actor: str, reason: str) -> Server:
    now = hub.clock.now()
    action = "server.delete" if desired is Desired.ABSENT else "server.stop"
    event = AuditEvent(action=action, at=now, actor=actor, target=f"{user}/{name}", detail={"reason": reason} if reason else {})

    def write(tx: Tx) -> tuple[Server, list[Transition]]:
        server = tx.servers.find(user, name)
        if server is None:
            raise NotFoundError(MISSING, f"{user} has no server {name!r}.")
        return _end(tx, hub, server, desired, event, now)

    server, moves = await hub.store.write(write)
    tell(hub, moves)
    hub.audit(event)
    return server


def _end(tx: Tx, hub: Hub, server: Server, desired: Desired, event: AuditEvent, now: datetime) -> tuple[Server, list[Transition]]:
    wish = wish_to_end(server, desired)
    if wish is None:
        return server, []
    tx.audit.add(event)
    moves = [] if wish.event is None else [move(tx, hub, wish.server, wish.event, now)]
    server = moves[0].after if moves else tx.servers.save(wish.server)
    tx.notices.add(Topic.SERVER, str(server.id), {ASKED: True}, at=now)
    return server, moves


def admission(tx: Tx, hub: Hub, server: Server, *, fresh: bool) -> Admission:
    """Whether a queued server may start now. `fresh`: it was queued in this transaction, so anybody else in the queue goes first."""
    settings = hub.settings.limits
    limits = Limits(
        concurrent_starts=settings.concurrent_starts,
        active_servers=settings.active_servers,
        active_servers_per_user=settings.active_servers_per_user,
    )
    if not limits:
        return Admission(True)
    counts = tx.servers.counts()
    if fresh and counts.get(Phase.QUEUED, 0) > 1:
        return Admission(False, "Others are waiting, too.")
    load = Load(
        starting=sum(counts.get(phase, 0) for phase in STARTING_PHASES),
        active=sum(counts.get(phase, 0) for phase in ACTIVE_PHASES),
        active_of_user=tx.servers.active_of(server.user_id) if settings.active_servers_per_user else 0,
    )
    return admit(load, limits)


def admitted(tx: Tx, hub: Hub, server: Server, now: datetime) -> Transition:
    """Begin a new attempt; this replica drives it."""
    return move(
        tx,
        hub,
        server,
        Event.ADMIT,
        now,
        attempt=server.attempt + 1,
        start_id=uuid4().hex,
        spawner_state=None,
        address=None,
        failure=None,
        version=None,
        started_at=now,
        ready_at=None,
        lease_holder=hub.replica,
        lease_until=now + LEASE,
    )


def check_options(hub: Hub, options: Mapping[str, Any]) -> JsonObject:
    """What a person chose, with the profile's options on top, checked by the spawner. Raises BadInputError."""
    name = options.get(PROFILE)
    profile = _profile(hub, name) if isinstance(name, str) and hub.profiles else None
    merged = {**options, **(profile.options if profile else {})}
    return hub.spawner.check_options(merged)


def _profile(hub: Hub, name: str) -> Profile:
    for profile in hub.profiles:
        if profile.name == name:
            return profile
    raise BadInputError(f"There is no profile {name!r}.", f"Choose one of: {', '.join(profile.name for profile in hub.profiles)}.")


def _allowed_profile(hub: Hub, owner: User, options: JsonObject) -> None:
    profile = next((profile for profile in hub.profiles if profile.name == options.get(PROFILE)), None)
    if profile is not None and profile.groups and not set(profile.groups) & set(owner.groups):
        raise BadInputError(f"The profile {profile.name!r} is for members of {', '.join(profile.groups)}.", "Choose another one.")


def _owner(tx: Tx, user: str) -> User:
    owner = tx.users.get(user)
    if owner is None:
        raise NotFoundError(MISSING, f"There is no user {user!r}.")
    if owner.blocked:
        raise ForbiddenError(f"{user} is blocked.", "An administrator can unblock the account.")
    return owner


def _new(tx: Tx, hub: Hub, owner: User, name: str, now: datetime) -> Server:
    parsed = checked_server_name(hub, name)
    most = hub.settings.limits.named_servers_per_user
    if parsed and most:
        named = [server for server in tx.servers.of_users([owner.id]).get(owner.id, []) if server.name]
        if len(named) >= most:
            raise BadInputError(f"{owner.name} already has {len(named)} named servers, the most one may have here.", "Delete one first.")
    return tx.servers.add(owner.id, parsed, now=now)
