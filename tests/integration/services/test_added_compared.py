"""Services added and deleted by the API, beside JupyterHub's: the same requests, the same answers, but for the differences listed here."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.perijove import perijove

TOKENS = {name: f"{name}-" + "0" * 32 for name in ("test", "limited", "reader", "nobody", "admin")}
SCOPES = {
    "test": ["admin:services", "access:services", "read:users:name"],
    "limited": ["admin:services!service=mine", "read:services!service=mine"],
    "reader": ["list:services", "read:services"],
    "nobody": [],
    "admin": [],
}
THEIRS = f"""
c.JupyterHub.services = [{{"name": name, "api_token": token, "admin": name == "admin"}} for name, token in {TOKENS}.items()]
c.JupyterHub.load_roles = [{{"name": name, "scopes": scopes, "services": [name]}} for name, scopes in {SCOPES}.items() if scopes]
"""
OURS = """
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
""" + "".join(
    f'[[services]]\nname = "{name}"\napi_token = "{token}"\nadmin = {"true" if name == "admin" else "false"}\n'
    + (f'[[roles]]\nname = "{name}"\nservices = ["{name}"]\nscopes = {SCOPES[name]}\n' if SCOPES[name] else "")
    for name, token in TOKENS.items()
)
FULL = {
    "info": {"a": [1]},
    "display": False,
    "api_token": "x" * 32,
    "oauth_redirect_uri": "/somewhere/oauth_callback",
    "oauth_client_id": "service-full-client",
    "oauth_client_allowed_scopes": ["read:users:name"],
    "oauth_no_confirm": True,
    "cwd": "",
    "environment": {},
    "user": "",
    "command": [],
}
Request = tuple[str, str, str, Any]
REQUESTS: list[Request] = [
    ("test", "POST", "/services/plain", {"info": {"a": 1}}),
    ("test", "POST", "/services/plain", {"info": {}}),
    ("test", "POST", "/services/plain", None),
    ("test", "GET", "/services/plain", None),
    ("reader", "GET", "/services/plain", None),
    ("limited", "GET", "/services/plain", None),
    ("nobody", "GET", "/services/plain", None),
    ("test", "POST", "/services/full", FULL),
    ("test", "GET", "/services/full", None),
    ("x" * 32, "GET", "/user", None),
    ("test", "POST", "/services/none", None),
    ("test", "POST", "/services/none", {}),
    ("test", "POST", "/services/none", []),
    ("test", "POST", "/services/none", "text"),
    ("test", "POST", "/services/named", {"name": "other"}),
    ("test", "GET", "/services/other", None),
    ("test", "DELETE", "/services/named", None),
    ("test", "POST", "/services/odd", {"nosuch": 1}),
    ("test", "POST", "/services/odd", {"timeout": 3}),
    ("test", "POST", "/services/odd", {"admin": "yes"}),
    ("test", "POST", "/services/odd", {"info": []}),
    ("test", "POST", "/services/odd", {"url": 3}),
    ("test", "POST", "/services/odd", {"display": None}),
    ("test", "POST", "/services/odd", {"command": ["sh"]}),
    ("test", "POST", "/services/odd", {"command": "sh"}),
    ("test", "POST", "/services/odd", {"oauth_client_allowed_scopes": ["no:such"]}),
    ("test", "POST", "/services/odd", {"oauth_client_allowed_scopes": ["admin:users"], "oauth_redirect_uri": "/a"}),
    ("test", "POST", "/services/odd", {"oauth_client_allowed_scopes": "self", "oauth_redirect_uri": "/a"}),
    ("test", "POST", "/services/odd", {"admin": True}),
    ("test", "GET", "/services/odd", None),
    ("nobody", "POST", "/services/odd", {"info": {"a": 1}}),
    ("reader", "POST", "/services/odd", {"info": {"a": 1}}),
    ("limited", "POST", "/services/odd", {"info": {"a": 1}}),
    ("limited", "POST", "/services/mine", {"info": {"a": 1}}),
    ("limited", "GET", "/services/mine", None),
    ("admin", "POST", "/services/chief", {"admin": True, "api_token": "y" * 32}),
    ("y" * 32, "GET", "/users", None),
    ("admin", "GET", "/services/chief", None),
    ("limited", "DELETE", "/services/plain", None),
    ("reader", "DELETE", "/services/plain", None),
    ("nobody", "DELETE", "/services/plain", None),
    ("test", "DELETE", "/services/reader", None),
    ("test", "DELETE", "/services/never", None),
    ("test", "DELETE", "/services/plain", None),
    ("test", "DELETE", "/services/plain", None),
    ("test", "DELETE", "/services/full", None),
    ("x" * 32, "GET", "/user", None),
    ("limited", "DELETE", "/services/mine", None),
    ("test", "DELETE", "/services/chief", None),
    ("y" * 32, "GET", "/users", None),
    ("test", "POST", "/services/there", {"url": "HERE", "api_token": "z" * 32}),
    ("z" * 32, "GET", "/services/there", None),
    ("reader", "GET", "/services/there", None),
    ("reader", "GET", "/services", None),
    ("test", "DELETE", "/services/there", None),
]
# What JupyterHub half makes, it keeps, so these are asked with names of their own.
FAILING: list[Request] = [
    ("test", "POST", "/services/bad1", {"url": "ftp://127.0.0.1:21"}),
    ("test", "POST", "/services/bad2", {"oauth_client_id": "other", "oauth_redirect_uri": "/a"}),
    ("test", "POST", "/services/bad3", {"oauth_no_confirm": True}),
    ("test", "POST", "/services/bad%2520", {"info": {"a": 1}}),
    ("test", "POST", "/services/..", {"info": {"a": 1}}),
    ("test", "POST", "/services/bad6", {"oauth_client_id": "service-bad6"}),
    ("test", "POST", "/services/bad7", {"api_token": "short"}),
    ("test", "POST", "/services/bad8", {"api_token": TOKENS["reader"]}),
    ("test", "POST", "/services/one", {"oauth_client_id": "service-one", "oauth_redirect_uri": "/a", "api_token": "o" * 32}),
    ("test", "POST", "/services/two", {"oauth_client_id": "service-one", "oauth_redirect_uri": "/b", "api_token": "p" * 32}),
]
DIFFERENCES = {
    "a scope that does not exist, and a token that is too short, are bad requests": {
        ("/services/odd", "{'oauth_client_allowed_scopes': ['no:such']}"),
        ("/services/bad7", "{'api_token': 'short'}"),
    },
    "a token that is another's is refused, and not left out silently": {("/services/bad8", str({"api_token": TOKENS["reader"]}))},
}


def _listed(request: Request) -> bool:
    return any((request[2], str(request[3])) in of_this for of_this in DIFFERENCES.values())


def _ask(url: str, request: Request, here: str) -> tuple[int, Any]:
    who, method, path, body = request
    if body and "url" in body:
        body = body | {"url": here if body["url"] == "HERE" else body["url"]}
    headers = {"authorization": f"token {TOKENS.get(who, who)}"}
    more = {} if body is None else {"json": body}
    answer = httpx.request(method, f"{url}/hub/api{path}", headers=headers, timeout=60, **more)
    if answer.status_code >= 400:
        return answer.status_code, {}
    found = answer.json() if answer.content else None
    if path == "/users":
        return answer.status_code, {}
    return answer.status_code, _without_what_differs(found)


def _without_what_differs(found: Any) -> Any:
    """Ids of tokens and the like; ours of services of the file has no roles that differ."""
    if isinstance(found, dict):
        return {key: _without_what_differs(value) for key, value in found.items() if key not in {"token_id", "session_id", "scopes"}}
    return found


class _There(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def both(jupyterhub_6_env: Path) -> Iterator[tuple[str, str, str]]:
    """The two hubs, and a service that answers."""
    with ExitStack() as stack:
        there = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _There))
        thread = threading.Thread(target=there.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(there.shutdown)
        theirs = stack.enter_context(jupyterhub(jupyterhub_6_env, THEIRS))
        ours = stack.enter_context(perijove(OURS, command="hub")).hub_url
        yield theirs, ours, f"http://127.0.0.1:{there.server_port}"


def test_adding_and_deleting_services_answers_as_jupyterhub_does(both: tuple[str, str, str]) -> None:
    theirs, ours, here = both
    different = []
    for request in REQUESTS + FAILING:
        wanted, found = _ask(theirs, request, here), _ask(ours, request, here)
        if (wanted == found) == _listed(request):
            different.append(f"{request}\n   theirs: {wanted}\n   ours:   {found}")
    assert not different, "\n".join(different)
