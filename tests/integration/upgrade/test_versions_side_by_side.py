"""Hubs and proxies of the version before and of this one, over one PostgreSQL: a site is upgraded while it works, one machine after the other."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx2 as httpx
import pytest

from perijove.adapters.store_sql import migrate
from tests.contract.store.postgres import PostgresServer
from tests.integration.upgrade.versions import CLONE, Program, previous, unpacked
from tests.running.perijove import free_port, until

ADMIN = {"authorization": "token the-administrators-long-token-0123456789"}
BOTH = pytest.mark.parametrize(("here", "there"), [("old", "new"), ("new", "old")])
HUB = """
[hub]
listen = "127.0.0.1:{port}"
state_dir = "{folder}"
cookie_secret = {{ value = "0123456789abcdef0123456789abcdef" }}
[proxy]
listen = "127.0.0.1:{unused}"
[store]
url = {{ value = "{url}" }}
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "held_spawner:HeldSpawner"
address = "{address}"
[cull]
poll_every = 1
[[services]]
name = "admin"
api_token = {{ value = "the-administrators-long-token-0123456789" }}
admin = true
"""
PROXY = """
[hub]
state_dir = "{folder}"
cookie_secret = {{ value = "0123456789abcdef0123456789abcdef" }}
[proxy]
listen = "127.0.0.1:{port}"
hubs = ["http://127.0.0.1:{hub}"]
"""


class Server(BaseHTTPRequestHandler):
    """Everybody's server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """Tests say what went wrong."""


class Site(NamedTuple):
    """Programs and their ports by version; an old proxy follows the new hub, and a new one the old hub."""

    programs: dict[str, Program]
    ports: dict[str, int]
    postgres: PostgresServer
    database: str
    folder: Path

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def api(self, version: str, method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url(f'hub-{version}')}/hub/api{path}", **{"headers": ADMIN, "timeout": 30, **more})

    def server(self, version: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api(version, "GET", f"/users/{name}").json()["servers"].get("", {})
        return found

    def begin(self, version: str, name: str, gate: Path) -> None:
        """Make a person there, and ask for a start that `gate` holds up: the answer comes when it is ready, or after 10 s."""
        assert self.api(version, "POST", f"/users/{name}").status_code == 201

        def ask() -> None:
            with suppress(httpx.HTTPError):  # the hub may end meanwhile
                self.api(version, "POST", f"/users/{name}/server", json={"until": str(gate)})

        threading.Thread(target=ask, daemon=True).start()
        until(lambda: self.server(version, name).get("pending") == "spawn", what="the start")

    def is_up(self, name: str) -> bool:
        try:
            return httpx.get(f"{self.url(name)}/hub/{'perijove/ready' if name.startswith('hub') else 'health'}", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def bring_up(self, name: str) -> None:
        program = self.programs[name]
        program.start()
        until(lambda: self.is_up(name) or (program.process is not None and program.process.poll() is not None), what=f"{name}")
        assert self.is_up(name), program.log.read_text()[-3000:]

    def schema(self) -> str:
        return str(self.postgres.execute("SELECT version_num FROM alembic_version", self.database)[0][0])


@pytest.fixture(scope="module")
def site(postgresql_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The old hub first, with its proxy-to-be; then the new one beside it."""
    folder = tmp_path_factory.mktemp("versions")
    sources = {"old": unpacked(previous(), folder / "before"), "new": CLONE / "src"}
    with ExitStack() as stack:
        postgres = PostgresServer(postgresql_bin)
        stack.callback(postgres.close)
        postgres.start()
        listener = ThreadingHTTPServer(("127.0.0.1", 0), Server)
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(listener.server_close)
        stack.callback(listener.shutdown)
        found = Site(
            {}, {f"{part}-{version}": free_port() for part in ("hub", "proxy") for version in sources}, postgres, postgres.new_database(), folder
        )
        for version, other in (("old", "new"), ("new", "old")):
            for part, text in (("hub", HUB), ("proxy", PROXY)):
                name = f"{part}-{version}"
                config = folder / f"{name}.toml"
                config.write_text(
                    text.format(
                        port=found.ports[name], folder=folder / name, unused=free_port(), url=postgres.url(found.database),
                        address=f"http://127.0.0.1:{listener.server_port}", hub=found.ports[f"hub-{other}"],
                    )
                )  # fmt: skip
                found.programs[name] = Program((part, "--config", str(config)), sources[version], folder / f"{name}.log")
                stack.callback(found.programs[name].kill)
        found.bring_up("hub-old")
        assert found.schema() <= migrate.head(), "the version before cannot be the newer one"
        for name in ("hub-new", "proxy-old", "proxy-new"):
            found.bring_up(name)
        yield found


def test_the_old_hub_works_on_after_the_new_ones_migration(site: Site) -> None:
    assert site.schema() == migrate.head()
    assert site.is_up("hub-old")
    assert len(site.api("new", "GET", "/perijove/status").json()["replicas"]) >= 2


@BOTH
def test_people_and_tokens_of_one_are_known_to_the_other(site: Site, here: str, there: str) -> None:
    name = f"from-{here}"
    assert site.api(here, "POST", f"/users/{name}").status_code == 201
    token = site.api(here, "POST", f"/users/{name}/tokens", json={"note": "both ways"}).json()["token"]
    mine = {"authorization": f"token {token}"}
    assert site.api(there, "GET", "/user", headers=mine).json()["name"] == name
    assert site.api(there, "POST", "/groups/class").status_code in {201, 409}
    assert site.api(there, "POST", "/groups/class/users", json={"users": [name]}).status_code == 200
    assert site.api(here, "GET", f"/users/{name}").json()["groups"] == ["class"]


@BOTH
def test_a_start_at_one_is_followed_at_the_other_and_reached_by_both_proxies(site: Site, here: str, there: str) -> None:
    name, gate = f"starts-at-{here}", site.folder / f"gate-{here}"
    site.begin(here, name, gate)
    until(lambda: site.server(there, name).get("pending") == "spawn", what="that the other hub knows of the start")
    with httpx.stream("GET", f"{site.url(f'hub-{there}')}/hub/api/users/{name}/server/progress", headers=ADMIN, timeout=30) as stream:
        events = []
        for line in stream.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line[6:]))
                gate.touch()
            if events and (events[-1].get("ready") or events[-1].get("failed")):
                break
    assert events[-1].get("ready"), events
    for proxy in ("proxy-old", "proxy-new"):
        assert httpx.get(f"{site.url(proxy)}/user/{name}/x", timeout=30).text == f"/user/{name}/x"
    assert site.api(there, "DELETE", f"/users/{name}/server").status_code in {202, 204}
    until(lambda: not site.server(here, name), what="the stop")
    for proxy in ("proxy-old", "proxy-new"):
        url = f"{site.url(proxy)}/user/{name}/x"
        until(partial(_elsewhere, url), what=f"{proxy} without it")


def _elsewhere(url: str) -> bool:
    return not httpx.get(url, timeout=30).text.startswith("/user/")


@BOTH
def test_a_stop_at_one_interrupts_the_start_that_the_other_works_on(site: Site, here: str, there: str) -> None:
    name = f"hangs-at-{here}"
    site.begin(here, name, site.folder / "never")
    assert site.api(there, "DELETE", f"/users/{name}/server").status_code in {202, 204}
    until(lambda: not site.server(here, name) and not site.server(there, name), what="the stop", within_s=12)


@BOTH
def test_a_start_goes_on_at_one_when_the_other_ends_and_that_can_start_again(site: Site, here: str, there: str) -> None:
    name, gate = f"moves-from-{here}", site.folder / f"move-{here}"
    site.begin(here, name, gate)
    assert site.programs[f"hub-{here}"].end() == 0
    gate.touch()
    until(lambda: site.server(there, name).get("ready"), what="the start, at the other hub", within_s=12)
    site.bring_up(f"hub-{here}")


def test_all_know_of_all_proxies_and_none_is_behind(site: Site) -> None:
    """A proxy of one version reports to the hub of the other."""

    for version in ("old", "new"):
        until(partial(_none_is_behind, site, version), what="two proxies that have applied all")


def _none_is_behind(site: Site, version: str) -> bool:
    return [proxy["behind"] for proxy in site.api(version, "GET", "/perijove/status").json()["proxies"]] == [0, 0]
