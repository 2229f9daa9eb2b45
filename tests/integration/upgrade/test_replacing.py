"""`perijove up --replace`: hub, proxy and supervisor become those of the installation and configuration of today, and nobody notices."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2 as httpx
import pytest

from tests.integration.upgrade.traffic import traffic
from tests.running.perijove import Running, accounts, perijove, until

SERVER = Path(__file__).parent / "little_server.py"
PYTHON = Path(sys.base_prefix) / "bin" / "python3"
DRIVER = {"authorization": "token the-drivers-own-long-token-0123456789"}


def settings(place: Path) -> str:
    return f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "local"
listen = "tcp"
command = {json.dumps([str(PYTHON), str(place / "little_server.py")])}
args = {json.dumps(["{port}", str(place / "held-{username}")])}
{accounts()}
[[services]]
name = "driver"
api_token = "{DRIVER["authorization"].removeprefix("token ")}"
[[roles]]
name = "driver"
services = ["driver"]
scopes = ["admin:users", "admin:servers", "access:servers"]
"""


@dataclass
class Site:
    running: Running
    place: Path

    def api(self, method: str, path: str, **more: object) -> httpx.Response:
        return httpx.request(method, f"{self.running.url}/hub/api{path}", headers=DRIVER, timeout=60, **more)  # type: ignore[arg-type]

    def ready(self, name: str) -> bool:
        return bool(self.api("GET", f"/users/{name}").json()["servers"].get("", {}).get("ready"))

    def replaced(self, *more: str) -> tuple[int, str]:
        """Ask for it, as an administrator does; the exit code and what is said."""
        done = subprocess.run(
            [sys.executable, "-m", "perijove", "up", "--replace", "--config", str(self.running.config), *more],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def change(self, was: str, becomes: str) -> None:
        text = self.running.config.read_text()
        assert was in text
        self.running.config.write_text(text.replace(was, becomes))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with TemporaryDirectory(prefix="pj-place-") as name:
        place = Path(name)
        place.chmod(0o755)
        Path(shutil.copy(SERVER, place)).chmod(0o644)
        with perijove(settings(place)) as running:
            found = Site(running, place)
            for person in ("ada", "slow"):
                assert found.api("POST", f"/users/{person}").status_code == 201
            assert found.api("POST", "/users/ada/server").status_code in {201, 202}, running.output
            until(lambda: found.ready("ada"), what=f"ada's server in:\n{running.output}")
            yield found


def test_nobody_notices(site: Site) -> None:
    running, url = site.running, site.running.url
    before = running.child("hub"), running.child("proxy")
    server = httpx.get(f"{url}/user/ada/").text
    (site.place / "held-slow").touch()
    assert site.api("POST", "/users/slow/server").status_code in {201, 202}
    with traffic() as people:
        people.get("pages", f"{url}/hub/login", kept=True)
        people.get("first visits", f"{url}/hub/login", kept=False)
        people.get("API", f"{url}/hub/api/users/ada", kept=True, headers=DRIVER)
        people.get("servers that ask the hub", f"{running.hub_url}/hub/api/users/ada", kept=False, headers=DRIVER)
        people.get(
            "changes", f"{url}/hub/api/users/ada/activity", kept=True, method="POST", headers=DRIVER, json={"last_activity": "2026-01-01T00:00:00Z"}
        )
        people.get("notebooks", f"{url}/user/ada/", kept=True)
        people.echo("kernels", f"{url.replace('http', 'ws', 1)}/user/ada/echo", {})
        until(lambda: min(people.answered().values()) > 5, what="that all ask")
        code, said = site.replaced()
        assert code == 0, f"{said}\n{running.output}"
        after = people.answered()
        until(lambda: all(count > after[name] + 5 for name, count in people.answered().items()), what="that all go on")
        assert httpx.get(f"{url}/user/ada/").text == server
        assert running.child("hub") != before[0]
        assert running.process.poll() is None
    (site.place / "held-slow").unlink()
    until(lambda: site.ready("slow"), what=f"the start that was under way, in:\n{running.output}")
