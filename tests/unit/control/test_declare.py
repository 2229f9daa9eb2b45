"""What the configuration names is there from the start."""

from dataclasses import replace

import msgspec
import pytest

from perijove.config.settings import Settings
from perijove.control.declare import declare

from .house import House


@pytest.mark.parametrize("elsewhere", [{"roles": [{"name": "staff", "users": ["ann"]}]}, {"groups": [{"name": "staff", "users": ["ann"]}]}])
async def test_an_administrator_is_one_wherever_else_the_configuration_names_them(house: House, elsewhere: dict[str, object]) -> None:
    settings = msgspec.convert({"users": [{"name": "ann", "admin": True}, {"name": "ben"}], **elsewhere}, Settings)
    await declare(replace(house.hub(), settings=settings), {})
    found = await house.store.read(lambda tx: {name: tx.users.get(name) for name in ("ann", "ben")})
    assert {name: user.admin for name, user in found.items() if user} == {"ann": True, "ben": False}
