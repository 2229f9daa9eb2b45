"""A kernel can be used through its WebSocket, by those who may and from this site only."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from .fake_hub import SERVER_TOKEN, FakeHub
from .running_server import HOST, PREFIX, Browser, running


@contextmanager
def channels(browser: Browser, kernel: str, *, origin: str, cookies: bool = True, query: str = "") -> Iterator[ClientConnection]:
    path = f"{PREFIX}api/kernels/{kernel}/channels"
    headers = {"Cookie": browser.cookie_header(path)} if cookies else {}
    # the Host header a proxy passes on is the site's, whatever address the proxy connects to
    with connect(
        f"ws://{HOST}{path}{query}",
        additional_headers=headers,
        origin=Origin(origin),
        sock=socket.create_connection(("127.0.0.1", browser.port)),
        proxy=None,
    ) as opened:
        yield opened


def execute(channel: ClientConnection, code: str) -> str:
    """Run code and return what it printed."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": uuid.uuid4().hex,
        "username": "",
        "version": "5.3",
    }
    content = {"code": code, "silent": False}
    channel.send(
        json.dumps(
            {
                "header": header,
                "parent_header": {},
                "metadata": {},
                "content": content,
                "channel": "shell",
            }
        )
    )
    printed = ""
    while True:
        message = json.loads(channel.recv(timeout=60))
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if message["msg_type"] == "stream":
            printed += message["content"]["text"]
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return printed


@pytest.fixture
def kernel(browser: Browser) -> Iterator[str]:
    browser.open(PREFIX + "lab")
    answer = browser.fetch(PREFIX + "api/kernels", "POST")
    assert answer.status_code == 201, answer.text
    name: str = answer.json()["id"]
    yield name
    browser.fetch(f"{PREFIX}api/kernels/{name}", "DELETE")


def test_code_runs_and_sees_the_servers_token_as_under_jupyterhub(browser: Browser, kernel: str) -> None:
    with channels(browser, kernel, origin=f"http://{HOST}") as channel:
        code = "import os; print(6 * 7, os.environ['JUPYTERHUB_API_TOKEN'])"
        assert execute(channel, code) == f"42 {SERVER_TOKEN}\n"


def test_without_the_cookie_a_kernel_is_refused(browser: Browser, kernel: str) -> None:
    with (
        pytest.raises(InvalidStatus) as refusal,
        channels(browser, kernel, origin=f"http://{HOST}", cookies=False),
    ):
        pass
    assert refusal.value.response.status_code == 403


def test_another_sites_page_is_refused_with_the_cookie(browser: Browser, kernel: str) -> None:
    with (
        pytest.raises(InvalidStatus) as refusal,
        channels(browser, kernel, origin="http://evil.test"),
    ):
        pass
    assert refusal.value.response.status_code == 403


def test_a_person_without_access_is_refused(browser: Browser, kernel: str, hub: FakeHub) -> None:
    mallory = browser.another()
    hub.user = "mallory"
    mallory.open(PREFIX + "lab")
    with (
        pytest.raises(InvalidStatus) as refusal,
        channels(mallory, kernel, origin=f"http://{HOST}"),
    ):
        pass
    assert refusal.value.response.status_code == 403


def test_where_cookies_open_no_websocket_the_page_brings_a_token(hub: FakeHub, home: Path) -> None:
    with running(hub, home, JUPYTERHUB_ALLOW_WEBSOCKET_COOKIE_AUTH="0", JUPYTERHUB_ALLOW_TOKEN_IN_URL="1") as browser:
        page = browser.open(PREFIX + "lab").text
        token = re.findall(r'"token": "(\w+)"', page)
        assert token
        kernel = browser.fetch(PREFIX + "api/kernels", "POST").json()["id"]
        with pytest.raises(InvalidStatus) as refusal, channels(browser, kernel, origin=f"http://{HOST}"):
            pass
        assert refusal.value.response.status_code == 403
        with channels(browser, kernel, origin=f"http://{HOST}", query=f"?token={token[0]}") as channel:
            assert execute(channel, "print(1)") == "1\n"
        assert token[0] not in browser.log.read_text()
