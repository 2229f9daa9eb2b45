"""auth_state by the API of a real hub, while its keys are changed over restarts."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.running.perijove import Running, perijove, restart, until

TOKEN, READER = "a-token-of-the-admin-service", "a-token-of-the-reading-service"
OLD, NEW = "o" * 40, "n" * 40
SETTINGS = f"""
[proxy]
listen = "PROXY"
[hub]
listen = "HUB"
crypt_keys = [{{ value = "{OLD}" }}]
[authenticator]
use = "dummy"
[access]
allow_all = true
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[[services]]
name = "admin"
api_token = "{TOKEN}"
[[services]]
name = "reader"
api_token = "{READER}"
[[roles]]
name = "admin-users"
services = ["admin"]
scopes = ["admin:users"]
[[roles]]
name = "reader"
services = ["reader"]
scopes = ["read:users", "list:users"]
"""
STATE = {"access_token": "from-the-provider", "groups": ["a", "b"], "deep": {"n": 1.5}}
ONLY_OLD = f'crypt_keys = [{{ value = "{OLD}" }}]'
BOTH = f'crypt_keys = [{{ value = "{NEW}" }}, {{ value = "{OLD}" }}]'
ONLY_NEW = f'crypt_keys = [{{ value = "{NEW}" }}]'


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with perijove(SETTINGS) as found:
        yield found


def ask(running: Running, method: str, path: str, body: Any = None, *, token: str = TOKEN) -> httpx.Response:
    return httpx.request(method, f"{running.url}/hub/api{path}", json=body, headers={"authorization": f"token {token}"}, timeout=30)


def sealed(running: Running, name: str) -> bytes | None:
    with sqlite3.connect(next(running.folder.rglob("perijove.sqlite"))) as database:
        row = database.execute("select sealed from auth_states join users on users.id = user_id where name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def test_it_is_set_and_cleared_by_patch_and_seen_by_its_scope_alone(running: Running) -> None:
    assert ask(running, "POST", "/users/ann").json()["auth_state"] is None
    changed = ask(running, "PATCH", "/users/ann", {"auth_state": STATE})
    assert (changed.status_code, changed.json()["auth_state"]) == (200, STATE)
    assert ask(running, "GET", "/users/ann").json()["auth_state"] == STATE
    assert "auth_state" not in ask(running, "GET", "/users/ann", token=READER).json()
    assert b"from-the-provider" not in (sealed(running, "ann") or b"")
    listed = {user["name"]: user for user in ask(running, "GET", "/users", token=READER).json()}
    assert "auth_state" not in listed["ann"]
    assert ask(running, "PATCH", "/users/ann", {"auth_state": "text"}).status_code == 400
    assert ask(running, "PATCH", "/users/ann", {"auth_state": STATE}, token=READER).status_code == 403
    assert ask(running, "PATCH", "/users/ann", {"auth_state": None}).json()["auth_state"] is None
    assert sealed(running, "ann") is None


def test_keys_are_changed_over_restarts_and_nobody_loses_theirs(running: Running) -> None:
    for name in ("bob", "cyn"):
        ask(running, "POST", f"/users/{name}")
        ask(running, "PATCH", f"/users/{name}", {"auth_state": {"of": name}})
    first = sealed(running, "bob")
    restart(running, ONLY_OLD, BOTH)
    until(lambda: sealed(running, "cyn") not in {first, None} and "encrypted anew with the newest key" in running.output, what="the pass over all")
    assert sealed(running, "bob") != first
    restart(running, BOTH, ONLY_NEW)
    assert [ask(running, "GET", f"/users/{name}").json()["auth_state"] for name in ("bob", "cyn")] == [{"of": "bob"}, {"of": "cyn"}]
    restart(running, ONLY_NEW, ONLY_OLD)
    answer = ask(running, "GET", "/users/bob")
    assert (answer.status_code, answer.json()["auth_state"]) == (200, None)
    said = until(lambda: [line for line in running.lines if "hub.crypt_keys" in line and '"user": "bob"' in line], what="the log line")
    assert "from-the-provider" not in running.output
    assert said
