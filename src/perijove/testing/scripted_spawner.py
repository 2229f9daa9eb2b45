"""A spawner whose servers live in a `World`, and which fails as its script says."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from perijove.domain.options import OptionField
from perijove.domain.server import JsonObject
from perijove.ports.spawner import Address, Checkpoint, Exited, Handle, Progress, Running, StartEvent, StartRequest, Status, Unclear
from perijove.testing.fuse import Fuse
from perijove.testing.world import Moment, Process, World


class ScriptedSpawner:
    """Implements ports.spawner.Spawner. Strict: without the state it yielded it neither finds nor stops anything."""

    def __init__(self, world: World, fuse: Fuse | None = None) -> None:
        self._world = world
        self._fuse = fuse or Fuse()

    async def start(self, request: StartRequest) -> AsyncIterator[StartEvent]:
        handle, name = request.handle, _name(request.handle)
        self._fuse.burn("start")
        process = self._process(handle)
        if process is None:
            await self._world.come_to(name, Moment.BEFORE_CHECKPOINT)
            yield Checkpoint({"job": handle.start_id})
            self._fuse.burn("checkpoint taken")
            await self._world.come_to(name, Moment.AFTER_CHECKPOINT)
            yield Progress("Beginning", 50)
            self._fuse.burn("progress taken")
            process = self._world.begin(handle.server_id, handle.start_id)
        self._fuse.burn("begun")
        script = self._world.script(name)
        if script.dies is Moment.BEGUN:
            self._world.end(handle.server_id, 3, "It ended at once.")
        await self._world.come_to(name, Moment.BEGUN)
        if script.ends_without_address:
            return
        if script.dies is Moment.POLL:
            self._world.end(handle.server_id, 3, "It ended at once.")
        yield Address(process.address)

    async def poll(self, handles: Sequence[Handle]) -> Sequence[Status]:
        self._fuse.burn("poll")
        statuses = [await self._status(handle) for handle in handles]
        self._fuse.burn("polled")
        return statuses

    async def stop(self, handle: Handle, grace_s: float) -> None:  # noqa: ARG002 - the port's names
        self._fuse.burn("stop")
        await self._world.come_to(_name(handle), Moment.STOP)
        if handle.state is not None:
            self._world.spent.add(handle.start_id)
        process = self._process(handle)
        if process is not None:
            process.exit_code = 0
            self._world.go_on()
        self._fuse.burn("stopped")

    async def log_tail(self, handle: Handle, max_bytes: int) -> str:
        self._fuse.burn("log")
        return f"log of {handle.start_id}\n"[-max_bytes:] if self._world.find(handle.start_id) is not None else ""

    def option_fields(self, user_name: str) -> Sequence[OptionField]:  # noqa: ARG002 - the port's names
        return ()

    def check_options(self, options: Mapping[str, Any]) -> JsonObject:
        return dict(options)

    async def forget(self, user_name: str, server_name: str) -> None:
        self._fuse.burn("forget")
        self._world.forgotten.append(f"{user_name}/{server_name}")

    async def _status(self, handle: Handle) -> Status:
        name = _name(handle)
        await self._world.come_to(name, Moment.POLL)
        if self._world.script(name).unclear:
            return Unclear("The place does not answer.")
        process = self._process(handle)
        if process is None:
            return Exited(None, "There is no such server.")
        return Running(process.address) if process.live else Exited(process.exit_code, process.message)

    def _process(self, handle: Handle) -> Process | None:
        job = None if handle.state is None else handle.state.get("job")
        return None if job is None else self._world.find(job)


def _name(handle: Handle) -> str:
    return f"{handle.user_name}/{handle.server_name}"
