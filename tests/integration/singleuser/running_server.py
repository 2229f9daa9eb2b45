"""A real perijove-singleuser process, and a browser that sees it and its hub as one site."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.running.perijove import free_port

from .fake_hub import CALLBACK, CLIENT_ID, SERVER_TOKEN, FakeHub

SOURCE = Path(__file__).parents[3] / "singleuser" / "src"
PREFIX = "/user/alice/"
HOST = "hub.test"
NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
FETCH = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}
START_TIMEOUT_S = 60


def environment(hub: FakeHub, home: Path, service_url: str, **more: str) -> dict[str, str]:
    """What a hub passes to a server."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "PYTHONPATH": str(SOURCE),
        "JUPYTERHUB_API_TOKEN": SERVER_TOKEN,
        "JUPYTERHUB_API_URL": hub.api_url,
        "JUPYTERHUB_ACTIVITY_URL": f"{hub.api_url}/users/alice/activity",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": CLIENT_ID,
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": CALLBACK,
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": ('["access:servers!server=alice/", "access:servers!user=alice"]'),
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_SERVICE_URL": service_url,
        "JUPYTERHUB_USER": "alice",
        **more,
    }


def command(*args: str) -> list[str]:
    root = ["--allow-root"] if os.geteuid() == 0 else []
    return [sys.executable, "-m", "perijove_singleuser", *root, *args]


@contextmanager
def running(hub: FakeHub, home: Path, *args: str, socket_path: Path | None = None, **more: str) -> Iterator[Browser]:
    """Start the server, wait until it answers, and end it; yields a browser without cookies."""
    port = free_port()
    if socket_path is None:
        service_url = f"http://127.0.0.1:{port}{PREFIX}"
    else:
        service_url = f"http+unix://{quote(str(socket_path), safe='')}{PREFIX}"
    browser = Browser(hub, port, socket_path)
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(*args),
            env=environment(hub, home, service_url, **more),
            cwd=home,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    browser.log = log
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not browser.is_up():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield browser
    finally:
        browser.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Browser:
    """Keeps cookies and follows redirects between the server and its hub."""

    log: Path

    def __init__(self, hub: FakeHub, port: int, socket_path: Path | None) -> None:
        self.hub = hub
        self.port = port
        self.socket_path = socket_path
        transport = httpx.HTTPTransport(uds=str(socket_path)) if socket_path else None
        self._server = httpx.Client(transport=transport, timeout=30, trust_env=False)
        self._hub = httpx.Client(timeout=30, trust_env=False)
        self.cookies: dict[tuple[str, str], str] = {}
        self._others: list[Browser] = []

    def another(self) -> Browser:
        """A browser with no cookies, looking at the same server; closed with this one."""
        other = Browser(self.hub, self.port, self.socket_path)
        self._others.append(other)
        return other

    def close(self) -> None:
        for other in self._others:
            other.close()
        self._server.close()
        self._hub.close()

    def is_up(self) -> bool:
        try:
            if self.socket_path is not None:
                # httpx leaks the socket of a refused unix connection
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.socket_path))
            return self.get(PREFIX + "api").status_code == 200
        except (httpx.TransportError, OSError):
            return False

    def cookie_header(self, path: str) -> str:
        matching = [(p, n, v) for (p, n), v in self.cookies.items() if path.startswith(p)]
        return "; ".join(f"{name}={value}" for _, name, value in sorted(matching, reverse=True))

    def cookie(self, name: str) -> str | None:
        return next((value for (_, n), value in self.cookies.items() if n == name), None)

    def request(self, method: str, url: str, headers: dict[str, str], **more: str) -> httpx.Response:
        """One request, by path; keeps the cookies of the answer."""
        path = url.partition("?")[0]
        to_hub = path.startswith("/hub/")
        origin = f"http://127.0.0.1:{self.hub.port if to_hub else self.port}"
        sent = {"Host": HOST, **headers}
        if cookies := self.cookie_header(path):
            sent["Cookie"] = cookies
        client = self._hub if to_hub else self._server
        response = client.request(method, origin + url, headers=sent, **more)  # type: ignore[arg-type]
        client.cookies.clear()
        for line in response.headers.get_list("set-cookie"):
            self.keep(line)
        return response

    def keep(self, line: str) -> None:
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        lowered = {a.partition("=")[0].lower(): a.partition("=")[2] for a in attributes}
        key = (lowered.get("path", "/"), name)
        if "1970" in lowered.get("expires", ""):
            self.cookies.pop(key, None)
        else:
            self.cookies[key] = value.strip('"')

    def get(self, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.request("GET", url, headers or {})

    def open(self, url: str, limit: int = 12) -> httpx.Response:
        """Open a page as a person does, following redirects."""
        for _ in range(limit):
            response = self.get(url, NAVIGATE)
            if not response.is_redirect:
                return response
            location = response.headers["Location"]
            url = location if location.startswith("/") else httpx.URL(location).raw_path.decode()
        raise AssertionError(f"more than {limit} redirects, now to {url}")

    def fetch(self, url: str, method: str = "GET", *, xsrf: bool = True) -> httpx.Response:
        """What JupyterLab does: a script's request, with the token from the cookie."""
        headers = dict(FETCH)
        if xsrf:
            headers["X-XSRFToken"] = self.cookie("_xsrf") or ""
        return self.request(method, url, headers)
