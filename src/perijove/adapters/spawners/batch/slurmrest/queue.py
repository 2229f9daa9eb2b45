"""The queue port on slurmrestd. Acts as a person by that person's token; asks as one account that is shown everybody's jobs."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from perijove.adapters.spawners.batch.slurmrest import read
from perijove.adapters.spawners.batch.slurmrest.http import Offer, Rest
from perijove.domain.batch.belief import History
from perijove.domain.batch.cluster import Association, Cluster, never_starts
from perijove.domain.batch.request import JobRequest, Program
from perijove.domain.batch.script import packed_script
from perijove.domain.batch.status import JobId, JobStatus, State
from perijove.domain.errors import BadInputError
from perijove.ports.batch import Estimate, NotAllowedError, Past, QueueAwayError, RefusedByQueueError
from perijove.processes.batch_helper.act import trouble

_MEND: Final = "Change what is asked for; which partitions, accounts and limits there are, the administrators of the cluster can tell."
_AWAY: Final = "Jobs go on meanwhile. It is asked again by itself."
_FEW: Final = 3
_UNKNOWN_JOB, _OVER = 2017, frozenset({2017, 2021})
"""ESLURM_INVALID_JOB_ID and ESLURM_ALREADY_DONE (slurm_errno.h)."""


class RestQueue:
    """Implements ports.batch.Queue. Keeps nothing between calls."""

    def __init__(self, rest: Rest, *, account: str, kept_s: float = 300.0, sees_all_jobs: bool = True) -> None:
        """`account`: who asks, an operator where jobs are private. `kept_s`: MinJobAge, which slurmrestd does not tell."""
        self._rest = rest
        self._account = account
        self._kept_s = kept_s
        self._sees_all_jobs = sees_all_jobs

    async def submit(self, person: str, request: JobRequest, program: Program) -> JobId:
        request.checked()
        found = program.mistakes()
        if found:
            raise BadInputError(" ".join(found))
        already = [one for one in await self._jobs(person) if one.name == request.name and one.user == person and one.alive]
        if already:
            return min((one.job for one in already), key=int)
        version = (await self._rest.offer(person)).version
        answer = await self._rest.ask("POST", "job/submit", person, submission(request, program, version))
        job = read.number(answer.get("job_id"))
        _check(answer, submitted=True)
        if not job:
            raise QueueAwayError("slurmrestd took the job and named none.", _AWAY)
        return JobId(str(job))

    async def find(self, names: Collection[str]) -> Mapping[str, Sequence[JobStatus]]:
        found: dict[str, list[JobStatus]] = {}
        for one in sorted(await self._jobs(self._account) if names else [], key=lambda status: int(status.job)):
            if one.name in names:
                found.setdefault(one.name, []).append(one)
        return found

    async def query(self, jobs: Collection[JobId]) -> Mapping[JobId, JobStatus]:
        """A few one by one; many in one question, which then answers for the whole cluster: slurmrestd has no other."""
        if len(jobs) > _FEW:
            return {one.job: one for one in await self._jobs(self._account) if one.job in jobs}
        found: dict[JobId, JobStatus] = {}
        for job in jobs:
            answer = await self._rest.ask("GET", f"job/{_number(job)}", self._account)
            if _UNKNOWN_JOB in _codes(answer):
                continue
            _check(answer)
            found |= {one.job: one for one in map(read.read_job, read.rows(answer, "jobs")) if one.job == job}
        return found

    async def past(self, jobs: Collection[JobId]) -> Mapping[JobId, Past]:
        if (await self._rest.offer(self._account)).accounting is None:
            return dict.fromkeys(jobs, Past(History.NONE))
        return {job: await self._past(job) for job in jobs}

    async def _past(self, job: JobId) -> Past:
        try:
            answer = await self._rest.ask("GET", f"slurmdb/job/{_number(job)}", self._account)
        except QueueAwayError:
            return Past(History.SILENT)
        known = [read.read_past(row) for row in read.rows(answer, "jobs")]
        if not known or known[-1].state is State.UNKNOWN:
            return Past(History.SILENT)
        return Past(History.ENDED if known[-1].state is State.ENDED else History.ALIVE, known[-1])

    async def cancel(self, person: str, job: JobId, *, force: bool = False) -> None:
        """Before v0.0.40 slurmrestd knows no force of its own: Slurm kills what does not heed after KillWait."""
        number = _number(job)
        if force and (await self._rest.offer(person)).version >= read.LISTS_FROM:
            await self._rest.ask("DELETE", f"job/{number}?signal=KILL&flags=FULL_JOB", person)
        answer = await self._rest.ask("DELETE", f"job/{number}", person)
        if not _codes(answer) & _OVER:
            _check(answer)

    async def estimate(self, person: str, request: JobRequest) -> Estimate:  # noqa: ARG002 — tokens make no difference to the cluster's limits
        """slurmrestd tries nothing out. What never starts is judged by the cluster's limits."""
        reasons = never_starts(request.checked(), await self.cluster())
        if reasons:
            raise RefusedByQueueError(" ".join(reasons), _MEND)
        return Estimate(None, "", "slurmrestd says only of a job that waits when it may begin.")

    async def cluster(self) -> Cluster:
        nodes = await self._rest.ask("GET", "nodes", self._account)
        _check(nodes)
        partitions = await self._rest.ask("GET", "partitions", self._account)
        _check(partitions)
        each = [read.read_node(row) for row in read.rows(nodes, "nodes")]
        meta = read.table(nodes, "meta")
        about = read.table(meta, "Slurm") or read.table(meta, "slurm")
        version = read.table(about, "version")
        return Cluster(
            name=str(about.get("cluster", "")),
            version=tuple(int(version.get(part) or 0) for part in ("major", "minor", "micro")),
            partitions=tuple(read.read_partition(row, each) for row in read.rows(partitions, "partitions")),
            kept_s=self._kept_s,
            shows_all_jobs=self._sees_all_jobs,
            has_history=(await self._rest.offer(self._account)).accounting is not None,
        )

    async def associations(self, person: str) -> Sequence[Association] | None:
        if (await self._rest.offer(self._account)).accounting is None:
            return None
        answer = await self._rest.ask("GET", "slurmdb/associations", self._account)
        _check(answer)
        mine = [row for row in read.rows(answer, "associations") if row.get("user") == person]
        return [
            Association(
                account=str(row.get("account", "")), partition=str(row.get("partition") or ""), qos=tuple(sorted(map(str, row.get("qos") or [])))
            )
            for row in mine
        ]

    async def speaks(self) -> Offer:
        """Which version is spoken. Raises QueueAwayError, NotAllowedError."""
        return await self._rest.offer(self._account)

    async def ping(self) -> None:
        answer = await self._rest.ask("GET", "ping", self._account)
        if answer.get("errors") or not any("UP" in str(row.get("ping", row.get("pinged", ""))) for row in read.rows(answer, "pings")):
            raise QueueAwayError(f"The controller of Slurm does not answer slurmrestd: {_words(answer)}.", _AWAY)

    async def _jobs(self, person: str) -> list[JobStatus]:
        answer = await self._rest.ask("GET", "jobs", person)
        _check(answer)
        return [read.read_job(row) for row in read.rows(answer, "jobs")]


def submission(request: JobRequest, program: Program, version: int) -> dict[str, Any]:
    """The body of job/submit. `signal` is left out: slurmrestd takes none for the first process alone, and the job knows its own end. The program's
    words are in the script: with `argv` slurmrestd 22.05 breaks its own memory."""
    lists = version >= read.LISTS_FROM

    def counted(value: int | None) -> Any:
        return None if value is None else {"set": True, "infinite": False, "number": value} if lists else value

    minutes = None if request.time_limit_s is None else -(-request.time_limit_s // 60)
    gpus = ",".join(f"gpu:{one.kind}:{one.count}" if one.kind else f"gpu:{one.count}" for one in request.gpus)
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin"} | program.environ
    script = packed_script(Program(argv=program.argv, prologue=program.prologue, epilogue=program.epilogue), request.folder or "/")
    job: dict[str, Any] = {
        "name": request.name, "comment": request.comment or None, "partition": request.partition, "account": request.account, "qos": request.qos,
        "time_limit": counted(minutes), "cpus_per_task": request.cpus, "memory_per_node": counted(request.memory_mb),
        "memory_per_cpu": counted(request.memory_per_cpu_mb), "constraints": request.constraint, "reservation": request.reservation,
        "current_working_directory": request.folder or "/", "requeue": request.may_requeue, "tasks": request.nodes or 1,
        "standard_output": None if request.output is None else request.output.replace("%", "%%"),
        "environment": [f"{name}={value}" for name, value in environ.items()] if lists else environ,
    }  # fmt: skip
    if request.nodes is not None:
        job["nodes"] = f"{request.nodes}-{request.nodes}" if lists else [request.nodes, request.nodes]
    if gpus:
        job |= {"tres_per_node": ",".join(f"gres/{one}" for one in gpus.split(","))} if lists else {"gres": gpus}
    job = {name: value for name, value in job.items() if value is not None}
    return {"job": job | {"script": script}} if lists else {"script": script, "job": job}


def _number(job: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,17}", job):
        raise BadInputError("A job's number is needed.")
    return job


def _codes(answer: dict[str, Any]) -> set[int]:
    return {
        code for row in read.rows(answer, "errors") for name in ("error_number", "error_code") if (code := read.number(row.get(name))) is not None
    }


def _words(answer: dict[str, Any]) -> str:
    said = [str(row.get(name)) for row in read.rows(answer, "errors") for name in ("description", "error") if row.get(name)]
    return "; ".join(dict.fromkeys(said))[:1000] or "it said nothing"


def _check(answer: dict[str, Any], *, submitted: bool = False) -> None:
    """slurmrestd answers many mistakes with 500: the list of errors counts, not the code of HTTP."""
    if not answer.get("errors"):
        return
    words = _words(answer)
    kind = trouble(words)
    if kind == "away" or (kind == "refused" and not submitted):  # a question cannot be refused: the fault is Slurm's
        raise QueueAwayError(f"Slurm does not answer: {words}.", _AWAY)
    if kind == "refused":
        raise RefusedByQueueError(f"Slurm does not take the job: {words}.", _MEND)
    raise NotAllowedError(words, "The administrator of the cluster can mend it.")
