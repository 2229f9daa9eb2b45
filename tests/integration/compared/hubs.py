"""The configurations under comparison: one JupyterHub and one hub of ours that should behave alike."""

from typing import Any

SERVICES = {
    "test": "tester-" + "0" * 32,
    "weak": "weak-" + "1" * 32,
    "groupie": "groupie-" + "2" * 32,
    "reader": "reader-" + "3" * 32,
}
ROLES: dict[str, list[str]] = {
    "test": [
        "admin:users", "admin:servers", "admin:groups", "list:users", "list:services", "read:services", "read:services:name", "tokens",
        "read:hub", "read:metrics", "proxy", "shutdown", "admin:server_state", "access:servers", "access:services", "read:roles", "admin:auth_state",
    ],
    "groupie": ["list:users!group=team", "read:users!group=team", "list:groups!group=team", "read:groups!group=team"],
    "reader": ["list:users", "read:users:name", "list:groups", "read:groups:name", "list:services", "read:services:name"],
}  # fmt: skip

THEIRS = f"""
import asyncio, http.server, threading
from pathlib import Path
from jupyterhub.spawner import Spawner

class Anything(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{{}}")
    def log_message(self, *args): pass

listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Anything)
threading.Thread(target=listener.serve_forever, daemon=True).start()

async def appears(path):
    while not Path(path).exists():
        await asyncio.sleep(0.05)

class ObedientSpawner(Spawner):
    up = False
    def get_state(self):
        state = super().get_state()
        if self.api_token:
            state["token"] = self.api_token
            state["stop_until"] = (self.user_options or {{}}).get("stop_until", "")
        return state
    async def start(self):
        if until := (self.user_options or {{}}).get("until"):
            await appears(until)
        if (self.user_options or {{}}).get("fail"):
            raise RuntimeError("This server cannot be started.")
        self.up = True
        return "http://127.0.0.1:%d" % listener.server_port
    async def poll(self):
        return None if self.up else 0
    async def stop(self, now=False):
        if until := (self.user_options or {{}}).get("stop_until"):
            await appears(until)
        self.up = False

class Remembering(NoProxy):
    table = {{}}
    async def add_route(self, routespec, target, data):
        self.table[routespec] = {{"routespec": routespec, "target": target, "data": data}}
    async def delete_route(self, routespec):
        self.table.pop(routespec, None)
    async def get_all_routes(self):
        return dict(self.table)

c.JupyterHub.proxy_class = Remembering
c.JupyterHub.spawner_class = ObedientSpawner
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 1, "slow_stop_timeout": 1}}
c.Spawner.http_timeout = 10
c.Spawner.options_from_form = lambda data: data
c.CryptKeeper.keys = ["{"0" * 64}"]
c.Authenticator.enable_auth_state = True
c.Authenticator.admin_users = {{"ada"}}
c.JupyterHub.active_server_limit = 0
c.JupyterHub.services = [{{"name": name, "api_token": token}} for name, token in {SERVICES}.items()]
c.JupyterHub.load_roles = [{{"name": name, "scopes": scopes, "services": [name]}} for name, scopes in {ROLES}.items()]
"""


def ours() -> str:
    """Lines of TOML."""
    lines = [
        '[proxy]\nlisten = "PROXY"\n[hub]\nlisten = "HUB"\n[authenticator]\nuse = "dummy"\n[access]\nallow_all = true',
        '[spawner]\nuse = "tests.integration.compared.spawner:ObedientSpawner"',
        '[limits]\nnamed_servers = true\napi_wait = 1\n[log]\nlevel = "warning"',
    ]
    lines.append('[[users]]\nname = "ada"\nadmin = true')
    for name, token in SERVICES.items():
        lines.append(_entry("services", name=name, api_token=token))
    for name, scopes in ROLES.items():
        lines.append(_entry("roles", name=name, scopes=scopes, services=[name]))
    return "\n".join(lines) + "\n"


def _entry(section: str, **values: Any) -> str:
    return "\n".join([f"[[{section}]]", *(f"{key} = {value!r}" for key, value in values.items())])
