"""How the whole site stands: an addition of ours to JupyterHub's API."""

from datetime import timedelta

from msgspec import Struct
from starlette.responses import Response

from perijove.control.site.standing import Standing, standing_of
from perijove.domain.outlook import QueueView
from perijove.web.api.models import Moment
from perijove.web.api.shown import iso_of
from perijove.web.call import Call, json_response
from perijove.web.described import gives
from perijove.web.router import Access, Route


class ReplicaModel(Struct, kw_only=True):
    """A hub that lives. `working_on`: on how many servers it works just now. `clock_ahead_s`: by how much its machine's clock is wrong."""

    name: str
    address: str
    version: str
    started: Moment
    seen: Moment
    clock_ahead_s: float
    working_on: int


class ProxyModel(Struct, kw_only=True):
    """A worker of a proxy that lives. `behind`: how many changes of routes it has not applied yet."""

    name: str
    seen: Moment
    behind: int


class GroupQueueModel(Struct, kw_only=True):
    """A group with limits: how many servers of its people wait, are starting, and are there already; its limits (0: none) and priority."""

    name: str
    waiting: int
    starting: int
    active: int
    concurrent_starts: int
    active_servers: int
    priority: int


class QueueModel(Struct, kw_only=True):
    """`reason`: what keeps those who wait; empty: only limits of their own or of their groups, if anything. `longest_wait_s`: in seconds, of those
    whom no limit of their own keeps. `per_minute`: how many were let through lately; null if nobody can know."""

    length: int
    reason: str
    longest_wait_s: float | None
    per_minute: float | None
    groups: list[GroupQueueModel]


class StandingModel(Struct, kw_only=True):
    """`servers`: how many are in each phase. `longest_wait_s`: that of the queue. `duties`: periodic work -> the hub
    that does it for all. `worries`: what an administrator should look at, in sentences."""

    at: Moment
    shared: bool
    replicas: list[ReplicaModel]
    proxies: list[ProxyModel]
    servers: dict[str, int]
    longest_wait_s: float | None
    queue: QueueModel
    duties: dict[str, str]
    worries: list[str]


def _queue_model(queue: QueueView) -> QueueModel:
    return QueueModel(
        length=queue.length,
        reason=queue.reason if queue.length else "",
        longest_wait_s=queue.longest_wait / timedelta(seconds=1) if queue.longest_wait is not None else None,
        per_minute=queue.per_minute,
        groups=[
            GroupQueueModel(
                name=group.name,
                waiting=group.waiting,
                starting=group.load.starting,
                active=group.load.active,
                concurrent_starts=group.limits.concurrent_starts,
                active_servers=group.limits.active_servers,
                priority=group.limits.priority,
            )
            for group in queue.groups
        ],
    )


def model_of(standing: Standing) -> StandingModel:
    queue = _queue_model(standing.queue)
    return StandingModel(
        at=iso_of(standing.at),
        shared=standing.shared,
        replicas=[
            ReplicaModel(
                name=replica.name,
                address=replica.address,
                version=replica.version,
                started=iso_of(replica.started),
                seen=iso_of(replica.seen_at),
                clock_ahead_s=replica.clock_ahead_s,
                working_on=standing.working_on.get(replica.name, 0),
            )
            for replica in standing.replicas
        ],
        proxies=[ProxyModel(name=each.proxy.proxy_id, seen=iso_of(each.proxy.seen_at), behind=each.behind) for each in standing.proxies],
        servers={phase.value: number for phase, number in standing.servers.items()},
        longest_wait_s=queue.longest_wait_s,
        queue=queue,
        duties=standing.duties,
        worries=standing.worries,
    )


async def show(call: Call) -> Response:
    call.require("read:hub")
    return json_response(model_of(await standing_of(call.surface.hub)))


ROUTES: tuple[Route[Call, Response], ...] = (
    Route(
        method="GET",
        path="/api/perijove/status",
        handler=show,
        access=Access.API,
        summary="How hubs, proxies and the queue stand",
        scopes=("read:hub",),
        gives=(gives(200, StandingModel),),
    ),
)
