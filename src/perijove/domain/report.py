"""What the program beside a server tells of the place where it runs: which host, until when, and what it uses of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Literal

from perijove.domain.server import ServerId

SOON: Final = timedelta(minutes=15)
"""So long before the end people are warned."""
SILENCE: Final = timedelta(minutes=5)
"""Reports come once or twice a minute: what is older than this is no longer called present."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUsage:
    """`utilization`: per cent of the time in which it computed, lately."""

    name: str
    memory_bytes: int | None = None
    utilization: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """None: not known there. `cpu_s`: of all processes since the server began; `cpus`: how many it may use."""

    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    cpu_s: float | None = None
    cpus: float | None = None
    gpus: tuple[GpuUsage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """How far the person's environment is, which is made ready before their server starts. `percent`: 0 to 100. `state`: "running", "done", or
    "failed": then `text` says why."""

    text: str
    percent: float | None = None
    state: Literal["running", "done", "failed"] = "running"

    @property
    def failed(self) -> bool:
        return self.state == "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`host` and `job` as the place names them; `restarts`: how often the job was begun anew. `cpus_busy`: how many CPUs it kept busy between
    the last two reports, None if there are no two. `preparing`: before the server is started."""

    host: str = ""
    job: str = ""
    started: datetime | None = None
    usage: Usage = Usage()
    restarts: int = 0
    session: str = ""
    cpus_busy: float | None = None
    preparing: Preparing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The newest of one attempt of one server. `ends_at`: when the place will end it, None if nobody knows or it has no end. `log_tail`: "" also
    where it was not asked for."""

    server_id: ServerId
    start_id: str
    at: datetime
    ends_at: datetime | None = None
    facts: Facts = Facts()
    log_tail: str = ""


class Ending(Enum):
    OPEN = "open"
    LATER = "later"
    SOON = "soon"
    OVER = "over"


def ending(report: Report, now: datetime) -> Ending:
    """How near the end is."""
    if report.ends_at is None:
        return Ending.OPEN
    if report.ends_at <= now:
        return Ending.OVER
    return Ending.SOON if report.ends_at - now <= SOON else Ending.LATER


def is_present(report: Report, now: datetime) -> bool:
    """Whether what it says of usage holds for now."""
    return now - report.at <= SILENCE


def is_preparing(report: Report | None, now: datetime) -> bool:
    """Whether the server has not been started yet, for its environment is being made ready."""
    preparing = report.facts.preparing if report is not None else None
    return report is not None and preparing is not None and preparing.state == "running" and is_present(report, now)


def busy(before: Report | None, facts: Facts, at: datetime, start_id: str) -> float | None:
    """How many CPUs were kept busy since the report before, of the same attempt and the same run of its job."""
    cpu_s = facts.usage.cpu_s
    if before is None or before.start_id != start_id or before.facts.session != facts.session:
        return None
    past_s, passed_s = before.facts.usage.cpu_s, (at - before.at).total_seconds()
    if cpu_s is None or past_s is None or cpu_s < past_s or passed_s < 1.0:
        return before.facts.cpus_busy
    return round((cpu_s - past_s) / passed_s, 2)
