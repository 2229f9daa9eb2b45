"""Links that share a server: made by whoever may share it, used by anybody who is signed in, until they expire or are taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe

from perijove.control.context import Hub
from perijove.control.sharing.shares import Place, add_share, audited, check_grant, checked_names, find_place, need_place
from perijove.domain.access import Identity
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.page import Page
from perijove.domain.share import CODE_AGE_MAX, CODE_AGE_MIN, Recipient, Share, ShareCode
from perijove.domain.token import hash_secret
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx

CODE_BYTES = 32


@dataclass(frozen=True, slots=True)
class MadeCode:
    """`text` is shown this once."""

    code: ShareCode
    text: str

    def path(self, base_url: str) -> str:
        """What to open in order to use it."""
        return f"{base_url}hub/accept-share?code={self.text}"


async def make_code(hub: Hub, asker: Identity, place: Place, texts: Sequence[str], age: timedelta, *, actor: str) -> MadeCode:
    """A link to a server; `shares` was asked for already. Raises BadInputError, NotFoundError, ForbiddenError."""
    if not CODE_AGE_MIN <= age <= CODE_AGE_MAX:
        least, most = int(CODE_AGE_MIN.total_seconds()), int(CODE_AGE_MAX.total_seconds())
        raise BadInputError(f"A link works for {least} seconds at least and {most} seconds, a year, at most.")
    names = checked_names(hub, place, texts)
    await hub.store.read(lambda tx: check_grant(tx, hub, asker, place, names))
    text, now = token_urlsafe(CODE_BYTES), hub.clock.now()
    detail = {"scopes": sorted(names), "expires_at": (now + age).isoformat(timespec="seconds")}
    event = AuditEvent(action="share-code.made", at=now, actor=actor, target=str(place), detail=detail)
    code = await audited(
        hub, event, lambda tx: tx.share_codes.add(need_place(tx, hub, place).id, names, hash_secret(text), now=now, expires_at=now + age)
    )
    return MadeCode(code, text)


async def codes_of_server(hub: Hub, place: Place, offset: int, limit: int) -> Page[ShareCode]:
    """Those that still work. Raises NotFoundError."""

    def query(tx: Tx) -> Page[ShareCode]:
        server = find_place(tx, place)
        return Page((), offset, limit, 0) if server is None else tx.share_codes.page(offset, limit, hub.clock.now(), server=server.id)

    return await hub.store.read(query)


async def codes_of_owner(hub: Hub, owner: str, offset: int, limit: int) -> Page[ShareCode]:
    """Those to all servers of a person. Raises NotFoundError."""

    def query(tx: Tx) -> Page[ShareCode]:
        user = tx.users.get(owner)
        if user is None:
            raise NotFoundError(f"No such user: {owner}")
        return tx.share_codes.page(offset, limit, hub.clock.now(), owner=user.id)

    return await hub.store.read(query)


async def revoke_codes(hub: Hub, place: Place, *, code_id: int | None = None, text: str | None = None, actor: str) -> None:
    """Take a server's links back: the one with this id or text, or all of them. What was shared by them stays shared.

    Raises NotFoundError, also if there is no such link.
    """
    hashed = None if text is None else hash_secret(text)
    detail = {} if code_id is None else {"id": f"sc_{code_id}"}
    event = AuditEvent(action="share-code.revoked", at=hub.clock.now(), actor=actor, target=str(place), detail=detail)

    def change(tx: Tx) -> None:
        server = find_place(tx, place)
        count = 0 if server is None else tx.share_codes.delete(server.id, code_id=code_id, hashed=hashed)
        if not count and (code_id is not None or hashed is not None):
            raise NotFoundError("No matching code found" if code_id is None else f"No code found matching id=sc_{code_id}")

    await audited(hub, event, change)


async def read_code(hub: Hub, text: str) -> ShareCode:
    """What a link offers. Raises NotFoundError if it does not work."""
    found = await hub.store.read(lambda tx: tx.share_codes.find(hash_secret(text), hub.clock.now()))
    if found is None:
        raise _unknown()
    return found


def _unknown() -> NotFoundError:
    return NotFoundError("This link does not work: it is unknown, taken back, or too old.", "Ask whoever gave it to you for a new one.")


async def accept_code(hub: Hub, name: str, text: str) -> Share:
    """Let a person have what a link offers. They may use it again, and others too. Raises NotFoundError, BadInputError (their own
    server)."""
    now, offer = hub.clock.now(), await read_code(hub, text)
    if offer.server.owner == name:
        raise BadInputError("You can't share with yourself: this is a link to a server of yours.", "Send it to whom you want to let in.")
    detail = {"code": f"sc_{offer.id}", "scopes": sorted(offer.names)}
    event = AuditEvent(action="share.accepted", at=now, actor=name, target=offer.server.full_name, detail=detail)

    def change(tx: Tx) -> Share:
        found = tx.share_codes.find(hash_secret(text), now)
        if found is None:
            raise _unknown()
        made = add_share(tx, hub, Place(found.server.owner, found.server.name), Recipient("user", name), found.names)
        tx.share_codes.exchanged(found.id, now)
        return made

    return await audited(hub, event, change)
