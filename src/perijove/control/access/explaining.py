"""Why may somebody do something, or why not?"""

from dataclasses import dataclass

from perijove.control.context import Hub
from perijove.control.people.effective import service_grants, user_grants
from perijove.control.people.policy import access_rules
from perijove.domain.access import HUB, Identity, Provenance, Resource, group_resource, may, server_resource, service_resource, user_resource
from perijove.domain.claims import denied
from perijove.domain.errors import BadInputError, NotFoundError
from perijove.domain.roles import owner_scopes
from perijove.ports.store.store import Tx
from perijove.wire.scopes import Owner, Scope, ScopeError

SERVICE = "service:"
"""Before a name: a service is meant, not a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`why`: one or two sentences that name the role, group or rule. `scopes`: all that is held, expanded."""

    allowed: bool
    why: str
    scopes: tuple[str, ...]


async def explain_access(hub: Hub, who: str, action: str) -> Explanation:
    """`who`: a person's name, or "service:NAME". `action`: a scope, and what for: "start:servers!user=ada", "access:servers!server=ada/",
    "list:users". Raises NotFoundError for an unknown asker, BadInputError for what is no scope.
    """
    scope = _asked(hub, action)
    return await hub.store.read(lambda tx: _explain(tx, hub, who, scope))


async def explain_to(hub: Hub, asker: Identity, action: str) -> Explanation:
    """The same of whoever asks, with the limits of the token that they ask with. Raises BadInputError."""
    scope = _asked(hub, action)
    verdict = may(asker, scope.name, await hub.store.read(lambda tx: _resource(tx, scope)))
    return Explanation(allowed=verdict.allowed, why=verdict.reason, scopes=tuple(asker.scopes.sorted_names()))


def _asked(hub: Hub, action: str) -> Scope:
    """Raises BadInputError."""
    try:
        (scope,) = hub.catalog.check((action,))
    except ScopeError as error:
        raise BadInputError(str(error), 'Write a scope and what for, such as "start:servers!user=ada". Scopes are listed in the reference.') from None
    if scope.kind is not None and scope.value is None:
        raise BadInputError(f"{action!r} does not say what for.", f'Write "{scope.name}!{scope.kind}=…".')
    return scope


def _explain(tx: Tx, hub: Hub, who: str, scope: Scope) -> Explanation:
    identity, barred = _service(tx, hub, who.removeprefix(SERVICE)) if who.startswith(SERVICE) else _person(tx, hub, who)
    verdict = may(identity, scope.name, _resource(tx, scope))
    held = tuple(identity.scopes.sorted_names())
    if barred:
        return Explanation(allowed=False, why=f"Denied to {identity.kind} {identity.name}: {barred}", scopes=held)
    return Explanation(allowed=verdict.allowed, why=verdict.reason, scopes=held)


def _person(tx: Tx, hub: Hub, name: str) -> tuple[Identity, str]:
    """Who it is, and what bars them whatever their roles say."""
    user = tx.users.get(name)
    if user is None:
        raise NotFoundError(f"There is no person {name!r}.", f"For a service write {SERVICE}NAME.")
    owner, grants, groups, rules = Owner("user", user.name), user_grants(tx, user), frozenset(user.groups), access_rules(hub)
    barred = ""
    if user.blocked:
        barred = "the account is blocked, by an administrator."
    elif denied(user.name, groups, rules, blocked=False):
        barred = "a rule under [access] blocks the name or one of its groups."
    return (
        Identity(
            kind="user",
            name=user.name,
            admin=user.admin,
            groups=groups,
            scopes=owner_scopes(hub.catalog, owner, grants),
            provenance=Provenance(catalog=hub.catalog, grants=grants),
        ),
        barred,
    )


def _service(tx: Tx, hub: Hub, name: str) -> tuple[Identity, str]:
    service = tx.services.get(name)
    if service is None:
        raise NotFoundError(f"There is no service {name!r}.")
    owner, grants = Owner("service", service.name), service_grants(tx, service)
    scopes = owner_scopes(hub.catalog, owner, grants)
    return Identity(
        kind="service", name=service.name, admin=service.admin, scopes=scopes, provenance=Provenance(catalog=hub.catalog, grants=grants)
    ), ""


def _resource(tx: Tx, scope: Scope) -> Resource:
    value = scope.value or ""
    if scope.kind == "group":
        return group_resource(value)
    if scope.kind == "service":
        return service_resource(value)
    if scope.kind is None:
        return HUB
    name, _, server = value.partition("/")
    user = tx.users.get(name)
    groups = frozenset(user.groups) if user is not None else frozenset()
    return server_resource(name, server, groups) if scope.kind == "server" else user_resource(name, groups)
