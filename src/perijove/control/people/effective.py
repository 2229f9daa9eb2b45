"""From rows to what somebody may do now: the access algebra (domain/roles.py, domain/delegation.py) applied to the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from perijove.domain.access import Identity, Provenance
from perijove.domain.claims import AccessRules, denied
from perijove.domain.delegation import token_scopes, undecided_users
from perijove.domain.roles import ADMIN_ROLE, DEFAULT_ROLES, Grant, owner_grants, owner_scopes, share_grant
from perijove.domain.server import UserId
from perijove.domain.token import Session, Token, TokenKind
from perijove.domain.user import Service, User
from perijove.ports.store.store import Tx
from perijove.wire.scopes import API_CLIENT, Catalog, Client, Owner, Scopes

RoleScopes = Mapping[str, tuple[str, ...]]


def roles_in_force(tx: Tx) -> dict[str, tuple[str, ...]]:
    """Role name -> scopes as written: the default roles, overridden and joined by the recorded ones. `admin` cannot be changed."""
    scopes = {name: role.scopes for name, role in DEFAULT_ROLES.items()}
    for name, stored in tx.roles.all().items():
        if name == ADMIN_ROLE or (name in DEFAULT_ROLES and not stored.scopes):
            continue
        scopes[name] = stored.scopes
    return scopes


def user_grants(tx: Tx, user: User, roles: RoleScopes | None = None) -> tuple[Grant, ...]:
    """All that a person holds."""
    group_roles = tx.roles.of_groups(user.groups) if user.groups else {}
    shares = [
        share_grant(share.server.full_name, share.scopes, "" if share.to.kind == "user" else share.to.name) for share in tx.shares.held_by(user.id)
    ]
    return owner_grants(
        Owner("user", user.name),
        roles_in_force(tx) if roles is None else roles,
        own_roles=user.roles,
        group_roles=group_roles,
        admin=user.admin,
        shares=shares,
    )


def service_grants(tx: Tx, service: Service, roles: RoleScopes | None = None) -> tuple[Grant, ...]:
    """All that a service holds."""
    return owner_grants(Owner("service", service.name), roles_in_force(tx) if roles is None else roles, own_roles=service.roles, admin=service.admin)


def client_of(tx: Tx, token: Token) -> Client:
    """The server or service whose OAuth client the token belongs to; a server's own token counts as its client's."""
    server_id, service_id = token.server_id, None
    if token.client_id is not None:
        client = tx.oauth.client(token.client_id)
        if client is not None:
            server_id, service_id = client.server_id, client.service_id
    server = tx.servers.get(server_id) if server_id is not None else None
    service = tx.services.by_id(service_id) if service_id is not None else None
    if server is None and service is None:
        return API_CLIENT
    return Client(server=server.full_name if server else None, service=service.name if service else None)


def limited_scopes(tx: Tx, catalog: Catalog, token: Token, owner: Owner, held: Scopes) -> tuple[Scopes, frozenset[str]]:
    """What the token may do of what its owner holds, and the people whose groups that hangs on (nearly always none)."""
    client = client_of(tx, token)
    names = undecided_users(catalog, token.scopes, owner, held, client)
    memberships = {name: frozenset(user.groups) for name in names if (user := tx.users.get(name)) is not None}
    return token_scopes(catalog, token.scopes, owner, held, client, memberships), names


@dataclass(frozen=True, slots=True)
class Standing:
    """Who it is, and on which records that rests: any change of these may change the answer."""

    identity: Identity
    user_id: UserId | None
    users: frozenset[str]
    groups: frozenset[str]
    services: frozenset[str]


def token_standing(tx: Tx, catalog: Catalog, token: Token, rules: AccessRules, now: datetime) -> Standing | None:
    """None if the token does not hold: expired, or its owner is gone or blocked."""
    if token.expires_at is not None and token.expires_at <= now:
        return None
    if token.user_id is not None:
        user = tx.users.by_id(token.user_id)
        return None if user is None else _of_user(tx, catalog, user, rules, token=token)
    service = tx.services.by_id(token.service_id) if token.service_id is not None else None
    if service is None:
        return None
    owner = Owner("service", service.name)
    grants = service_grants(tx, service)
    scopes, others = limited_scopes(tx, catalog, token, owner, owner_scopes(catalog, owner, grants))
    identity = Identity(
        kind="service",
        name=service.name,
        admin=service.admin,
        scopes=scopes,
        token_id=token.id,
        provenance=Provenance(catalog=catalog, grants=grants, token=token.scopes),
    )
    return Standing(identity, None, others, frozenset(), frozenset({service.name}))


def session_standing(tx: Tx, catalog: Catalog, session: Session, rules: AccessRules, now: datetime) -> Standing | None:
    """None if the session does not hold."""
    user = tx.users.by_id(session.user_id)
    return None if user is None or session.expires_at <= now else _of_user(tx, catalog, user, rules, session=session)


def user_scopes(tx: Tx, catalog: Catalog, user: User) -> Scopes:
    """All that a person may do, expanded."""
    return owner_scopes(catalog, Owner("user", user.name), user_grants(tx, user))


def _of_user(
    tx: Tx, catalog: Catalog, user: User, rules: AccessRules, *, token: Token | None = None, session: Session | None = None
) -> Standing | None:
    groups = frozenset(user.groups)
    if denied(user.name, groups, rules, blocked=user.blocked):
        return None
    owner = Owner("user", user.name)
    grants = user_grants(tx, user)
    scopes = owner_scopes(catalog, owner, grants)
    others: frozenset[str] = frozenset()
    if token is not None:
        scopes, others = limited_scopes(tx, catalog, token, owner, scopes)
        session_id = token.session_id
    else:
        session_id = session.session_id if session is not None else None
    identity = Identity(
        kind="user",
        name=user.name,
        admin=user.admin,
        groups=groups,
        scopes=scopes,
        token_id=token.id if token is not None else None,
        session_id=session_id,
        server_id=token.server_id if token is not None and token.kind is TokenKind.SERVER else None,
        provenance=Provenance(catalog=catalog, grants=grants, token=token.scopes if token is not None else None),
    )
    return Standing(identity, user.id, others | {user.name}, groups, frozenset())
