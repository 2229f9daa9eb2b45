"""Local accounts: where the hub keeps people's passwords itself."""

from collections.abc import Iterator

from perijove.control.context import Hub
from perijove.control.people.sessions import end_sessions
from perijove.control.people.throttle import clear_attempts, count_attempt, throttle_keys
from perijove.domain.errors import BadInputError, ConflictError, ForbiddenError, NotFoundError
from perijove.domain.passwords import password_problem
from perijove.domain.user import User
from perijove.ports.observer import AuditEvent
from perijove.ports.passwords import KeepsPasswords
from perijove.ports.store.access import UserQuery
from perijove.ports.store.store import Tx

_SLICE = 500


def local_accounts(hub: Hub) -> bool:
    """Whether passwords, invitations and password links make sense on this hub."""
    return isinstance(hub.authenticator, KeepsPasswords)


def password_keeper(hub: Hub) -> KeepsPasswords:
    """Raises ConflictError if passwords are kept elsewhere."""
    if not isinstance(hub.authenticator, KeepsPasswords):
        raise ConflictError(
            "This hub keeps no passwords: people sign in with accounts from elsewhere.",
            "Whoever runs the hub chooses the authenticator in [authenticator].",
        )
    return hub.authenticator


def checked_password(password: str, user_name: str) -> str:
    """Raises BadInputError saying what is wrong with it."""
    if problem := password_problem(password, user_name):
        raise BadInputError(problem)
    return password


async def has_password(hub: Hub, user_name: str) -> bool:
    """Whether the person has one that could be changed."""

    def query(tx: Tx) -> bool:
        user = tx.users.get(user_name)
        return user is not None and tx.passwords.get(user.id) is not None

    return local_accounts(hub) and await hub.store.read(query)


def administrators(tx: Tx) -> Iterator[User]:
    """The administrators that can sign in to a local account. Walks through everybody: not for requests."""
    offset: int | None = 0
    while offset is not None:
        page = tx.users.page(UserQuery(offset=offset, limit=_SLICE))
        yield from (user for user in page.items if user.admin and not user.blocked and tx.passwords.get(user.id) is not None)
        offset = page.next_offset


async def change_password(hub: Hub, user_name: str, old: str, new: str, *, keep: int | None, address: str = "") -> None:
    """A person changes their password; all their sessions end but the one with the row id `keep`.

    Raises ForbiddenError (the old one is wrong), TooManyAttemptsError, BadInputError (the new one is not good enough),
    NotFoundError, ConflictError (no local account).
    """
    keeper, now = password_keeper(hub), hub.clock.now()
    keys = throttle_keys(hub.secrets, user_name, address)

    def begin(tx: Tx) -> tuple[User, str]:
        user = tx.users.get(user_name)
        phc = tx.passwords.get(user.id) if user is not None else None
        if user is None or phc is None:
            raise NotFoundError("There is no password to change.")
        count_attempt(tx, keys, hub.settings.limits, now)
        return user, phc

    checked_password(new, user_name)
    user, phc = await hub.store.write(begin)
    if not await keeper.verify_password(phc, old):
        raise ForbiddenError("The present password is wrong.", "If you forgot it, ask an administrator for a link to set a new one.")
    if old == new:
        raise BadInputError("The new password is the same as the present one.")
    fresh = await keeper.hash_password(new)
    event = AuditEvent(action="password.changed", at=now, actor=user.name, target=user.name, address=address)

    def write(tx: Tx) -> None:
        if tx.passwords.get(user.id) is None:
            raise NotFoundError("There is no password to change.")
        tx.passwords.put(user.id, fresh)
        clear_attempts(tx, keys)
        end_sessions(tx, user.id, now, but=keep)
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)
