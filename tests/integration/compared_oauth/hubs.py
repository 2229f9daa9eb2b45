"""One JupyterHub and one hub of ours with the same services, roles and people, to sign in to the services at both."""

from typing import Any

TOKEN = "tester-" + "0" * 32
CALLBACK = "http://127.0.0.1:9/services/{name}/oauth_callback"
SECRETS = {name: f"{name}-{'1' * 32}" for name in ("forum", "reader", "trusted", "heir", "closed", "query", "relative")}
SERVICES: dict[str, dict[str, Any]] = {
    "forum": {},
    "reader": {
        "oauth_client_allowed_scopes": ["read:users!user", "servers!user", "list:users", "custom:reports:read", "access:services!service=forum"]
    },
    "trusted": {"oauth_no_confirm": True},
    "heir": {"oauth_client_allowed_scopes": ["inherit"]},
    "closed": {},
    "query": {"oauth_redirect_uri": CALLBACK.format(name="query") + "?from=hub&x=%C3%A9"},
    "relative": {"oauth_redirect_uri": "/services/relative/oauth_callback"},
}
CUSTOM: dict[str, dict[str, Any]] = {
    "custom:reports": {"description": "work with reports", "subscopes": ["custom:reports:read"]},
    "custom:reports:read": {"description": "read reports"},
}
ROLES: list[dict[str, Any]] = [
    {
        "name": "test",
        "scopes": [
            "admin:users",
            "admin:servers",
            "admin:server_state",
            "tokens",
            "list:services",
            "read:services",
            "admin:groups",
            "access:servers",
        ],
        "services": ["test"],
    },
    {"name": "user", "scopes": ["self", *(f"access:services!service={name}" for name in SERVICES if name != "closed")]},
    {"name": "teacher", "description": "sees people", "scopes": ["list:users", "custom:reports", "access:services"], "groups": ["teachers"]},
    {"name": "profile", "description": "what the reader asks for by a role's name", "scopes": ["read:users!user"]},
    {"name": "guest", "description": "opens ann's server", "scopes": ["access:servers!user=ann"], "users": ["bob"]},
]
GROUPS = {"teachers": ["tea"]}
PEOPLE = ("ann", "bob", "cat", "tea")


def entries() -> list[dict[str, Any]]:
    """The services as both hubs take them."""
    found: list[dict[str, Any]] = [{"name": "test", "api_token": TOKEN}]
    for name, more in SERVICES.items():
        given = {"oauth_client_id": f"service-{name}", "oauth_redirect_uri": CALLBACK.format(name=name), **more}
        found.append({"name": name, "api_token": SECRETS[name], **given})
    return found


THEIRS = f"""
import http.server, threading
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

class TellingSpawner(Spawner):
    up = False
    def get_state(self):
        return {{**super().get_state(), "token": self.api_token or ""}}
    async def start(self):
        self.up = True
        return "http://127.0.0.1:%d" % listener.server_port
    async def poll(self):
        return None if self.up else 0
    async def stop(self, now=False):
        self.up = False

c.JupyterHub.spawner_class = TellingSpawner
c.JupyterHub.redirect_to_server = False
c.JupyterHub.services = {entries()}
c.JupyterHub.load_roles = {ROLES}
c.JupyterHub.load_groups = { ({name: {"users": users} for name, users in GROUPS.items()}) }
c.JupyterHub.custom_scopes = {CUSTOM}
c.JupyterHub.oauth_token_expires_in = 3600
"""


def ours() -> str:
    """Lines of TOML."""
    lines = [
        '[proxy]\nlisten = "PROXY"\n[hub]\nlisten = "HUB"\nredirect_to_server = false\noauth_token_age = "1h"',
        '[authenticator]\nuse = "dummy"\n[access]\nallow_all = true\n[limits]\nnamed_servers = true',
        '[spawner]\nuse = "tests.integration.compared.spawner:ObedientSpawner"',
        "[custom_scopes]",
        *(f"{name!r} = {_inline(value)}" for name, value in CUSTOM.items()),
    ]
    lines += [_entry("services", entry) for entry in entries()]
    lines += [_entry("roles", entry) for entry in ROLES]
    lines += [_entry("groups", {"name": name, "users": users}) for name, users in GROUPS.items()]
    return "\n".join(lines) + "\n"


def _entry(section: str, values: dict[str, Any]) -> str:
    return "\n".join([f"[[{section}]]", *(f"{key} = {_value(value)}" for key, value in values.items())])


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _inline(table: dict[str, Any]) -> str:
    return "{ " + ", ".join(f"{key} = {value!r}" for key, value in table.items()) + " }"
