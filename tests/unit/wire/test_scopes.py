"""Expansion, filters and intersection, by the facts of JupyterHub's protocol."""

import pytest

from perijove.wire.scopes import (
    API_CLIENT,
    BUILT_IN,
    EVERYTHING,
    NOTHING,
    Catalog,
    Client,
    CustomScope,
    Filter,
    Owner,
    ScopeError,
    Scopes,
    bind,
)

ALICE = Owner("user", "alice")
GRADER = Owner("service", "grader")


def names(*texts: str, owner: Owner | None = None, client: Client = API_CLIENT) -> list[str]:
    return BUILT_IN.expand(texts, bind(owner, client)).sorted_names()


def test_there_are_the_48_scopes_of_jupyterhub_and_all_subscopes_exist() -> None:
    assert len(BUILT_IN.definitions) == 48
    assert all(sub in BUILT_IN.definitions for definition in BUILT_IN.definitions.values() for sub in definition.subscopes)
    assert all(definition.description for definition in BUILT_IN.definitions.values())


@pytest.mark.parametrize(
    ("scope", "brings"),
    [
        ("list:users", ["list:users", "read:users:name"]),
        ("read:users", ["read:users", "read:users:activity", "read:users:groups", "read:users:name"]),
        (
            "admin:servers",
            [
                "admin:server_state",
                "admin:servers",
                "delete:servers",
                "read:servers",
                "read:users:name",
                "servers",
                "start:servers",
            ],
        ),
        (
            "admin:groups",
            ["admin:groups", "delete:groups", "groups", "list:groups", "read:groups", "read:groups:name", "read:roles:groups"],
        ),
        (
            "shares",
            [
                "access:servers",
                "groups:shares",
                "read:groups:shares",
                "read:shares",
                "read:users:shares",
                "shares",
                "users:shares",
            ],
        ),
        ("tokens", ["read:tokens", "tokens"]),
        ("proxy", ["proxy"]),
        ("(no_scope)", ["(no_scope)"]),
    ],
)
def test_a_scope_brings_its_subscopes_along(scope: str, brings: list[str]) -> None:
    assert names(scope) == brings


def test_a_filter_is_copied_to_the_subscopes() -> None:
    assert names("tokens!group=staff") == ["read:tokens!group=staff", "tokens!group=staff"]


def test_a_server_limit_leaves_out_the_subscopes_that_read_users() -> None:
    assert names("read:servers!server=alice/lab") == ["read:servers!server=alice/lab"]
    assert names("read:users!server=alice/lab") == []


def test_self_is_the_standard_rights_of_one_person() -> None:
    expected = [
        "access:servers",
        "delete:servers",
        "read:servers",
        "read:shares",
        "read:tokens",
        "read:users",
        "read:users:activity",
        "read:users:groups",
        "read:users:name",
        "read:users:shares",
        "servers",
        "start:servers",
        "tokens",
        "users:activity",
        "users:shares",
    ]
    assert names("self", owner=ALICE) == sorted(f"{name}!user=alice" for name in expected)


@pytest.mark.parametrize("owner", [GRADER, None])
def test_self_gives_a_service_nothing(owner: Owner | None) -> None:
    assert names("self", owner=owner) == []


def test_inherit_grants_nothing_by_itself() -> None:
    assert names("inherit", owner=ALICE) == []


@pytest.mark.parametrize(
    ("text", "owner", "client", "expanded"),
    [
        ("proxy!user", ALICE, API_CLIENT, ["proxy!user=alice"]),
        ("proxy!user", GRADER, API_CLIENT, []),
        ("proxy!service", GRADER, API_CLIENT, ["proxy!service=grader"]),
        ("proxy!service", ALICE, Client(service="forum"), ["proxy!service=forum"]),
        ("proxy!service", GRADER, Client(service="forum"), ["proxy!service=forum"]),
        ("proxy!service", ALICE, API_CLIENT, []),
        ("proxy!server", ALICE, Client(server="bob/lab"), ["proxy!server=bob/lab"]),
        ("proxy!server", ALICE, Client(server="alice/"), ["proxy!server=alice/"]),
        ("proxy!server", ALICE, API_CLIENT, []),
    ],
)
def test_shortcuts_stand_for_the_owner_or_the_client(text: str, owner: Owner, client: Client, expanded: list[str]) -> None:
    assert names(text, owner=owner, client=client) == expanded


def test_unlimited_swallows_limited() -> None:
    assert names("proxy!user=alice", "proxy", "proxy!group=staff") == ["proxy"]
    assert Scopes.of(["proxy", "proxy!user=alice"]) == Scopes.of(["proxy"])


def test_stored_text_that_is_no_scope_any_more_grants_nothing() -> None:
    assert names("custom:gone:read", "proxy!colour=red", "proxy!user=", "proxy!", "self!user=bob", owner=ALICE) == []


def test_user_reaches_servers_and_group_reaches_members() -> None:
    by_user = BUILT_IN.expand(["servers!user=alice"])
    assert by_user.allows("servers", user="alice")
    assert by_user.allows("servers", user="alice", server="lab")
    assert not by_user.allows("servers", user="bob", server="lab")
    assert not by_user.allows("servers")

    by_group = BUILT_IN.expand(["servers!group=staff"])
    assert by_group.allows("servers", user="alice", groups=frozenset({"staff"}))
    assert by_group.allows("servers", user="alice", server="", groups=frozenset({"staff"}))
    assert not by_group.allows("servers", user="alice", groups=frozenset({"students"}))
    assert by_group.allows("servers", group="staff")

    by_server = BUILT_IN.expand(["servers!server=alice/"])
    assert by_server.allows("servers", user="alice", server="")
    assert not by_server.allows("servers", user="alice", server="lab")
    assert not by_server.allows("servers", user="alice")

    by_service = BUILT_IN.expand(["access:services!service=forum"])
    assert by_service.allows("access:services", service="forum")
    assert not by_service.allows("access:services", service="grader")
    assert not by_service.allows("access:services", user="forum")


def test_groups_are_asked_for_only_when_they_decide() -> None:
    scopes = BUILT_IN.expand(["read:users!group=staff", "read:users!user=alice", "proxy"])
    assert scopes.asks_groups("read:users", user="bob")
    assert not scopes.asks_groups("read:users", user="alice")
    assert not scopes.asks_groups("proxy", user="bob")
    assert not scopes.asks_groups("tokens", user="bob")


def test_a_list_is_limited_to_what_is_in_reach() -> None:
    scopes = BUILT_IN.expand(["list:users!group=staff", "list:users!user=bob", "list:groups"])
    assert scopes.filter_for("list:users") == Filter(users=frozenset({"bob"}), groups=frozenset({"staff"}))
    assert scopes.filter_for("list:groups") == EVERYTHING
    assert scopes.filter_for("list:services") == NOTHING
    assert not scopes.filter_for("list:services")


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (["proxy"], ["proxy!user=alice"], ["proxy!user=alice"]),
        (["proxy!user=alice"], ["proxy!user=bob"], []),
        (["proxy!server=alice/lab"], ["proxy!user=alice"], ["proxy!server=alice/lab"]),
        (["proxy!server=bob/lab"], ["proxy!user=alice"], []),
        (["proxy!group=staff"], ["proxy!user=alice"], ["proxy!user=alice"]),
        (["proxy!group=staff"], ["proxy!user=bob"], []),
        (["proxy!group=staff"], ["proxy!server=alice/"], ["proxy!server=alice/"]),
        (["proxy!group=staff"], ["proxy!group=staff", "proxy!group=tas"], ["proxy!group=staff"]),
        (["proxy!group=staff"], ["proxy!group=tas"], []),
        (["proxy!service=forum"], ["proxy!service=forum"], ["proxy!service=forum"]),
        (["proxy!user=alice"], ["shutdown"], []),
    ],
)
def test_an_intersection_resolves_servers_users_and_groups(one: list[str], other: list[str], common: list[str]) -> None:
    memberships = {"alice": frozenset({"staff"})}
    assert Scopes.of(one).intersection(Scopes.of(other), memberships).sorted_names() == common
    assert Scopes.of(other).intersection(Scopes.of(one), memberships).sorted_names() == common


def test_without_memberships_an_intersection_gives_less_never_more() -> None:
    staff, alice = Scopes.of(["proxy!group=staff"]), Scopes.of(["proxy!user=alice"])
    assert staff.undecided(alice) == {"alice"}
    assert not staff.intersection(alice)


def test_the_excess_names_what_goes_beyond() -> None:
    asked = BUILT_IN.expand(["users:activity!user=alice", "shutdown"])
    held = BUILT_IN.expand(["read:users:activity!user=alice"])
    assert asked.excess(held) == ["shutdown", "users:activity!user=alice"]
    assert held.excess(asked) == []


def test_unlimited_is_not_within_limited() -> None:
    unlimited, limited = Scopes.of(["proxy"]), Scopes.of(["proxy!user=alice"])
    assert not unlimited.within(limited)
    assert limited.within(unlimited)
    assert unlimited.within(unlimited | limited)


def test_a_single_expanded_scope_can_be_asked_for_as_text() -> None:
    scopes = BUILT_IN.expand(["servers!user=alice", "shutdown"])
    assert scopes.covers("start:servers!server=alice/lab")
    assert scopes.covers("shutdown!user=bob")
    assert not scopes.covers("start:servers")
    with pytest.raises(ScopeError, match="expanded"):
        scopes.covers("start:servers!user")


def test_custom_scopes_bring_custom_subscopes_along_even_in_circles() -> None:
    catalog = Catalog(
        {
            "custom:wiki:write": CustomScope("write pages", ("custom:wiki:read",)),
            "custom:wiki:read": CustomScope("read pages", ("custom:wiki:write",)),
            "custom:wiki:*": "everything",
        }
    )
    assert catalog.expand(["custom:wiki:write!user=alice"]).sorted_names() == [
        "custom:wiki:read!user=alice",
        "custom:wiki:write!user=alice",
    ]
    assert "custom:wiki:read" not in BUILT_IN.definitions
