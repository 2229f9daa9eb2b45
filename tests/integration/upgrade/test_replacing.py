"""`perijove up --replace`: hub, proxy and supervisor become those of the installation and configuration of today, and nobody notices."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2 as httpx
import pytest

from tests.integration.upgrade.place import DRIVER, SETTINGS, Site
from tests.integration.upgrade.traffic import traffic
from tests.running.perijove import accounts, perijove, until

SERVER = Path(__file__).parent / "little_server.py"
PYTHON = Path(sys.base_prefix) / "bin" / "python3"


def settings(place: Path) -> str:
    return f"""{SETTINGS}
[spawner]
use = "local"
listen = "tcp"
command = {json.dumps([str(PYTHON), str(place / "little_server.py")])}
args = {json.dumps(["{port}", str(place / "held-{username}")])}
{accounts()}
"""


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Site, Path]]:
    with TemporaryDirectory(prefix="pj-place-") as name:
        place = Path(name)
        place.chmod(0o755)
        Path(shutil.copy(SERVER, place)).chmod(0o644)
        with perijove(settings(place)) as running:
            found = Site(running)
            for person in ("ada", "slow"):
                assert found.api("POST", f"/users/{person}").status_code == 201
            assert found.api("POST", "/users/ada/server").status_code in {201, 202}, running.output
            until(lambda: found.ready("ada"), what=f"ada's server in:\n{running.output}")
            yield found, place


def test_nobody_notices(started: tuple[Site, Path]) -> None:
    site, place = started
    running, url = site.running, site.running.url
    before = running.child("hub"), running.child("proxy")
    server = httpx.get(f"{url}/user/ada/").text
    (place / "held-slow").touch()
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
    (place / "held-slow").unlink()
    until(lambda: site.ready("slow"), what=f"the start that was under way, in:\n{running.output}")
