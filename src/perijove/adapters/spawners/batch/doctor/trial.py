"""One job of a minute: submitted as the person would, followed as the hub would, and asked what it sees from its node."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from perijove.agent.probe import unpacked
from perijove.domain.batch import doctor
from perijove.domain.batch.doctor import Finding, broken, good, warning
from perijove.domain.batch.request import JobRequest, Program
from perijove.domain.batch.status import JobId, JobStatus, State
from perijove.domain.batch.words import status_words
from perijove.domain.errors import PerijoveError
from perijove.ports.batch import Queue
from perijove.ports.clock import Clock

_EVERY_S: Final = 1.0
_EARLY_S: Final = 2.0
_LATE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    queue: Queue
    clock: Clock
    person: str
    agent: str
    dial: tuple[str, ...] = ()
    hub_url: str = ""
    ca_file: str = ""
    partition: str | None = None
    account: str | None = None
    wait_s: float = 300.0

    async def run(self) -> AsyncIterator[Finding | str]:
        """Findings, and words of progress. The job is cancelled if it is left early."""
        queue = self.queue
        name = f"perijove-doctor-{secrets.token_hex(6)}"
        request = JobRequest(
            name=name, comment="perijove doctor", time_limit_s=60, cpus=1, folder="/", output="/dev/null", may_requeue=False,
            partition=self.partition, account=self.account,
        )  # fmt: skip
        try:
            job = await queue.submit(self.person, request, Program(argv=self._words()))
        except PerijoveError as error:
            yield broken("test job", f"It could not be submitted: {error.message}", error.hint)
            return
        yield f"Job {job} of {self.person} is submitted; a minute's work at most."
        status: JobStatus | None = None
        ended = False
        try:
            async for status in self._followed(queue, job):
                ended = status.state is State.ENDED
                yield f"Job {job}: {status_words(status, self.clock.now())}"
        except PerijoveError as error:
            yield broken("test job", f"It could not be followed: {error.message}", error.hint)
        finally:
            if not ended:
                with suppress(PerijoveError):
                    await queue.cancel(self.person, job, force=True)
        for one in self._judged(job, status):
            yield one

    def _words(self) -> tuple[str, ...]:
        words = [self.agent, "probe"]
        for url in self.dial:
            words += ["--dial", url]
        words += ["--hub", self.hub_url] if self.hub_url else []
        words += ["--ca-file", self.ca_file] if self.ca_file else []
        return tuple(words)

    async def _followed(self, queue: Queue, job: JobId) -> AsyncIterator[JobStatus]:
        """Each change until it ends, or until the time is up."""
        last: JobStatus | None = None
        until = self.clock.monotonic() + self.wait_s
        while self.clock.monotonic() < until and not (last is not None and last.state is State.ENDED):
            found = (await queue.query([job])).get(job)
            if found is not None and not found.same_news(last):
                yield found
            last = found or last
            if last is None or last.state is not State.ENDED:
                await self.clock.sleep(_EVERY_S)

    def _judged(self, job: JobId, status: JobStatus | None) -> list[Finding]:
        if status is None:
            return [
                broken(
                    "test job",
                    f"Job {job} was submitted as {self.person}, and this account does not see it in the queue.",
                    "Jobs are private here: make the hub's account an operator (sacctmgr modify user … set adminlevel=operator).",
                )
            ]
        seen = good("test job", f"Job {job} ran as {status.user} and was seen by this account.")
        found = unpacked(status.comment)
        if found is not None:
            return [seen, *self._seen(found), _clock(found, status)]
        words = status_words(status, self.clock.now())
        if status.state is not State.ENDED:
            return [
                warning(
                    "test job",
                    f"Job {job} has not begun and ended within {self.wait_s:.0f} s: {words} Nothing of nodes could be seen.",
                    "Try again with --wait, or with --partition of one that is free.",
                )
            ]
        code = status.ending.exit_code if status.ending is not None else None
        why = {126: "the agent file cannot be run there (noexec, or mode)", 127: "the agent file, or python3, is not on the node"}.get(code or 0, "")
        return [
            broken(
                "test job",
                f"Job {job} ended and told nothing: {words}{f' Exit code {code}: {why}.' if why else ''}",
                f"Run `{self.agent} probe` on a node by hand; scontrol must work there for jobs to tell.",
            )
        ]

    def _seen(self, found: Mapping[str, Any]) -> list[Finding]:
        findings = [*doctor.node(found)]
        dialled = [one for one in found.get("dial") or [] if isinstance(one, dict)]
        findings += map(doctor.tunnel, dialled)
        if not dialled:
            findings.append(
                warning("way from node to hub", "No address is known that agents would dial.", "Set [gateway] and public_url, or give --dial.")
            )
        asked = found.get("hub")
        if isinstance(asked, dict):
            findings.append(doctor.hub(asked))
        return findings


def _clock(found: Mapping[str, Any], status: JobStatus) -> Finding:
    """By the time in the hub's answer; without one, by the moment at which Slurm says that the job began, which the program comes a little after."""
    asked, told = found.get("hub"), found.get("time")
    ahead = asked.get("ahead_s") if isinstance(asked, dict) else None
    if isinstance(ahead, int | float):
        return doctor.skew("the node", float(ahead), error_s=2.0)
    if status.start is None or not isinstance(told, int | float):
        return doctor.skew("the node", None)
    after = told - status.start.timestamp()
    return doctor.skew("the node", 0.0 if -_EARLY_S <= after <= _LATE_S else after, error_s=_LATE_S)
