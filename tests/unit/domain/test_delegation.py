"""Nobody hands on more than they have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.delegation import excess_scopes, resolve_requested, share_scopes, token_scopes, undecided_users
from perijove.domain.roles import DEFAULT_ROLES, owner_grants, owner_scopes
from perijove.wire.scopes import API_CLIENT, BUILT_IN, NO_SCOPES, Client, Owner, ScopeError, Scopes, bind

ALICE = Owner("user", "alice")
GRADER = Owner("service", "grader")
ROLES = {name: role.scopes for name, role in DEFAULT_ROLES.items()}
PERSON = owner_scopes(BUILT_IN, ALICE, owner_grants(ALICE, ROLES))
MEMBERSHIPS = {"alice": frozenset({"staff"}), "bob": frozenset({"staff"})}
OWN_SERVER = Client(server="alice/lab")

texts = st.lists(
    st.sampled_from(
        [
            f"{name}{limit}"
            for name in ("users", "servers", "read:servers", "tokens", "access:servers", "shutdown")
            for limit in ("", "!user", "!user=alice", "!user=bob", "!group=staff", "!server", "!server=alice/lab", "!server=bob/")
        ]
        + ["self", "inherit"]
    ),
    max_size=5,
)
clients = st.sampled_from([API_CLIENT, OWN_SERVER, Client(server="bob/"), Client(service="forum")])


def test_a_server_token_may_report_activity_open_its_server_and_name_its_owner() -> None:
    scopes = token_scopes(BUILT_IN, ROLES["server"], ALICE, PERSON, OWN_SERVER)
    assert scopes.sorted_names() == [
        "access:servers!server=alice/lab",
        "read:users:activity!user=alice",
        "read:users:groups!user=alice",
        "read:users:name!user=alice",
        "users:activity!user=alice",
    ]


def test_a_token_that_inherits_may_do_what_its_owner_may() -> None:
    assert token_scopes(BUILT_IN, ROLES["token"], ALICE, PERSON) == PERSON


def test_a_token_of_an_oauth_client_opens_the_client_as_long_as_its_owner_may() -> None:
    forum = Client(service="forum")
    allowed = PERSON | Scopes.of(["access:services!service=forum"])
    assert token_scopes(BUILT_IN, (), ALICE, allowed, forum).allows("access:services", service="forum")
    assert not token_scopes(BUILT_IN, (), ALICE, PERSON, forum).filter_for("access:services")
    assert not token_scopes(BUILT_IN, (), ALICE, allowed, API_CLIENT).filter_for("access:services")


def test_a_token_loses_what_its_owner_lost() -> None:
    assert token_scopes(BUILT_IN, ("servers!user=alice", "inherit"), ALICE, NO_SCOPES) == NO_SCOPES
    assert token_scopes(BUILT_IN, ("servers!user=alice",), ALICE, NO_SCOPES, OWN_SERVER) == NO_SCOPES


def test_memberships_of_named_users_decide_what_a_token_may() -> None:
    staff = Scopes.of(["servers!group=staff"])
    assert undecided_users(BUILT_IN, ("servers!user=bob",), ALICE, staff) == {"bob"}
    assert undecided_users(BUILT_IN, ("inherit",), ALICE, staff) == frozenset()
    assert token_scopes(BUILT_IN, ("servers!user=bob",), ALICE, staff, memberships=MEMBERSHIPS) == Scopes.of(["servers!user=bob"])
    assert token_scopes(BUILT_IN, ("servers!user=bob",), ALICE, staff) == NO_SCOPES


def test_asking_for_more_than_the_owner_has_is_named() -> None:
    assert excess_scopes(BUILT_IN, ("inherit", "servers!user", "access:servers!server"), ALICE, PERSON, OWN_SERVER) == []
    assert excess_scopes(BUILT_IN, ("tokens!user=bob",), ALICE, PERSON) == ["read:tokens!user=bob", "tokens!user=bob"]
    assert excess_scopes(BUILT_IN, ("shutdown", "servers!user"), ALICE, PERSON) == ["shutdown"]


@given(texts, texts, clients, st.sampled_from([ALICE, GRADER]))
def test_a_token_never_exceeds_its_owner(asked: list[str], held: list[str], client: Client, owner: Owner) -> None:
    owned = BUILT_IN.expand(held, bind(owner))
    scopes = token_scopes(BUILT_IN, asked, owner, owned, client, MEMBERSHIPS)
    assert scopes.within(owned, MEMBERSHIPS)
    for name in BUILT_IN.definitions:
        assert owned.allows(name) or not scopes.allows(name)
        for user in ("alice", "bob", "zoe"):
            groups = MEMBERSHIPS.get(user, frozenset())
            for server in (None, "", "lab"):
                if scopes.allows(name, user=user, server=server, groups=groups):
                    assert owned.allows(name, user=user, server=server, groups=groups)


@given(texts, texts)
def test_a_token_that_asked_within_bounds_gets_all_it_asked_for(asked: list[str], held: list[str]) -> None:
    owned = BUILT_IN.expand(held, bind(ALICE))
    if "inherit" not in asked and not excess_scopes(BUILT_IN, asked, ALICE, owned, memberships=MEMBERSHIPS):
        wanted = BUILT_IN.expand(asked, bind(ALICE))
        assert wanted.within(token_scopes(BUILT_IN, asked, ALICE, owned, memberships=MEMBERSHIPS))


def test_requested_scopes_keep_their_wording_where_they_are_held() -> None:
    resolved = resolve_requested(
        BUILT_IN,
        ["servers!user", "read:servers!server", "shutdown", "users!user"],
        ["self", "servers!user"],
        bind(ALICE, OWN_SERVER),
    )
    assert {"servers!user", "read:servers!server"} <= set(resolved.granted)
    assert resolved.refused == ("shutdown", "users!user")
    assert "users:activity!user=alice" in resolved.granted
    assert "users!user" not in resolved.granted


def test_what_is_held_is_granted_in_full_even_if_part_of_it_is_held_twice() -> None:
    resolved = resolve_requested(BUILT_IN, ["read:servers!user=alice"], ["self", "servers!server"], bind(ALICE, OWN_SERVER))
    assert resolved.granted == ("read:servers!user=alice",)
    assert resolved.refused == ()


def test_inherit_is_granted_only_where_it_is_held() -> None:
    assert resolve_requested(BUILT_IN, ["inherit"], ["self"], bind(ALICE)).refused == ("inherit",)
    assert resolve_requested(BUILT_IN, ["inherit"], ["self", "inherit"], bind(ALICE)).granted == ("inherit",)
    assert resolve_requested(BUILT_IN, ["shutdown"], ["inherit"], bind(ALICE)).granted == ()


@given(texts, texts, clients)
def test_requests_are_granted_as_far_as_they_are_held_and_no_further(asked: list[str], held: list[str], client: Client) -> None:
    binding = bind(ALICE, client)
    have, want = BUILT_IN.expand(held, binding), BUILT_IN.expand(asked, binding)
    resolved = resolve_requested(BUILT_IN, asked, held, binding, MEMBERSHIPS)
    granted = BUILT_IN.expand(resolved.granted, binding)
    assert granted.within(have, MEMBERSHIPS)
    assert want.intersection(have, MEMBERSHIPS).within(granted, MEMBERSHIPS)
    assert ("inherit" in resolved.granted) <= ("inherit" in held)


def test_a_share_reaches_one_server_only() -> None:
    assert share_scopes(BUILT_IN, [], "alice/lab") == ("access:servers!server=alice/lab",)
    assert share_scopes(BUILT_IN, ["access:servers", "read:servers!server=alice/lab", "access:servers"], "alice/lab") == (
        "access:servers!server=alice/lab",
        "read:servers!server=alice/lab",
    )


@pytest.mark.parametrize("text", ["access:servers!server=alice/", "access:servers!user=alice", "servers!server", "self", "inherit"])
def test_a_share_with_another_limit_is_refused(text: str) -> None:
    with pytest.raises(ScopeError, match="cannot be shared"):
        share_scopes(BUILT_IN, [text], "alice/lab")
