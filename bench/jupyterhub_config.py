"""JupyterHub with every limit lifted, a spawner that starts nothing and a proxy that routes nothing, so that the hub alone is measured.

For bench/hubs.py, which gives the values by the environment. The address the spawner gives really answers (bench/listener.py), so that
JupyterHub's own check that a server is up takes place.
"""

import json
import os
from pathlib import Path
from typing import Any

from jupyterhub.proxy import Proxy
from jupyterhub.spawner import Spawner
from traitlets import Unicode


class NullSpawner(Spawner):  # type: ignore[misc]  # JupyterHub carries no types
    """Every server is the same listener."""

    address = Unicode(config=True, help="URL that answers in the place of every server")
    started = False

    async def start(self) -> str:
        self.started = True
        return str(self.address)

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002 - JupyterHub's signature
        self.started = False

    async def poll(self) -> int | None:
        return None if self.started else 0

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "started": self.started}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.started = state.get("started", False)

    def clear_state(self) -> None:
        super().clear_state()
        self.started = False


class NullProxy(Proxy):  # type: ignore[misc]  # JupyterHub carries no types
    """Remembers routes, as JupyterHub compares them with its own, and does nothing with them."""

    should_start = False

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._routes: dict[str, dict[str, Any]] = {}

    async def add_route(self, routespec: str, target: str, data: dict[str, Any]) -> None:
        self._routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec: str) -> None:
        self._routes.pop(routespec, None)

    async def get_all_routes(self) -> dict[str, dict[str, Any]]:
        return self._routes


c: Any = globals()["get_config"]()  # JupyterHub puts it there
folder = Path(os.environ["BENCH_FOLDER"])

c.JupyterHub.hub_bind_url = os.environ["BENCH_URL"]
if "BENCH_PROXY" in os.environ:  # configurable-http-proxy, which goes on while the hub is restarted; its token is in CONFIGPROXY_AUTH_TOKEN
    c.JupyterHub.bind_url = os.environ["BENCH_DOOR"]
    c.JupyterHub.cleanup_servers = False
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = os.environ["BENCH_PROXY"]
else:
    c.JupyterHub.bind_url = "http://127.0.0.1:1"  # nobody listens: there is no proxy
    c.JupyterHub.proxy_class = NullProxy
c.JupyterHub.db_url = f"sqlite:///{folder / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.JupyterHub.spawner_class = NullSpawner
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
c.JupyterHub.log_level = "WARN"
c.Authenticator.allow_all = True
c.NullSpawner.address = os.environ["BENCH_LISTENER"]
c.NullSpawner.http_timeout = 600  # thousands of servers are looked after at once when the hub starts
c.JupyterHub.init_spawners_timeout = int(os.environ.get("BENCH_INIT_SPAWNERS_S", "-1"))
owners: dict[str, dict[str, Any]] = json.loads(os.environ["BENCH_OWNERS"])
c.JupyterHub.services = [{"name": name, "api_token": owner["token"]} for name, owner in owners.items()]
c.JupyterHub.load_roles = [{"name": name, "services": [name], "scopes": owner["scopes"]} for name, owner in owners.items()]
