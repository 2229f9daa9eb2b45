"""A Perijove with a service that may do everything here, and how to ask it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2 as httpx

from tests.running.perijove import Running, accounts, perijove, until

from .visitor import Visitor

TOKEN = "a-token-of-the-test-service"
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
[[services]]
name = "test"
api_token = "{TOKEN}"
[[roles]]
name = "test"
services = ["test"]
scopes = ["admin:users", "admin:servers", "access:servers", "shares", "tokens", "list:services", "read:services"]
"""


@dataclass
class Site:
    """A running Perijove, and its API with the rights of an administrator."""

    running: Running
    api: httpx.Client

    @property
    def url(self) -> str:
        return self.running.url

    def server(self, name: str, server: str = "") -> dict[str, Any]:
        """What the API says about a server; empty while it is stopped."""
        servers: dict[str, dict[str, Any]] = self.api.get(f"/users/{quote(name)}").json().get("servers") or {}
        return servers.get(server, {})

    def start(self, name: str, server: str = "", **options: Any) -> None:
        """Have a server started, and wait for it."""
        self.api.post(f"/users/{quote(name)}")
        asked = self.api.post(_path(name, server), json=options)
        assert asked.status_code in {201, 202}, asked.text
        until(lambda: self.server(name, server).get("ready"), what=f"{name}'s server in:\n{self.running.output}", within_s=120)

    def stop(self, name: str, server: str = "") -> None:
        self.api.delete(_path(name, server))
        until(lambda: not self.server(name, server), what=f"the end of {name}'s server")

    @contextmanager
    def visitor(self, name: str) -> Iterator[Visitor]:
        """Somebody who has signed in."""
        person = Visitor(self.url, self.running.base)
        assert person.sign_in(name).status_code == 200
        yield person
        person.close()


@contextmanager
def site(settings: str, *, proxy: str = "", hub: str = "") -> Iterator[Site]:
    """Run Perijove with these settings besides those above; `proxy` and `hub` are lines for those sections."""
    listens = SETTINGS.replace('"PROXY"\n', f'"PROXY"\n{proxy}\n').replace('"HUB"\n', f'"HUB"\n{hub}\n')
    with perijove(listens + settings) as running:
        headers = {"authorization": f"token {TOKEN}"}
        with httpx.Client(base_url=f"{running.hub_url}{running.base}/hub/api", headers=headers, timeout=60) as api:
            yield Site(running, api)


def _path(name: str, server: str) -> str:
    return f"/users/{quote(name)}/servers/{quote(server)}" if server else f"/users/{quote(name)}/server"


def local(command: str, more: str = "") -> str:
    """The section of a spawner of real servers."""
    return f'[spawner]\nuse = "local"\ncommand = "{command}"\n{more}\n{accounts()}\n'
