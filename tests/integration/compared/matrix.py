"""Everybody asks for everything: each resource that can be read, and what each may therefore see of it."""

from collections.abc import Iterator

from tests.integration.compared.talk import NOBODY, TOKENS, Ask, Step

PEOPLE = (
    "test", "weak", "groupie", "reader", "ada", "ann", "bob", "dan", *TOKENS, "server of ann", "wrong", "revoked", "expired", "cookie of ada",
    "cookie of ann", NOBODY,
)  # fmt: skip
RESOURCES = (
    "/", "/info", "/user", "/health", "/users", "/users?include_stopped_servers=1", "/users/ada", "/users/ann", "/users/ann?include_stopped_servers=1",
    "/users/bob", "/users/nobody", "/users/ann/tokens", "/users/bob/tokens", "/users/nobody/tokens", "/users/ann/tokens/a999999", "/users/ann/server",
    "/users/ann/servers/lab", "/users/ann/servers/nothing", "/users/bob/server", "/users/nobody/server", "/users/ann/servers/lab/progress",
    "/users/ann/server/progress", "/users/nobody/server/progress", "/groups", "/groups/team", "/groups/empty", "/groups/nobody", "/services", "/services/weak",
    "/services/test", "/services/nobody", "/proxy",
    "/authorizations/token/{token of ann}", "/authorizations/token/{token of weak}", "/authorizations/token/{token of names}", "/authorizations/token/nothing",
    "/authorizations/token/{token of expired}", "/authorizations/cookie/jupyterhub-hub-login/nothing", "/authorizations/cookie/other/nothing",
)  # fmt: skip


def everybody_reads_everything() -> Iterator[Step]:
    for path in RESOURCES:
        for who in PEOPLE:
            yield Ask(who=who, path=path)


def everybody_tries_to_change() -> Iterator[Step]:
    """What only an administrator may: the questions change nothing even where they are allowed."""
    for method, path in (
        ("POST", "/users/ann"),
        ("PATCH", "/users/nobody"),
        ("DELETE", "/users/nobody"),
        ("POST", "/users/nobody/activity"),
        ("POST", "/users/nobody/tokens"),
        ("DELETE", "/users/ann/tokens/a999999"),
        ("POST", "/users/nobody/server"),
        ("DELETE", "/users/nobody/server"),
        ("PUT", "/users/ann/servers/lab"),
        ("PATCH", "/users/ann/servers/nothing"),
        ("DELETE", "/users/ann/servers/nothing"),
        ("POST", "/groups/team"),
        ("DELETE", "/groups/nobody"),
        ("POST", "/groups/nobody/users"),
        ("DELETE", "/groups/nobody/users"),
        ("PUT", "/groups/nobody/properties"),
        ("PATCH", "/proxy"),
        ("POST", "/shutdown"),
        ("POST", "/authorizations/token"),
        ("POST", "/users/bob/admin-access"),
        ("POST", "/users/nobody/admin-access"),
    ):
        for who in PEOPLE:
            if path == "/shutdown":
                yield Ask(who=who, method=method, path=path, json={"proxy": "neither", "servers": "nor"})
            else:
                yield Ask(who=who, method=method, path=path, json={})
