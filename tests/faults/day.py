"""One day at the site: people come, work and go home, while somebody breaks things."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx

from tests.faults.breaker import Breaker
from tests.faults.people import Person, Seen, register
from tests.faults.site import Site, open_site
from tests.faults.truth import wrong

ARRIVE_S = 10.0
"""Within which everybody comes."""
WORK_S = 12.0


@dataclass
class Day:
    seen: Seen
    broken: list[str]
    wrong: list[str]

    def __str__(self) -> str:
        seen = self.seen
        lines = [
            f"{seen.started} starts (slowest {seen.slowest_start_s:.1f} s), {seen.stopped} ends (slowest {seen.slowest_stop_s:.1f} s), {seen.echoes} echoes, "
            f"{seen.retried} tries again, {seen.late} late deeds, {seen.excused} connections that broke with a proxy's worker",
            *self.broken,
            *(f"WRONG: {what}" for what in self.wrong),
        ]
        return "\n".join(lines)


async def day(programs: Path, *, people: int, break_s: float, seed: int, clocks: tuple[str, ...] = ()) -> Day:
    """`programs`: PostgreSQL's. Returns what was seen; nothing must be wrong."""
    async with open_site(programs, clocks=clocks) as site:
        tokens = await register(site, people)
        seen, evening = Seen(), asyncio.Event()
        breaker = Breaker(site, seed)
        async with asyncio.TaskGroup() as group:
            for number, (name, token) in enumerate(tokens.items()):
                person = Person(name, token, site.proxies[number % len(site.proxies)], seen, evening)
                group.create_task(_come(person, number * ARRIVE_S / people))
            looking = group.create_task(_look_for_hubs(site, seen))
            await breaker.break_things(break_s)
            evening.set()
            looking.cancel()
        return Day(seen, breaker.log, await wrong(site, seen))


async def _look_for_hubs(site: Site, seen: Seen) -> None:
    async with httpx.AsyncClient(timeout=1.0) as client:
        while True:
            if not any(await asyncio.gather(*(_is_ready(client, hub.url_for_proxies) for hub in site.hubs))):
                seen.hubless_at = asyncio.get_running_loop().time()
            await asyncio.sleep(0.5)


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/hub/perijove/ready", headers={"connection": "close"})).status_code == 200
    except httpx.HTTPError:
        return False


async def _come(person: Person, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await person.live(WORK_S)
