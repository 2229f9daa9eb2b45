"""How the process starts, listens, reports and ends."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from .fake_hub import CLIENT_ID, SERVER_TOKEN, VERSION, FakeHub
from .running_server import NAVIGATE, PREFIX, command, environment, running


@pytest.fixture
def own_hub() -> FakeHub:
    return FakeHub()


def tcp_listeners(pid: int) -> list[str]:
    """The local addresses of the TCP sockets a process listens on, as /proc writes them."""
    open_files = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
    listen = "0A"
    return [row[1] for row in rows if row[3] == listen and f"socket:[{row[9]}]" in open_files]


def run_until_exit(hub: FakeHub, home: Path, url: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(),
        env=environment(hub, home, url, **more),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_server_on_a_unix_socket_serves_its_owner_only(hub: FakeHub, home: Path) -> None:
    socket_path = home / "Run" / "alice.sock"
    socket_path.parent.mkdir()
    with running(hub, home, socket_path=socket_path) as browser:
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
        assert browser.open(PREFIX + "lab").status_code == 200
        info = json.loads(next(home.rglob("jpserver-*.json")).read_text())
        assert tcp_listeners(info["pid"]) == []
    assert not socket_path.exists()


def test_a_socket_left_by_a_killed_server_is_replaced(hub: FakeHub, home: Path) -> None:
    socket_path = home / "alice.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path))
    with running(hub, home, socket_path=socket_path) as browser:
        assert browser.is_up()


def test_sign_ins_outlive_a_restart_of_the_server(hub: FakeHub, home: Path) -> None:
    with running(hub, home) as first:
        first.open(PREFIX + "lab")
        kept = dict(first.cookies)
    with running(hub, home) as second:
        second.cookies = kept
        assert second.fetch(PREFIX + "api/contents").status_code == 200


def test_a_sign_in_begun_before_a_restart_ends_after_it(hub: FakeHub, home: Path) -> None:
    with running(hub, home) as first:
        login = first.get(PREFIX + "lab/tree/x", NAVIGATE).headers["Location"]
        authorize = first.get(login, NAVIGATE).headers["Location"]
        kept = dict(first.cookies)
    with running(hub, home) as second:
        second.cookies = kept
        assert second.open(authorize).url.path == PREFIX + "lab/tree/x"


def test_activity_is_reported_at_the_start_and_again_only_when_there_is_news(own_hub: FakeHub, home: Path) -> None:
    with own_hub as hub, running(hub, home, JUPYTERHUB_ACTIVITY_INTERVAL="1") as browser:
        hub.wait_for_activity(1)
        first = hub.activity[0]
        at = datetime.fromisoformat(first["last_activity"])
        assert first["servers"] == {"": {"last_activity": first["last_activity"]}}
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
        browser.open(PREFIX + "lab")
        browser.fetch(PREFIX + "api/contents")
        hub.wait_for_activity(2)
        stamps = [report["last_activity"] for report in hub.activity]
        assert stamps == sorted(set(stamps))


def test_activity_waits_for_a_hub_that_is_away(own_hub: FakeHub, home: Path) -> None:
    with own_hub as hub, running(hub, home, JUPYTERHUB_ACTIVITY_INTERVAL="1") as browser:
        hub.wait_for_activity(1)
        hub.hang_up()
        browser.get(PREFIX + "api/contents", {"Authorization": "token x"})
        hub.listen()
        browser.open(PREFIX + "lab")
        browser.fetch(PREFIX + "api/contents")
        hub.wait_for_activity(2)


def test_without_a_hub_the_server_ends_and_says_who_mends_it(own_hub: FakeHub, home: Path) -> None:
    own_hub.port = 9  # nothing listens at "discard"
    done = run_until_exit(own_hub, home, "http://127.0.0.1:1/user/alice/", PERIJOVE_SINGLEUSER_START_TIMEOUT="1")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "no hub answers at http://127.0.0.1:9/hub/api" in last
    assert "administrator" in last
    assert SERVER_TOKEN not in done.stderr


def test_a_missing_variable_ends_the_server_with_one_sentence(own_hub: FakeHub, home: Path) -> None:
    done = run_until_exit(own_hub, home, "http://127.0.0.1:1/user/alice/", JUPYTERHUB_API_TOKEN="")
    assert done.returncode == 1
    assert "JUPYTERHUB_API_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_behind_a_unix_socket_is_found(hub: FakeHub, home: Path) -> None:
    door = home / "Hub.sock"
    url = f"http+unix://{quote(str(door), safe='')}/hub/api"
    activity = f"{url}/users/alice/activity"
    reports = len(hub.activity)
    with (
        hub.listening_on(door),
        running(hub, home, JUPYTERHUB_API_URL=url, JUPYTERHUB_ACTIVITY_URL=activity) as browser,
    ):
        assert browser.open(PREFIX + "lab").status_code == 200
        assert browser.get(PREFIX + "api").headers["X-JupyterHub-Version"] == VERSION
        hub.wait_for_activity(reports + 1)


def test_the_hubs_root_folder_and_first_page_are_used(hub: FakeHub, home: Path) -> None:
    (home / "work").mkdir()
    (home / "work" / "here.txt").write_text("x")
    with running(hub, home, JUPYTERHUB_ROOT_DIR="~/work", JUPYTERHUB_DEFAULT_URL="/lab/tree/here.txt") as browser:
        assert browser.open(PREFIX).url.path == PREFIX + "lab/tree/here.txt"
        listing = browser.fetch(PREFIX + "api/contents").json()
        assert [entry["name"] for entry in listing["content"]] == ["here.txt"]


def test_a_persons_configuration_cannot_open_the_server(hub: FakeHub, home: Path) -> None:
    config = home / ".jupyter"
    config.mkdir()
    (config / "jupyter_server_config.py").write_text(
        "c.ServerApp.identity_provider_class = 'jupyter_server.auth.PasswordIdentityProvider'\n"
        "c.IdentityProvider.token = 'mine'\n"
        "c.ServerApp.base_url = '/elsewhere/'\n"
        "c.ServerApp.allow_unauthenticated_access = True\n"
    )
    with running(hub, home) as browser:
        mine = {"Authorization": "token mine"}
        assert browser.get(PREFIX + "api/contents", mine).status_code == 403
        assert browser.open(PREFIX + "lab").status_code == 200


@pytest.mark.parametrize(("disabled", "page"), [("0", "mine"), ("1", "lab")])
def test_a_persons_configuration_is_left_out_if_the_hub_says_so(hub: FakeHub, home: Path, disabled: str, page: str) -> None:
    config = home / ".jupyter"
    config.mkdir()
    (config / "jupyter_server_config.py").write_text("c.ServerApp.default_url = '/mine'\n")
    with running(hub, home, JUPYTERHUB_DISABLE_USER_CONFIG=disabled) as browser:
        browser.open(PREFIX + "lab")
        assert browser.get(PREFIX, NAVIGATE).headers["Location"].rstrip("?") == PREFIX + page


def test_the_host_prefix_locks_the_cookie_to_one_host(hub: FakeHub, home: Path) -> None:
    with running(hub, home, JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED="1") as browser:
        assert browser.open(PREFIX + "lab").status_code == 200
        assert ("/", f"__Host-{CLIENT_ID}") in browser.cookies


def test_cookie_options_of_the_hub_are_used(hub: FakeHub, home: Path) -> None:
    options = json.dumps({"SameSite": "None", "Secure": True})
    with running(hub, home, JUPYTERHUB_COOKIE_OPTIONS=options) as browser:
        login = browser.get(PREFIX + "login", NAVIGATE)
        assert "SameSite=None" in login.headers["set-cookie"]
        assert "Secure" in login.headers["set-cookie"]
