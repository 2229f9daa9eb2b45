"""Somebody at a browser who works in pages that run scripts: JupyterLab's requests, and its kernel's channel."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2 as httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.integration.proxy.certificates import careless
from tests.running.browser import Person

_NAVIGATE = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "none", "accept": "text/html"}
_FETCH = {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "sec-fetch-site": "same-origin", "accept": "application/json"}
_AGREE = re.compile(r'action="([^"]*oauth2/authorize[^"]*)"')
_HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


class Visitor(Person):
    """A Person whose requests say, as all browsers do, whether a page or a script made them. `base`: the path of the site, "" for the root."""

    def __init__(self, url: str, base: str = "") -> None:
        super().__init__(url)
        self.base = base
        if url.startswith("https:"):
            self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=60, headers=self.http.headers, verify=careless())

    def sign_in(self, name: str, password: str = "any") -> httpx.Response:
        return self.submit(f"{self.base}/hub/login", f"{self.base}/hub/login", username=name, password=password)

    def open(self, path: str) -> httpx.Response:
        """Go to a page, by its redirects."""
        return self.http.get(path, headers=_NAVIGATE)

    def fetch(self, method: str, path: str, body: Any = None, *, xsrf: bool = True) -> httpx.Response:
        """What a page's script does; as JupyterLab's, with the token it finds in the page's cookie."""
        headers = dict(_FETCH)
        if xsrf:
            headers["X-XSRFToken"] = self._cookie("_xsrf", path)
        # A script's redirect is followed by the browser, but what it asks for is not a page.
        return self.http.request(method, path, json=body, headers=headers, follow_redirects=False)

    def forget(self, path: str) -> None:
        """Delete the cookies of this path."""
        for cookie in [cookie for cookie in self.http.cookies.jar if cookie.path == path]:
            self.http.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)

    def agrees(self, page: httpx.Response) -> httpx.Response:
        """Answer the hub's question whether the server or service may know who it is."""
        form = _AGREE.search(page.text)
        assert form, page.text
        sent: dict[str, list[str]] = {}
        for name, value in _HIDDEN.findall(page.text, form.end(), page.text.index("</form>", form.end())):
            sent.setdefault(name, []).append(unescape(value))
        return self.http.post(unescape(form[1]), data=sent, headers={**_NAVIGATE, "sec-fetch-site": "same-origin"})

    def socket_headers(self, path: str) -> dict[str, str]:
        """What a browser sends when it opens a WebSocket there."""
        cookies = [cookie for cookie in self.http.cookies.jar if path.startswith(cookie.path)]
        longest_first = sorted(cookies, key=lambda cookie: -len(cookie.path))
        return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in longest_first), "Sec-Fetch-Mode": "websocket"}

    @contextmanager
    def socket(self, path: str) -> Iterator[ClientConnection]:
        """A WebSocket from a page of this site."""
        headers, context = self.socket_headers(path), careless() if self.url.startswith("https:") else None
        url = self.url.replace("http", "ws", 1) + path
        with connect(url, additional_headers=headers, origin=Origin(self.url), ssl=context, proxy=None) as opened:
            yield opened

    def run(self, prefix: str, code: str) -> str:
        """Start a kernel at this server, run code in it, and return what it printed. The kernel goes on."""
        kernel = self.fetch("POST", f"{prefix}api/kernels", {"name": "python3"})
        assert kernel.status_code == 201, kernel.text
        with self.socket(f"{prefix}api/kernels/{kernel.json()['id']}/channels") as channel:
            return execute(channel, code)

    def _cookie(self, name: str, path: str) -> str:
        """The most specific one, which is the first that a script finds."""
        found = [cookie for cookie in self.http.cookies.jar if cookie.name == name and urlsplit(path).path.startswith(cookie.path)]
        return max(found, key=lambda cookie: len(cookie.path)).value or "" if found else ""


def execute(channel: ClientConnection, code: str) -> str:
    """Run code in a kernel, and return what it printed."""
    header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "session": uuid4().hex, "username": "", "version": "5.3"}
    content = {"code": code, "silent": False}
    channel.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}))
    printed = ""
    while True:
        message = json.loads(channel.recv(timeout=60))
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if message["msg_type"] == "stream":
            printed += message["content"]["text"]
        assert message["msg_type"] != "error", message["content"]
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return printed
