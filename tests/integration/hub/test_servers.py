"""Real servers behind a real hub and proxy (those of JupyterHub: see ../clients); and a hub that is killed while people work."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
import websockets

from tests.running.browser import Person
from tests.running.perijove import Running, accounts, perijove, until

PASSWORD = "four words in a row"


def settings(command: Path) -> str:
    return f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
admin_users = ["ada"]
[spawner]
use = "local"
command = "{command}"
{accounts()}
[log]
level = "info"
"""


@pytest.fixture(scope="module")
def running(user_env: Path) -> Iterator[Running]:
    with perijove(settings(user_env / "bin" / "perijove-singleuser")) as found:
        yield found


@pytest.fixture
def ada(running: Running) -> Iterator[Person]:
    person = Person(running.url)
    assert person.sign_in("ada").status_code == 200
    yield person
    person.close()


def start(person: Person, name: str) -> None:
    """Start a default server and wait until it answers as that person's."""
    person.submit("/hub/home", f"/hub/spawn/{name}")
    until(lambda: open_lab(person, name), what=f"{name}'s server")
    assert person.get(f"/user/{name}/api/status").status_code == 200


def open_lab(person: Person, name: str) -> bool:
    """Go to the server through its sign-in; False while the hub answers in its place."""
    answer = person.get(f"/user/{name}/lab")
    return answer.status_code == 200 and answer.url.path.startswith(f"/user/{name}/")


def stop(person: Person, name: str) -> None:
    person.submit("/hub/home", f"/hub/stop/{name}")
    until(lambda: "Start my server" in person.get("/hub/home").text, what="the server to stop")


def test_sign_out_reaches_the_server_and_another_person_never_does(running: Running, ada: Person) -> None:
    start(ada, "ada")
    assert ada.get("/user/ada/api/contents").status_code == 200
    bob = Person(running.url)
    bob.sign_in("bob")
    assert bob.get("/user/ada/api/contents").status_code in {403, 404}
    assert bob.get("/user/ada/lab").status_code in {403, 404}
    bob.close()
    ada.submit("/hub/home", "/hub/logout")
    assert ada.get("/user/ada/api/contents").status_code == 403
    assert "/hub/login" in str(ada.get("/user/ada/lab").url)
    ada.sign_in("ada")
    stop(ada, "ada")


async def _kernel_goes_on(running: Running, ada: Person) -> None:
    """Start a cell that prints for a while, kill the hub in the middle, and read on."""
    page = ada.http.get(f"{running.url}/user/ada/lab")
    assert page.status_code == 200
    token = ada.http.cookies.get("_xsrf", path="/user/ada/")
    kernel = ada.http.post(
        f"{running.url}/user/ada/api/kernels", json={"name": "python3"}, headers={"X-XSRFToken": token or "", "accept": "application/json"}
    )
    assert kernel.status_code == 201, kernel.text
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in ada.http.cookies.jar if cookie.path in {"/", "/user/ada/"})
    url = f"{running.url.replace('http', 'ws')}/user/ada/api/kernels/{kernel.json()['id']}/channels"
    async with websockets.connect(url, additional_headers={"Cookie": cookies, "Origin": running.url}) as socket:
        code = "import time\nfor i in range(60):\n    print('tick', i, flush=True)\n    time.sleep(0.2)"
        message = {
            "header": {"msg_id": uuid4().hex, "msg_type": "execute_request", "username": "", "session": uuid4().hex, "date": "", "version": "5.3"},
            "parent_header": {},
            "metadata": {},
            "content": {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False},
            "channel": "shell",
            "buffers": [],
        }
        await socket.send(json.dumps(message))
        printed = await _read_until(socket, "", "tick 5\n")
        killed = running.child("hub")
        os.kill(killed, signal.SIGKILL)
        printed = await _read_until(socket, printed, "tick 20\n")  # the same socket, while there is no hub or a new one
        await asyncio.to_thread(until, lambda: running.child("hub") != killed and running.healthy(), what="a new hub")
        await _read_until(socket, printed, "tick 59\n")


async def _read_until(socket: websockets.ClientConnection, printed: str, words: str) -> str:
    """All that the cell has printed once `words` are among it. A kernel cuts its output into messages anywhere, also within a line."""
    async with asyncio.timeout(60):
        while words not in printed:
            message = json.loads(await socket.recv())
            if message["msg_type"] == "stream":
                printed += message["content"]["text"]
    return printed


def test_a_busy_kernel_does_not_notice_that_the_hub_is_killed(running: Running, ada: Person) -> None:
    start(ada, "ada")
    asyncio.run(_kernel_goes_on(running, ada))
    home = ada.get("/hub/home").text
    assert "Open my server" in home  # the new hub knows it
    assert ada.get("/user/ada/api/status").status_code == 200
    stop(ada, "ada")
    assert ada.get("/user/ada/api/status").status_code == 424


@pytest.fixture
def broken() -> Iterator[Path]:
    """A program that ends badly, where every account can run it: pytest's own folders are for one account only."""
    with TemporaryDirectory(prefix="pj-broken-") as folder:
        Path(folder).chmod(0o755)
        program = Path(folder) / "broken"
        program.write_text("#!/bin/sh\necho 'no module named kittens' >&2\nexit 7\n")
        program.chmod(0o755)
        yield program


def test_a_start_that_fails_shows_the_cause_and_the_log(broken: Path) -> None:
    with perijove(settings(broken)) as running:
        ada = Person(running.url)
        ada.sign_in("ada")
        ada.submit("/hub/home", "/hub/spawn/ada")
        page = until(
            lambda: (text := ada.get("/hub/spawn-pending/ada").text) and "no module named kittens" in text and text, what="the log on the page"
        )
        assert "7" in str(page)
        ada.close()
