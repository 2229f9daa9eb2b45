"""What a sign-in provider handed over for a person (auth_state): kept encrypted, read with any key, and encrypted anew with the newest."""

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from perijove.control.context import Hub
from perijove.control.periodic import every
from perijove.domain.errors import BadInputError
from perijove.domain.server import UserId
from perijove.domain.user import User
from perijove.ports.store.store import Tx

RENEW_EVERY_S = 3600.0
"""Keys change only with a restart, but replicas restart one after the other: an old one may still write with the old key."""
AT_ONCE = 200
"""How many states are looked at in one transaction."""
_log = structlog.get_logger("perijove.auth_state")


def seal(hub: Hub, state: Mapping[str, Any] | None) -> bytes | None:
    """A state, encrypted for the store; None if the hub is to keep none."""
    if state is None or not hub.settings.hub.keep_auth_state:
        return None
    return hub.secrets.encrypt(msgspec.json.encode(state))


def unseal(hub: Hub, sealed: bytes | None, name: str) -> Mapping[str, Any] | None:
    """None also if no key fits any more: the authenticator then starts anew. `name`: whose it is, for the log."""
    if sealed is None or not hub.settings.hub.keep_auth_state:
        return None
    try:
        state = msgspec.json.decode(hub.secrets.decrypt(sealed))
    except ValueError as error:
        _log.warning(
            "what the authenticator handed over for a person cannot be read; give hub.crypt_keys the key back that was removed, "
            "or let the person sign in again",
            user=name,
            reason=str(error),
        )
        return None
    return state if isinstance(state, dict) else None


def sealed_change(hub: Hub, state: Mapping[str, Any] | None) -> bytes | None:
    """A state that somebody sets, sealed. Raises BadInputError if the hub keeps none."""
    if state is not None and not hub.settings.hub.keep_auth_state:
        raise BadInputError("This hub keeps no auth_state.", "An administrator can set keep_auth_state in [hub].")
    return seal(hub, state)


async def auth_state_of(hub: Hub, user: User) -> Mapping[str, Any] | None:
    """A person's state; if an older key was needed, it is kept with the newest from now on."""
    sealed = await hub.store.read(lambda tx: tx.users.auth_state(user.id))
    state = unseal(hub, sealed, user.name)
    if state is not None and sealed is not None and (fresh := hub.secrets.renewed(sealed)) is not None:
        await hub.store.write(lambda tx: _replace(tx, user.id, sealed, fresh))
    return state


async def keep_auth_states(hub: Hub) -> None:
    """Until cancelled: what older keys encrypted is encrypted with the newest, and what may not be kept any more is thrown away."""
    await every(hub, "auth-states", RENEW_EVERY_S, renew_once)


async def renew_once(hub: Hub) -> None:
    """Go through all states once."""
    if not hub.settings.hub.keep_auth_state:
        dropped = await hub.store.write(lambda tx: tx.users.drop_auth_states())
        if dropped:
            _log.info("auth_state is not kept (keep_auth_state in [hub]): what there was is deleted", people=dropped)
        return
    after, renewed, lost = UserId(0), 0, 0
    while page := await _page(hub, after):
        after = page[-1][0]
        stale: list[tuple[UserId, bytes, bytes]] = []
        for user_id, sealed in page:
            try:
                fresh = hub.secrets.renewed(sealed)
            except ValueError:
                lost += 1
                continue
            if fresh is not None:
                stale.append((user_id, sealed, fresh))
        if stale:
            renewed += await _replace_all(hub, stale)
    if renewed:
        _log.info("auth_state was encrypted anew with the newest key; older ones may leave crypt_keys now", people=renewed)
    if lost:
        _log.warning(
            "auth_state of some people fits no key: was one removed from hub.crypt_keys too early? They are asked when they sign in", people=lost
        )


async def _page(hub: Hub, after: UserId) -> list[tuple[UserId, bytes]]:
    return await hub.store.read(lambda tx: tx.users.auth_states(after, AT_ONCE))


async def _replace_all(hub: Hub, stale: list[tuple[UserId, bytes, bytes]]) -> int:
    return await hub.store.write(lambda tx: sum(_replace(tx, user_id, was, fresh) for user_id, was, fresh in stale))


def _replace(tx: Tx, user_id: UserId, was: bytes, fresh: bytes) -> bool:
    """Not if somebody wrote another meanwhile."""
    if tx.users.auth_state(user_id) != was:
        return False
    tx.users.set_auth_state(user_id, fresh)
    return True
