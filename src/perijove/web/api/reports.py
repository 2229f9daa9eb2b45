"""What the program beside a server tells of the place where it runs, and who may read it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from starlette.responses import Response

from perijove.control.servers.extending import extend_server, extendable_s
from perijove.control.servers.naming import get_server
from perijove.control.servers.reporting import report_of
from perijove.domain.access import user_resource
from perijove.domain.errors import BadInputError
from perijove.domain.report import Facts, GpuUsage, Preparing, Report, Usage, is_present
from perijove.domain.server import Server, ServerId
from perijove.web.api.models import Moment, Problem
from perijove.web.api.servers import require_on_server
from perijove.web.api.shown import iso, iso_of
from perijove.web.call import Call, json_response
from perijove.web.described import body, gives
from perijove.web.router import Access, Route

MAX_REPORT: Final = 128 * 1024
"""16 KiB of log may be six times as long in JSON."""
MAX_LOG: Final = 16 * 1024
KEPT_LOG: Final = 8 * 1024
"""As much as is kept of any server's log."""
_FARTHEST: Final = timedelta(days=3660)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What would move a terminal's cursor, or turn text round; lines and tabs stay."""
_MOST: Final = (1 << 63) - 1
_NO_LIMIT: Final = 1 << 60
"""What a group of processes without a limit is told to have is a number near 2 to the 63rd."""
Text = Annotated[str, Meta(max_length=255)]
Count = Annotated[int, Meta(ge=0, le=_MOST)]


class GpuModel(Struct, kw_only=True):
    name: Text
    memory_bytes: Count | None = None
    utilization: Annotated[float, Meta(ge=0, le=100, description="per cent, lately")] | None = None


class UsageModel(Struct, kw_only=True):
    """What the server uses of its place. Null: not known there."""

    memory_bytes: Count | None = None
    memory_limit_bytes: Count | None = None
    cpu_s: Annotated[float, Meta(ge=0, le=1e15, description="of all processes, since the beginning")] | None = None
    cpus: Annotated[float, Meta(ge=0, le=1e15, description="how many it may use")] | None = None
    gpus: Annotated[list[GpuModel], Meta(max_length=64)] = []


class PreparingModel(Struct, kw_only=True):
    """How far the person's environment is, which is made ready before the server is started."""

    text: Annotated[str, Meta(max_length=2000)]
    percent: Annotated[float, Meta(ge=0, le=100)] | None = None
    state: Annotated[Literal["running", "done", "failed"], Meta(description="failed: text says why")] = "running"


class ReportBody(Struct, kw_only=True):
    """Unknown keys are passed over: the program may be newer than the hub."""

    start_id: Text
    host: Text = ""
    job: Text = ""
    started: Moment | None = None
    ends_at: Moment | None = None
    usage: UsageModel | None = None
    log_tail: Annotated[str, Meta(max_length=MAX_LOG)] = ""
    restarts: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    session: Text = ""
    preparing: PreparingModel | None = None


class ReportModel(Struct, kw_only=True):
    """The newest report of a server's present or last start. `present`: it came within the last minutes."""

    at: Moment
    present: bool
    host: str
    job: str
    started: Moment | None
    ends_at: Annotated[str, Meta(description="when the place will end it", extra_json_schema={"format": "date-time"})] | None
    left_s: Annotated[float, Meta(description="so long until then, in seconds, by the hub's clock; 0 at least")] | None
    usage: UsageModel
    cpus_busy: Annotated[float, Meta(description="how many CPUs were kept busy between the last two reports")] | None
    restarts: int
    log_tail: str
    preparing: PreparingModel | None = None


class ReportAnswer(Struct):
    """`report`: null if nothing was reported of the present start. `extendable_s`: by so many seconds the server may be prolonged at once, 0: it
    may not."""

    report: ReportModel | None
    extendable_s: int


class Extension(Struct, forbid_unknown_fields=True):
    by_s: Annotated[int, Meta(ge=1, le=366 * 86400, description="by how many seconds")]


class Extended(Struct):
    """When the server ends now, and how long that is from now."""

    ends_at: Moment
    left_s: float


async def post_report(call: Call) -> Response:
    """Taken from a server's own token only, and only for the present start of that server."""
    user, name = call.params["name"], call.params.get("server", "")
    call.require("users:activity", user_resource(user))
    server_id = call.require_own_server()
    sent = await call.json_as(ReportBody, required=True, most=MAX_REPORT)
    await call.surface.desk.add(user, name, _report(sent, server_id, call.surface.hub.clock.now()))
    return Response(status_code=204)


def _report(sent: ReportBody, server_id: ServerId, now: datetime) -> Report:
    usage = sent.usage or UsageModel()
    return Report(
        server_id=server_id,
        start_id=sent.start_id,
        at=now,
        ends_at=_moment("ends_at", sent.ends_at, now),
        facts=Facts(
            host=_line(sent.host),
            job=_line(sent.job),
            started=_moment("started", sent.started, now),
            usage=Usage(
                memory_bytes=usage.memory_bytes,
                memory_limit_bytes=None if (usage.memory_limit_bytes or 0) >= _NO_LIMIT else usage.memory_limit_bytes,
                cpu_s=usage.cpu_s,
                cpus=usage.cpus,
                gpus=tuple(GpuUsage(name=_line(gpu.name), memory_bytes=gpu.memory_bytes, utilization=gpu.utilization) for gpu in usage.gpus),
            ),
            restarts=sent.restarts,
            session=_line(sent.session),
            preparing=None if sent.preparing is None else _preparing(sent.preparing),
        ),
        log_tail=_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", sent.log_tail.replace("\r\n", "\n"))[-KEPT_LOG:],
    )


def _preparing(sent: PreparingModel) -> Preparing:
    return Preparing(text=_line(sent.text), percent=sent.percent, state=sent.state)


def _line(text: str) -> str:
    return _UNPRINTABLE.sub("", " ".join(text.split()))


def _moment(key: str, text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInputError(f"{key} is no moment in ISO 8601: {text[:60]!r}") from None
    if abs(moment - now) > _FARTHEST:
        raise BadInputError(f"{key} is more than ten years away: {text[:60]!r}")
    return moment


async def get_report(call: Call) -> Response:
    """Also by the server itself, and by whoever may open it: both see its log anyhow."""
    server = await _server(call)
    report = await report_of(call.surface.hub, server)
    hub = call.surface.hub
    return json_response(ReportAnswer(None if report is None else report_model(report, hub.clock.now()), extendable_s(hub, server)))


async def extend(call: Call) -> Response:
    """By whoever may start the server or open it, the server itself included: for the button in JupyterLab."""
    user, name = await require_on_server(call, ("start:servers", "access:servers"))
    wanted = await call.json_as(Extension, required=True)
    hub = call.surface.hub
    ends_at = await extend_server(hub, user, name, wanted.by_s, actor=call.actor)
    return json_response(Extended(iso_of(ends_at), round((ends_at - hub.clock.now()).total_seconds(), 1)))


async def _server(call: Call) -> Server:
    user, name = await require_on_server(call, ("read:servers", "access:servers"))
    return await get_server(call.surface.hub, user, name)


def report_model(report: Report, now: datetime) -> ReportModel:
    facts, preparing = report.facts, report.facts.preparing
    usage = UsageModel(
        memory_bytes=facts.usage.memory_bytes,
        memory_limit_bytes=facts.usage.memory_limit_bytes,
        cpu_s=facts.usage.cpu_s,
        cpus=facts.usage.cpus,
        gpus=[GpuModel(name=gpu.name, memory_bytes=gpu.memory_bytes, utilization=gpu.utilization) for gpu in facts.usage.gpus],
    )
    return ReportModel(
        at=iso_of(report.at),
        present=is_present(report, now),
        host=facts.host,
        job=facts.job,
        started=iso(facts.started),
        ends_at=iso(report.ends_at),
        left_s=None if report.ends_at is None else max(0.0, round((report.ends_at - now).total_seconds(), 1)),
        usage=usage,
        cpus_busy=facts.cpus_busy,
        restarts=facts.restarts,
        log_tail=report.log_tail,
        preparing=None if preparing is None else _preparing_model(preparing),
    )


def _preparing_model(preparing: Preparing) -> PreparingModel:
    return PreparingModel(text=preparing.text, percent=preparing.percent, state=preparing.state)


def _routes(path: str) -> tuple[Route[Call, Response], ...]:
    return (
        Route(
            method="POST",
            path=path + "/report",
            handler=post_report,
            access=Access.API,
            summary="Report how a server's place is",
            scopes=("users:activity",),
            takes=body(ReportBody),
            gives=(gives(204), gives(409, Problem, meaning="Another start of the server is under way by now.")),
        ),
        Route(
            method="GET",
            path=path + "/report",
            handler=get_report,
            access=Access.API,
            summary="How a server's place is",
            scopes=("read:servers", "access:servers"),
            gives=(gives(200, ReportAnswer),),
        ),
        Route(
            method="POST",
            path=path + "/extend",
            handler=extend,
            access=Access.API,
            summary="Prolong a running server",
            scopes=("start:servers", "access:servers"),
            takes=body(Extension),
            gives=(gives(200, Extended), gives(409, Problem, meaning="It does not run."), gives(502, Problem, meaning="The place does not do it.")),
        ),
    )


ROUTES = (*_routes("/api/perijove/users/{name}/server"), *_routes("/api/perijove/users/{name}/servers/{server}"))
