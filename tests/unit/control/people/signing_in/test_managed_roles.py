"""Roles and groups that the authenticator tells: given, taken back, and kept apart from those given by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.control.access.identity import Identities, open_identities
from perijove.control.context import Hub
from perijove.control.people.sign_in import SignedIn, finish
from perijove.control.people.users import UserChange, change_user, get_person
from perijove.control.site.declare import declare
from perijove.domain.claims import Claims
from perijove.domain.errors import AuthenticatorUnavailableError, SettingsError
from perijove.ports.authenticator import ManagedRole
from perijove.testing.clock import FakeClock

from .conftest import Configure
from .door import Door, Ear, typed

ALICE = Claims(issuer="door", subject="id-alice", username="alice")
ROLES = [{"name": "teacher", "scopes": ["list:users"]}, {"name": "grader", "scopes": ["read:users"]}]


@dataclass
class Keeper(Door):
    """Keeps roles, too."""

    keeps: Sequence[ManagedRole] | Exception = field(default_factory=tuple)

    async def managed_roles(self) -> Sequence[ManagedRole]:
        if isinstance(self.keeps, Exception):
            raise self.keeps
        return self.keeps


@pytest.fixture
def door() -> Keeper:
    return Keeper(known={"alice": ALICE})


def settings(**access: Any) -> dict[str, Any]:
    return {"access": {"allow_all": True, "manage_roles": True, **access}, "roles": ROLES, "hub": {"refresh_age": 300}}


@pytest.fixture
async def hub(configure: Configure) -> Hub:
    made = configure(**settings())
    await declare(made, {})
    return made


async def sign_in(hub: Hub, door: Door, *roles: str, **claims: Any) -> SignedIn:
    door.known["alice"] = replace(ALICE, roles=frozenset(roles), **claims)
    return await finish(hub, typed("alice"))


async def roles_of(hub: Hub, name: str = "alice") -> list[str]:
    return sorted((await get_person(hub, name)).user.roles)


async def test_roles_come_and_go_with_sign_ins_and_those_given_by_hand_stay(hub: Hub, door: Keeper, ear: Ear) -> None:
    await sign_in(hub, door, "teacher")
    await change_user(hub, "alice", UserChange(roles=frozenset({"teacher", "grader"})), actor="root")
    assert await roles_of(hub) == ["grader", "teacher"]
    await sign_in(hub, door)
    assert await roles_of(hub) == ["grader"]
    await sign_in(hub, door, "grader", "teacher")
    await sign_in(hub, door)
    assert await roles_of(hub) == ["grader"], "it was given by hand before the authenticator told it, too"
    told = [event.detail["roles_of_authenticator"] for event in ear.heard if "roles_of_authenticator" in event.detail]
    assert told == [["teacher"], [], ["grader", "teacher"], []]


async def test_a_role_is_lost_with_the_next_check_and_so_are_its_rights(hub: Hub, door: Keeper, clock: FakeClock) -> None:
    async with open_identities(hub) as identities:
        signed_in = await sign_in(hub, door, "teacher")
        assert await rights(identities, signed_in) == (True, False)
        door.fresh["id-alice"] = replace(ALICE, roles=frozenset({"grader"}))
        await clock.turn(301)
        assert await rights(identities, signed_in) == (False, True)
        door.fresh["id-alice"] = ALICE
        await clock.turn(301)
        assert await rights(identities, signed_in) == (False, True), "who does not speak of roles takes none"


async def rights(identities: Identities, signed_in: SignedIn) -> tuple[bool, bool]:
    browser = await identities.of_browser(signed_in.cookie)
    assert browser is not None
    return bool(browser.identity.scopes.filter_for("list:users")), browser.identity.scopes.allows("read:users", user="somebody")


async def test_a_role_that_is_none_gives_nothing_is_told_and_lets_the_person_in(hub: Hub, door: Keeper) -> None:
    with capture_logs() as lines:
        await sign_in(hub, door, "techer", "teacher", "admin", "user")
    assert await roles_of(hub) == ["teacher"]
    assert not (await get_person(hub, "alice")).user.admin
    told = {line["role"]: line["remedy"] for line in lines if "role" in line}
    assert set(told) == {"techer", "admin"}
    assert "[[roles]]" in told["techer"]


async def test_nothing_is_given_unless_the_settings_say_so(configure: Configure, door: Keeper) -> None:
    hub = configure(**settings(manage_roles=False, manage_groups=False, allow_all=False, allowed_groups=["class"]))
    await declare(hub, {})
    await sign_in(hub, door, "teacher", groups=frozenset({"class"}))
    person = (await get_person(hub, "alice")).user
    assert (person.roles, person.groups) == ((), ())


async def test_the_roles_it_keeps_are_there_after_a_start_with_their_holders(configure: Configure, door: Keeper) -> None:
    door.keeps = [
        ManagedRole(
            name="dean", description="of a faculty", scopes=("list:groups",), users=frozenset({"bob", "carl"}), groups=frozenset({"faculty"})
        ),
        ManagedRole(name="tutor", scopes=("read:groups",)),
    ]
    hub = configure(**settings())
    await declare(hub, {})
    await sign_in(hub, door, "tutor")
    assert [await roles_of(hub, name) for name in ("alice", "bob", "carl")] == [["tutor"], ["dean"], ["dean"]]
    assert (await hub.store.read(lambda tx: tx.roles.holders("dean"))) == {"user": ["bob", "carl"], "group": ["faculty"]}
    door.keeps = [replace(door.keeps[0], users=frozenset({"carl"}), groups=frozenset()), door.keeps[1]]
    await declare(hub, {})
    assert [await roles_of(hub, name) for name in ("alice", "bob", "carl")] == [["tutor"], [], ["dean"]]
    door.keeps = AuthenticatorUnavailableError("The directory is away.", "")
    with capture_logs() as lines:
        await declare(configure(**settings(reset_managed_roles=True)), {})
    assert any("cannot tell its roles" in line["event"] for line in lines)
    assert [await roles_of(hub, name) for name in ("alice", "carl")] == [["tutor"], ["dean"]]


async def test_people_are_named_as_they_sign_in_however_the_authenticator_writes_them(configure: Configure, door: Keeper) -> None:
    door.keeps = [ManagedRole(name="dean", users=frozenset({"Alice", "BOB"}))]
    hub = configure(**settings())
    await declare(hub, {})
    assert (await hub.store.read(lambda tx: tx.roles.holders("dean")))["user"] == ["alice", "bob"]
    await sign_in(hub, door, "dean")
    assert await roles_of(hub) == ["dean"]


@pytest.mark.parametrize(
    ("access", "left", "kept"),
    [({}, ["grader", "teacher", "tutor"], True), ({"reset_managed_roles": True}, ["grader"], False), ({"manage_roles": False}, ["grader"], False)],
)
async def test_what_it_keeps_no_more_is_forgotten_at_a_start_only_if_asked(
    configure: Configure, door: Keeper, access: dict[str, Any], left: list[str], kept: bool
) -> None:
    door.keeps = [ManagedRole(name="tutor", scopes=("read:groups",))]
    roles = [ROLES[0], {**ROLES[1], "users": ["alice"]}]
    first = configure(**{**settings(), "roles": roles})
    await declare(first, {})
    await sign_in(first, door, "teacher", "tutor")
    door.keeps = []
    again = configure(**{**settings(**access), "roles": roles})
    await declare(again, {})
    assert await roles_of(again) == left
    assert ("tutor" in await again.store.read(lambda tx: tx.roles.all())) is kept


async def test_roles_that_cannot_be_refuse_the_start_all_at_once(configure: Configure, door: Keeper) -> None:
    door.keeps = [
        ManagedRole(name="Bad Name"), ManagedRole(name="odd", scopes=("no:such",)), ManagedRole(name="admin"), ManagedRole(name="teacher"),
        ManagedRole(name="two"), ManagedRole(name="two"), ManagedRole(name="three", users=frozenset({"a/b"})),
    ]  # fmt: skip
    with pytest.raises(SettingsError) as found:
        await declare(configure(**settings()), {})
    for word in ("Bad Name", "no:such", "'admin' is a default role", "'teacher' is declared in [[roles]]", "'two' comes twice", "'three': "):
        assert word in str(found.value)
