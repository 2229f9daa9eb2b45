"""A real JupyterHub whose proxy is `perijove chp`, with one person's real server."""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
from websockets.sync.client import connect

from tests.running.perijove import free_port, until

TOKEN = "tester-" + "0" * 32
_CONFIG = """
import os
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.db_url = "sqlite:///{folder}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = ["{env}/bin/jupyterhub-singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 60
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/home/{{username}}"
c.ConfigurableHTTPProxy.command = {command!r}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.auth_token = "proxy-{token}"
c.ConfigurableHTTPProxy.check_running_interval = 1
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.ConfigurableHTTPProxy.should_start = "HUB_ALONE" not in os.environ
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.services = [{{"name": "tester", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [
    {{"name": "tester", "scopes": ["admin:users", "admin:servers", "access:servers", "proxy"], "services": ["tester"]}}
]
"""


@dataclass
class Jupyterhub:
    """`url` is the proxy's public address; `proxy` the id of the proxy's first process."""

    folder: Path
    env: Path
    port: int
    hub_port: int
    api_port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self, *, alone: bool = False) -> None:
        """Start the hub; `alone`: the proxy is there already and is not the hub's child."""
        environ = {**os.environ, "PATH": f"{self.env}/bin:{os.environ['PATH']}", **({"HUB_ALONE": "1"} if alone else {})}
        with (self.folder / "log").open("ab") as log:
            command = [str(self.env / "bin" / "jupyterhub"), "-f", str(self.folder / "config.py")]
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environ)
        process = self.process
        self.wait_until(lambda: self.status("/hub/health") == 200 or process.poll() is not None, "JupyterHub")
        assert process.poll() is None, self.log

    def wait_until(self, condition: Callable[[], object], what: str, within_s: float = 60.0) -> None:
        """Fails with what is waited for and the end of the hub's log."""
        try:
            until(condition, what=what, within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; the hub and the proxy said:\n{self.log[-6000:]}") from None

    def stop(self) -> None:
        """The hub only: servers and the proxy stay."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def status(self, path: str) -> int:
        """Through the proxy; 0 if there is no answer."""
        try:
            return httpx.get(self.url + path, timeout=5, headers={"Authorization": f"token {TOKEN}"}).status_code
        except httpx.HTTPError:
            return 0

    def works(self) -> bool:
        """Whether alice's server answers through the proxy."""
        return self.status("/user/alice/api/status") == 200

    def proxy_processes(self) -> list[int]:
        """The proxy's processes, the first one first."""
        found = []
        mark = f"CONFIGPROXY_AUTH_TOKEN=proxy-{TOKEN}".encode()
        for entry in sorted((one for one in Path("/proc").iterdir() if one.name.isdigit()), key=lambda one: int(one.name)):
            with suppress(OSError):
                if mark in (entry / "environ").read_bytes() and str(self.folder).encode() not in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def routes(self) -> dict[str, dict[str, object]]:
        """The table, asked of the proxy itself."""
        answer = httpx.get(f"http://127.0.0.1:{self.api_port}/api/routes", headers={"Authorization": f"token proxy-{TOKEN}"})
        found: dict[str, dict[str, object]] = answer.json()
        return found

    def sign_in(self) -> httpx.Client:
        """A browser that is signed in as alice."""
        browser = httpx.Client(base_url=self.url, follow_redirects=True, timeout=60)
        page = browser.get("/hub/login")
        token = re.search(r'name="_xsrf"\s+value="([^"]+)"', page.text)
        assert token, page.text
        answer = browser.post("/hub/login?next=/hub/home", data={"_xsrf": token[1], "username": "alice", "password": "any"})
        assert answer.status_code == 200, answer.text
        assert answer.url.path == "/hub/home"
        return browser

    def execute(self, code: str) -> str:
        """What a new kernel answers over its WebSocket."""
        authorized = {"Authorization": f"token {TOKEN}"}
        kernel = httpx.post(f"{self.url}/user/alice/api/kernels", json={"name": "python3"}, headers=authorized, timeout=60)
        assert kernel.status_code == 201, kernel.text
        address = f"{self.url.replace('http', 'ws')}/user/alice/api/kernels/{kernel.json()['id']}/channels"
        header = {"msg_id": uuid.uuid4().hex, "username": "alice", "session": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        with connect(address, additional_headers=authorized, open_timeout=30) as socket:
            socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}))
            while True:
                told = json.loads(socket.recv(timeout=60))
                if told["msg_type"] == "execute_result":
                    return str(told["content"]["data"]["text/plain"])
                assert told["msg_type"] != "error", told


@contextmanager
def running_jupyterhub(env: Path, folder: Path) -> Iterator[Jupyterhub]:
    """Started, with nobody signed in. All it started is ended."""
    ports = free_port(), free_port(), free_port()
    jupyterhub = Jupyterhub(folder, env, *ports)
    command = [sys.executable, "-m", "perijove", "chp"]
    config = _CONFIG.format(folder=folder, env=env, port=ports[0], hub_port=ports[1], api_port=ports[2], command=command, token=TOKEN)
    (folder / "config.py").write_text(config)
    try:
        jupyterhub.start()
        yield jupyterhub
    finally:
        jupyterhub.stop()
        for pid in (*jupyterhub.proxy_processes(), *_servers(folder)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _servers(folder: Path) -> list[int]:
    """People's servers and their kernels, which the hub leaves running: found by their folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if str(folder).encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found
