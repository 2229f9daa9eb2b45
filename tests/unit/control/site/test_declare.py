"""What the configuration names is there from the start."""

from dataclasses import replace

import msgspec
import pytest

from perijove.config.settings import Settings
from perijove.control.people.effective import roles_in_force
from perijove.control.site.declare import declare
from perijove.ports.store.store import Tx
from tests.unit.control.house import House


@pytest.mark.parametrize("elsewhere", [{"roles": [{"name": "staff", "users": ["ann"]}]}, {"groups": [{"name": "staff", "users": ["ann"]}]}])
async def test_an_administrator_is_one_wherever_else_the_configuration_names_them(house: House, elsewhere: dict[str, object]) -> None:
    settings = msgspec.convert({"users": [{"name": "ann", "admin": True}, {"name": "ben"}], **elsewhere}, Settings)
    await declare(replace(house.hub(), settings=settings), {})
    found = await house.store.read(lambda tx: {name: tx.users.get(name) for name in ("ann", "ben")})
    assert {name: user.admin for name, user in found.items() if user} == {"ann": True, "ben": False}


async def admins(house: House, **sections: object) -> tuple[set[str], set[str]]:
    """The people and services that are administrators once these sections are declared, on top of those before."""
    await declare(replace(house.hub(), settings=msgspec.convert(sections, Settings)), {})

    def query(tx: Tx) -> tuple[set[str], set[str]]:
        people = {name for name in ("ann", "ben", "cat") if (user := tx.users.get(name)) is not None and user.admin}
        return people, {service.name for service in tx.services.all() if service.admin}

    return await house.store.read(query)


async def test_whom_the_role_admin_names_is_an_administrator_as_long_as_it_does(house: House) -> None:
    services = [{"name": "culler"}, {"name": "forum"}]
    role = {"name": "admin", "users": ["ann", "ben"], "services": ["culler"]}
    assert await admins(house, users=[{"name": "ann"}, {"name": "cat", "admin": True}], services=services) == ({"cat"}, set())
    assert await admins(house, services=services, roles=[role]) == ({"ann", "ben", "cat"}, {"culler"})
    assert await admins(house, services=services, roles=[{**role, "users": ["ann"]}]) == ({"ann", "cat"}, {"culler"})
    assert await admins(house, services=services) == ({"cat"}, set())


async def test_who_is_named_an_administrator_later_becomes_one(house: House) -> None:
    assert await admins(house, users=[{"name": "ann"}]) == (set(), set())
    assert await admins(house, users=[{"name": "ann", "admin": True}]) == ({"ann"}, set())


async def test_an_administrator_by_another_rule_stays_one_without_the_role(house: House) -> None:
    await admins(house, roles=[{"name": "admin", "users": ["ann", "ben"]}])
    assert await admins(house, access={"admin_users": ["ann"]}, users=[{"name": "ben", "admin": True}]) == ({"ann", "ben"}, set())


@pytest.mark.parametrize(
    ("entry", "scopes"),
    [
        ({"description": "all of us"}, ("self", "shares!user")),
        ({"scopes": ["self", "list:users"]}, ("self", "list:users")),
    ],
)
async def test_the_role_of_everybody_is_declared_in_part_or_whole(house: House, entry: dict[str, object], scopes: tuple[str, ...]) -> None:
    sections = {"access": {"extra_user_scopes": ["shares!user"]}, "roles": [{"name": "user", **entry}]}
    await declare(replace(house.hub(), settings=msgspec.convert(sections, Settings)), {})
    assert (await house.store.read(roles_in_force))["user"] == scopes
