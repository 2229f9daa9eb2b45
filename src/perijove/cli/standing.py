"""`perijove status`, in words."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from perijove.control.site.standing import MANY, Standing
from perijove.web.api.standing import model_of


def said(standing: Standing, *, as_json: bool) -> str:
    """As text for people, or as the API answers it."""
    if as_json:
        return msgspec.json.format(msgspec.json.encode(model_of(standing))).decode()
    return "\n".join(_lines(standing))


def _lines(standing: Standing) -> Iterator[str]:
    yield from (f"! {worry}" for worry in standing.worries)
    counted = ", ".join(f"{number} {phase.value}" for phase, number in standing.servers.items() if number)
    waited = f"; the first in the queue has waited for {standing.longest_wait.total_seconds():.0f} s" if standing.longest_wait else ""
    yield f"servers: {counted or 'none'}{waited}"
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


def _age(now: datetime, moment: datetime) -> str:
    seconds = max(0.0, (now - moment).total_seconds())
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
