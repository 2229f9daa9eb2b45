"""The real servers, which all have to come up on a socket that others cannot reach."""

import http.client
import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .stage import Stage, Unix, alive, until


class Hub(BaseHTTPRequestHandler):
    """All a server asks of its hub; every visitor is alice."""

    def do_GET(self) -> None:
        scopes = ["access:servers!server=alice/", "access:servers!user=alice"]
        body = json.dumps({"version": "6.1.1", "kind": "user", "name": "alice", "groups": [], "admin": False, "scopes": scopes}).encode()
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def hub_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hub/api"
        server.shutdown()
        thread.join()


def sessions(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        with suppress(ProcessLookupError):
            found.add(os.getsid(pid))
    return found


@pytest.mark.parametrize(
    ("environment", "program"),
    [("user_env", "perijove-singleuser"), ("jupyterhub_5_env", "jupyterhub-singleuser"), ("jupyterhub_6_env", "jupyterhub-singleuser")],
)
async def test_a_real_server_answers_on_its_socket_and_ends_with_its_terminal_and_kernel(
    stage: Stage, hub_url: str, request: pytest.FixtureRequest, environment: str, program: str
) -> None:
    command = request.getfixturevalue(environment) / "bin" / program
    asked = stage.request()
    env = {
        **asked.env,
        "JUPYTERHUB_API_URL": hub_url,
        "JUPYTERHUB_ACTIVITY_URL": f"{hub_url}/users/alice/activity",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-alice",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/alice/",
        "JUPYTERHUB_OAUTH_CALLBACK_URL": "/user/alice/oauth_callback",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers!server=alice/", "access:servers!user=alice"]',
        "JUPYTERHUB_OAUTH_SCOPES": '["access:servers!server=alice/", "access:servers!user=alice"]',
    }
    async with stage.spawner(command=str(command)) as spawner:
        handle = await stage.started(spawner, replace(asked, env=env))
        socket = Path(unquote(urlsplit(handle.address or "").netloc))
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert socket.stat().st_uid == stage.uid
        connection = Unix(str(socket))
        connection.request("GET", "/user/alice/api")
        answer = connection.getresponse()
        assert answer.status == http.client.OK
        assert "version" in json.loads(answer.read())
        assert answer.headers["X-JupyterHub-Version"]
        for path in ("terminals", "kernels"):
            connection.request("POST", f"/user/alice/api/{path}", body="{}", headers={"Authorization": "token alices"})
            answer = connection.getresponse()
            assert answer.status < 300, answer.read()
            answer.read()
        connection.close()
        await until(lambda: len(sessions(stage.processes(handle.start_id))) >= 3, "server, terminal and kernel, each in a session of its own")
        below = stage.processes(handle.start_id)
        await spawner.stop(handle, 15)
        assert not any(map(alive, below))
        log = (stage.folder / "state/logs/alice/server.log").read_text()
        assert "PermissionError" not in log, log  # it cleans up after itself in what is its own
        assert not stage.processes(handle.start_id)
