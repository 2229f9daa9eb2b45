"""Tokens may do what their maker may, at most: which scopes a new token can have, and what an old one amounts to now."""

from collections.abc import Sequence

from perijove.control.context import Hub
from perijove.control.people.effective import limited_scopes, roles_in_force, user_grants, user_scopes
from perijove.domain.access import Identity
from perijove.domain.delegation import excess_scopes, undecided_users
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError
from perijove.domain.roles import TOKEN_ROLE, owner_scopes, scopes_of_roles
from perijove.domain.token import Token
from perijove.ports.store.store import Tx
from perijove.wire.scopes import Owner, ScopeError


async def grantable(hub: Hub, name: str, asker: Identity, *, scopes: Sequence[str] | None, roles: Sequence[str] | None) -> tuple[str, ...]:
    """The scopes of a new token of user `name`, as written: those asked for (or those of the roles named; None of both: the role "token").

    Raises BadInputError if they do not exist or are more than the user holds, NotFoundError, ForbiddenError if a token of the
    asker's own would get more than the token it is made with.
    """
    catalog = hub.catalog

    def query(tx: Tx) -> tuple[str, ...]:
        user = tx.users.get(name)
        if user is None:
            raise NotFoundError("No access to resources or resources not found")
        known = roles_in_force(tx)
        try:
            texts = tuple(scopes) if scopes is not None else tuple(scopes_of_roles((TOKEN_ROLE,) if roles is None else roles, known))
        except KeyError as error:
            raise BadInputError(f"There is no role {error.args[0]!r}.") from None
        try:
            catalog.check(texts)
        except ScopeError as error:
            raise BadInputError(str(error)) from None
        owner = Owner("user", name)
        held = owner_scopes(catalog, owner, user_grants(tx, user, known))
        others = undecided_users(catalog, texts, owner, held)
        memberships = {other: frozenset(found.groups) for other in others if (found := tx.users.get(other)) is not None}
        if excess := excess_scopes(catalog, texts, owner, held, memberships=memberships):
            raise BadInputError(f"{name} does not hold {', '.join(excess)}: a token cannot do more than its owner.")
        if asker.kind == "user" and asker.name == name and asker.token_id is not None and asker.scopes != held and "inherit" in texts:
            raise ForbiddenError("A token with limited scopes cannot make one without limits.", "Name the scopes of the new token.")
        return texts

    return await hub.store.read(query)


async def effective_scopes(hub: Hub, tokens: Sequence[Token], name: str) -> list[list[str]]:
    """What each of a user's tokens may do now, expanded and sorted."""
    catalog = hub.catalog

    def query(tx: Tx) -> list[list[str]]:
        user = tx.users.get(name)
        if user is None:
            raise NotFoundError("No access to resources or resources not found")
        held, owner = user_scopes(tx, catalog, user), Owner("user", name)
        return [limited_scopes(tx, catalog, token, owner, held)[0].sorted_names() for token in tokens]

    return await hub.store.read(query)
