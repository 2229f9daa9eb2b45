"""Services added while the hub runs: they are there at once, outlive the hub, and keep out of the configuration's way."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2 as httpx

from tests.running.browser import Person
from tests.running.perijove import free_port, perijove, until

from .test_managed import SETTINGS, Site

ADDED = "a-token-of-the-added-service"


class _Board(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"board" if self.path == "/services/board/" else b"other")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def board() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Board) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def authorize(client: str = "service-board", back: str = "/services/board/oauth_callback") -> str:
    return f"/hub/api/oauth2/authorize?client_id={client}&redirect_uri={back}&response_type=code&state=s"


def asked(here: Site, token: str) -> int:
    return httpx.get(f"{here.running.hub_url}/hub/api/user", headers={"authorization": f"token {token}"}).status_code


def routed(here: Site, path: str = "/services/board/") -> bool:
    return httpx.get(f"{here.running.url}{path}").text == "board"


def test_it_is_reached_at_once_survives_the_hub_and_is_gone_at_once(tmp_path: Path) -> None:
    with board() as address, perijove(SETTINGS) as running, closing(Person(running.url)) as ada:
        here = Site(running, tmp_path)
        new = {"url": f"{address}/services/board/", "api_token": ADDED, "oauth_no_confirm": True, "info": {"for": "all"}}
        assert here.api("POST", "/services/board", json=new).status_code == 201
        assert asked(here, ADDED) == 200
        until(lambda: routed(here), what="the route")
        until(lambda: here.state("board")["up"], what="that it is up")
        ada.sign_in("ada")
        menu = ada.get("/hub/home").text
        assert re.search(r'href="/services/board/"', menu)
        back = ada.get(authorize())  # ada is an administrator, and is not asked
        assert back.url.path == "/services/board/oauth_callback"
        code = dict(back.url.params)["code"]
        form = {"client_id": "service-board", "client_secret": ADDED, "grant_type": "authorization_code", "code": code}
        granted = httpx.post(f"{running.hub_url}/hub/api/oauth2/token", data=form | {"redirect_uri": "/services/board/oauth_callback"}).json()
        assert asked(here, granted["access_token"]) == 200

        before = running.child("hub")
        os.kill(before, signal.SIGTERM)
        until(lambda: not (Path("/proc") / str(before)).exists() and running.healthy(), what="the next hub")
        model = here.api("GET", "/services/board").json()
        assert (model["url"], model["info"]) == (new["url"], {"for": "all"})
        assert asked(here, ADDED) == asked(here, granted["access_token"]) == 200
        assert routed(here)

        assert here.api("DELETE", "/services/board").status_code == 200
        assert asked(here, ADDED) == asked(here, granted["access_token"]) == 403
        assert ada.get(authorize()).status_code == 400
        until(lambda: not routed(here), what="the end of the route")
        assert "/services/board/" not in ada.get("/hub/home").text
        assert "service.deleted" in running.output


def test_the_menu_shows_what_is_displayed_and_may_be_opened(tmp_path: Path) -> None:
    role = '[[roles]]\nname = "user"\nscopes = ["self", "access:services!service=board", "access:services!service=quiet", "access:services!service=program"]\n'
    with board() as address, perijove(SETTINGS + role) as running:
        here = Site(running, tmp_path)
        for name, more in {"board": {}, "other": {}, "quiet": {"display": False}}.items():
            assert here.api("POST", f"/services/{name}", json={"url": address, "api_token": f"token-of-{name}", **more}).status_code == 201
        assert here.api("POST", "/services/program", json={"info": {"no": "url"}}).status_code == 201
        seen = {}
        for name in ("bob", "ada"):
            with closing(Person(running.url)) as person:
                person.sign_in(name)
                seen[name] = set(re.findall(r'href="/services/(\w+)/"', person.get("/hub/home").text))
        assert seen == {"bob": {"board"}, "ada": {"board", "other"}}
        with closing(Person(running.url)) as stranger:
            assert "/services/board/" not in stranger.get("/hub/login").text


def test_the_configuration_does_not_take_over_what_was_added(tmp_path: Path) -> None:
    with perijove(SETTINGS, command="hub") as running:
        here = Site(running, tmp_path)
        for odd in ({"url": "http://a\0b"}, {"oauth_redirect_uri": "/a\0"}, {"oauth_client_id": "service-\0", "oauth_redirect_uri": "/a"}):
            assert here.api("POST", "/services/odd", json=odd).status_code == 400
        assert here.api("POST", "/services/board", json={"info": {"a": 1}}).status_code == 201
        refused = here.api("DELETE", "/services/test")
        assert (refused.status_code, refused.headers["allow"], refused.json()["code"]) == (405, "GET, HEAD, OPTIONS", "not-modifiable")
        running.end()
        running.config.write_text(running.config.read_text() + '[[services]]\nname = "board"\n')
        done = subprocess.run([sys.executable, "-m", "perijove", "hub", "--config", str(running.config)], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "DELETE /hub/api/services/board" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_a_client_without_a_secret_is_none(tmp_path: Path) -> None:
    with perijove(SETTINGS) as running:
        here = Site(running, tmp_path)
        assert here.api("POST", "/services/board", json={"url": f"http://127.0.0.1:{free_port()}"}).status_code == 201
        with closing(Person(running.url)) as ada:
            ada.sign_in("ada")
            assert ada.get(authorize()).status_code == 400
