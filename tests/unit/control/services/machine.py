"""Processes of managed services that are not there: a test says when one ends, and sees what was started."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from perijove.config.settings import ServiceEntry
from perijove.control.services.running import ManagedService
from perijove.ports.prober import Answer
from perijove.ports.service_processes import ServiceOrder, ServiceProcessError


@dataclass
class Machine:
    """What lives on one machine, whichever hub started it; `doubles` are names that were there twice."""

    alive: dict[int, ServiceOrder] = field(default_factory=dict)
    orders: list[ServiceOrder] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)

    def running(self, name: str) -> list[int]:
        return [pid for pid, order in self.alive.items() if order.name == name]


class FakeProcesses:
    """Implements ports.service_processes.ServiceProcesses for one hub."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.refusing = ""
        self.killed = False
        self._own: dict[str, tuple[int, asyncio.Future[int | None]]] = {}

    async def end_strays(self, grace_s: float) -> int:
        strays = [pid for pid in self.machine.alive if pid not in {own for own, _ in self._own.values()}]
        for pid in strays:
            del self.machine.alive[pid]
        return len(strays)

    async def start(self, order: ServiceOrder) -> int:
        if self.refusing:
            raise ServiceProcessError(self.refusing)
        if self.machine.running(order.name):
            self.machine.doubles.append(order.name)
        pid = len(self.machine.orders) + 1
        self.machine.orders.append(order)
        self.machine.alive[pid] = order
        self._own[order.name] = (pid, asyncio.get_running_loop().create_future())
        return pid

    async def ended(self, name: str) -> int | None:
        return await asyncio.shield(self._own[name][1])

    async def end(self, name: str, grace_s: float) -> int | None:
        if name not in self._own or self.killed:
            return None
        self.exits(name, -15)
        return self._own.pop(name)[1].result()

    async def output(self, name: str, max_bytes: int) -> str:
        return f"last words of {name}\n"

    def exits(self, name: str, code: int | None) -> None:
        pid, future = self._own[name]
        self.machine.alive.pop(pid, None)
        if not future.done():
            future.set_result(code)


class Answering:
    """Implements ports.prober.Prober: what a test says, per address; None there is silence."""

    def __init__(self) -> None:
        self.statuses: dict[str, int | None] = {}
        self.asked: list[tuple[str, str]] = []

    async def probe(self, address: str, path: str, timeout_s: float) -> Answer | None:
        self.asked.append((address, path))
        status = self.statuses.get(address)
        return None if status is None else Answer(status)


def managed(name: str, *, token: str | None = None, url: str = "", words: Sequence[str] = ("run",)) -> ManagedService:
    return ManagedService(entry=ServiceEntry(name=name, command=tuple(words), url=url), token=token, environment={})
