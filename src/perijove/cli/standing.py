"""`perijove status`, in words."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from perijove.control.site.standing import MANY, Standing
from perijove.domain.outlook import QueueView
from perijove.domain.pace import lasting
from perijove.web.api.standing import model_of


def said(standing: Standing, *, as_json: bool) -> str:
    """As text for people, or as the API answers it."""
    if as_json:
        return msgspec.json.format(msgspec.json.encode(model_of(standing))).decode()
    return "\n".join(_lines(standing))


def _lines(standing: Standing) -> Iterator[str]:
    yield from (f"! {worry}" for worry in standing.worries)
    counted = ", ".join(f"{number} {phase.value}" for phase, number in standing.servers.items() if number)
    yield f"servers: {counted or 'none'}"
    yield from _queue(standing.queue)
    yield f"hubs: {len(standing.replicas)}"
    for replica in standing.replicas:
        duties = [duty for duty, holder in standing.duties.items() if holder == replica.name]
        yield (
            f"  {replica.name}  {replica.address}  version {replica.version}, up for {_age(standing.at, replica.started)}, "
            f"works on {standing.working_on.get(replica.name, 0)} servers, clock {replica.clock_ahead_s:+.1f} s"
            + (f", does for all: {', '.join(duties)}" if duties else "")
        )
    yield f"proxies: {len(standing.proxies)}"
    for each in standing.proxies:
        behind = f"{each.behind if each.behind < MANY else f'{MANY} or more'} changes behind" if each.behind else "up to date"
        yield f"  {each.proxy.proxy_id}  heard of {_age(standing.at, each.proxy.seen_at)} ago, {behind}"


def _queue(queue: QueueView) -> Iterator[str]:
    if not queue.length:
        yield "queue: nobody waits"
    else:
        longest = f", the longest for {lasting(queue.longest_wait)}" if queue.longest_wait is not None else ""
        pace = f"; {queue.per_minute:.1f} a minute were let through lately" if queue.per_minute is not None else ""
        yield f"queue: {queue.length} {'waits' if queue.length == 1 else 'wait'}{longest}{pace}"
    for group in queue.groups:
        limits, load = group.limits, group.load
        parts = [f"{group.waiting} {'waits' if group.waiting == 1 else 'wait'}"]
        parts += [f"{load.active} of {limits.active_servers} servers"] if limits.active_servers else []
        parts += [f"{load.starting} of {limits.concurrent_starts} starting"] if limits.concurrent_starts else []
        parts += [f"priority {limits.priority}"] if limits.priority else []
        yield f"  {group.name}  {', '.join(parts)}"


def _age(now: datetime, moment: datetime) -> str:
    return lasting(now - moment)
