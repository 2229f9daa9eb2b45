"""Roles as declared, and what holding them amounts to."""

import pytest

from perijove.domain.roles import (
    DEFAULT_ROLES,
    Role,
    RoleDeclaration,
    RolesError,
    held_roles,
    merge_roles,
    owner_grants,
    owner_scopes,
    parse_role_name,
    scopes_of_roles,
    share_grant,
)
from perijove.wire.names import BadNameError
from perijove.wire.scopes import BUILT_IN, Catalog, Owner, Scopes

ALICE = Owner("user", "alice")
GRADER = Owner("service", "grader")
ROLES = {
    **merge_roles(BUILT_IN, []).scopes,
    "assistant": ("servers!group=students", "list:users!group=students"),
    "self-serve": ("read:services!service", "tokens!user"),
}


@pytest.mark.parametrize("name", ["abc", "a" * 255, "course-101.ta_x~y", "a-1"])
def test_a_role_may_be_named(name: str) -> None:
    assert parse_role_name(name) == name


@pytest.mark.parametrize("name", ["", "ab", "a" * 256, "1abc", "Abc", "abc-", "a b c", "abc\n", "äbc"])
def test_a_wrong_role_name_is_refused(name: str) -> None:
    with pytest.raises(BadNameError, match="cannot name a role"):
        parse_role_name(name)


def test_the_scopes_of_all_default_roles_exist() -> None:
    assert set(DEFAULT_ROLES) == {"user", "admin", "server", "token"}
    for role in DEFAULT_ROLES.values():
        assert BUILT_IN.check(role.scopes)


def test_an_administrator_may_do_everything_but_name_tokens_metascopes() -> None:
    scopes = owner_scopes(BUILT_IN, ALICE, owner_grants(ALICE, ROLES, admin=True))
    lacking = {name for name in BUILT_IN.definitions if not scopes.allows(name)}
    assert lacking == {"(no_scope)", "self", "inherit"}


def test_declared_roles_join_the_default_ones_and_may_override_them_in_part() -> None:
    book = merge_roles(
        BUILT_IN,
        [
            RoleDeclaration(name="assistant", description="Helps", scopes=("list:users!group=students",)),
            RoleDeclaration(name="server", scopes=("users:activity!user",)),
            RoleDeclaration(name="user", description="Our people"),
        ],
        extra_user_scopes=("shares!user",),
    )
    assert book.roles["assistant"] == Role("assistant", "Helps", ("list:users!group=students",))
    assert book.roles["server"] == Role("server", DEFAULT_ROLES["server"].description, ("users:activity!user",))
    assert book.roles["user"] == Role("user", "Our people", ("self", "shares!user"))
    assert book.roles["admin"] == DEFAULT_ROLES["admin"]
    assert book.warnings == ()


def test_the_admin_role_may_be_declared_for_its_members_but_not_changed() -> None:
    admin = DEFAULT_ROLES["admin"]
    assert merge_roles(BUILT_IN, [RoleDeclaration(name="admin")]).roles["admin"] == admin
    assert merge_roles(BUILT_IN, [RoleDeclaration(name="admin", scopes=tuple(reversed(admin.scopes)))]).roles["admin"].scopes
    with pytest.raises(RolesError) as caught:
        merge_roles(BUILT_IN, [RoleDeclaration(name="admin", description="Mine", scopes=("shutdown",))])
    assert {mistake.path for mistake in caught.value.mistakes} == {("roles", 0, "scopes"), ("roles", 0, "description")}


def test_all_mistakes_in_declarations_are_told_with_their_place() -> None:
    with pytest.raises(RolesError) as caught:
        merge_roles(
            BUILT_IN,
            [
                RoleDeclaration(name="TA", scopes=("list:user",)),
                RoleDeclaration(name="helper", scopes=("proxy",)),
                RoleDeclaration(name="helper", scopes=("custom:wiki:read",)),
            ],
            extra_user_scopes=("share!user",),
        )
    assert [mistake.path for mistake in caught.value.mistakes] == [
        ("extra_user_scopes",),
        ("roles", 0, "name"),
        ("roles", 0, "scopes"),
        ("roles", 2, "name"),
        ("roles", 2, "scopes"),
    ]
    assert "Did you mean 'list:users'?" in str(caught.value)


def test_custom_scopes_may_be_in_roles() -> None:
    catalog = Catalog({"custom:wiki:read": "read the wiki"})
    assert merge_roles(catalog, [RoleDeclaration(name="reader", scopes=("custom:wiki:read",))]).roles["reader"].scopes


def test_doubtful_declarations_are_warned_about() -> None:
    book = merge_roles(BUILT_IN, [RoleDeclaration(name="user", scopes=("list:services",)), RoleDeclaration(name="empty")], ("shares!user",))
    assert book.roles["user"].scopes == ("list:services",)
    assert len(book.warnings) == 3


def test_every_person_has_the_user_role_and_services_do_not() -> None:
    assert held_roles(ALICE, ["assistant"], admin=True) == ["user", "admin", "assistant"]
    assert held_roles(ALICE, ["user", "admin"], admin=True) == ["user", "admin"]
    assert held_roles(GRADER, [], admin=False) == []
    assert held_roles(GRADER, [], admin=True) == ["admin"]


def test_a_persons_scopes_come_from_roles_groups_and_shares() -> None:
    grants = owner_grants(
        ALICE,
        ROLES,
        own_roles=["self-serve", "vanished"],
        group_roles={"staff": ["assistant"], "wheel": ["vanished"]},
        shares=[share_grant("bob/lab", ["access:servers!server=bob/lab"], "staff")],
    )
    assert [str(grant) for grant in grants] == [
        "the role user, which everybody has",
        "the role self-serve",
        "the role assistant, through the group staff",
        "the server bob/lab was shared with the group staff",
    ]
    scopes = owner_scopes(BUILT_IN, ALICE, grants)
    assert scopes.allows("access:servers", user="bob", server="lab")
    assert not scopes.allows("access:servers", user="bob", server="")
    assert scopes.allows("start:servers", user="zoe", server="", groups=frozenset({"students"}))
    assert scopes.allows("start:servers", user="alice", server="")
    assert not scopes.filter_for("read:services")


def test_a_service_has_neither_groups_nor_shares() -> None:
    grants = owner_grants(
        GRADER,
        ROLES,
        own_roles=["self-serve"],
        group_roles={"staff": ["assistant"]},
        shares=[share_grant("bob/lab", ["access:servers!server=bob/lab"])],
    )
    assert owner_scopes(BUILT_IN, GRADER, grants) == Scopes.of(["read:services!service=grader", "read:services:name!service=grader"])


def test_role_names_are_flattened_to_scopes_as_written() -> None:
    assert scopes_of_roles(["token", "self-serve", "token"], ROLES) == ["inherit", "read:services!service", "tokens!user"]
    with pytest.raises(KeyError, match="vanished"):
        scopes_of_roles(["vanished"], ROLES)
