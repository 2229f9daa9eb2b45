"""The whole site: somebody signs in, starts a server whose job dials in to the gateway of `perijove up`, and works in it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import httpx2 as httpx
import pytest
from websockets.sync.client import connect

from perijove.processes.agent_file import packed
from tests.integration.upgrade.place import Site
from tests.running.browser import Person
from tests.running.perijove import Running, perijove, until

TOKEN = token_hex(32)
PASS = token_hex(16)


@pytest.fixture(scope="module")
def running(user_env: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "perijove-agent").write_bytes(packed())
    settings = f"""
[proxy]
listen = "PROXY"
token = {{ value = "{TOKEN}" }}
[hub]
listen = "HUB"
[gateway]
enabled = true
listen = "unix:{{folder}}/gateway.sock"
[authenticator]
use = "dummy"
[access]
allow_all = true
[[services]]
name = "test"
api_token = "{PASS}"
[[roles]]
name = "test"
services = ["test"]
scopes = ["admin:servers", "read:users"]
[spawner]
use = "tests.integration.tunnel.dialling:Dialling"
program = "{folder}/perijove-agent"
python = "{user_env}/bin/python"
dial = "ws://PROXY/tunnel/"
hub = "http://HUB"
token = "{TOKEN}"
folder = "{folder}"
"""
    with perijove(settings) as found:
        yield found


def open_lab(person: Person) -> bool:
    answer = person.get("/user/ada/lab")
    return answer.status_code == 200 and answer.url.path.startswith("/user/ada/")


def test_a_person_works_in_a_job_that_has_dialled_in(running: Running) -> None:
    ada = Person(running.url)
    assert ada.sign_in("ada").status_code == 200
    ada.submit("/hub/home", "/hub/spawn/ada")
    until(lambda: open_lab(ada), what=f"ada's server in:\n{running.output}")
    assert ada.get("/user/ada/api/status").status_code == 200
    bearer = {"authorization": f"token {PASS}"}
    url = f"{running.hub_url}/hub/api/perijove/users/ada/server/report"
    report = until(lambda: httpx.get(url, headers=bearer, timeout=60).json().get("report"), what="a report")
    assert report["present"]
    assert report["usage"]["memory_bytes"] > 0
    bob = Person(running.url)
    bob.sign_in("bob")
    assert bob.get("/user/ada/api/status").status_code in {403, 404}
    bob.close()
    first = running.child("gateway")
    os.kill(first, signal.SIGKILL)
    until(lambda: running.child("gateway") != first and ada.get("/user/ada/api/status").status_code == 200, what="the gateway again")
    assert httpx.delete(f"{running.hub_url}/hub/api/users/ada/server", headers=bearer, timeout=60).status_code in {202, 204}
    until(lambda: not httpx.get(f"{running.hub_url}/hub/api/users/ada", headers=bearer, timeout=60).json().get("servers"), what="the end")
    ada.close()


def test_who_waits_sees_the_environment_made_ready_or_hears_why_it_cannot_be(running: Running, user_env: Path) -> None:
    eve, bearer, api = Person(running.url), {"authorization": f"token {PASS}"}, f"{running.hub_url}/hub/api"
    assert eve.sign_in("eve").status_code == 200

    def told(environment: dict[str, object]) -> str:
        """All that is said of a start, until it has ended."""
        asked = httpx.post(f"{api}/users/eve/server", headers=bearer, json={"environment": environment}, timeout=60)
        if asked.status_code == 500:  # it failed while we waited
            return asked.text
        assert asked.status_code in {201, 202}, asked.text
        return httpx.get(f"{api}/users/eve/server/progress", headers=bearer, timeout=120).text

    missing = told({"name": "theirs", "kind": "existing", "path": "/nowhere"})
    assert "Your environment could not be made ready. There is no Python in /nowhere" in missing
    ready = told({"name": "site", "kind": "existing", "path": str(user_env)})
    assert "The environment site is ready." in ready
    assert '"ready":true' in ready
    assert eve.get("/user/eve/lab").status_code == 200
    assert httpx.delete(f"{api}/users/eve/server", headers=bearer, timeout=60).status_code in {202, 204}
    eve.close()


def test_a_websocket_outlives_the_replacement_of_everything(running: Running) -> None:
    ada = Person(running.url)
    assert ada.sign_in("ada").status_code == 200
    ada.submit("/hub/home", "/hub/spawn/ada")
    until(lambda: open_lab(ada), what=f"ada's server in:\n{running.output}")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in ada.http.cookies.jar)
    gateway = running.child("gateway")
    url = f"{running.url.replace('http', 'ws', 1)}/user/ada/api/events/subscribe"
    with connect(url, additional_headers={"Cookie": cookies}) as socket:
        assert socket.ping().wait(20)
        code, said = Site(running).replaced()
        assert code == 0, said
        assert "The old gateway" in said
        assert running.child("gateway")
        assert ada.get("/user/ada/api/status").status_code == 200
        assert socket.ping().wait(20)
        assert Path(f"/proc/{gateway}").exists(), "the old one carries it"
    ada.close()
