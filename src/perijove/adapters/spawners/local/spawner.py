"""Implements ports.spawner.Spawner with processes of this machine."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import randbelow
from typing import Any, ClassVar, Final

import structlog

from perijove.adapters.spawners.local import cgroups, listening, logs
from perijove.adapters.spawners.local.accounts import Accounts
from perijove.adapters.spawners.local.command import closed_folder, server_command, socket_arguments, socket_url
from perijove.adapters.spawners.local.config import Config as Settings
from perijove.adapters.spawners.local.ending import Ender
from perijove.adapters.spawners.local.environment import environment, placeholders
from perijove.adapters.spawners.local.launch import launch, launch_plan, raise_failure, read_failure
from perijove.adapters.spawners.local.limits import Limits, check_options, limits_for, option_fields
from perijove.adapters.spawners.local.names import filled, safe_name
from perijove.adapters.spawners.local.place import run_root
from perijove.adapters.spawners.local.state import State, Whereabouts, attempt_key, read_state, this_machine
from perijove.adapters.spawners.local.words import disk_error, ending_text
from perijove.domain.errors import SettingsError, SpawnerError
from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Progress, Running, StartEvent, StartRequest, Status, Unclear
from perijove.processes.account import Account, own_account
from perijove.processes.claims import Cancelled, Launched, sweep
from perijove.processes.output import tail

_log = structlog.get_logger("perijove.spawner.local")
_SWEEP_EVERY_S: Final = 3600.0


class LocalSpawner:
    """Servers on the hub's own machine. Any replica on the machine can take over any of them."""

    Config: ClassVar[type[Settings]] = Settings

    def __init__(self, config: Settings, context: PluginContext, root: Path, command: tuple[str, ...], groups: cgroups.CgroupPlan) -> None:
        self._config = config
        self._context = context
        self._root = root
        self._command = command
        self._groups = groups
        self._accounts = Accounts(config) if os.geteuid() == 0 else None
        self._ender = Ender(context.clock)
        self._launched: dict[str, Launched] = {}
        self._promised_ports: set[int] = set()
        self._swept = context.clock.monotonic()

    @property
    def concurrent_starts(self) -> int:
        return self._config.concurrent_starts

    @classmethod
    @asynccontextmanager
    async def open(cls, config: Settings, context: PluginContext) -> AsyncIterator["LocalSpawner"]:
        """Open it for the life of the hub. Servers outlive it. Raises SettingsError."""
        _check_possible(config)
        command = server_command(config, context.environ.get("PATH"))
        groups = _limits_kept(config) if config.limited else cgroups.CgroupPlan(0)
        root = run_root(config.socket_dir, context.runtime_dir)
        if os.geteuid() == 0 and Path(command[0]).is_absolute() and (closed := closed_folder(Path(command[0]))):
            _log.warning(
                "server command out of reach",
                command=command[0],
                closed=str(closed),
                hint="Install it where every account may run it, e.g. below /opt.",
            )
        await asyncio.to_thread(sweep, root, context.clock.now().timestamp())
        try:
            yield cls(config, context, root, command, groups)
        finally:
            cgroups.tidy(groups)

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        """Launch, or find what an earlier call launched, and wait until it listens."""
        handle = request.handle
        state = read_state(handle.state) if handle.state is not None else None
        if state is not None and state.whereabouts is Whereabouts.ELSEWHERE:
            raise _elsewhere(state)
        said = ""
        if state is None or state.whereabouts is not Whereabouts.HERE or await asyncio.to_thread(state.run.claim) is None:
            if self._accounts is not None and await self._accounts.missing(handle.user_name):
                yield Progress(f"Making the Unix account {self._accounts.name_for(handle.user_name)}", 5)
            account = await self._account(handle.user_name)
            limits = limits_for(self._config, request.options)
            if state is None or state.whereabouts is not Whereabouts.HERE:
                state = self._new_state(handle, account, limits)
                yield Checkpoint(state.as_json())
            if missing := self._groups.missing(limits):
                yield Progress(f"This machine cannot limit: {', '.join(missing)}", 10)
            yield Progress(f"Starting the server as {account.name}", 20)
            said = await self._launch(request, state, account, limits)
        launched = await self._claimed(state, said)
        yield Progress("The server has started; waiting until it listens", 50)
        try:
            await self._until_listening(state, launched)
        finally:
            self._promised_ports.discard(state.port)
        yield Address(_address(state), state.up(launched).as_json())

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        """One look at /proc for each that runs."""
        return await asyncio.to_thread(lambda: [self._status(handle) for handle in handles])

    async def stop(self, handle: Handle, grace_s: float) -> None:
        """Ask it to end, then end it and everything it ever started."""
        if handle.state is None:
            return
        state = read_state(handle.state)
        if state.whereabouts is Whereabouts.ELSEWHERE:
            raise _elsewhere(state)
        if state.whereabouts is Whereabouts.HERE:
            try:
                claim = await asyncio.to_thread(state.run.cancel)
            except OSError as error:
                raise disk_error(error) from None
            if launched := state.launched or (claim if isinstance(claim, Launched) else None):
                await self._ender.end(launched, state, handle.start_id, grace_s)
        self._launched.pop(state.key, None)
        await asyncio.to_thread(state.run.remove)
        if self._context.clock.monotonic() - self._swept > _SWEEP_EVERY_S:
            self._swept = self._context.clock.monotonic()
            await asyncio.to_thread(sweep, self._root, self._context.clock.now().timestamp())

    async def log_tail(self, handle: Handle, max_bytes: int) -> str:
        """The end of the server's output."""
        file = logs.log_file(self._context.state_dir, handle.user_name, handle.server_name)
        return await asyncio.to_thread(tail, file, max_bytes)

    def option_fields(self, user_name: str) -> Sequence[OptionField]:  # noqa: ARG002 - the same for everybody
        """Memory and cores, where the administrator offers a choice."""
        return option_fields(self._config)

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        """Check what was chosen."""
        return check_options(self._config, options)

    async def forget(self, user_name: str, server_name: str) -> None:
        """Remove the server's logs. Homes and people's folders stay."""
        await asyncio.to_thread(logs.remove, logs.log_file(self._context.state_dir, user_name, server_name))

    async def _account(self, user_name: str) -> Account:
        if self._accounts is not None:
            return await self._accounts.account(user_name)
        safe = safe_name(user_name, 64)
        home = Path(filled(self._config.directory, {"username": safe})) if self._config.directory else self._context.state_dir / "people" / safe
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error) from None
        return own_account(home)

    def _new_state(self, handle: Handle, account: Account, limits: Limits) -> State:
        machine = this_machine()
        key = attempt_key(handle.start_id, machine.boot)
        port = 0
        if self._config.listen == "tcp":
            try:
                port = listening.free_port(frozenset(self._promised_ports), randbelow(65_536))
            except OSError as error:
                raise SpawnerError(f"There is no port for this server: {error}.", "Stop servers that are not used.") from None
            self._promised_ports.add(port)
        return State(
            machine=machine.name,
            boot=machine.boot,
            root=str(self._root),
            key=key,
            account=account.name,
            uid=account.uid,
            gid=account.gid,
            log=str(logs.log_file(self._context.state_dir, handle.user_name, handle.server_name)),
            port=port,
            memory=limits.memory,
            cgroups=tuple(map(str, self._groups.folders(key, limits))),
        )

    async def _launch(self, request: StartRequest, state: State, account: Account, limits: Limits) -> str:
        run, bind_url = state.run, _bind_url(state)
        try:
            await asyncio.to_thread(run.prepare, state.uid, state.gid)
            Path(state.log).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._groups.make(state.key, limits)
        except OSError as error:
            raise disk_error(error) from None
        values = placeholders(request, account) | {"socket": str(run.server_socket), "port": str(state.port)}
        more = () if state.port else socket_arguments(self._command, self._config.args)
        argv = [*self._command, *(filled(word, values) for word in (*more, *self._config.args))]
        env = environment(request, account, limits, config=self._config, hub=self._context.environ, command=self._command, bind_url=bind_url)
        return await launch(launch_plan(state, account, argv, env, umask=self._config.umask_bits, log_size=self._config.log_size))

    async def _claimed(self, state: State, said: str) -> Launched:
        try:
            claim = await asyncio.to_thread(state.run.claim)
        except OSError as error:
            raise disk_error(error) from None
        if claim is None:
            raise SpawnerError(
                f"The launcher of this server was killed{': ' + said if said else '.'}",
                "Start the server again; if it happens again, tell the administrator.",
            )
        if isinstance(claim, Cancelled):
            raise SpawnerError("This start was called off.", "Start the server again.")
        raise_failure(read_failure(state.run.failure()), state.account)
        return claim

    async def _until_listening(self, state: State, launched: Launched) -> None:
        pause_s = 0.02
        while True:
            found = await asyncio.to_thread(_look, state)
            if found is listening.Listener.EXPECTED:
                return
            if found is listening.Listener.STRANGER:
                raise SpawnerError(
                    "Something that is not this server listens where it should.",
                    "Start the server again; if it happens again, tell the administrator.",
                )
            if not launched.server.alive() and ((ending := state.run.ending()) or not launched.supervisor.alive()):
                raise SpawnerError(ending_text(ending or state.run.ending(), state.memory))
            await self._context.clock.sleep(pause_s)
            pause_s = min(pause_s * 1.3, 0.25)

    def _status(self, handle: Handle) -> Status:
        if handle.state is None:
            return Exited(message="It was never started.")
        try:
            state = read_state(handle.state)
            if state.whereabouts is Whereabouts.ELSEWHERE:
                return Unclear(str(_elsewhere(state)))
            if state.whereabouts is Whereabouts.BEFORE_RESTART:
                return Exited(message="The machine was restarted.")
            launched = state.launched or self._launched.get(state.key) or state.run.claim()
        except (SpawnerError, OSError, ValueError) as error:
            return Unclear(str(error))
        if not isinstance(launched, Launched):
            return Exited(message="It was called off before it began." if launched else "It had not begun when the hub was interrupted.")
        if launched.supervisor.alive() or launched.server.alive():
            self._launched[state.key] = launched
            return Running()
        ending = state.run.ending()
        return Exited(ending.code if ending else None, ending_text(ending, state.memory))


def _look(state: State) -> listening.Listener:
    return listening.on_port(state.port, state.uid) if state.port else listening.on_socket(state.run, state.uid)


def _bind_url(state: State) -> str:
    return f"http://127.0.0.1:{state.port}" if state.port else socket_url(state.run.server_socket)


def _address(state: State) -> str:
    return f"http://127.0.0.1:{state.port}" if state.port else socket_url(state.run.proxy_socket)


def _elsewhere(state: State) -> SpawnerError:
    return SpawnerError(
        f"This server belongs to the machine {state.machine}, and this hub runs on {this_machine().name}.",
        "Run one hub for each machine with local servers, or have the administrator choose another spawner.",
    )


def _check_possible(config: Settings) -> None:
    if not sys.platform.startswith("linux"):
        raise SettingsError("The local spawner works on Linux only.", "Run the hub in a Linux machine or container, or choose another spawner.")
    privileged = os.geteuid() == 0
    if privileged and config.directory:
        raise SettingsError("spawner.directory is for a hub that is not root; as root servers work in their accounts' homes.", "Remove it.")
    if not privileged and (config.create_accounts or config.account != "{username}"):
        raise SettingsError(
            "spawner.account and spawner.create_accounts need a hub that runs as root: only root can run servers as other accounts.",
            "Start the hub as root, or remove both: then all servers run as the hub's own account, with nothing between one person and another.",
        )


def _limits_kept(config: Settings) -> cgroups.CgroupPlan:
    plan = cgroups.prepare(cgroups.find_cgroups(config.cgroup))
    widest = Limits(
        memory=max((config.memory_limit, *config.memory_choices)),
        cpu=max((config.cpu_limit, *config.cpu_choices)),
        processes=config.process_limit,
    )
    if missing := plan.missing(widest):
        if config.require_limits:
            raise SettingsError(
                f"This machine cannot limit: {', '.join(missing)}.", "The administrator can mend that, or set spawner.require_limits = false."
            )
        _log.warning("limits are not kept", missing=missing, hint="Servers are told of them all the same; nothing stops one from using more.")
    return plan
