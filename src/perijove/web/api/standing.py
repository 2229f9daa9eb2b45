"""How the whole site stands: an addition of ours to JupyterHub's API."""

from datetime import timedelta

from msgspec import Struct
from starlette.responses import Response

from perijove.control.site.standing import Standing, standing_of
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


class StandingModel(Struct, kw_only=True):
    """`servers`: how many are in each phase. `longest_wait_s`: of whoever is first in the queue, in seconds. `duties`: periodic work -> the hub
    that does it for all. `worries`: what an administrator should look at, in sentences."""

    at: Moment
    shared: bool
    replicas: list[ReplicaModel]
    proxies: list[ProxyModel]
    servers: dict[str, int]
    longest_wait_s: float | None
    duties: dict[str, str]
    worries: list[str]


def model_of(standing: Standing) -> StandingModel:
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
        longest_wait_s=standing.longest_wait / timedelta(seconds=1) if standing.longest_wait is not None else None,
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
