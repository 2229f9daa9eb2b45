"""What proxies ask of a hub: the route table, its numbered changes, and a place to report what they applied and saw.

Reached only with the proxies' shared secret, and never through the public door (the proxy answers 404 there).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from perijove.control.servers.activity import report_route_activity
from perijove.domain.change import Notice, Topic
from perijove.domain.errors import BadInputError
from perijove.ports.store.store import DatabaseUnavailableError, Store, Tx
from perijove.web.call import Call, json_response
from perijove.web.router import Access, Route
from perijove.wire.feed import Change, Changes, Report, Snapshot
from perijove.wire.feed import Route as FeedRoute

READY_S = 2.0
HEARTBEAT_S = 2.0
DEAF_S = 7.0
"""The database is looked at every 3 s at least: a hub that could not for so long must not say that nothing has changed."""
_encode = msgspec.json.Encoder().encode


async def snapshot(call: Call) -> Response:
    store = call.surface.hub.store
    revision, routes = await store.read(lambda tx: tx.routes.all())
    return json_response(
        Snapshot(epoch=store.epoch, revision=revision, routes=tuple(FeedRoute(spec=r.spec, target=r.target, data=dict(r.data)) for r in routes))
    )


async def changes(call: Call) -> Response:
    """A stream of change batches, one JSON object a line, with heartbeats."""
    query, store = call.request.query_params, call.surface.hub.store
    try:
        after = int(query.get("after", ""))
    except ValueError:
        raise BadInputError("The query parameter `after` must be a revision number.") from None
    if store.deaf_s > DEAF_S:
        return json_response({"status": 503, "message": "This hub does not hear of changes just now. Follow another."}, 503)
    missed = await store.read(lambda tx: tx.notices.after(after, (Topic.ROUTE,), limit=1))
    if query.get("epoch") != store.epoch or missed is None:
        return json_response({"status": 410, "message": "These changes are no longer known. Take the snapshot again."}, 410)
    return StreamingResponse(feed_lines(store, call.surface.ending, after), media_type="application/x-ndjson", headers={"cache-control": "no-store"})


async def feed_lines(store: Store, ending: asyncio.Event, after: int) -> AsyncIterator[bytes]:
    """Ends when the follower was left behind (the proxy comes back and is told 410), when this hub hears of no changes itself, and with the hub,
    at once: a hub that is restarted must not wait for the next heartbeat."""
    revision = after
    async with store.follow((Topic.ROUTE,), after) as batches:
        pending: asyncio.Future[Sequence[Notice]] | None = None
        end = asyncio.ensure_future(ending.wait())  # noqa: TID251 - awaited or cancelled below
        try:
            yield _line(revision, ())
            while not ending.is_set():
                pending = pending or asyncio.ensure_future(anext(batches))  # noqa: TID251 - awaited or cancelled below
                either: list[asyncio.Future[Any]] = [pending, end]
                done, _ = await asyncio.wait(either, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
                if store.deaf_s > DEAF_S:
                    return
                if pending not in done:
                    yield _line(revision, ())
                    continue
                try:
                    batch = pending.result()
                except (LookupError, StopAsyncIteration):
                    return
                pending = None
                if batch:
                    revision = batch[-1].revision
                    yield _line(revision, batch)
        finally:
            asked: list[asyncio.Future[Any]] = [end] if pending is None else [end, pending]
            for one in asked:
                one.cancel()
            await asyncio.wait(asked)  # a generator that is still being asked cannot be closed


def _line(revision: int, batch: Sequence[Notice]) -> bytes:
    return _encode(Changes(revision=revision, changes=tuple(_change(notice) for notice in batch))) + b"\n"


def _change(notice: Notice) -> Change:
    target = notice.data.get("target")
    if target is None:
        return Change(op="delete", spec=notice.key)
    return Change(op="set", route=FeedRoute(spec=notice.key, target=target, data=dict(notice.data.get("data") or {})))


async def report(call: Call) -> Response:
    """A proxy has applied all up to a revision, and saw activity on routes."""
    hub, proxy_id = call.surface.hub, call.params["proxy_id"]
    body = await call.json_as(Report)
    now = hub.clock.now()
    if body.epoch == hub.store.epoch:

        def seen(tx: Tx) -> None:
            if body.leaving:
                tx.proxies.forget(proxy_id)
            else:
                tx.proxies.report(proxy_id, body.revision, now)

        await hub.store.write(seen)
    ahead = _moment(body.now) - now if body.now else timedelta(0)
    try:
        activity = {spec: min(_moment(text) - ahead, now) for spec, text in body.activity.items()}
    except OverflowError:
        raise BadInputError("The proxy's clock is thousands of years off.", "Its `now` and the times of `activity` must be of one clock.") from None
    if activity:
        await report_route_activity(hub, activity)
    return Response(status_code=204)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInputError(f"{text!r} is not an ISO 8601 time.") from None


async def ready(call: Call) -> Response:
    """Whether requests should come here: not while the database does not answer, nor once this hub has been asked to end."""
    if call.surface.ending.is_set() or call.surface.ending.leaving:
        return json_response({"ready": False, "why": "This hub is ending."}, 503)
    try:
        async with asyncio.timeout(READY_S):
            await call.surface.hub.store.read(lambda tx: tx.notices.last())
    except (TimeoutError, DatabaseUnavailableError):
        return json_response({"ready": False, "why": "The database does not answer."}, 503)
    return json_response({"ready": True})


ROUTES: tuple[Route[Call, Response], ...] = (
    Route(method="GET", path="/perijove/routes", handler=snapshot, access=Access.PROXY, summary="The whole route table"),
    Route(method="GET", path="/perijove/routes/changes", handler=changes, access=Access.PROXY, summary="Numbered changes of the route table"),
    Route(method="GET", path="/perijove/ready", handler=ready, access=Access.OPEN, summary="Whether requests should come here"),
    Route(method="POST", path="/perijove/proxies/{proxy_id}", handler=report, access=Access.PROXY, summary="What a proxy applied and saw"),
)
