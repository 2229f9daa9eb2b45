"""Who sees which fields."""

import pytest

from perijove.domain.access import Resource, group_resource, server_resource, service_resource, user_resource
from perijove.domain.visibility import SERVER_BASE_FIELDS, visible_fields
from perijove.wire.scopes import BUILT_IN, Scopes

ALICE = user_resource("alice", frozenset({"staff"}))
LAB = server_resource("alice", "lab")


@pytest.mark.parametrize(
    ("scope", "on", "fields"),
    [
        (
            "read:users",
            ALICE,
            "kind name user_info admin roles groups server pending created last_activity",
        ),
        ("read:users:name!user=alice", ALICE, "kind name user_info admin"),
        ("read:users:groups!group=staff", ALICE, "kind name groups"),
        ("read:users:activity", ALICE, "kind name last_activity"),
        ("read:servers!user=alice", ALICE, "kind name servers"),
        ("read:servers!server=alice/lab", ALICE, ""),
        ("read:roles:users", ALICE, "kind name roles admin"),
        ("admin:auth_state", ALICE, "kind name auth_state"),
        ("read:users!user=bob", ALICE, ""),
        ("read:groups", group_resource("staff"), "kind name properties users"),
        ("read:groups:name!group=staff", group_resource("staff"), "kind name"),
        ("read:roles:groups", group_resource("staff"), "kind name roles"),
        ("read:groups!group=staff", group_resource("tas"), ""),
        ("read:services", service_resource("forum"), "kind name admin url prefix command pid info display"),
        ("read:services:name", service_resource("forum"), "kind name admin"),
        ("read:roles:services", service_resource("forum"), "kind name roles admin"),
        ("read:servers!server=alice/lab", LAB, " ".join(SERVER_BASE_FIELDS)),
        ("admin:server_state!user=alice", LAB, "state"),
        ("read:servers!server=alice/", LAB, ""),
    ],
)
def test_each_scope_shows_its_fields(scope: str, on: Resource, fields: str) -> None:
    assert visible_fields(Scopes.of([scope]), on) == set(fields.split())


def test_scopes_add_up_and_state_and_auth_state_are_for_administrators() -> None:
    person = BUILT_IN.expand(["read:users!user=alice", "servers!user=alice"])
    assert "servers" in visible_fields(person, ALICE)
    assert "last_activity" in visible_fields(person, ALICE)
    assert "auth_state" not in visible_fields(person, ALICE)
    assert "state" not in visible_fields(person, LAB)
    assert "state" in visible_fields(BUILT_IN.expand(["admin:servers"]), LAB)
    assert "auth_state" in visible_fields(BUILT_IN.expand(["admin:users"]), ALICE)
