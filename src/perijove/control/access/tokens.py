"""API tokens made by request: list them, make one, take one back."""

from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe

from perijove.control.context import Hub
from perijove.domain.access import Identity
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.token import Token, TokenKind, hash_secret
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx

TOKEN_BYTES = 32
MAX_NOTE = 1023


@dataclass(frozen=True, slots=True)
class MadeToken:
    """`text` is shown this once."""

    token: Token
    text: str


async def tokens_of_user(hub: Hub, name: str) -> list[Token]:
    """Unexpired, newest first. Raises NotFoundError."""
    now = hub.clock.now()

    def query(tx: Tx) -> list[Token]:
        user = tx.users.get(name)
        if user is None:
            raise NotFoundError("No access to resources or resources not found")
        return tx.tokens.of_user(user.id, now)

    return await hub.store.read(query)


async def make_token(hub: Hub, name: str, *, scopes: tuple[str, ...], note: str, expires_in_s: float | None, actor: Identity) -> MadeToken:
    """Make an API token for a user; `scopes` were checked to be held. Raises BadInputError, NotFoundError."""
    if len(note) > MAX_NOTE:
        raise BadInputError(f"A note has at most {MAX_NOTE} characters.")
    if expires_in_s is not None and expires_in_s <= 0:
        raise BadInputError("expires_in must be a positive number of seconds.")
    longest = hub.settings.hub.token_max_age
    if longest and (expires_in_s is None or expires_in_s > longest):
        if expires_in_s is not None:
            raise BadInputError(f"token expires_in {expires_in_s:.0f} s is longer than the {longest:.0f} s that are allowed here.")
        expires_in_s = longest
    now, text = hub.clock.now(), token_urlsafe(TOKEN_BYTES)
    event = AuditEvent(action="token.made", at=now, actor=_actor(actor), target=name, detail={"note": note, "scopes": list(scopes)})

    def write(tx: Tx) -> Token:
        user = tx.users.get(name)
        if user is None:
            raise NotFoundError("No access to resources or resources not found")
        try:
            expires_at = None if expires_in_s is None else now + timedelta(seconds=expires_in_s)
        except OverflowError:
            raise BadInputError("expires_in is too far in the future; leave it out for a token that never expires.") from None
        token = Token(id=0, kind=TokenKind.API, user_id=user.id, scopes=scopes, note=note, created=now, expires_at=expires_at)
        tx.audit.add(event)
        return tx.tokens.add(token, hash_secret(text))

    token = await hub.store.write(write)
    hub.audit(event)
    return MadeToken(token, text)


async def token_of_user(hub: Hub, name: str, token_id: int) -> Token:
    """Raises NotFoundError, also for somebody else's token."""
    now = hub.clock.now()

    def query(tx: Tx) -> Token:
        user, token = tx.users.get(name), tx.tokens.get(token_id)
        if user is None or token is None or token.user_id != user.id or (token.expires_at is not None and token.expires_at <= now):
            raise NotFoundError(f"There is no token a{token_id}.")
        return token

    return await hub.store.read(query)


async def revoke_token(hub: Hub, name: str, token_id: int, *, actor: Identity) -> None:
    """Take a token back; one that an OAuth client got takes all of the person's tokens of that client with it, so that "revoke
    access" means it (JupyterHub's rule). Raises NotFoundError."""
    token, now = await token_of_user(hub, name, token_id), hub.clock.now()
    event = AuditEvent(action="token.revoked", at=now, actor=_actor(actor), target=name, detail={"note": token.note})

    def write(tx: Tx) -> None:
        if token.kind is TokenKind.OAUTH and token.client_id is not None:
            tx.tokens.delete_of_client(token.client_id, token.user_id, at=now)
        else:
            tx.tokens.delete(token.id, at=now)
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)


def _actor(identity: Identity) -> str:
    return identity.name if identity.kind == "user" else f"service:{identity.name}"
