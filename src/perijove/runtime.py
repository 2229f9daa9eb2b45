"""The composition root: from settings to a running hub. The only module that knows all parts."""

import asyncio
import gc
import logging
import math
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path

import click
import structlog
import uvloop

from perijove.adapters.keys import Keys, open_keys
from perijove.adapters.probe import HttpProber
from perijove.adapters.services import LocalServiceProcesses
from perijove.adapters.store_sql import copy_database, missing_file, open_store
from perijove.adapters.system_clock import SystemClock
from perijove.config.exposure import public_address, warnings
from perijove.config.gateways import agent_url, doubts_of_gateways, gateways_of
from perijove.config.listen import parse_listen
from perijove.config.load import Loaded, load
from perijove.config.problems import Problems
from perijove.config.rights import catalog_of, check_rights
from perijove.config.section import Secret
from perijove.config.settings import Settings
from perijove.control.access.explaining import Explanation, explain_access
from perijove.control.access.identity import open_identities
from perijove.control.bounded import left_behind
from perijove.control.context import Hub
from perijove.control.people.auth_state import keep_auth_states
from perijove.control.people.invitations import first_admin_link, new_admin_link
from perijove.control.servers.activity import Reports
from perijove.control.servers.offering import Judge
from perijove.control.servers.reconcile import run_reconciler
from perijove.control.servers.reporting import ReportDesk
from perijove.control.services.gauges import watch_service_gauges
from perijove.control.services.keeping import run_services
from perijove.control.services.running import ManagedService
from perijove.control.site.declare import declare
from perijove.control.site.gauges import watch_gauges
from perijove.control.site.housekeeping import keep_house
from perijove.control.site.replicas import keep_reporting
from perijove.control.site.standing import Standing, standing_of
from perijove.control.trouble import complain
from perijove.control.watch import Watch
from perijove.domain.addresses import HubAddresses
from perijove.domain.errors import SettingsError
from perijove.domain.options import Profile
from perijove.plugins import authenticator_plugin, check_plugins, spawner_plugin
from perijove.ports.plugin import PluginContext
from perijove.ports.store.store import DatabaseUnavailableError, Store
from perijove.telemetry.event_log import event_logs
from perijove.telemetry.journal import Journal
from perijove.telemetry.logs import set_up_logs
from perijove.telemetry.loop import watch_loop
from perijove.telemetry.metrics import Metrics
from perijove.web.answers import Answers
from perijove.web.api.routes import ROUTES as API
from perijove.web.app import App
from perijove.web.crowd import Crowd
from perijove.web.ending import Ending
from perijove.web.oauth.routes import ROUTES as OAUTH
from perijove.web.openapi.routes import openapi_routes
from perijove.web.pages.routes import ROUTES as PAGES
from perijove.web.proxies import ROUTES as PROXIES
from perijove.web.relief import READY, WAITS, Relief
from perijove.web.reports import ROUTES as REPORTS
from perijove.web.server import serve
from perijove.web.surface import Surface
from perijove.web.waking import Waking
from perijove.wire.agents import agent_token

_log = structlog.get_logger("perijove")
_LINK_AGAIN_S = 5.0
_MAX_RUNTIME_PATH = 40
"""Sockets of servers lie below runtime_dir, and a unix socket's path has at most 107 bytes (unix(7))."""


def load_settings(config: Path | None) -> Loaded:
    """Read and check everything that can be checked without starting. Raises SettingsError with one line per mistake."""
    return load(config, dict(os.environ), _more_checks)  # noqa: TID251 - the one place where the hub meets the environment


def _more_checks(settings: Settings, problems: Problems) -> None:
    check_plugins(settings, problems)
    check_rights(settings, problems)


def prepare(loaded: Loaded) -> None:
    """What must exist before hub and proxy start side by side: the state directory and the master secret."""
    _private(loaded.state_dir)
    keys_of(loaded)


def _begun(loaded: Loaded) -> None:
    """For who only looks, maybe as another account than the hub's, and must leave nothing behind. Raises SettingsError."""
    hint = "Name the configuration that the hub runs with (--config), or start it first."
    if not loaded.state_dir.is_dir():
        raise SettingsError(f"There is no folder {loaded.state_dir}: no hub has been started with this configuration.", hint)
    _private(loaded.state_dir)
    if (missing := missing_file(_store_url(loaded))) is not None:
        raise SettingsError(f"There is no database {missing}: no hub has been started with this configuration.", hint)


def keys_of(loaded: Loaded) -> Keys:
    """The keys all replicas share; made at the first start unless configured."""
    hub = loaded.settings.hub
    master = loaded.secret(hub.cookie_secret) if hub.cookie_secret is not None else None
    return open_keys(loaded.state_dir / "master.key", master, [loaded.secret(key) for key in hub.crypt_keys])


def proxy_token(loaded: Loaded, keys: Keys) -> str:
    """The secret between proxies and hubs."""
    configured = loaded.settings.proxy.token
    return loaded.secret(configured) if configured is not None else keys.key("proxy").hex()


def _private(path: Path) -> Path:
    """A folder that only we can read. Raises SettingsError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid != os.geteuid():
            raise SettingsError(
                f"{path} belongs to another account (uid {path.stat().st_uid}).",
                "Run this as the account that runs the hub, give it the folder, or set state_dir in [hub].",
            )
        path.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"{path} cannot be made: {error}.", "Set state_dir in [hub] to a place where the hub may write.") from None
    return path


def runtime_dir(loaded: Loaded) -> Path:
    """A short private folder for sockets, the same after every restart."""
    configured = loaded.settings.hub.runtime_dir
    if configured:
        path = (loaded.folder / configured).resolve()
        if len(os.fsencode(path)) > _MAX_RUNTIME_PATH:
            raise SettingsError(f"runtime_dir {path} is too long.", f"Sockets need a path of at most {_MAX_RUNTIME_PATH} characters.")
    else:
        mark = sha256(os.fsencode(loaded.state_dir)).hexdigest()[:8]
        home = loaded.environ.get("XDG_RUNTIME_DIR", "")
        if os.geteuid() == 0:
            path = Path("/run") / f"perijove-{mark}"
        elif home and len(home) < 24 and os.access(home, os.W_OK):
            path = Path(home) / f"perijove-{mark}"
        else:
            path = Path(tempfile.gettempdir()) / f"perijove-{os.geteuid()}-{mark}"
    _private(path)
    if os.geteuid() == 0:
        path.chmod(0o711)  # people's servers make their sockets in folders of their own below it
    return path


def _direct_url(loaded: Loaded) -> str:
    url = loaded.settings.store.direct_url
    return loaded.secret(url) if isinstance(url, Secret) else url


def _store_url(loaded: Loaded) -> str:
    url = loaded.settings.store.url
    if isinstance(url, Secret):
        return loaded.secret(url)
    return url or f"sqlite:///{loaded.state_dir / 'perijove.sqlite'}"


@asynccontextmanager
async def open_hub(
    loaded: Loaded,
    metrics: Metrics,
    *,
    exclusive: bool = True,
    migrates: bool = True,
    patience_s: float = 10.0,
    in_use: Callable[[], None] | None = None,
) -> AsyncIterator[Hub]:
    """A hub with all its ports open, not yet working. `patience_s`: how long its database is waited for. `in_use`: called if another hub has
    the SQLite file, which is then waited for. Raises SettingsError, DatabaseUnavailableError."""
    settings, clock, keys = loaded.settings, SystemClock(), keys_of(loaded)
    asked = settings.events
    path = loaded.folder / asked.file if asked.file else None
    logs = event_logs(path, stdout=asked.stdout, server_actions=asked.server_actions, audit=asked.audit)
    listen = parse_listen(settings.hub.listen)
    runtime = runtime_dir(loaded)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            open_store(
                _store_url(loaded),
                pool_size=settings.store.pool_size,
                clock=clock,
                exclusive=exclusive,
                migrates=migrates,
                patience_s=patience_s,
                direct_url=_direct_url(loaded),
                agree=clock.agree,
                in_use=in_use,
            )
        )

        metrics.pressure.look = store.condition

        def context(name: str) -> PluginContext:
            return _plugin_context(loaded, name, runtime, store, clock, keys)

        plugin, config = spawner_plugin(settings)
        spawner = await stack.enter_async_context(plugin.open(config, context("spawner")))
        door, door_config = authenticator_plugin(settings)
        authenticator = await stack.enter_async_context(door.open(door_config, context("authenticator")))
        services = await stack.enter_async_context(
            LocalServiceProcesses.open(
                runtime_dir=_private(runtime / "services"), state_dir=_private(loaded.state_dir / "services"), clock=clock, environ=loaded.environ
            )
        )
        connect = settings.hub.connect_url or listen.url
        yield Hub(
            replica=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            settings=settings,
            addresses=HubAddresses(
                base_url=settings.hub.base_url,
                api_url=f"{connect}{settings.hub.base_url}hub/api",
                public_url=settings.hub.public_address,
                subdomain_host=settings.hub.subdomain_host.rstrip("/"),
                naming=settings.hub.subdomain_naming,
            ),
            store=store,
            clock=clock,
            secrets=keys,
            spawner=spawner,
            authenticator=authenticator,
            prober=HttpProber(gateways_of(settings), proxy_token(loaded, keys)),
            watch=Watch(store, clock),
            timings=metrics,
            observers=(metrics, Journal(), *stack.enter_context(logs)),
            profiles=[
                Profile(
                    name=entry.name,
                    display_name=entry.display_name or entry.name,
                    description=entry.description,
                    default=entry.default,
                    options=entry.options,
                    groups=entry.groups,
                )
                for entry in settings.profiles
            ],
            catalog=catalog_of(settings),
            service_processes=services,
        )


def _plugin_context(loaded: Loaded, name: str, runtime: Path, store: Store, clock: SystemClock, keys: Keys) -> PluginContext:
    own = runtime / name
    own.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
    exposed = parse_listen(loaded.settings.proxy.listen).exposed or parse_listen(loaded.settings.hub.listen).exposed
    return PluginContext(
        state_dir=_private(loaded.state_dir / name),
        runtime_dir=own,
        base_url=loaded.settings.hub.base_url,
        exposed=exposed,
        store=store,
        clock=clock,
        secrets=keys,
        environ=loaded.environ,
        agent_url=agent_url(loaded),
        agent_token=partial(agent_token, proxy_token(loaded, keys)),
    )


def run_hub(loaded: Loaded, relief: Relief | None = None) -> int:
    """Run a hub until SIGTERM, SIGINT, a shutdown by the API or its relief; returns the exit code (see web/ending.py)."""
    set_up_logs(loaded.settings.log.level, loaded.settings.log.format)
    gc.set_threshold(50_000, 20, 50)  # a request leaves hundreds of objects behind; collecting every 700 costs a tenth of the time
    sys.setswitchinterval(
        0.0001
    )  # the database's threads and the event loop hand the interpreter to each other all the time; 5 ms would be seconds a page
    prepare(loaded)
    while True:
        try:
            code = uvloop.run(_serve_hub(loaded, relief))
        except asyncio.CancelledError:  # asked to end before it had begun, while it waited for the database
            return 0
        if relief is None or not relief.gave_way or not relief.called_back():
            return code
        _log.warning("the hub that was to take over does not: this one goes on")


async def _serve_hub(loaded: Loaded, relief: Relief | None) -> int:
    began, metrics = time.perf_counter(), Metrics(loaded.settings.metrics.prefix)
    listen = parse_listen(loaded.settings.hub.listen)
    stop, ready = Ending(), asyncio.Event()
    loop = asyncio.get_running_loop()
    opening = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, opening.cancel if opening is not None else stop.set)
    in_use = partial(relief.say, WAITS) if relief is not None and relief.succeeds else None
    async with open_hub(loaded, metrics, patience_s=math.inf, in_use=in_use) as hub:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _asked_to_end, stop, loaded.settings.hub.drain, relief)
        if relief is not None:
            relief.watch(stop)
        tokens = {entry.name: loaded.secret(entry.api_token) for entry in loaded.settings.services if entry.api_token is not None}
        managed = _managed(loaded, tokens)
        await declare(hub, tokens)
        async with open_identities(hub) as identities:
            surface = Surface(
                hub=hub,
                identities=identities,
                metrics=metrics,
                answers=Answers(hub),
                reports=Reports(hub),
                desk=ReportDesk(hub),
                judge=Judge(hub),
                proxy_token=proxy_token(loaded, keys_of(loaded)),
                page_key=hub.secrets.key("page-token"),
                started=hub.clock.now(),
                ending=stop,
                waking=Waking(hub.clock),
                crowd=Crowd(metrics),
            )
            async with asyncio.TaskGroup() as group:
                work = [
                    group.create_task(run_reconciler(hub), name="reconciler"),
                    group.create_task(surface.reports.run(), name="reports"),
                    group.create_task(surface.desk.run(), name="reports of places"),
                    group.create_task(keep_house(hub), name="housekeeping"),
                    group.create_task(keep_auth_states(hub), name="auth states"),
                    group.create_task(watch_gauges(hub, metrics), name="gauges"),
                    group.create_task(watch_service_gauges(hub, metrics), name="service gauges"),
                    group.create_task(watch_loop(metrics), name="loop"),
                    group.create_task(surface.waking.watch(), name="waking"),
                    group.create_task(_end_waiting(hub, stop), name="ending"),
                    group.create_task(keep_reporting(hub, loaded.settings.hub.connect_url or listen.url), name="replica"),
                    group.create_task(_announce(loaded, hub, metrics, ready, began, relief), name="announce"),
                    group.create_task(_keep_services(hub, managed, ready), name="services"),
                ]
                told = API + OAUTH
                app = App(surface, told + openapi_routes(told, surface) + PROXIES + PAGES + REPORTS)
                await serve(app, listen.host, listen.port, ready, stop, None if relief is None else relief.doors())
                for task in work:
                    task.cancel()
    if left_behind():  # the event loop would wait for them for ever; all else has ended and is closed
        _log.error("the hub ends without waiting for plugin calls that do not end", calls=left_behind())
        logging.shutdown()
        sys.stdout.flush()
        os._exit(stop.exit_code)
    return stop.exit_code


def _asked_to_end(stop: Ending, drain_s: float, relief: Relief | None) -> None:
    if relief is not None:
        relief.gave_way = False  # nobody is going to call it back any more
    stop.begin(drain_s)


def _managed(loaded: Loaded, tokens: dict[str, str]) -> list[ManagedService]:
    """The services that the hub runs. Raises SettingsError if a secret vanished since it was checked."""
    return [
        ManagedService(entry=entry, token=tokens.get(entry.name), environment={name: loaded.secret(text) for name, text in entry.environment.items()})
        for entry in loaded.settings.services
        if entry.command_words
    ]


async def _keep_services(hub: Hub, managed: Sequence[ManagedService], ready: asyncio.Event) -> None:
    """Once the hub answers, for services ask it as soon as they are up."""
    await ready.wait()
    await run_services(hub, managed)


async def _end_waiting(hub: Hub, stop: asyncio.Event) -> None:
    """Whoever waits for a server is told how far it is, instead of being cut off."""
    await stop.wait()
    hub.watch.end()


async def _announce(loaded: Loaded, hub: Hub, metrics: Metrics, ready: asyncio.Event, began: float, relief: Relief | None) -> None:
    """Tell the person at the terminal where to go, and give the first administrator a way in."""
    await ready.wait()
    if relief is not None:
        relief.say(READY)
    metrics.startup_duration.observe(time.perf_counter() - began)
    _log.info("hub is up", address=loaded.settings.hub.listen, replica=hub.replica)
    public = public_address(loaded)
    click.echo(f"\nPerijove is up: {public}{loaded.settings.hub.base_url}")
    link = await _first_link(hub)
    if link is not None:
        click.echo(f"Make the first administrator's account with this link (it works once, for a day):\n\n    {public}{link}\n")
    for warning in (*warnings(loaded), *doubts_of_gateways(loaded)):
        click.secho(warning, fg="yellow", err=True)


async def _first_link(hub: Hub) -> str | None:
    while True:
        try:
            return await first_admin_link(hub)
        except DatabaseUnavailableError as error:
            complain("the first administrator's link cannot be made yet", error)
            await hub.clock.sleep(_LINK_AGAIN_S)


def make_admin_link(loaded: Loaded) -> str:
    """A new one-time link for an administrator, made beside a running hub. Raises SettingsError, ConflictError."""

    async def make() -> str:
        async with open_hub(loaded, Metrics(), exclusive=False) as hub:
            return public_address(loaded) + await new_admin_link(hub)

    prepare(loaded)
    return asyncio.run(make())


def standing(loaded: Loaded) -> Standing:
    """Look into the database, beside a running hub or without one. Raises SettingsError, DatabaseUnavailableError."""

    async def look() -> Standing:
        async with open_hub(loaded, Metrics(), exclusive=False, migrates=False, patience_s=0.0) as hub:  # that it does not answer is an answer, too
            return await standing_of(hub)

    _begun(loaded)
    return asyncio.run(look())


def copy_database_into(loaded: Loaded, source: Path | None, told: Callable[[str, int, int], None]) -> int:
    """Copy an SQLite file into the database of these settings; returns the number of rows. Raises SettingsError."""
    return copy_database(source or loaded.state_dir / "perijove.sqlite", _store_url(loaded), told)


def explain(loaded: Loaded, who: str, action: str) -> Explanation:
    """Look into the database, beside a running hub or without one. Raises SettingsError, NotFoundError, BadInputError."""

    async def look() -> Explanation:
        async with open_hub(loaded, Metrics(), exclusive=False, migrates=False) as hub:
            return await explain_access(hub, who, action)

    _begun(loaded)
    return asyncio.run(look())
