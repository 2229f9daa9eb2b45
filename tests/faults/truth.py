"""What must be true in the end, looked at from outside: in the place, in the database, and in the proxies."""

import asyncio
from typing import Any

import httpx2 as httpx

from tests.faults.people import Seen
from tests.faults.site import Site
from tests.faults.spawner import ask

_SETTLE_S = 60.0
_FAILED = "SELECT u.name, s.failure FROM servers s JOIN users u ON u.id = s.user_id WHERE s.phase = 'failed'"
_OPEN = "SELECT u.name, s.phase, s.lease_holder FROM servers s JOIN users u ON u.id = s.user_id WHERE s.phase NOT IN ('stopped', 'failed')"


async def wrong(site: Site, seen: Seen) -> list[str]:
    """Everything that is not as it must be once everybody has gone home."""
    found = [*seen.complaints]
    left = await _settled(site, _OPEN)
    found += [f"the server of {row[0]} is {row[1]}, held by {row[2]}" for row in left]
    found += [f"failed: {row[0]} {row[1]}" for row in site.ask_database(_FAILED)]
    found += [f"a token is left: {row[0]}" for row in await _settled(site, "SELECT note FROM tokens WHERE server_id IS NOT NULL")]
    found += [f"an OAuth client is left: {row[0]}" for row in site.ask_database("SELECT id FROM oauth_clients WHERE id LIKE 'jupyterhub-user-%'")]
    found += [f"a route is left: {row[0]}" for row in site.ask_database("SELECT spec FROM routes WHERE spec LIKE '/user/%'")]
    report = await ask(site.place_socket, do="report")
    found += [f"a server is left: {name}" for name in report["living"]]
    found += [f"two servers lived at once: {name}" for name in report["doubled"]]
    begun = sum(report["begun"].values())
    if begun < seen.started:
        found.append(f"{seen.started} servers were ready, and {begun} were begun")
    found += await _proxies(site)
    found += site.log("Traceback")
    return found


async def _settled(site: Site, sql: str) -> list[tuple[Any, ...]]:
    """What is left when nothing is left any more, or the time is over."""
    deadline = asyncio.get_running_loop().time() + _SETTLE_S
    while (rows := site.ask_database(sql)) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.2)
    return rows


async def _proxies(site: Site) -> list[str]:
    found: list[str] = []
    async with httpx.AsyncClient(timeout=10) as client:
        for proxy in site.proxies:
            deadline = asyncio.get_running_loop().time() + _SETTLE_S
            while True:
                text = (await client.get(f"http://127.0.0.1:{proxy.admin_port}/metrics")).text
                routes = next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("perijove_proxy_routes"))
                if routes <= 1 or asyncio.get_running_loop().time() > deadline:
                    break
                await asyncio.sleep(0.2)
            if routes > 1:
                found.append(f"{proxy.name} still knows {routes:.0f} routes")
    return found
