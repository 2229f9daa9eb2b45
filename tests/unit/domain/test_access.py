"""The one question, its answer, and the reason for it."""

import pytest

from perijove.domain.access import (
    HUB,
    Identity,
    Provenance,
    Resource,
    asks_groups,
    group_resource,
    may,
    may_change_admin,
    may_list,
    server_resource,
    service_resource,
    user_resource,
)
from perijove.domain.delegation import token_scopes
from perijove.domain.errors import ForbiddenError, NotFoundError, NotSignedInError
from perijove.domain.roles import DEFAULT_ROLES, owner_grants, owner_scopes
from perijove.wire.scopes import BUILT_IN, EVERYTHING, NOTHING, Filter, Owner

ROLES = {
    **{name: role.scopes for name, role in DEFAULT_ROLES.items()},
    "assistant": ("list:users!group=students", "servers!group=students", "read:groups!group=students"),
    "odd": ("list:users!user=zoe", "list:users!server=zoe/lab"),
}
STUDENTS = frozenset({"students"})


def person(name: str = "alice", *, admin: bool = False, roles: tuple[str, ...] = (), token: tuple[str, ...] | None = None) -> Identity:
    owner = Owner("user", name)
    grants = owner_grants(owner, ROLES, own_roles=roles, admin=admin)
    scopes = owner_scopes(BUILT_IN, owner, grants)
    return Identity(
        kind="user",
        name=name,
        admin=admin,
        scopes=scopes if token is None else token_scopes(BUILT_IN, token, owner, scopes),
        token_id=None if token is None else 7,
        provenance=Provenance(catalog=BUILT_IN, grants=grants, token=token),
    )


@pytest.mark.parametrize(
    ("scope", "on", "allowed", "hidden"),
    [
        ("read:users", user_resource("alice"), True, False),
        ("read:users", user_resource("bob"), False, True),
        ("delete:users", user_resource("alice"), False, False),
        ("delete:users", user_resource("bob"), False, False),
        ("start:servers", server_resource("alice", ""), True, False),
        ("start:servers", server_resource("alice", "lab"), True, False),
        ("start:servers", server_resource("zoe", "lab", STUDENTS), True, False),
        ("start:servers", server_resource("zoe", "lab"), False, True),
        ("read:groups", group_resource("students"), True, False),
        ("read:groups", group_resource("staff"), False, True),
        ("read:services", service_resource("forum"), False, False),
        ("read:users", HUB, False, False),
        ("shutdown", HUB, False, False),
    ],
)
def test_denial_by_a_filter_hides_denial_for_want_of_the_scope_does_not(scope: str, on: Resource, allowed: bool, hidden: bool) -> None:
    verdict = may(person(roles=("assistant",)), scope, on)
    assert (verdict.allowed, verdict.hidden) == (allowed, hidden)
    assert bool(verdict) == allowed


def test_any_of_the_needed_scopes_will_do() -> None:
    assert may(person(), ("delete:users", "read:users:name"), user_resource("alice"))
    assert not may(person(), ("delete:users", "read:groups"), user_resource("alice"))


def test_a_denial_is_raised_as_what_the_asker_may_know() -> None:
    may(person(), "read:users", user_resource("alice")).enforce()
    with pytest.raises(NotSignedInError, match=r"Missing or invalid credentials\."):
        may(None, "read:users", user_resource("alice")).enforce()
    with pytest.raises(ForbiddenError, match="delete:users or shutdown"):
        may(person(), ("delete:users", "shutdown")).enforce()
    with pytest.raises(NotFoundError) as caught:
        may(person(), "read:users", user_resource("bob")).enforce()
    assert "bob" not in str(caught.value)


def test_asking_for_a_scope_that_does_not_exist_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no such scope"):
        may(person(), "read:user", user_resource("alice"))
    assert not may(person(), "custom:wiki:read")


def test_groups_need_not_be_looked_up_unless_they_decide() -> None:
    scopes = person(roles=("assistant",)).scopes
    assert asks_groups(scopes, ("start:servers",), server_resource("zoe", "lab"))
    assert not asks_groups(scopes, ("start:servers",), server_resource("alice", "lab"))
    assert not asks_groups(scopes, ("read:users",), user_resource("zoe"))
    assert not asks_groups(scopes, ("read:groups",), group_resource("staff"))


def test_a_list_is_limited_to_what_the_asker_reaches() -> None:
    verdict, reach = may_list(person(roles=("assistant",)), "list:users", ("user", "group"))
    assert verdict
    assert reach == Filter(groups=STUDENTS)
    assert may_list(person(admin=True), "list:users", ("user", "group"))[1] == EVERYTHING


@pytest.mark.parametrize("identity", [None, person(), person(roles=("odd",))])
def test_a_list_is_denied_without_the_scope_or_with_limits_that_make_no_sense(identity: Identity | None) -> None:
    verdict, reach = may_list(identity, "list:users", ("user", "group"))
    assert not verdict
    assert not verdict.hidden
    assert reach == NOTHING


def test_only_administrators_make_or_change_administrators() -> None:
    helper = person(roles=("assistant",))
    assert may_change_admin(helper, "bob", is_admin=False, becomes_admin=False)
    assert not may_change_admin(helper, "bob", is_admin=True, becomes_admin=False)
    denied = may_change_admin(helper, "bob", is_admin=False, becomes_admin=True)
    with pytest.raises(ForbiddenError, match="Only administrators"):
        denied.enforce()
    assert "Only administrators" in denied.reason
    assert may_change_admin(person(admin=True), "bob", is_admin=True, becomes_admin=False)


def test_the_reason_names_the_role_that_allowed() -> None:
    assistant = person(roles=("assistant",))
    assert "from the role assistant." in may(assistant, "start:servers", server_resource("zoe", "", STUDENTS)).reason
    assert "everybody has" in may(assistant, "read:users", user_resource("alice")).reason
    assert "as an administrator" in may(person(admin=True), "shutdown").reason
    assert "from the role assistant." in may_list(assistant, "list:users", ("user", "group"))[0].reason


def test_the_reason_of_a_denial_names_what_is_held_instead() -> None:
    filtered = may(person(), "read:users", user_resource("bob")).reason
    assert "only for user alice, not for user bob" in filtered
    assert "the role user, which everybody has" in filtered
    assert "no shutdown" in may(person(), "shutdown").reason
    assert "nobody is signed in" in may(None, "shutdown").reason
    odd = may_list(person(roles=("odd",)), "list:users", ("user", "group"))[0].reason
    assert "cannot be limited by server" in odd


def test_the_reason_tells_when_the_token_not_its_owner_falls_short() -> None:
    reason = may(person(token=("read:servers!user",)), "start:servers", server_resource("alice", "")).reason
    assert "the token carries only read:servers!user" in reason
    assert "from the role user" in reason


def test_a_reason_stays_short_however_many_are_named() -> None:
    scopes = BUILT_IN.expand([f"servers!user=student{number}" for number in range(500)])
    reason = may(Identity(kind="service", name="grader", scopes=scopes), "servers", user_resource("zoe")).reason
    assert "495 more" in reason
    assert len(reason) < 400


def test_everybody_may_learn_who_they_are() -> None:
    bare = Identity(kind="service", name="grader")
    assert bare.self_scopes().sorted_names() == ["read:services:name!service=grader"]
    assert Identity(kind="user", name="alice").self_scopes().allows("read:users:groups", user="alice")
