"""Wishes: start, stop and delete a server. Each is one transaction that writes the wish and returns; the reconciler does the work."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from perijove.control.context import Hub
from perijove.control.servers.admission import admit_at_once
from perijove.control.servers.choosing import options_for_start
from perijove.control.servers.effects import move, tell
from perijove.control.servers.lease import has_work, lease_for_wish, nudge
from perijove.control.servers.naming import MISSING, checked_display_name, checked_server_name, unstarted
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError
from perijove.domain.lifecycle import Event, Transition, step
from perijove.domain.server import Desired, JsonObject, Phase, Server
from perijove.domain.user import User
from perijove.domain.wish import Wish, wish_to_end, wish_to_run
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx
from perijove.wire.names import ServerName


async def ask_start(hub: Hub, user: str, name: str, *, options: Mapping[str, Any] | None, actor: str, display_name: str | None = None) -> Server:
    """Wish a server to run; makes its row if need be. `options` None: those of the last start. One that is starting already is
    no error, and goes on as it is.

    Raises NotFoundError, ForbiddenError (the user is blocked), BadInputError (bad options or name, running already, too many
    named servers), ConflictError (being deleted).
    """
    parsed = checked_server_name(hub, name)
    shown = checked_display_name(display_name) if display_name else None
    chosen = await options_for_start(hub, user, parsed, options)
    now = hub.clock.now()
    event = AuditEvent(action="server.start", at=now, actor=actor, target=f"{user}/{parsed}")

    def write(tx: Tx) -> tuple[Server, list[Transition], bool]:
        owner = _owner(tx, user)
        server = tx.servers.find(user, parsed) or _new(tx, hub, owner, parsed, now)
        wish = wish_to_run(server)
        if wish is None:
            return server, [], False
        tx.audit.add(event)
        return *_start(tx, hub, wish, owner, chosen, shown, now), True

    server, moves, changed = await hub.store.write(write)
    tell(hub, moves)
    if changed:
        hub.audit(event)
    return server


async def ask_stop(hub: Hub, user: str, name: str, *, actor: str, reason: str = "", start_id: str | None = None) -> Server:
    """Wish a server to be stopped; one that is stopped already is no error. `start_id`: only if this is still the attempt
    that runs. Raises NotFoundError."""
    return await _ask_end(hub, user, name, Desired.STOPPED, actor=actor, reason=reason, start_id=start_id)


async def ask_delete(hub: Hub, user: str, name: str, *, actor: str) -> Server:
    """Wish a server to be stopped and its row deleted. Raises NotFoundError."""
    return await _ask_end(hub, user, name, Desired.ABSENT, actor=actor)


async def _ask_end(hub: Hub, user: str, name: str, desired: Desired, *, actor: str, reason: str = "", start_id: str | None = None) -> Server:
    now = hub.clock.now()
    action = "server.delete" if desired is Desired.ABSENT else "server.stop"
    event = AuditEvent(action=action, at=now, actor=actor, target=f"{user}/{name}", detail={"reason": reason} if reason else {})

    def write(tx: Tx) -> tuple[Server, list[Transition], bool]:
        server = tx.servers.find(user, name)
        if server is None and not name and (owner := tx.users.get(user)) is not None:
            return unstarted(owner), [], False
        if server is None:
            raise NotFoundError(MISSING, f"{user} has no server {name!r}.")
        wish = None if start_id is not None and server.start_id != start_id else wish_to_end(server, desired)
        if wish is None:
            if server.phase is Phase.STOPPING:
                nudge(tx, server, now)  # somebody is impatient: a stop that failed is tried again now
            return server, [], False
        tx.audit.add(event)
        return *_end(tx, hub, wish, now), True

    server, moves, changed = await hub.store.write(write)
    tell(hub, moves)
    if changed:
        hub.audit(event)
    return server


def _start(
    tx: Tx, hub: Hub, wish: Wish, owner: User, options: JsonObject | None, display_name: str | None, now: datetime
) -> tuple[Server, list[Transition]]:
    """Queue it, and let it through in the same transaction if nothing stands before it."""
    wanted = replace(
        wish.server,
        options=wish.server.options if options is None else options,
        display_name=wish.server.display_name if display_name is None else display_name,
        queued_at=now,
        last_activity=now,
    )
    tx.users.touch(wish.server.user_id, now)
    if wish.event is None:  # it is stopping: it starts again when it is gone
        server, moves = tx.servers.save(wanted), list[Transition]()
    else:
        moves = [move(tx, hub, wanted, wish.event, now, ready_at=None, started_at=None, lease_holder=None, lease_until=None)]
        admitted = admit_at_once(tx, hub, moves[0].after, owner.groups, now)
        moves += [admitted] if admitted is not None else []
        server = moves[-1].after
    nudge(tx, server, now)
    return server, moves


def _end(tx: Tx, hub: Hub, wish: Wish, now: datetime) -> tuple[Server, list[Transition]]:
    moves: list[Transition] = []
    phase = wish.server.phase if wish.event is None else step(wish.server.phase, wish.event)[0]
    if has_work(replace(wish.server, phase=phase)):
        lease = lease_for_wish(hub, wish.server, now)
    else:
        lease = {"lease_holder": None, "lease_until": None}
    if wish.event is None:
        server = tx.servers.save(replace(wish.server, **lease))
    else:
        moves = [move(tx, hub, wish.server, Event.ASK_STOP, now, **lease)]
        server = moves[0].after
    nudge(tx, server, now)
    return server, moves


def _owner(tx: Tx, user: str) -> User:
    owner = tx.users.get(user)
    if owner is None:
        raise NotFoundError(MISSING, f"There is no user {user!r}.")
    if owner.blocked:
        raise ForbiddenError(f"{user} is blocked.", "An administrator can unblock the account.")
    return owner


def _new(tx: Tx, hub: Hub, owner: User, name: ServerName, now: datetime) -> Server:
    most = hub.settings.limits.named_servers_per_user
    if name and most:
        named = [server for server in tx.servers.of_users([owner.id]).get(owner.id, []) if server.name]
        if len(named) >= most:
            raise BadInputError(f"{owner.name} already has {len(named)} named servers, the most one may have here.", "Delete one first.")
    return tx.servers.add(owner.id, name, now=now)
