"""Roles as the configuration declares them, beside JupyterHub's load_roles: the same people, groups and services, holding the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.perijove import perijove

TOKENS = {name: f"{name}-" + "7" * 32 for name in ("boss", "grader", "bare")}
CUSTOM = {"custom:reports": "work with reports", "custom:reports:read": "read reports"}
ROLES: list[dict[str, Any]] = [
    {"name": "user", "description": "ours", "scopes": ["self", "read:users:name!group=class", "custom:reports:read"]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", "read:users:groups!user", "custom:reports"]},
    {"name": "admin", "users": ["ann"], "services": ["boss"]},
    {"name": "teacher", "scopes": ["servers!group=class", "list:users!group=class", "custom:reports"], "groups": ["teachers"], "users": ["tom"]},
    {"name": "grading", "scopes": ["list:users", "read:users:groups", "self"], "services": ["grader"], "users": ["tom", "new"]},
    {"name": "void", "scopes": ["read:users!group=nobody", "tokens!user=gone"], "users": ["new"]},
]
GROUPS = {"class": ["sue"], "teachers": ["tea"]}
SERVICES = [{"name": name, "api_token": token} for name, token in TOKENS.items()]
THEIRS = f"""
c.JupyterHub.services = {SERVICES}
c.JupyterHub.load_roles = {ROLES}
c.JupyterHub.load_groups = { ({name: {"users": users} for name, users in GROUPS.items()}) }
c.JupyterHub.custom_scopes = { ({name: {"description": words} for name, words in CUSTOM.items()}) }
"""


def ours() -> str:
    """Lines of TOML."""

    def entry(section: str, values: dict[str, Any]) -> str:
        return "\n".join([f"[[{section}]]", *(f"{key} = {value!r}" for key, value in values.items())])

    return "\n".join(
        [
            '[proxy]\nlisten = "PROXY"\n[hub]\nlisten = "HUB"\n[authenticator]\nuse = "dummy"\n[access]\nallow_all = true',
            '[spawner]\nuse = "perijove.testing.null_spawner:NullSpawner"\n[limits]\nnamed_servers = true\n[custom_scopes]',
            *(f"{name!r} = {words!r}" for name, words in CUSTOM.items()),
            *(entry("services", service) for service in SERVICES),
            *(entry("roles", role) for role in ROLES),
            *(entry("groups", {"name": name, "users": users}) for name, users in GROUPS.items()),
            "",
        ]
    )


@dataclass
class Site:
    """One hub."""

    url: str
    tokens: dict[str, str] = field(default_factory=lambda: dict(TOKENS))

    def ask(self, who: str, path: str, method: str = "GET", body: Any = None) -> Any:
        answer = httpx.request(method, f"{self.url}/hub/api{path}", headers={"authorization": f"token {self.tokens[who]}"}, json=body, timeout=30)
        return answer.json() if answer.status_code < 300 else answer.status_code

    def standing(self) -> dict[str, Any]:
        """Who there is, and what each has by name."""
        people = {user["name"]: (user["admin"], sorted(user["roles"]), user["groups"]) for user in self.ask("boss", "/users")}
        groups = {group["name"]: (sorted(group["roles"]), group["users"]) for group in self.ask("boss", "/groups")}
        services = {name: sorted(service["roles"]) for name, service in self.ask("boss", "/services").items()}
        return {"people": people, "groups": groups, "services": services}


@pytest.fixture(scope="module")
def sites(jupyterhub_6_env: Path) -> Iterator[tuple[Site, Site]]:
    """JupyterHub's, and ours."""
    with jupyterhub(jupyterhub_6_env, THEIRS) as url, perijove(ours(), command="hub") as running:
        pair = Site(url), Site(running.hub_url)
        for site in pair:
            for name in site.standing()["people"]:
                site.tokens[name] = site.ask("boss", f"/users/{name}/tokens", "POST", {})["token"]
        yield pair


def test_the_same_people_groups_and_services_have_the_same_roles(sites: tuple[Site, Site]) -> None:
    theirs, ours_ = (site.standing() for site in sites)
    assert set(ours_["people"]) == {"ann", "sue", "tea", "tom", "new"}
    assert ours_ == theirs


@pytest.mark.parametrize("who", ["ann", "sue", "tea", "tom", "new", "boss", "grader", "bare"])
def test_they_hold_the_same_scopes(sites: tuple[Site, Site], who: str) -> None:
    theirs, ours_ = (site.ask(who, "/user")["scopes"] for site in sites)
    assert ours_ == theirs


@pytest.mark.parametrize(
    ("who", "path"),
    [
        (who, path)
        for who in ("sue", "tea", "tom", "new", "grader", "bare")
        for path in ("/users", "/users/sue", "/users/tom", "/groups", "/users/sue/server")
    ],
)
def test_they_see_the_same(sites: tuple[Site, Site], who: str, path: str) -> None:
    def shape(found: Any) -> Any:
        if isinstance(found, list):
            return sorted(shape(each) for each in found)  # people were made in another order
        return (found.get("name"), sorted(found)) if isinstance(found, dict) else found

    theirs, ours_ = (shape(site.ask(who, path)) for site in sites)
    assert ours_ == theirs


@pytest.mark.parametrize(
    "asked", [{"scopes": []}, {"roles": ["server"]}, {"roles": ["grading"]}, {"scopes": ["custom:reports"]}, {"roles": ["nosuch"]}]
)
@pytest.mark.parametrize("who", ["sue", "tom"])
def test_their_tokens_have_the_same(sites: tuple[Site, Site], who: str, asked: dict[str, list[str]]) -> None:
    theirs, ours_ = (site.ask("boss", f"/users/{who}/tokens", "POST", asked) for site in sites)
    if isinstance(theirs, dict):
        theirs, ours_ = sorted(theirs["scopes"]), sorted(ours_["scopes"])
    assert ours_ == theirs
