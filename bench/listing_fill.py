"""Fills a Perijove with a crowd through its REST API, and signs an administrator in."""

import asyncio
import http.cookiejar
import json
import re
import time
import urllib.request
from urllib.parse import urlencode

from crowd import Crowd
from http_client import BenchError, Client, any_of
from listing_cases import PAGINATED

_AT_ONCE = 1000
_SETTLE_S = 600.0
_TOKEN = re.compile(r'name="_xsrf" value="([^"]+)"')
_ADMIN = "bench-admin"
"""Named in the configuration of bench/hubs.py."""


async def fill(client: Client, crowd: Crowd) -> None:
    """Raises BenchError."""
    names = crowd.names

    def post(path: str, model: object) -> bytes:
        return client.request("POST", path, json.dumps(model).encode())

    people = [post("/users", {"usernames": names[at : at + _AT_ONCE]}) for at in range(0, len(names), _AT_ONCE)]
    for request in people:
        await client.burst([request], any_of(201), "add people")
    groups = [post(f"/groups/{name}", {"users": [names[number] for number in members]}) for name, members in crowd.groups()]
    await client.burst(groups, any_of(201), "add groups")
    moments = [(name, moment) for number, name in enumerate(names) if (moment := crowd.active(number)) is not None]
    await client.burst([post(f"/users/{name}/activity", {"last_activity": at.isoformat()}) for name, at in moments], any_of(200), "activity")
    starts = [post(f"/users/{name}/server", {}) for number, name in enumerate(names) if crowd.runs(number)]
    await client.burst(starts, any_of(201, 202), "start servers")
    deadline = time.monotonic() + _SETTLE_S
    while (ready := await _ready(client)) != crowd.servers:
        if time.monotonic() > deadline:
            raise BenchError(f"Only {ready} of {crowd.servers} servers are ready after {_SETTLE_S:.0f} s. Look at the hub's log (--keep).")
        await asyncio.sleep(0.2)


async def _ready(client: Client) -> int:
    answer = await client.one(client.request("GET", "/users?state=ready&limit=1", accept=PAGINATED))
    return int(json.loads(answer.body)["_pagination"]["total"])


def signed_in(url: str) -> str:
    """The Cookie header of the administrator. Blocks. Raises BenchError."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(f"{url}/hub/login", timeout=60) as answer:
        found = _TOKEN.search(answer.read().decode())
    if found is None:
        raise BenchError(f"{url}/hub/login has no form.")
    form = urlencode({"_xsrf": found[1], "username": _ADMIN, "password": "any"}).encode()
    with opener.open(urllib.request.Request(f"{url}/hub/login", form), timeout=60) as answer:
        answer.read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)
