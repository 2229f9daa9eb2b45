"""Every answer of the access rules can be explained: to administrators of anybody, to others of themselves."""

import subprocess
import sys

import httpx2 as httpx
import pytest

from tests.running.perijove import Running


def ask(api: httpx.Client, who: str, action: str) -> httpx.Response:
    return api.get("/perijove/explain-access", params={"who": who, "action": action})


@pytest.fixture(scope="module")
def people(running: Running) -> None:
    """eve is an ordinary person, fay belongs to the group staff, mal is blocked."""
    with httpx.Client(base_url=f"{running.hub_url}/hub/api", headers={"authorization": "token a-token-of-the-test-service"}, timeout=30) as api:
        assert api.post("/users", json={"usernames": ["eve", "fay", "mal"]}).status_code == 201
        assert api.post("/groups/staff", json={"users": ["fay"]}).status_code == 201


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("who", "action", "allowed", "words"),
    [
        ("eve", "start:servers!user=eve", True, "user"),
        ("eve", "access:servers!server=eve/", True, "user"),
        ("eve", "access:servers!server=fay/", False, "not for server fay/"),
        ("eve", "list:users", False, "holds no list:users"),
        ("eve", "custom:reports:read", True, "user"),
        ("eve", "read:services!service=weak", True, "user"),
        ("service:weak", "custom:reports:read", False, "custom:reports:read"),
        ("eve", "read:groups!group=staff", False, "Denied to user eve"),
        ("service:test", "tokens!user=eve", True, "test"),
        ("service:weak", "shutdown", False, "Denied to service weak"),
    ],
)
def test_the_role_or_its_absence_is_named(api: httpx.Client, who: str, action: str, allowed: bool, words: str) -> None:
    found = ask(api, who, action).json()
    assert found["allowed"] is allowed
    assert words in found["why"]


@pytest.mark.usefixtures("people")
def test_bad_questions_are_told_what_is_wrong(api: httpx.Client) -> None:
    assert ask(api, "nobody-at-all", "list:users").status_code == 404
    for action in ("fly:home", "start:servers!user", "start:servers!colour=red", ""):
        answer = ask(api, "eve", action)
        assert answer.status_code == 400, action
        assert answer.json()["message"]


@pytest.mark.usefixtures("people")
def test_others_are_explained_to_administrators_only(weak: httpx.Client) -> None:
    assert ask(weak, "eve", "list:users").status_code == 403
    assert ask(weak, "service:test", "list:users").status_code == 403
    assert ask(weak, "service:weak", "list:users").json()["allowed"] is False
    assert weak.get("/perijove/explain-access", params={"action": "list:users"}).json()["who"] == "service:weak"


@pytest.mark.usefixtures("people")
def test_the_command_explains_beside_a_running_hub(running: Running) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "perijove", "explain-access", "--config", running.config, *words], capture_output=True, text=True, check=False
        )

    yes, no, unknown = command("eve", "start:servers!user=eve"), command("eve", "shutdown"), command("nobody", "shutdown")
    assert (yes.returncode, no.returncode, unknown.returncode) == (0, 3, 1)
    assert "Allowed to user eve" in yes.stdout
    assert "Denied to user eve" in no.stdout
    assert "no person 'nobody'" in unknown.stderr
