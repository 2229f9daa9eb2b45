"""Subdomain mode as JupyterHub 6.1 has it: the same hosts for all names, the same addresses, the same environment."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from perijove.domain.addresses import HubAddresses
from perijove.domain.environment import server_environment
from perijove.domain.server import Server, ServerId, UserId
from perijove.wire.hosts import host_name
from perijove.wire.names import DEFAULT_SERVER, BadNameError, UserName, parse_user_name
from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.hosts import Roamer
from tests.running.perijove import Running, until

from .place import BEARER, DOMAIN, NULL, TOKEN, URL, place

HOOKS = """
import json, sys
from jupyterhub.utils import subdomain_hook_idna, subdomain_hook_legacy
hooks = {"idna": subdomain_hook_idna, "legacy": subdomain_hook_legacy}
print(json.dumps([[hook(name, "hub.test", kind) for hook in hooks.values() for kind in ("user", "service")] for name in json.load(sys.stdin)]))
"""
ALPHABET = "adjxz019-_.@~+'! éßöıçñ用户🎉ｆ"
NAMES = [
    "ada",
    "ada-2",
    "1234",
    "٣٤",
    "a--b",
    "xn--n-nga1b",
    "-a",
    "a-",
    "a" * 63,
    "a" * 64,
    "é" * 40,
    "é" * 70,
    "ada@example.org",
    "u-x--1234567",
    "用户",
]
SERVER = """
import http.server, json, os, sys
from urllib.parse import parse_qs, urlsplit
with open(os.environ["WRITE_TO"], "w") as file:
    json.dump(dict(os.environ), file)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
where = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
http.server.HTTPServer(("127.0.0.1", where.port), Answer).serve_forever()
"""


def some_names() -> list[str]:
    """As the hub keeps them, and as JupyterHub does."""
    choice = random.Random(6)
    made = ["".join(choice.choices(ALPHABET, k=choice.randint(1, 14))) for _ in range(800)]
    names = []
    for text in (*NAMES, *made):
        try:
            names.append(str(parse_user_name(text)))
        except BadNameError:
            continue
    return sorted(set(names))


def test_every_name_has_the_host_that_jupyterhub_gives_it(jupyterhub_6_env: Path) -> None:
    names = some_names()
    assert len(names) > 500
    run = subprocess.run([jupyterhub_6_env / "bin" / "python", "-c", HOOKS], input=json.dumps(names), capture_output=True, text=True, check=True)
    for name, (idna, idna_service, legacy, legacy_service) in zip(names, json.loads(run.stdout), strict=True):
        assert host_name("idna", "user", name, "hub.test") == idna
        assert host_name("legacy", "service", name, "hub.test") == legacy_service
        if len(idna_service.partition(".")[0]) <= 63:  # a longer one is no label
            assert host_name("idna", "service", name, "hub.test") == idna_service
        labels = legacy.removesuffix(".hub.test").split(".")
        if all(label and len(label) <= 63 and not label.startswith("-") and not label.endswith("-") for label in labels):
            assert host_name("legacy", "user", name, "hub.test") == legacy


@dataclass
class Pair:
    """JupyterHub and ours, and the environment of a server that JupyterHub started."""

    theirs: str
    ours: Running
    environment: dict[str, str]

    @property
    def hubs(self) -> tuple[str, str]:
        return self.theirs, self.ours.hub_url

    def model(self, hub: str, user: str) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{hub}/hub/api/users/{user}", headers=BEARER, timeout=60).json()
        return found


@pytest.fixture(scope="module")
def pair(jupyterhub_6_env: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Each with a server of çelik's that runs."""
    wrote = tmp_path_factory.mktemp("compared") / "environment.json"
    wrote.with_name("server.py").write_text(SERVER)
    settings = f"""
c.JupyterHub.subdomain_host = "{URL}"
c.JupyterHub.services = [{{"name": "test", "api_token": "{TOKEN}"}}, {{"name": "grader", "url": "http://127.0.0.1:9", "api_token": "{"g" * 32}"}}]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"], "scopes": ["admin:users", "admin:servers", "list:services", "read:services"]}}]
c.Spawner.cmd = ["{sys.executable}", "{wrote.with_name("server.py")}"]
c.Spawner.environment = {{"WRITE_TO": "{wrote}"}}
"""
    service = f'[[services]]\nname = "grader"\nurl = "http://127.0.0.1:9"\napi_token = {{ value = "{"g" * 32}" }}\n'
    with jupyterhub(jupyterhub_6_env, settings) as theirs, place(NULL + service) as ours:
        found = Pair(theirs, ours, {})
        for hub in found.hubs:
            httpx.post(f"{hub}/hub/api/users/çelik", headers=BEARER, timeout=60)
            httpx.post(f"{hub}/hub/api/users/çelik/server", headers=BEARER, timeout=60)

            def ready(hub: str = hub) -> bool:
                return bool(found.model(hub, "çelik").get("servers", {}).get("", {}).get("ready"))

            until(ready, what=f"a server at {hub}")
        found.environment = json.loads(wrote.read_text())
        yield found


def test_models_say_the_same(pair: Pair) -> None:
    for field in ("url", "full_url", "progress_url", "full_progress_url"):
        theirs, ours = (pair.model(hub, "çelik")["servers"][""][field] for hub in pair.hubs)
        assert ours == theirs
    assert pair.model(pair.ours.hub_url, "çelik")["server"] == pair.model(pair.theirs, "çelik")["server"]
    theirs, ours = (httpx.get(f"{hub}/hub/api/services/grader", headers=BEARER, timeout=60).json()["prefix"] for hub in pair.hubs)
    assert ours == theirs


def test_a_server_is_told_the_same(pair: Pair) -> None:
    addresses = HubAddresses(base_url="/", api_url=f"{pair.theirs}/hub/api", public_url=URL, subdomain_host=URL)
    server = Server(id=ServerId(1), user_id=UserId(1), user_name=UserName("çelik"), name=DEFAULT_SERVER)
    ours = server_environment(server, "t", addresses)
    secret = {"JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"}
    shown = {name: text for name, text in pair.environment.items() if name in ours and name not in secret}
    assert {name: text for name, text in ours.items() if name not in secret} == shown


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("ada.perijove.test", "/user/ada/lab?a=1"),
        ("ada.perijove.test", "/user/bob/"),
        ("ada.perijove.test", "/"),
        ("perijove.test", "/user/ada/tree?x=%20"),
        ("perijove.test", "/"),
        ("elsewhere.test", "/user/ada/"),
    ],
)
def test_what_no_route_takes_goes_to_the_same_place(pair: Pair, host: str, path: str) -> None:
    """Ours counts, as JupyterHub does on the way back, and leaves out its own host where a visitor is there already."""
    theirs, ours = (httpx.get(f"{hub}{path}", headers={"host": host, "accept": "text/html"}, timeout=60) for hub in pair.hubs)
    assert theirs.status_code == ours.status_code == 302
    meant, found = urlsplit(theirs.headers["location"]), urlsplit(ours.headers["location"])
    assert (found.netloc or host, found.path) == (meant.netloc, meant.path)


def test_who_signs_in_gets_cookies_of_the_same_reach_and_goes_to_the_same_place(pair: Pair) -> None:
    landed = []
    for hub in pair.hubs:
        visitor = Roamer(URL, hub)
        visitor.http.get("/hub/login")
        page = visitor.http.get("/hub/login").text
        token = page.partition('name="_xsrf" value="')[2].partition('"')[0]
        visitor.http.follow_redirects = False
        answer = visitor.http.post("/hub/login", data={"username": "çelik", "password": "x", "_xsrf": token})
        cookies = {(cookie.name, cookie.domain, cookie.path) for cookie in visitor.http.cookies.jar}
        assert ("jupyterhub-session-id", f".{DOMAIN}", "/") in cookies
        assert [reach for reach in cookies if reach[1].startswith(".")] == [("jupyterhub-session-id", f".{DOMAIN}", "/")]
        sent = visitor.http.get("/hub/user-redirect/lab/tree/x?a=1").headers["location"]
        wanted = parse_qs(urlsplit(sent).query).get("next", [sent])[0]  # JupyterHub goes by the page that would start the server
        landed.append((answer.headers["location"], wanted))
        visitor.close()
    assert landed[0] == landed[1]
