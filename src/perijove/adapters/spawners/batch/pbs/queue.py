"""The queue port on PBS's commands."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Final, NoReturn

from perijove.adapters.spawners.batch.pbs import read
from perijove.adapters.spawners.batch.pbs.runner import PbsCommands
from perijove.adapters.spawners.batch.slurm.runner import Acting, Said
from perijove.domain.batch.belief import History
from perijove.domain.batch.cluster import Association, Cluster, never_starts
from perijove.domain.batch.pbs import mistakes
from perijove.domain.batch.request import JobRequest, Program
from perijove.domain.batch.status import JobId, JobStatus
from perijove.domain.errors import BadInputError
from perijove.ports.batch import Estimate, NotAllowedError, Past, QueueAwayError, RefusedByQueueError
from perijove.processes.batch_helper.pbs import trouble
from perijove.processes.batch_helper.run import plain

_MEND: Final = "Change what is asked for; which queues and limits there are, the administrators of the cluster can tell."
_AWAY: Final = "Jobs go on meanwhile. It is asked again by itself."
_UNKNOWN: Final = re.compile(r"unknown job id", re.IGNORECASE)
_QSTAT: Final = ("-x", "-f", "-F", "json")


class PbsQueue:
    """Implements ports.batch.Queue. Keeps nothing between calls but whether the server has a history."""

    def __init__(self, commands: PbsCommands, acting: Acting, *, gpu_type: str = "") -> None:
        """`gpu_type`: the site's own resource that names a GPU's type, as in the helper's rules ("" if it has none)."""
        self._commands = commands
        self._acting = acting
        self._gpu_type = gpu_type
        self._history: bool | None = None

    async def submit(self, person: str, request: JobRequest, program: Program) -> JobId:
        found = [*program.mistakes(), *self._mistakes(request)]
        if found:
            raise BadInputError(" ".join(found))
        sent = {name: value for name, value in asdict(request).items() if value is not None}
        answer = await self._act(person, {"verb": "submit", "request": sent, "program": asdict(program)})
        return JobId(answer["job"])

    async def find(self, names: Collection[str]) -> Mapping[str, Sequence[JobStatus]]:
        jobs: set[JobId] = set()
        for name in sorted(names):  # qselect takes one name
            said = await self._ask("qselect", "-x", "-N", name)
            jobs |= {JobId(line.strip()) for line in said.out.splitlines() if line.strip()}
        found: dict[str, list[JobStatus]] = {}
        for one in sorted((await self.query(jobs)).values(), key=lambda status: int(status.job.partition(".")[0])):
            if one.name in names:
                found.setdefault(one.name, []).append(one)
        return found

    async def query(self, jobs: Collection[JobId]) -> Mapping[JobId, JobStatus]:
        if not jobs:
            return {}
        said = await self._commands.ask("qstat", *_QSTAT, *sorted(jobs))
        # one unknown job among them gives an exit code, and an answer about all others
        if said.code and not (_UNKNOWN.search(said.err) and trouble(said.err) == "refused"):
            _check(said)
        if said.code and not said.out.strip():
            return {}
        return {job: one for job, one in self._read(said.out).items() if job in jobs}

    def _read(self, text: str) -> dict[JobId, JobStatus]:
        try:
            return read.read_jobs(text)
        except ValueError as error:
            raise QueueAwayError(f"qstat's answer is not understood: {error}.", _AWAY) from None

    async def past(self, jobs: Collection[JobId]) -> Mapping[JobId, Past]:
        """qstat -x has told all that there is: a server without history knows nothing of what has ended."""
        if self._history is None and jobs:
            await self.cluster()
        return dict.fromkeys(jobs, Past(History.SILENT if self._history else History.NONE))

    async def cancel(self, person: str, job: JobId, *, force: bool = False) -> None:
        await self._act(person, {"verb": "cancel", "job": job, "force": force})

    async def estimate(self, person: str, request: JobRequest) -> Estimate:  # noqa: ARG002 — everybody's limits are the same here
        """PBS tries nothing out. What it would refuse is judged by the cluster's limits; when it would begin is not known before it waits."""
        found = self._mistakes(request)
        if found:
            raise BadInputError(" ".join(found))
        reasons = never_starts(request, await self.cluster())
        if reasons:
            raise RefusedByQueueError(" ".join(reasons), _MEND)
        return Estimate(None, "", "PBS says only of a job that waits when it may begin.")

    async def cluster(self) -> Cluster:
        server = await self._ask("qstat", "-B", "-f", "-F", "json")
        queues = await self._ask("qstat", "-Q", "-f", "-F", "json")
        nodes = await self._ask("pbsnodes", "-a", "-F", "json")
        try:
            found = read.read_cluster(server.out, queues.out, nodes.out, gpu_type=self._gpu_type)
        except ValueError as error:
            raise QueueAwayError(f"PBS's answer about the cluster is not understood: {error}.", _AWAY) from None
        self._history = found.has_history
        return found

    async def associations(self, person: str) -> Sequence[Association] | None:  # noqa: ARG002 — PBS keeps none
        return None

    async def ping(self) -> None:
        said = await self._commands.ask("qstat", "-B")
        if said.code:
            raise QueueAwayError(f"The server of PBS does not answer: {plain(said.err or said.out)}.", _AWAY)

    def _mistakes(self, request: JobRequest) -> list[str]:
        return request.mistakes() or mistakes(request, gpu_type=self._gpu_type)

    async def _ask(self, name: str, *words: str) -> Said:
        said = await self._commands.ask(name, *words)
        if said.code:
            _check(said)
        return said

    async def _act(self, person: str, question: dict[str, object]) -> dict[str, str]:
        answer = await self._acting.act(person, question)
        if "error" in answer:
            _raise(answer["error"], answer.get("message", ""))
        return answer


def _check(said: Said) -> NoReturn:
    kind = trouble(said.err or said.out)
    _raise("away" if kind == "refused" else kind, plain(said.err or said.out))  # a question cannot be refused: the fault is PBS's


def _raise(kind: str, message: str) -> NoReturn:
    if kind == "away":
        raise QueueAwayError(f"PBS does not answer: {message}.", _AWAY)
    if kind == "refused":
        raise RefusedByQueueError(f"PBS does not take the job: {message}.", _MEND)
    if kind == "bad":
        raise BadInputError(message)
    raise NotAllowedError(message, "The administrator of the cluster can mend it.")
