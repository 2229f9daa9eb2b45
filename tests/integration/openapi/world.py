"""A hub with people, groups, servers, shares and tokens in it, and the means to bring back what a run took away."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2 as httpx

from perijove.web.cookies import SESSION
from tests.running.browser import Person
from tests.running.perijove import Running, perijove

CLIENT, CALLBACK = "service-tester", "http://127.0.0.1:1/callback"
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
oauth_client_id = "{CLIENT}"
oauth_redirect_uri = "{CALLBACK}"
[[services]]
name = "other"
api_token = "a-token-of-another-service"
[[roles]]
name = "tester"
services = ["tester"]
scopes = [{", ".join(f'"{scope}"' for scope in _SCOPES)}]
"""
OWNERS = ("bob", "cyd")
USERS = ("ada", *OWNERS, "dörte", "e f")
GROUPS = ("staff", "lab")
SERVERS = ("gpu", "notes")
SERVICES = ("tester", "other", "added")
TOKENS = 12


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
    """Bring back whatever is missing: what is there stays, and is refused. Raises httpx.HTTPError."""
    http.post("/users", json={"usernames": USERS})
    for group in GROUPS:
        http.post(f"/groups/{group}")
        http.post(f"/groups/{group}/users", json={"users": OWNERS})
    http.post("/services/added", json={"url": "http://127.0.0.1:1"})
    for owner in OWNERS:
        http.post(f"/users/{owner}/server")
        http.post(f"/users/{owner}/servers/gpu")
        http.put(f"/users/{owner}/servers/notes")
        for server in ("", "gpu"):
            http.post(f"/shares/{owner}/{server}", json={"user": "dörte"})
            http.post(f"/shares/{owner}/{server}", json={"group": "staff"})
    http.post("/share-codes/bob/gpu")


def tokens(http: httpx.Client) -> list[str]:
    """The ids of some tokens of bob's, made now."""
    made = [http.post("/users/bob/tokens", json={"note": f"number {number}"}) for number in range(TOKENS)]
    return [answer.raise_for_status().json()["id"] for answer in made]


def session(world: World, name: str = "bob") -> str:
    """The cookie of a browser in which somebody signed in."""
    person = Person(world.running.hub_url)
    try:
        person.sign_in(name)
        return person.http.cookies[SESSION]
    finally:
        person.close()
