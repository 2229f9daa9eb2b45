"""The queue port on Slurm's commands."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Final, NoReturn

from perijove.adapters.spawners.batch.slurm import read
from perijove.adapters.spawners.batch.slurm.facts import ASSOCIATION_FIELDS, read_associations, read_cluster
from perijove.adapters.spawners.batch.slurm.runner import Acting, Commands, Said
from perijove.domain.batch.belief import History
from perijove.domain.batch.cluster import Association, Cluster
from perijove.domain.batch.request import JobRequest, Program
from perijove.domain.batch.status import JobId, JobStatus, State
from perijove.domain.errors import BadInputError
from perijove.ports.batch import Estimate, NotAllowedError, Past, QueueAwayError, RefusedByQueueError
from perijove.processes.batch_helper.act import trouble
from perijove.processes.batch_helper.run import plain

_MEND: Final = "Change what is asked for; which partitions, accounts and limits there are, the administrators of the cluster can tell."
_AWAY: Final = "Jobs go on meanwhile. It is asked again by itself."
_START: Final = re.compile(r"to start at (\S+)(?: using .*? on (?:nodes )?(\S+?))?(?: in partition \S+)?\s*$", re.MULTILINE)


class SlurmQueue:
    """Implements ports.batch.Queue. Keeps nothing between calls but whether the cluster has a history."""

    def __init__(self, commands: Commands, acting: Acting) -> None:
        self._commands = commands
        self._acting = acting
        self._history: bool | None = None

    async def submit(self, person: str, request: JobRequest, program: Program) -> JobId:
        request.checked()
        mistakes = program.mistakes()
        if mistakes:
            raise BadInputError(" ".join(mistakes))
        answer = await self._act(person, {"verb": "submit", "request": _sent(request), "program": asdict(program)})
        return JobId(answer["job"])

    async def find(self, names: Collection[str]) -> Mapping[str, Sequence[JobStatus]]:
        if not names:
            return {}
        said = await self._ask("squeue", *_SQUEUE, f"--name={','.join(sorted(names))}")
        found: dict[str, list[JobStatus]] = {}
        for one in sorted(read.read_squeue(said.out), key=lambda status: int(status.job)):
            if one.name in names:
                found.setdefault(one.name, []).append(one)
        return found

    async def living(self, prefix: str) -> Sequence[JobStatus]:
        """All jobs that wait or run and whose names begin so; one question about the whole cluster. Raises QueueAwayError."""
        said = await self._ask("squeue", "--noheader", "--all", f"--format={read.SQUEUE_FORMAT}")
        return [one for one in read.read_squeue(said.out) if one.name.startswith(prefix) and one.alive]

    async def prolong(self, job: JobId, by_s: int) -> None:
        """As the hub, which must be an operator. In whole minutes. Raises QueueAwayError, RefusedByQueueError."""
        said = await self._commands.ask("scontrol", "update", f"JobId={job}", f"TimeLimit=+{by_s // 60}")
        if said.code:
            words = plain(said.err or said.out)
            if trouble(said.err or said.out) == "not-allowed":
                raise NotAllowedError(
                    f"Slurm does not let the hub prolong jobs: {words}.", "The administrator can make the hub's account an operator."
                )
            _raise(trouble(said.err or said.out), words)

    async def query(self, jobs: Collection[JobId]) -> Mapping[JobId, JobStatus]:
        if not jobs:
            return {}
        said = await self._commands.ask("squeue", *_SQUEUE, f"--jobs={','.join(sorted(jobs, key=int))}")
        if said.code and "invalid job id" in said.err.lower():
            return {}  # the answer to a question about one job that is not known
        _check(said)
        found = {one.job: one for one in read.read_squeue(said.out) if one.job in jobs}
        return await self._with_codes(found)

    async def _with_codes(self, found: dict[JobId, JobStatus]) -> dict[JobId, JobStatus]:
        """squeue tells no exit codes: those of jobs that have ended cost one more question."""
        if not any(one.ending for one in found.values()):
            return found
        ended = [job for job, one in found.items() if one.ending]
        said = await self._commands.ask("scontrol", "show", "job", "-o", *ended[:1] if len(ended) == 1 else ())
        codes = read.read_exit_codes(said.out)
        return {
            job: replace(one, ending=read.with_code(one.ending, codes[job])) if one.ending and job in codes else one for job, one in found.items()
        }

    async def past(self, jobs: Collection[JobId]) -> Mapping[JobId, Past]:
        if not jobs:
            return {}
        if not await self._has_history():
            return dict.fromkeys(jobs, Past(History.NONE))
        words = (
            "-X",
            "-n",
            "-P",
            "-D",
            f"--delimiter={read.SEPARATOR}",
            f"--format={read.SACCT_FORMAT}",
            f"--jobs={','.join(sorted(jobs, key=int))}",
        )
        try:
            said = await self._commands.ask("sacct", *words)
        except QueueAwayError:
            return dict.fromkeys(jobs, Past(History.SILENT))
        if said.code:
            return dict.fromkeys(jobs, Past(History.SILENT))
        known = read.read_sacct(said.out)
        return {job: _past(known.get(job)) for job in jobs}

    async def _has_history(self) -> bool:
        if self._history is None:
            said = await self._ask("scontrol", "show", "config")
            self._history = read_cluster(said.out, "", "").has_history
        return self._history

    async def cancel(self, person: str, job: JobId, *, force: bool = False) -> None:
        await self._act(person, {"verb": "cancel", "job": job, "force": force})

    async def estimate(self, person: str, request: JobRequest) -> Estimate:
        text = (await self._act(person, {"verb": "test", "request": _sent(request.checked())}))["text"]
        matched = _START.search(text)
        start = None
        if matched:
            start = read.read_time(matched[1]) or _local_time(matched[1])
        return Estimate(start, matched[2] or "" if matched else "", plain(text))

    async def cluster(self) -> Cluster:
        config = await self._ask("scontrol", "show", "config")
        partitions = await self._ask("scontrol", "show", "partition", "-o")
        nodes = await self._ask("scontrol", "show", "node", "-d", "-o")
        found = read_cluster(config.out, partitions.out, nodes.out)
        self._history = found.has_history
        return found

    async def associations(self, person: str) -> Sequence[Association] | None:
        if not await self._has_history():
            return None
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*", person):
            return []
        said = await self._ask("sacctmgr", "-nP", "show", "assoc", "where", f"user={person}", f"format={ASSOCIATION_FIELDS}")
        return read_associations(said.out)

    async def ping(self) -> None:
        said = await self._commands.ask("scontrol", "ping")
        if said.code or not re.search(r"\bUP\b", said.out):
            raise QueueAwayError(f"The controller of Slurm does not answer: {plain(said.out or said.err)}.", _AWAY)

    async def _ask(self, name: str, *words: str) -> Said:
        said = await self._commands.ask(name, *words)
        _check(said)
        return said

    async def _act(self, person: str, question: dict[str, object]) -> dict[str, str]:
        answer = await self._acting.act(person, question)
        if "error" in answer:
            _raise(answer["error"], answer.get("message", ""))
        return answer


_SQUEUE: Final = ("--noheader", "--all", "--states=all", f"--format={read.SQUEUE_FORMAT}")


def _sent(request: JobRequest) -> dict[str, object]:
    return {name: value for name, value in asdict(request).items() if value is not None}


def _check(said: Said) -> None:
    if said.code:
        kind = trouble(said.err or said.out)
        _raise("away" if kind == "refused" else kind, plain(said.err or said.out))  # a question cannot be refused: the fault is Slurm's


def _raise(kind: str, message: str) -> NoReturn:
    if kind == "away":
        raise QueueAwayError(f"Slurm does not answer: {message}.", _AWAY)
    if kind == "refused":
        raise RefusedByQueueError(f"Slurm does not take the job: {message}.", _MEND)
    if kind == "bad":
        raise BadInputError(message)
    raise NotAllowedError(message, "The administrator of the cluster can mend it.")


def _past(status: JobStatus | None) -> Past:
    if status is None or status.state is State.UNKNOWN:
        return Past(History.SILENT, status)
    return Past(History.ENDED if status.state is State.ENDED else History.ALIVE, status)


def _local_time(text: str) -> datetime | None:
    """As a version prints it that does not heed SLURM_TIME_FORMAT here; the helper runs it with TZ=UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC)
