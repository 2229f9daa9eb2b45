"""What `perijove connect` does, step by step: sign in, prepare, submit, wait, tunnel. Whatever breaks off here, the job goes on over there."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from perijove.adapters.spawners.batch.slurm import SlurmQueue
from perijove.adapters.spawners.batch.watch import JobWatch, Sight
from perijove.connect.asking import Wanted
from perijove.connect.cluster import Cluster, Facts
from perijove.connect.login import ConnectError, LoginLostError, Person, SlowError
from perijove.connect.record import Record, requested
from perijove.connect.slurm import queue
from perijove.connect.tunnel import Pace, Tunnel, answers, port_opened
from perijove.domain.batch.request import Program
from perijove.domain.batch.status import JobId, JobStatus, State
from perijove.domain.batch.words import status_words
from perijove.ports.batch import QueueAwayError, RefusedByQueueError
from perijove.ports.clock import Clock

_SUBMITS: Final = 5
_ASK_S: Final = 1.0


@dataclass(slots=True)
class Open:
    """What is open on this machine now. `url` has the token in it."""

    port: int
    url: str


@dataclass(slots=True)
class Visit:
    """One run of the command. `left`: what goes on over there if it is broken off now."""

    cluster: Cluster
    person: Person
    clock: Clock
    agent: bytes
    pace: Pace = field(default_factory=Pace)
    left: str = ""
    """The name of the session that goes on, "" if there is none."""

    async def start(self, name: str, wanted: Wanted, environment: Mapping[str, Any], *, login_python: str | None = None) -> Record:
        """Submit a new one. Raises ConnectError, SpawnerError, BadInputError."""
        wanted.below("/home").request(name="x", comment="", output="/x")  # mistakes are told before anything is done
        self.person.tell("Signing in")
        facts = await self.cluster.facts(login_python)
        wanted = wanted.below(facts.home)
        jobs = queue(self.cluster, facts)
        await self._make_room(name, jobs)
        self.person.tell("Sending the agent")
        agent = await self.cluster.upload(self.agent)
        self.person.tell("Looking at the environment")
        await self.cluster.prepare(agent, environment, self.person.tell)
        self.person.say("The environment is ready.")
        start_id = secrets.token_hex(8)
        request = wanted.request(name=f"perijove-{start_id}", comment=f"perijove connect {name}", output=facts.log(name))
        record = Record(
            name=name, start_id=start_id, request=requested(request), environment=dict(environment), token=secrets.token_hex(24),
            secret=secrets.token_hex(32), made=self.clock.now().isoformat(), agent=agent, python=facts.python, folder=wanted.folder or facts.home,
        )  # fmt: skip
        if not await self.cluster.keep(record, new=True):
            raise ConnectError(f"Another session {name} was started just now.", "Use `reconnect`, or another --name.")
        self.left = name
        try:
            record = await self._submitted(record, jobs, facts)
        except RefusedByQueueError:
            self.left = ""
            await self.cluster.forget(name)
            raise
        self.person.say(f"Submitted as job {record.job}.")
        return record

    async def found(self, name: str) -> Record:
        """One that was started before, from whichever machine. Raises ConnectError."""
        facts = await self.cluster.facts()
        fine, wrong = await self.cluster.records()
        if name in wrong:
            raise ConnectError(f"The record of {name} cannot be used: {wrong[name]}")
        if name not in fine:
            there = ", ".join(fine) or "none"
            raise ConnectError(f"There is no session {name} on this cluster; there are: {there}.", "Start one with `perijove connect`.")
        record = fine[name]
        self.left = name
        if not record.job:
            jobs = (await queue(self.cluster, facts).find([record.asked.name])).get(record.asked.name, ())
            if not jobs:
                self.left = ""
                raise ConnectError(f"The session {name} was never submitted.", "Start it again: its record makes room by itself.")
            record = replace(record, job=jobs[-1].job)
            await self.cluster.keep(record)
        return record

    async def stay(self, record: Record, opened: Callable[[Open], Awaitable[None]], *, port: int = 0) -> JobStatus:
        """Wait for the job, open the port and keep it open until the job has ended; returns how. `opened` is called once it can be used."""
        facts = await self.cluster.facts()
        watch = JobWatch(queue(self.cluster, facts), self.clock, sees_all_jobs=True)
        argv = [record.python, "-I", record.agent, "relay", facts.listening(record.name)]
        running = asyncio.Event()
        tunnel = Tunnel(
            self.cluster.ways,
            argv,
            start_id=record.start_id,
            secret=record.secret,
            told=lambda: self._told(tunnel),
            runs=running.wait,
            pace=self.pace,
        )
        ended: JobStatus | None = None
        async with _beside(watch.run()) as beside, _local(tunnel, port or record.port) as local:
            if local != record.port:
                await self.cluster.keep(replace(record, port=local))
            beside(self._open(record, tunnel, local, opened))
            async for sight in watch.news(JobId(record.job)):
                self._show(sight)
                if sight.status is not None:
                    ended = sight.status
                    (running.set if ended.state is State.RUNNING else running.clear)()  # a job may be put back into the queue
        if ended is None:
            raise ConnectError("The job's end was not seen.")
        self.left = ""
        return ended

    async def statuses(self) -> tuple[list[tuple[Record, JobStatus | None]], dict[str, str]]:
        """Every session with what is known of its job (None: nothing any more), and records that cannot be used."""
        facts = await self.cluster.facts()
        jobs = queue(self.cluster, facts)
        fine, wrong = await self.cluster.records()
        known = {JobId(record.job) for record in fine.values() if record.job}
        now = dict(await jobs.query(known))
        for job, past in (await jobs.past(known - set(now))).items():
            if past.status is not None:
                now[job] = past.status
        return [(record, now.get(JobId(record.job))) for record in fine.values()], {name: str(error) for name, error in wrong.items()}

    async def stop(self, name: str, *, force: bool = False) -> JobStatus | None:
        """Cancel, and wait until it is gone; returns how it ended, None if it was gone before."""
        record = await self.found(name)
        facts = await self.cluster.facts()
        jobs = queue(self.cluster, facts)
        await jobs.cancel(facts.person, JobId(record.job), force=force)
        self.person.tell(f"Job {record.job} is told to end")
        status: JobStatus | None = None
        while True:
            found = (await jobs.query([JobId(record.job)])).get(JobId(record.job))
            status = found or status
            if found is None or not found.alive:
                break
            await self.clock.sleep(_ASK_S)
        await self.cluster.forget(name)
        self.left = ""
        return status

    async def _make_room(self, name: str, jobs: SlurmQueue) -> None:
        """Raises ConnectError if there is one of this name that lives."""
        fine, wrong = await self.cluster.records()
        if name in wrong:
            await self.cluster.forget(name)
        record = fine.get(name)
        if record is None:
            return
        living = [one for one in (await jobs.find([record.asked.name])).get(record.asked.name, ()) if one.alive]
        if living:
            raise ConnectError(
                f"The session {name} is there already. {status_words(living[-1], self.clock.now())}",
                "Come back to it with `perijove connect reconnect`, end it with `perijove connect stop`, or give this one another --name.",
            )
        await self.cluster.forget(name)

    async def _submitted(self, record: Record, jobs: SlurmQueue, facts: Facts) -> Record:
        """Raises RefusedByQueueError, QueueAwayError."""
        program = _program(record, facts)
        for left in range(_SUBMITS - 1, -1, -1):
            try:
                job = await jobs.submit(facts.person, record.asked, program)
                break
            except QueueAwayError as error:
                if not left:
                    raise
                self.person.tell(f"{error.message} It is tried again")
            await self.clock.sleep(_ASK_S * 2 ** (_SUBMITS - 1 - left))
        record = replace(record, job=job)
        await self.cluster.keep(record)
        return record

    async def _open(self, record: Record, tunnel: Tunnel, port: int, opened: Callable[[Open], Awaitable[None]]) -> None:
        """Once the job runs; after that, keep the tunnel up."""
        async with _beside(tunnel.run()):
            await tunnel.up.wait()
            self.person.tell("The job is reached; Jupyter begins")
            while not await answers(port):
                await self._tell_log(record.name)
                await self.clock.sleep(_ASK_S)
            await opened(Open(port, f"http://127.0.0.1:{port}/?token={record.token}"))
            await asyncio.Event().wait()

    async def _tell_log(self, name: str) -> None:
        last = ""
        with suppress(LoginLostError, SlowError):  # the tunnel sees to it
            last = (await self.cluster.tail(name, 1)).strip()
        if last:
            self.person.tell(f"Jupyter begins: {last[-160:]}")

    def _show(self, sight: Sight) -> None:
        if sight.doubt:
            self.person.tell(sight.doubt)
        elif sight.status is not None and sight.status.alive:
            text = str(status_words(sight.status, self.clock.now()))
            (self.person.say if sight.status.state is State.RUNNING else self.person.tell)(text)

    def _told(self, tunnel: Tunnel) -> None:
        if tunnel.trouble:
            self.person.tell(f"Not connected just now: {tunnel.trouble}. It is tried again")
        else:
            self.person.tell("Connected")


def _program(record: Record, facts: Facts) -> Program:
    """The agent in the job. Secrets go by the environment: words are seen by everybody on a machine."""
    told = {
        "start_id": record.start_id,
        "listen": {"state_file": facts.listening(record.name)},
        "environment": record.environment,
        "command": ["python", "-m", "perijove_singleuser.alone"],
        "folder": record.folder,
    }
    environ = {"PERIJOVE_AGENT": json.dumps(told), "PERIJOVE_AGENT_TOKEN": record.secret, "PERIJOVE_ALONE_TOKEN": record.token}
    return Program(argv=(record.python, record.agent, "serve"), environ=environ)


@asynccontextmanager
async def _local(tunnel: Tunnel, wished: int) -> AsyncIterator[int]:
    server = await port_opened(tunnel, wished)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Work that goes on meanwhile, and more that may be added; its first error is raised here as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work)]
            yield lambda more: tasks.append(group.create_task(more))
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as found:
        first: BaseException = found
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
