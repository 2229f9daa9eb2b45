"""A service behind the hub: routed, and told who its visitor is by OAuth, as JupyterHub's services are."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from tests.running.browser import Person
from tests.running.perijove import Running, perijove, until

TOKEN = "the-token-of-the-wiki-service"


class _Wiki(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"wiki at {self.path}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Wiki)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings = f"""
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
[[services]]
name = "wiki"
url = "http://127.0.0.1:{server.server_port}"
api_token = "{TOKEN}"
[[roles]]
name = "user"
scopes = ["self", "access:services!service=wiki"]
"""
    with perijove(settings) as found:
        yield found
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_is_reached_and_learns_who_its_visitor_is(running: Running) -> None:
    until(lambda: httpx.get(f"{running.url}/services/wiki/page").text == "wiki at /services/wiki/page", what="the route to the wiki")
    ada = Person(running.url)
    ada.sign_in("ada")
    assert "wiki" in ada.get("/hub/home").text  # in the menu
    address = "/hub/api/oauth2/authorize?client_id=service-wiki&redirect_uri=/services/wiki/oauth_callback&response_type=code&state=s"
    assert "Let the service wiki know who you are?" in ada.get(address).text
    back = ada.submit(address, address)
    query = parse_qs(urlsplit(str(back.url)).query)
    assert query["state"] == ["s"]
    form = {
        "client_id": "service-wiki",
        "client_secret": TOKEN,
        "grant_type": "authorization_code",
        "code": query["code"][0],
        "redirect_uri": "/services/wiki/oauth_callback",
    }
    assert httpx.post(f"{running.hub_url}/hub/api/oauth2/token", data=form | {"client_secret": "wrong"}).status_code == 401
    granted = httpx.post(f"{running.hub_url}/hub/api/oauth2/token", data=form)
    assert granted.status_code == 200, granted.text
    assert httpx.post(f"{running.hub_url}/hub/api/oauth2/token", data=form).json()["error"] == "invalid_grant"  # once only
    me = httpx.get(f"{running.hub_url}/hub/api/user", headers={"authorization": f"bearer {granted.json()['access_token']}"}).json()
    assert me["name"] == "ada"
    assert "access:services!service=wiki" in me["scopes"]
    assert not any(scope.startswith("servers") for scope in me["scopes"])
    assert ada.get(address.replace("/services/wiki/oauth_callback", "https://evil.example.org/")).status_code == 400
    ada.close()
