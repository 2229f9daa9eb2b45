"""What Slurm says of itself to whoever asks."""

import asyncio
import re
import socket
from collections.abc import Iterable
from contextlib import suppress

from perijove.adapters.spawners.batch.slurm.read import read_pairs
from perijove.adapters.spawners.batch.slurm.runner import Commands
from perijove.domain.batch import doctor
from perijove.domain.batch.doctor import Finding, broken, good
from perijove.ports.batch import QueueAwayError
from perijove.ports.clock import Clock
from perijove.processes.batch_helper.run import plain

_MOST_NAMES = 50
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")


class Questions:
    def __init__(self, commands: Commands, clock: Clock) -> None:
        self._commands = commands
        self._clock = clock
        self._config: dict[str, str] = {}

    @property
    def has_history(self) -> bool:
        return "slurmdbd" in self._config.get("AccountingStorageType", "")

    async def controller(self) -> list[Finding]:
        begun = self._clock.monotonic()
        code, out = await self._asked("scontrol", "show", "config")
        if code:
            advice = "See that slurmctld runs, that munge runs here with the cluster's key, and which slurm.conf is used (slurm_conf, bin)."
            return [broken("controller", f"Slurm does not answer: {out}.", advice)]
        took_ms = (self._clock.monotonic() - begun) * 1000
        self._config = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", out, re.MULTILINE))
        found = [good("controller", f"slurmctld answers in {took_ms:.0f} ms.")]
        if took_ms > 3000:
            found = [
                doctor.warning(
                    "controller", f"slurmctld takes {took_ms / 1000:.0f} s to answer.", "See what loads it (sdiag); jobs are asked for less often."
                )
            ]
        return [*found, *doctor.configuration(self._config)]

    async def about(self, own: str, person: str) -> list[Finding]:
        """What depends on who asks, and for whom."""
        private = {word.strip().lower() for word in self._config.get("PrivateData", "none").split(",")}
        answers, words, level = True, "", None
        if self.has_history:
            code, out = await self._asked("sacctmgr", "-nP", "show", "user", "where", f"name={own}", "format=adminlevel")
            answers, words = not code, out
            level = out.strip().split("\n")[0] if not code else None
        found = [doctor.privacy(private, account=own, level=level, has_history=self.has_history)]
        found.append(doctor.accounting(has_history=self.has_history, answers=answers, words=words))
        if person and self.has_history and answers and _ACCOUNT.fullmatch(person):
            code, out = await self._asked("sacctmgr", "-nP", "show", "assoc", "where", f"user={person}", "format=account,maxjobs,maxsubmit")
            rows = [
                dict(zip(("account", "maxjobs", "maxsubmit"), line.split("|"), strict=False)) for line in out.splitlines() if "|" in line and not code
            ]
            enforced = "associations" in self._config.get("AccountingStorageEnforce", "").lower()
            found += doctor.associations(person, rows, enforced=enforced)
        return [*found, await self._clock_of_controller()]

    async def _clock_of_controller(self) -> Finding:
        """sdiag tells the moment at which the controller answered."""
        before = self._clock.now().timestamp()
        code, out = await self._asked("sdiag")
        after = self._clock.now().timestamp()
        matched = re.search(r"^sdiag output at .*\((\d{9,11})\)", out, re.MULTILINE)
        if code or matched is None:
            return doctor.skew("the controller", None)
        told = int(matched[1])  # whole seconds, cut off
        ahead = 0.0 if before - 1 <= told <= after else told - (after if told > after else before)
        return doctor.skew("the controller", ahead)

    async def names(self) -> list[Finding]:
        code, out = await self._asked("scontrol", "show", "node", "-o")
        pairs = [read_pairs(line) for line in out.split("\n") if line.startswith("NodeName=")] if not code else []
        known = sorted({one.get("NodeAddr", one["NodeName"]) for one in pairs})[:_MOST_NAMES]
        if not known:
            return [broken("nodes", "The cluster shows no nodes.", "See `sinfo`; PrivateData=nodes hides them from who is no operator.")]
        unknown = [name for name, address in zip(known, await _resolved(known), strict=True) if not address]
        return [doctor.names(unknown, len(known))]

    async def _asked(self, name: str, *words: str) -> tuple[int, str]:
        """Exit code, and its output or its complaint."""
        try:
            said = await self._commands.ask(name, *words)
        except QueueAwayError as error:
            return 1, error.message.rstrip(".")
        return said.code, said.out if not said.code else plain(said.err or said.out)


async def _resolved(names: Iterable[str]) -> list[bool]:
    loop = asyncio.get_running_loop()

    async def one(name: str) -> bool:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(5):
                return bool(await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM))
        return False

    async with asyncio.TaskGroup() as together:
        asked = [together.create_task(one(name)) for name in names]
    return [each.result() for each in asked]
