"""What the home page says of the place where a server runs: where, how long yet, and what of it is used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perijove.control.servers.extending import extendable_s
from perijove.control.servers.reporting import reports_of
from perijove.domain.report import Ending, Report, Usage, ending, is_present
from perijove.domain.server import Server, ServerId
from perijove.web.call import Call

_EXTEND_S: Final = 3600
"""One press of the button."""
_GIB: Final = 1 << 30
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """`usage`: short sentences, with the most important first. `extend_s`: by so many seconds one press prolongs it; 0: it cannot be."""

    where: str
    ends_at: datetime | None
    soon: bool
    over: bool
    usage: tuple[str, ...]
    extend_s: int


async def places(call: Call, servers: Sequence[Server]) -> dict[ServerId, Place]:
    """Only those of which something is known."""
    hub = call.surface.hub
    reports, now = await reports_of(hub, servers), hub.clock.now()
    return {server.id: place_of_server(reports[server.id], now, extendable_s(hub, server)) for server in servers if server.id in reports}


def place_of_server(report: Report, now: datetime, extendable: int) -> Place:
    facts, near = report.facts, ending(report, now)
    where = " ".join(part for part in (f"on {facts.host}" if facts.host else "", f"as job {facts.job}" if facts.job else "") if part)
    usage = tuple(_usage(facts.usage, facts.cpus_busy)) if is_present(report, now) else ()
    extend_s = min(extendable, _EXTEND_S) if report.ends_at is not None and near is not Ending.OVER else 0
    return Place(where, report.ends_at, near is Ending.SOON, near is Ending.OVER, usage, extend_s)


def _usage(usage: Usage, cpus_busy: float | None) -> Iterator[str]:
    if usage.memory_bytes is not None:
        limit = f" of {_size(usage.memory_limit_bytes)}" if usage.memory_limit_bytes else ""
        yield f"memory {_size(usage.memory_bytes)}{limit}"
    if cpus_busy is not None:
        yield f"CPU {cpus_busy:.1f}" + (f" of {usage.cpus:g}" if usage.cpus else "")
    for gpu in usage.gpus:
        parts = [f"{gpu.utilization:.0f} %"] if gpu.utilization is not None else []
        if gpu.memory_bytes is not None:
            parts.append(_size(gpu.memory_bytes))
        yield f"GPU {gpu.name} {', '.join(parts)}".strip()


def _size(number: int) -> str:
    return f"{number / _GIB:.1f} GiB" if number >= _GIB else f"{number / _MIB:.0f} MiB"
