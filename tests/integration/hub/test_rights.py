"""What people, groups and services may do, declared in the configuration, held over HTTP, explained, and declared otherwise at the next start."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.running.perijove import perijove

TOKEN = "the-token-of-the-test-service"
GRADER = "the-token-of-the-grader-service"
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
state_dir = "STATE"
[authenticator]
use = "dummy"
[access]
allow_all = true
EXTRA
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[limits]
named_servers = true
[custom_scopes]
"custom:reports" = {{ description = "work with reports", subscopes = ["custom:reports:read"] }}
"custom:reports:read" = "read reports"
[[services]]
name = "test"
api_token = "{TOKEN}"
admin = true
[[services]]
name = "grader"
api_token = "{GRADER}"
"""
FIRST = """
[[groups]]
name = "class"
users = ["sue"]
[[roles]]
name = "teacher"
description = "looks after the class"
scopes = ["list:users!group=class", "read:users!group=class", "servers!group=class", "custom:reports"]
groups = ["teachers"]
[[roles]]
name = "helper"
scopes = ["read:servers!server=sue/lab", "read:users:name"]
users = ["hal", "new"]
[[roles]]
name = "grading"
scopes = ["custom:reports:read", "list:users"]
services = ["grader"]
[[roles]]
name = "server"
scopes = ["users:activity!user", "access:servers!server", "read:users:name!user"]
"""
SECOND = """
[[roles]]
name = "helper"
scopes = ["proxy"]
users = ["ned"]
groups = ["teachers"]
"""


@dataclass
class Site:
    """One running hub."""

    url: str
    tokens: dict[str, str] = field(default_factory=lambda: {"test": TOKEN, "grader": GRADER})

    def ask(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, f"{self.url}/hub/api{path}", headers={"authorization": f"token {self.tokens[who]}"}, json=body, timeout=30)

    def must(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.ask("test", method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.text else None

    def token(self, name: str, key: str = "", **body: Any) -> None:
        self.tokens[key or name] = self.must("POST", f"/users/{name}/tokens", body)["token"]

    def scopes(self, who: str) -> list[str]:
        return list(self.ask(who, "GET", "/user").json()["scopes"])

    def why(self, who: str, action: str) -> str:
        found = self.ask("test", "GET", f"/perijove/explain-access?who={who}&action={action}").json()
        return f"{found['allowed']}: {found['why']}"


@contextmanager
def site(folder: Path, roles: str, extra: str = "") -> Iterator[Site]:
    with perijove(SETTINGS.replace("STATE", str(folder)).replace("EXTRA", extra) + roles, command="hub") as running:
        yield Site(running.hub_url)


def settle_in(site: Site) -> None:
    """People, their groups, servers and tokens."""
    site.must("POST", "/users", {"usernames": ["tea", "ned"]})
    site.must("POST", "/groups/teachers/users", {"users": ["tea"]})
    site.must("PUT", "/users/sue/servers/lab")
    for name in ("tea", "ned", "sue", "hal", "new"):
        site.token(name)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("state"), FIRST) as found:
        settle_in(found)
        yield found


def test_people_and_groups_that_only_roles_name_are_there(first: Site) -> None:
    assert {"hal", "new", "sue"} <= {user["name"] for user in first.must("GET", "/users")}
    assert {group["name"] for group in first.must("GET", "/groups")} == {"class", "teachers"}
    assert [group["roles"] for group in first.must("GET", "/groups") if group["name"] == "teachers"] == [["teacher"]]


def test_a_groups_role_is_held_by_its_members_and_only_for_whom_it_names(first: Site) -> None:
    assert [user["name"] for user in first.ask("tea", "GET", "/users").json()] == ["sue"]
    assert first.ask("tea", "POST", "/users/sue/server").status_code in {201, 202}
    assert first.ask("tea", "GET", "/users/hal").status_code == 404
    assert first.ask("ned", "GET", "/users").status_code == 403
    assert "custom:reports:read" in first.scopes("tea")
    assert "the role teacher, through the group teachers" in first.why("tea", "start:servers!user=sue")
    assert "only for user tea and group class, not for user hal" in first.why("tea", "start:servers!user=hal")


def test_who_leaves_the_group_loses_the_role_and_tokens_follow(first: Site) -> None:
    first.must("POST", "/groups/teachers/users", {"users": ["ned"]})
    assert "custom:reports" in first.scopes("ned")
    first.ask("test", "DELETE", "/groups/teachers/users", {"users": ["ned"]})
    assert "custom:reports" not in first.scopes("ned")
    assert first.ask("ned", "GET", "/users").status_code == 403
    assert first.why("ned", "list:users").startswith("False: Denied to user ned: holds no list:users. Held are the role user")


def test_a_role_for_one_server_is_for_that_one(first: Site) -> None:
    assert first.ask("hal", "GET", "/users/sue/servers/lab").status_code == 200
    assert first.ask("hal", "GET", "/users/sue/servers/other").status_code == 404
    assert first.ask("hal", "GET", "/users/ned").json() == {"kind": "user", "name": "ned", "admin": False, "user_info": None}
    assert "from the role helper" in first.why("hal", "read:servers!server=sue/lab")


def test_a_service_holds_what_its_role_says(first: Site) -> None:
    assert first.ask("grader", "GET", "/users").status_code == 200
    assert first.ask("grader", "POST", "/users/nobody").status_code == 403
    assert "custom:reports:read" in first.scopes("grader")
    assert "custom:reports" not in first.scopes("grader")
    assert "from the role grading" in first.why("service:grader", "custom:reports:read")


def test_tokens_have_what_they_were_made_with_and_no_more(first: Site) -> None:
    first.token("tea", "narrow", scopes=["read:users!group=class", "custom:reports:read"])
    first.token("tea", "own", scopes=["self"])
    first.token("tea", "by role", roles=["server"])
    first.token("tea", "all", scopes=["inherit"])
    assert first.ask("narrow", "GET", "/users/sue").status_code == 200
    assert first.ask("narrow", "DELETE", "/users/sue/server").status_code == 403
    assert first.ask("own", "GET", "/users/tea").status_code == 200
    assert first.ask("own", "GET", "/users/sue").status_code == 404
    assert first.scopes("all") == first.scopes("tea")
    assert "users:activity!user=tea" in first.scopes("by role")
    for asked in (["admin:users"], ["servers"], ["read:users!group=teachers"], ["custom:nosuch"], ["self!user=tea"], ["servers!"]):
        assert first.ask("test", "POST", "/users/tea/tokens", {"scopes": asked}).status_code == 400, asked


def test_a_token_is_told_that_it_is_the_token_that_falls_short(first: Site) -> None:
    first.token("tea", "reading", scopes=["read:servers!user", "read:users!group=class"])

    def asked(action: str, **more: str) -> tuple[bool, str]:
        query = "&".join(f"{name}={value}" for name, value in {"action": action, **more}.items())
        found = first.ask("reading", "GET", f"/perijove/explain-access?{query}").json()
        return found["allowed"], found["why"]

    allowed, why = asked("start:servers!user=sue")
    assert not allowed
    assert "Its owner holds start:servers from the role teacher, through the group teachers, but the token carries only" in why
    assert asked("start:servers!user=sue", who="tea")[0]
    assert asked("read:users!user=sue")[0]
    assert "but the token" not in asked("shutdown")[1]


def test_a_narrow_token_makes_no_wider_one(first: Site) -> None:
    first.token("tea", "tokens", scopes=["tokens!user"])
    made = first.ask("tokens", "POST", "/users/tea/tokens", {"scopes": ["inherit"]})
    assert made.status_code == 403
    assert first.ask("tokens", "POST", "/users/sue/tokens", {}).status_code in {403, 404}


def test_shares_and_flags_are_named_as_the_reason(first: Site) -> None:
    first.must("POST", "/shares/sue/lab", {"user": "ned"})
    first.must("POST", "/shares/sue/lab", {"group": "teachers"})
    assert "the server sue/lab was shared with them" in first.why("ned", "access:servers!server=sue/lab")
    assert "the server sue/lab was shared with the group teachers" in first.why("tea", "access:servers!server=sue/lab")
    first.must("POST", "/users/boss", {"admin": True})
    assert "as an administrator" in first.why("boss", "shutdown")
    assert "as an administrator" in first.why("service:test", "shutdown")
    assert "everybody has" in first.why("ned", "start:servers!user=ned")


def test_the_next_start_declares_otherwise(tmp_path: Path) -> None:
    with site(tmp_path, FIRST) as before:
        settle_in(before)
    with site(tmp_path, SECOND, 'extra_user_scopes = ["read:hub"]') as after:
        after.tokens = before.tokens
        assert after.ask("hal", "GET", "/proxy").status_code == 403, "holders are those that the file names"
        assert after.ask("ned", "GET", "/proxy").status_code == 200
        assert after.ask("tea", "GET", "/proxy").status_code == 200, "the group still has its members"
        assert after.ask("tea", "GET", "/users").status_code == 403, "a role that is not declared is gone"
        assert after.ask("grader", "GET", "/users").status_code == 403
        assert after.ask("sue", "GET", "/info").status_code == 200, "everybody has what extra_user_scopes adds"
        assert [group["roles"] for group in after.must("GET", "/groups") if group["name"] == "teachers"] == [["helper"]]
        assert after.must("GET", "/groups/class")["users"] == ["sue"], "members stay"
