"""Services made and unmade at run time, and how services are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perijove.control.context import Hub
from perijove.control.services.reach import remove, set_client, set_route, set_token
from perijove.domain.access import Identity
from perijove.domain.change import Topic
from perijove.domain.delegation import excess_scopes, undecided_users
from perijove.domain.errors import BadInputError, ConflictError, NotFoundError, NotModifiableError
from perijove.domain.roles import ADMIN_ROLE, DEFAULT_ROLES
from perijove.domain.service_life import NO_PROCESS, RunPhase, ServiceHealth, ServiceState
from perijove.domain.service_rules import CLIENT_PREFIX, MIN_TOKEN, client_id_problem, name_problem, url_problem
from perijove.domain.token import hash_secret
from perijove.domain.user import Service
from perijove.ports.observer import AuditEvent
from perijove.ports.store.store import Tx
from perijove.wire.scopes import Owner, ScopeError

TOKEN_NOTE: Final = "given when the service was added"
OUTPUT_SHOWN: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class NewService:
    """An external service, as somebody describes it at run time. `oauth_client_id` "" stands for service-NAME."""

    name: str
    admin: bool = False
    url: str = ""
    api_token: str = field(default="", repr=False)
    info: Mapping[str, Any] = field(default_factory=dict)
    display: bool = True
    oauth_no_confirm: bool = False
    oauth_client_id: str = ""
    oauth_redirect_uri: str = ""
    oauth_client_allowed_scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """A service and how it is; `output` is the end of what it wrote, where it is asked for."""

    service: Service
    state: ServiceState
    output: str = ""

    @property
    def health(self) -> ServiceHealth:
        """As it was seen, but that nobody is up whose process we run and does not run."""
        run = self.state.run
        if self.service.url and self.service.command and run.phase is not RunPhase.RUNNING:
            return ServiceHealth(up=False, since=run.since, problem=NO_PROCESS)
        return self.state.health


async def add_service(hub: Hub, new: NewService, *, actor: str, asker: Identity) -> Service:
    """Add an external service, which outlives this hub. Raises BadInputError, ConflictError; also for rights that the asker has not."""
    _check(new)
    event = AuditEvent(action="service.added", at=hub.clock.now(), actor=actor, target=new.name, detail={"url": new.url, "admin": new.admin})

    def write(tx: Tx) -> Service:
        now = hub.clock.now()
        tx.serialise("services")
        if tx.services.get(new.name) is not None:
            raise ConflictError(f"Service {new.name} already exists")
        _check_rights(tx, hub, new, asker)
        wanted = _service(new)
        client = tx.oauth.client(wanted.oauth_client_id) if wanted.oauth_client_id else None
        if client is not None:
            raise BadInputError(f"The OAuth client id {wanted.oauth_client_id!r} is another's already.")
        if new.api_token and tx.tokens.find(hash_secret(new.api_token)) is not None:
            raise BadInputError("This token is in use already.", "Each service needs a token of its own; `openssl rand -hex 32` makes a good one.")
        service = tx.services.put(wanted, now=now)
        set_route(tx, hub, service, now)
        set_token(tx, service, new.api_token or None, TOKEN_NOTE, now)
        set_client(tx, hub, service, new.api_token or None, now)
        tx.audit.add(event)
        return service

    service = await hub.store.write(write)
    hub.audit(event)
    return service


async def delete_service(hub: Hub, name: str, *, actor: str) -> None:
    """With its route, OAuth client and tokens. Raises NotFoundError, and NotModifiableError for one of the configuration."""
    event = AuditEvent(action="service.deleted", at=hub.clock.now(), actor=actor, target=name)

    def write(tx: Tx) -> None:
        service = _need(tx, name)
        if service.from_config:
            raise NotModifiableError(
                f"Service {name} is not modifiable at runtime", "It is in the configuration file; an administrator can take it out there."
            )
        remove(tx, hub, service, hub.clock.now())
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)


async def restart_service(hub: Hub, name: str, *, actor: str) -> None:
    """Have a managed service ended and started again, by whichever replica runs it. Raises NotFoundError, ConflictError."""
    event = AuditEvent(action="service.restarted", at=hub.clock.now(), actor=actor, target=name)

    def write(tx: Tx) -> None:
        service = _need(tx, name)
        if not service.command:
            raise ConflictError(f"The service {name!r} is not run by the hub.", "Whoever runs it can restart it.")
        tx.service_states.ask_restart(service.id)
        tx.notices.add(Topic.SERVICE, name, {}, at=event.at)
        tx.audit.add(event)

    await hub.store.write(write)
    hub.audit(event)


async def service_views(hub: Hub) -> list[ServiceView]:
    """All services and how they are, by name."""

    def query(tx: Tx) -> list[ServiceView]:
        states = tx.service_states.all()
        return [ServiceView(service=service, state=states.get(service.id, ServiceState(service_id=service.id))) for service in tx.services.all()]

    return await hub.store.read(query)


async def service_view(hub: Hub, name: str) -> ServiceView:
    """One service and how it is, with the end of its output. Raises NotFoundError."""

    def query(tx: Tx) -> tuple[Service, ServiceState]:
        service = _need(tx, name)
        return service, tx.service_states.get(service.id)

    service, state = await hub.store.read(query)
    return ServiceView(service=service, state=state, output=await _output(hub, service, state))


async def _output(hub: Hub, service: Service, state: ServiceState) -> str:
    """From the file, if this machine has it; else what was recorded when it ended last."""
    here = state.run.replica.partition(":")[0] == hub.replica.partition(":")[0]
    if service.command and here and hub.service_processes is not None:
        return await hub.service_processes.output(service.name, OUTPUT_SHOWN)
    return state.run.last_output


def _need(tx: Tx, name: str) -> Service:
    service = tx.services.get(name)
    if service is None:
        raise NotFoundError("No access to resources or resources not found", f"There is no service {name!r}.")
    return service


def _check(new: NewService) -> None:
    """JupyterHub's rules. Raises BadInputError."""
    problems = [name_problem(new.name)]
    if new.url:
        problems.append(url_problem(new.url))
    if new.oauth_client_id:
        problems.append(client_id_problem(new.oauth_client_id))
    if new.api_token and len(new.api_token) < MIN_TOKEN:
        problems.append(f"api_token must have at least {MIN_TOKEN} characters")
    problems += [
        f"{name} cannot contain control characters"
        for name, text in (("url", new.url), ("oauth_client_id", new.oauth_client_id), ("oauth_redirect_uri", new.oauth_redirect_uri))
        if text and not text.isprintable()
    ]
    if (new.oauth_client_id or new.oauth_no_confirm) and not new.url and not new.oauth_redirect_uri:
        problems.append("a service with OAuth and without url needs oauth_redirect_uri")
    if found := "; ".join(problem for problem in problems if problem):
        raise BadInputError(f"{found[:1].upper()}{found[1:]}.")


def _check_rights(tx: Tx, hub: Hub, new: NewService, asker: Identity) -> None:
    """Nobody makes a service that may do more than themselves. Raises BadInputError."""
    texts = (*(DEFAULT_ROLES[ADMIN_ROLE].scopes if new.admin else ()), *new.oauth_client_allowed_scopes)
    owner = Owner(asker.kind, asker.name)
    try:
        hub.catalog.check(new.oauth_client_allowed_scopes)
        others = undecided_users(hub.catalog, texts, owner, asker.scopes)
        memberships = {name: frozenset(found.groups) for name in others if (found := tx.users.get(name)) is not None}
        excess = excess_scopes(hub.catalog, texts, owner, asker.scopes, memberships=memberships)
    except ScopeError as error:
        raise BadInputError(str(error)) from None
    if excess:
        raise BadInputError(f"You do not hold {', '.join(excess)}: a service cannot do more than whoever adds it.")


def _service(new: NewService) -> Service:
    oauth = bool(new.url or new.oauth_client_id or new.oauth_redirect_uri or new.oauth_no_confirm)
    return Service(
        id=0,
        name=new.name,
        admin=new.admin,
        url=new.url or None,
        info=new.info,
        display=new.display,
        oauth_no_confirm=new.oauth_no_confirm,
        oauth_client_id=(new.oauth_client_id or f"{CLIENT_PREFIX}{new.name}") if oauth else None,
        oauth_redirect_uri=new.oauth_redirect_uri or None,
        oauth_client_allowed_scopes=new.oauth_client_allowed_scopes,
        from_config=False,
    )
