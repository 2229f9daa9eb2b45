"""A hub with people, groups, servers, shares and tokens in it, and the means to bring back what a run took away."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import httpx2 as httpx

from tests.running.perijove import Running, perijove, until

TOKEN = "a-token-of-a-service-that-may-do-everything"
_SCOPES = (
    "admin:users", "admin:auth_state", "admin:servers", "admin:server_state", "admin:groups", "admin:services", "list:users", "list:services",
    "read:services", "tokens", "shares", "users:shares", "groups:shares", "read:hub", "read:metrics", "read:roles", "proxy", "shutdown",
)  # fmt: skip
_SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
admin_users = ["ada"]
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[log]
level = "warning"
[[services]]
name = "tester"
api_token = "{TOKEN}"
oauth_client_id = "service-tester"
oauth_redirect_uri = "http://127.0.0.1:1/callback"
[[services]]
name = "other"
api_token = "a-token-of-another-service"
[[roles]]
name = "tester"
services = ["tester"]
scopes = [{", ".join(f'"{scope}"' for scope in _SCOPES)}]
"""
USERS = ("ada", "bob", "cyd", "dörte", "e f/g")
GROUPS = ("staff", "lab")
SERVERS = ("gpu", "notes")
SERVICES = ("tester", "other", "added")
TOKENS_EACH = 6


@dataclass(frozen=True)
class World:
    """`api` is the address that paths of a document are below."""

    running: Running
    api: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.api, headers={"authorization": f"token {TOKEN}"}, timeout=30)


@contextmanager
def world(database: str = "") -> Iterator[World]:
    """A hub of one's own, seeded; on SQLite unless there is the address of a `database`."""
    with perijove(_SETTINGS + (f'[store]\nurl = "{database}"\n' if database else ""), command="hub") as running:
        found = World(running, f"{running.hub_url}/hub/api")
        with found.client() as http:
            seed(http)
        yield found


def seed(http: httpx.Client) -> None:
    """Bring back whatever is missing: every step may be done again. Raises httpx.HTTPError."""
    for name in USERS:
        http.post("/users/" + quote(name, safe=""), json={"admin": name == "ada"})
    for group in GROUPS:
        http.post(f"/groups/{group}")
        http.post(f"/groups/{group}/users", json={"users": ["bob", "cyd"]})
    http.post("/services/added", json={"url": "http://127.0.0.1:1"})
    for path in ("/users/bob/server", "/users/bob/servers/gpu", "/users/cyd/servers/gpu"):
        http.post(path)
    http.put("/users/bob/servers/notes", json={})
    for path in ("/shares/bob/gpu", "/shares/bob/"):
        http.post(path, json={"user": "cyd"})
        http.post(path, json={"group": "staff"})
    http.post("/share-codes/bob/gpu", json={})


def tokens(http: httpx.Client, name: str = "bob") -> list[str]:
    """The ids of some tokens of somebody's, made now."""
    made = [http.post(f"/users/{name}/tokens", json={"note": f"number {number}"}) for number in range(TOKENS_EACH)]
    return [answer.raise_for_status().json()["id"] for answer in made]


def settled(http: httpx.Client) -> None:
    """Once the servers that a run started are there or gone: a hub that is asked to end in between would be asked too early."""

    def nothing_pending() -> bool:
        people = http.get("/users", params={"state": "active"}).raise_for_status().json()
        return not any(server["pending"] for person in people for server in person["servers"].values())

    until(nothing_pending, what="all servers started or stopped")
