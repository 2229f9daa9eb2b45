"""Share servers with people and groups, see with whom they are shared, and end it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from perijove.control.context import Hub
from perijove.domain.access import Identity
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.page import Page
from perijove.domain.server import Server
from perijove.domain.share import Recipient, Share, may_hand_on, may_name, share_names
from perijove.ports.observer import AuditEvent
from perijove.ports.store.shares import ShareQuery
from perijove.ports.store.store import Tx
from perijove.wire.names import DEFAULT_SERVER
from perijove.wire.scopes import ScopeError

T = TypeVar("T")
MISSING = "No access to resources or resources not found"


@dataclass(frozen=True, slots=True)
class Place:
    """A server by its names, "" for the default one: it can be shared before it was ever started."""

    owner: str
    server: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.server}"


def find_place(tx: Tx, place: Place) -> Server | None:
    """The server's row; None for a default one that was never started. Raises NotFoundError if there is no such server."""
    server = tx.servers.find(place.owner, place.server)
    if server is None and (place.server or tx.users.get(place.owner) is None):
        raise NotFoundError(f"No such server: {place}")
    return server


def need_place(tx: Tx, hub: Hub, place: Place) -> Server:
    """The server's row, held until the transaction ends; made if need be. Raises NotFoundError."""
    server = find_place(tx, place)
    owner = None if server is not None else tx.users.get(place.owner)
    if server is not None:
        return server
    if owner is None:
        raise NotFoundError(f"No such server: {place}")
    return tx.servers.add(owner.id, DEFAULT_SERVER, now=hub.clock.now())


def checked_names(hub: Hub, place: Place, texts: Sequence[str]) -> frozenset[str]:
    """Raises BadInputError for what is no scope, or limited to something else than the server."""
    try:
        return share_names(hub.catalog, texts, str(place))
    except ScopeError as error:
        raise BadInputError(str(error)) from None


def check_grant(tx: Tx, hub: Hub, asker: Identity, place: Place, names: frozenset[str]) -> None:
    """Raises NotFoundError, ForbiddenError unless the asker may hand these scopes on; `shares` was asked for already."""
    find_place(tx, place)
    owner = tx.users.get(place.owner)
    may_hand_on(hub.catalog, asker, names, str(place), {place.owner: frozenset(owner.groups if owner else ())}).enforce()


def _check_recipient(tx: Tx, asker: Identity, to: Recipient) -> None:
    user = tx.users.get(to.name) if to.kind == "user" else None
    may_name(asker, to, frozenset(user.groups) if user is not None else frozenset()).enforce()
    if (user if to.kind == "user" else tx.groups.get(to.name)) is None:
        raise BadInputError(f"No such {to.kind}: {to.name}")


async def share(hub: Hub, asker: Identity, place: Place, to: Recipient, texts: Sequence[str], *, actor: str) -> Share:
    """Share a server, or more of it: what the recipient had by an earlier share stays. Without `texts`, access alone.

    Raises BadInputError, NotFoundError, ForbiddenError.
    """
    names = checked_names(hub, place, texts)

    def check(tx: Tx) -> None:
        check_grant(tx, hub, asker, place, names)
        _check_recipient(tx, asker, to)

    await hub.store.read(check)
    return await _change(hub, "share.granted", place, actor, lambda tx: add_share(tx, hub, place, to, names), to, names)


def add_share(tx: Tx, hub: Hub, place: Place, to: Recipient, names: frozenset[str]) -> Share:
    """Raises NotFoundError."""
    server = need_place(tx, hub, place)
    before = tx.shares.find(place.owner, place.server, to)
    if before is not None and names <= before.names:
        return before
    return tx.shares.put(server.id, to, names | (before.names if before is not None else frozenset()), now=hub.clock.now())


async def unshare(hub: Hub, place: Place, to: Recipient, texts: Sequence[str], *, actor: str) -> Share | None:
    """Take these scopes of a share back, all of them without `texts`; returns what is left of it. Nothing to take is no error.

    Raises BadInputError, NotFoundError.
    """
    names = checked_names(hub, place, texts) if texts else frozenset()

    def change(tx: Tx) -> Share | None:
        server, before = find_place(tx, place), tx.shares.find(place.owner, place.server, to)
        if server is None or before is None:
            return None
        left = before.names - names if names else frozenset()
        if left == before.names:
            return before
        if left:
            return tx.shares.put(server.id, to, left, now=hub.clock.now())
        tx.shares.delete(before.id, now=hub.clock.now())
        return None

    return await _change(hub, "share.revoked", place, actor, change, to, names)


async def unshare_all(hub: Hub, place: Place, *, actor: str) -> None:
    """End all sharing of a server; links to it go on working until they are taken back. Raises NotFoundError."""

    def change(tx: Tx) -> None:
        server = find_place(tx, place)
        if server is not None:
            tx.shares.delete_of_server(server.id, now=hub.clock.now())

    await _change(hub, "share.revoked", place, actor, change)


async def leave(hub: Hub, to: Recipient, place: Place, *, actor: str) -> None:
    """Give up what was shared with a person or group. Raises NotFoundError."""

    def change(tx: Tx) -> None:
        tx.shares.delete(_held(tx, to, place).id, now=hub.clock.now())

    await _change(hub, "share.left", place, actor, change, to)


async def find_share(hub: Hub, to: Recipient, place: Place) -> Share:
    """What of a server is shared with just this person or group. Raises NotFoundError."""
    return await hub.store.read(lambda tx: _held(tx, to, place))


def _held(tx: Tx, to: Recipient, place: Place) -> Share:
    found = tx.shares.find(place.owner, place.server, to)
    if found is None:
        raise NotFoundError(f"No such share for {to.kind} {to.name} on {place}")
    return found


async def shares_of_server(hub: Hub, place: Place, offset: int, limit: int) -> Page[Share]:
    """With whom it is shared. Raises NotFoundError."""

    def query(tx: Tx) -> Page[Share]:
        server = find_place(tx, place)
        return Page((), offset, limit, 0) if server is None else tx.shares.page(offset, limit, ShareQuery(server=server.id))

    return await hub.store.read(query)


async def shares_of_owner(hub: Hub, owner: str, offset: int, limit: int) -> Page[Share]:
    """Those of all servers of a person. Raises NotFoundError."""

    def query(tx: Tx) -> Page[Share]:
        user = tx.users.get(owner)
        if user is None:
            raise NotFoundError(f"No such user: {owner}")
        return tx.shares.page(offset, limit, ShareQuery(owner=user.id))

    return await hub.store.read(query)


async def shared_with(hub: Hub, to: Recipient, offset: int, limit: int) -> Page[Share]:
    """What is shared with a person, through groups too, or with a group. Raises NotFoundError."""

    def query(tx: Tx) -> Page[Share]:
        user = tx.users.get(to.name) if to.kind == "user" else None
        if (user if to.kind == "user" else tx.groups.get(to.name)) is None:
            raise NotFoundError(f"No such {to.kind}: {to.name}")
        return tx.shares.page(offset, limit, ShareQuery(group=to.name) if user is None else ShareQuery(held_by=user.id))

    return await hub.store.read(query)


async def _change(
    hub: Hub, action: str, place: Place, actor: str, change: Callable[[Tx], T], to: Recipient | None = None, names: frozenset[str] = frozenset()
) -> T:
    detail: dict[str, object] = {to.kind: to.name} if to is not None else {}
    if names:
        detail["scopes"] = sorted(names)
    return await audited(hub, AuditEvent(action=action, at=hub.clock.now(), actor=actor, target=str(place), detail=detail), change)


async def audited(hub: Hub, event: AuditEvent, change: Callable[[Tx], T]) -> T:
    """Make a change and record it in one transaction."""

    def write(tx: Tx) -> T:
        result = change(tx)
        tx.audit.add(event)
        return result

    result = await hub.store.write(write)
    hub.audit(event)
    return result
