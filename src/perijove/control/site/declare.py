"""Make what the configuration declares so: users, groups, roles, services and their tokens, in one transaction at start.

Members and holders named in the file are added and never taken away from what was given at run time, but for what an
earlier file declared: a service or role that is no longer declared is removed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

from perijove.config.settings import RoleEntry, ServiceEntry, Settings
from perijove.control.context import Hub
from perijove.control.people.hosting import warn_of_clashes
from perijove.control.people.managed_roles import ask_for_roles, declare_managed
from perijove.control.services.reach import remove, set_client, set_route, set_token
from perijove.control.site.rerouting import reroute
from perijove.domain.errors import SettingsError
from perijove.domain.roles import ADMIN_ROLE, DEFAULT_ROLES, USER_ROLE
from perijove.domain.user import Service
from perijove.ports.store.access import StoredRole
from perijove.ports.store.store import Tx

CONFIG_NOTE = "declared in the configuration"


async def declare(hub: Hub, service_tokens: dict[str, str]) -> None:
    """`service_tokens`: service name -> its token's text, for the services that have one."""
    now = hub.clock.now()
    settings = hub.settings
    managed = await ask_for_roles(hub)

    def change(tx: Tx) -> None:
        reroute(tx, hub, now)
        _users(tx, settings, now)
        _groups(tx, settings, now)
        _services(tx, hub, service_tokens, now)
        _roles(tx, settings, now)
        declare_managed(tx, hub, managed, now)

    await hub.store.write(change)
    await hub.store.read(lambda tx: warn_of_clashes(tx, hub))


def _users(tx: Tx, settings: Settings, now: datetime) -> None:
    wanted = [entry.name for entry in settings.users if not entry.admin]
    admins = [*(entry.name for entry in settings.users if entry.admin), *_named(settings, ADMIN_ROLE, "users")]
    held = [name for role in settings.roles for name in role.users]
    members = [name for group in settings.groups for name in group.users]
    tx.users.add_missing(list(dict.fromkeys(admins)), admin=True, now=now)  # first: others may name them, too
    for name in admins:
        _set_admin(tx, name, admin=True)
    # The role and the flag go together (JupyterHub's rule): who had it from an earlier file loses both, see _holders.
    for name in set(tx.roles.holders(ADMIN_ROLE).get("user", ())) - set(admins) - set(settings.access.admin_users):
        _set_admin(tx, name, admin=False)
    tx.users.add_missing(list(dict.fromkeys([*wanted, *held, *members])), now=now)


def _named(settings: Settings, role: str, kind: Literal["users", "services"]) -> tuple[str, ...]:
    """Whom the file names as holders of this role."""
    return tuple(name for entry in settings.roles if entry.name == role for name in (entry.users if kind == "users" else entry.services))


def _set_admin(tx: Tx, name: str, *, admin: bool) -> None:
    user = tx.users.get(name)
    if user is not None and user.admin != admin:
        tx.users.save(replace(user, admin=admin))


def _groups(tx: Tx, settings: Settings, now: datetime) -> None:
    members: dict[str, list[str]] = {}
    for entry in settings.groups:
        if tx.groups.get(entry.name) is None:
            tx.groups.add(entry.name, now=now)
        if entry.properties:
            tx.groups.set_properties(entry.name, entry.properties, now=now)
        members.setdefault(entry.name, []).extend(entry.users)
    for user in settings.users:
        for group in user.groups:
            if tx.groups.get(group) is None:
                tx.groups.add(group, now=now)
            members.setdefault(group, []).append(user.name)
    for role in settings.roles:
        for group in role.groups:
            if tx.groups.get(group) is None:
                tx.groups.add(group, now=now)
    for group, users in members.items():
        if users:
            tx.groups.add_users(group, users, now=now)


def _services(tx: Tx, hub: Hub, tokens: dict[str, str], now: datetime) -> None:
    declared = {entry.name: entry for entry in hub.settings.services}
    known = {service.name: service for service in tx.services.all()}
    _check_runtime(declared, known.values())
    for service in known.values():
        if service.from_config and service.name not in declared:
            remove(tx, hub, service, now)
    admins = _named(hub.settings, ADMIN_ROLE, "services")
    for entry in declared.values():
        service = tx.services.put(_service(entry, admin=entry.admin or entry.name in admins), now=now)
        before = known.get(entry.name)
        if before is not None and before.oauth_client_id and before.oauth_client_id != service.oauth_client_id:
            tx.oauth.delete_client(before.oauth_client_id, at=now)
        set_route(tx, hub, service, now)
        if service.command and entry.name not in tokens:
            continue  # it gets a token, and the client's secret, at each start (control/services/running.py), and may be running now
        set_token(tx, service, tokens.get(entry.name), CONFIG_NOTE, now)
        set_client(tx, hub, service, tokens.get(entry.name), now)


def _check_runtime(declared: Mapping[str, ServiceEntry], known: Iterable[Service]) -> None:
    """Raises SettingsError: the file must not take over what was made by the API."""
    for service in known:
        if not service.from_config and service.name in declared:
            raise SettingsError(
                f"The service {service.name!r} of the configuration was made at run time, by the API, already.",
                f"Delete that one (DELETE /hub/api/services/{service.name}) before the file declares it, or give one of them another name.",
            )


def _service(entry: ServiceEntry, *, admin: bool) -> Service:
    oauth = bool(entry.url or entry.oauth_client_id or entry.oauth_redirect_uri)
    return Service(
        id=0,
        name=entry.name,
        admin=admin,
        url=entry.url or None,
        info=entry.info,
        display=entry.display,
        oauth_no_confirm=entry.oauth_no_confirm,
        oauth_client_id=(entry.oauth_client_id or f"service-{entry.name}") if oauth else None,
        oauth_redirect_uri=entry.oauth_redirect_uri or None,
        oauth_client_allowed_scopes=entry.oauth_client_allowed_scopes,
        command=entry.command_words,
        timeout_s=entry.timeout,
    )


def _roles(tx: Tx, settings: Settings, now: datetime) -> None:
    declared = {entry.name for entry in settings.roles}
    extra, usual = settings.access.extra_user_scopes, DEFAULT_ROLES[USER_ROLE]
    widened = tuple(dict.fromkeys((*usual.scopes, *extra))) if extra else ()
    own = {name for name, role in tx.roles.all().items() if not role.managed}
    for name in own - declared - ({USER_ROLE} if extra else set()):
        tx.roles.delete(name, now=now)
    if extra and USER_ROLE not in declared:
        tx.roles.put(StoredRole(name=USER_ROLE, description=usual.description, scopes=widened), now=now)
    for entry in settings.roles:
        scopes = entry.scopes or (widened if entry.name == USER_ROLE else ())  # without scopes a default role keeps its own
        tx.roles.put(StoredRole(name=entry.name, description=entry.description, scopes=scopes), now=now)
        _holders(tx, entry, now)


def _holders(tx: Tx, entry: RoleEntry, now: datetime) -> None:
    """Exactly those that the file names (JupyterHub's load_roles does the same), besides those to whom the authenticator gave it."""
    wanted = {"user": set(entry.users), "group": set(entry.groups), "service": set(entry.services)}
    held = tx.roles.holders(entry.name)
    for kind, names in wanted.items():
        given = set(tx.roles.managed_holders(entry.name)) if kind == "user" else set()
        for name in sorted(names - (set(held.get(kind, ())) - given)):
            tx.roles.assign(entry.name, kind, name, now=now)
        for name in sorted(set(held.get(kind, ())) - names - given):
            tx.roles.revoke(entry.name, kind, name, now=now)
