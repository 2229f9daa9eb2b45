"""Reads what Slurm's commands say of jobs. Times come as seconds since 1970 (SLURM_TIME_FORMAT=%s); whatever is not a number is no time."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from perijove.domain.batch.status import Cause, Ending, JobId, JobStatus, State

SEPARATOR: Final = "\x1f"
SQUEUE_FORMAT: Final = SEPARATOR.join(("%i", "%T", "%r", "%B", "%N", "%S", "%e", "%V", "%P", "%j", "%u", "%k"))
SACCT_FORMAT: Final = "JobID,State,ExitCode,Start,End,Submit,NodeList,Partition,User,JobName"

_STATES: Final = {
    "PENDING": State.PENDING, "CONFIGURING": State.STARTING, "POWER_UP_NODE": State.STARTING, "RUNNING": State.RUNNING,
    "RESIZING": State.RUNNING, "EXPEDITING": State.PENDING, "SUSPENDED": State.SUSPENDED, "STOPPED": State.SUSPENDED,
    "REQUEUED": State.REQUEUED, "REQUEUE_HOLD": State.REQUEUED, "REQUEUE_FED": State.REQUEUED, "SPECIAL_EXIT": State.REQUEUED,
    "RESV_DEL_HOLD": State.PENDING, "COMPLETING": State.COMPLETING, "STAGE_OUT": State.COMPLETING, "SIGNALING": State.RUNNING,
    "UPDATE_DB": State.COMPLETING,
}  # fmt: skip
_CAUSES: Final = {
    "COMPLETED": Cause.FINISHED, "FAILED": Cause.FAILED, "CANCELLED": Cause.CANCELLED, "TIMEOUT": Cause.TIME_LIMIT,
    "OUT_OF_MEMORY": Cause.OUT_OF_MEMORY, "NODE_FAIL": Cause.NODE_FAILURE, "BOOT_FAIL": Cause.BOOT_FAILURE, "DEADLINE": Cause.DEADLINE,
    "PREEMPTED": Cause.PREEMPTED, "LAUNCH_FAILED": Cause.LAUNCH_FAILURE, "RECONFIG_FAIL": Cause.LAUNCH_FAILURE, "REVOKED": Cause.CANCELLED,
}  # fmt: skip
_NOTHING: Final = frozenset({"", "none", "(null)", "n/a", "none assigned", "unknown"})


def read_squeue(text: str) -> list[JobStatus]:
    """Lines of SQUEUE_FORMAT. A line that is not one (a warning, a comment with a line break) is passed over."""
    return [found for line in text.split("\n") if (found := _squeue_line(line)) is not None]


def _squeue_line(line: str) -> JobStatus | None:
    fields = line.split(SEPARATOR, 11)
    if len(fields) != 12 or not fields[0].strip().isdigit():
        return None
    job, raw, reason, host, nodes, start, end, submitted, partition, name, user, comment = (one.strip() for one in fields)
    state, ending = read_state(raw)
    begun = state not in {State.PENDING, State.REQUEUED}
    return JobStatus(
        job=JobId(job), state=state, raw_state=raw, ending=ending, reason=said(reason), host=said(host) if begun else "",
        nodes=said(nodes), start=read_time(start) if begun else None, end=read_time(end) if begun else None,
        expected_start=None if begun else read_time(start), submitted=read_time(submitted), partition=partition, name=name, user=user,
        comment=said(comment),
    )  # fmt: skip


def read_state(raw: str) -> tuple[State, Ending | None]:
    """ "RUNNING", "CANCELLED by 1001", "CANCELLED+" (cut by sacct)."""
    word, _, by = raw.strip().upper().partition(" BY ")
    word = word.split()[0].rstrip("+") if word else ""
    if word in _CAUSES:
        return State.ENDED, Ending(_CAUSES[word], by=by.strip())
    return _STATES.get(word, State.UNKNOWN), None


def read_sacct(text: str) -> dict[JobId, JobStatus]:
    """Lines of SACCT_FORMAT, by sacct -X -n -P --delimiter=SEPARATOR -D; of a job that was requeued, or whose number was used before, its latest."""
    found: dict[JobId, JobStatus] = {}
    for line in text.split("\n"):
        fields = line.split(SEPARATOR)
        if len(fields) < 10 or not fields[0].isdigit():
            continue
        job, raw, code, start, end, submitted, nodes, partition, user, name = fields[:10]
        state, ending = read_state(raw)
        if ending is not None:
            ending = with_code(ending, code)
        one = JobStatus(
            job=JobId(job), state=state, raw_state=raw, ending=ending, start=read_time(start), end=read_time(end), nodes=said(nodes),
            submitted=read_time(submitted), partition=partition, user=user, name=name,
        )  # fmt: skip
        before = found.get(one.job)
        if before is None or (one.submitted or _LONG_AGO) >= (before.submitted or _LONG_AGO):
            found[one.job] = one
    return found


_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


def read_exit_codes(text: str) -> dict[JobId, str]:
    """Of `scontrol show job -o`: ExitCode by job. A comment cannot forge it: it comes after, and the first one counts."""
    pairs = ((re.match(r"JobId=(\d+) ", line), re.search(r" ExitCode=(\d+:\d+) ", line)) for line in text.split("\n"))
    return {JobId(job[1]): code[1] for job, code in pairs if job and code}


def with_code(ending: Ending, code: str) -> Ending:
    """ "exit code:signal"."""
    if not re.fullmatch(r"\d+:\d+", code):
        return ending
    exit_code, signal = (int(part) for part in code.split(":"))
    return replace(ending, exit_code=exit_code, signal=signal & 0x7F)


def read_time(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if text.isdigit() and 0 < int(text) < 1 << 33 else None


def said(text: str) -> str:
    return "" if text.strip().lower() in _NOTHING else text.strip()


def read_pairs(line: str) -> dict[str, str]:
    """ "A=1 B=two words C=3" of scontrol -o; the first of a name counts."""
    found: dict[str, str] = {}
    for key, value in _pairs(line):
        found.setdefault(key, value)
    return found


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    marks = list(re.finditer(r"(?:^|\s)([A-Za-z][A-Za-z0-9_/:]*)=", line))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        yield mark[1], line[mark.end() : after.start() if after else None].strip()
