"""Nobody gets a name whose host is somebody else's."""

from dataclasses import replace

import pytest

from perijove.control.context import Hub
from perijove.control.people.hosting import clashes, warn_of_clashes
from perijove.control.people.users import UserChange, add_people, change_user
from perijove.domain.errors import ConflictError
from tests.unit.control.house import House

ONE, OTHER = "ada@exam.p9094", "ada@exam.p27689"
"""Both get u-adaexamp--c786a05."""


def with_hosts(hub: Hub) -> Hub:
    return replace(hub, addresses=replace(hub.addresses, public_url="https://hub.test", subdomain_host="https://hub.test"))


async def names(house: House) -> set[str]:
    return set(await house.store.read(lambda tx: tx.users.names()))


async def test_the_second_with_a_host_is_refused_and_others_are_not(house: House) -> None:
    hub = with_hosts(house.hub())
    await add_people(hub, [ONE, "carl@example.org", "dora"], admin=False, actor="x")
    with pytest.raises(ConflictError, match="same host"):
        await add_people(hub, [OTHER], admin=False, actor="x")
    with pytest.raises(ConflictError, match="same host"):
        await change_user(hub, "dora", UserChange(name=OTHER), actor="x")
    assert await names(house) == {"alice", "bob", ONE, "carl@example.org", "dora"}
    await change_user(hub, ONE, UserChange(name="ada"), actor="x")
    await add_people(hub, [OTHER], admin=False, actor="x")


async def test_two_who_come_together_are_refused_too(house: House) -> None:
    with pytest.raises(ConflictError, match="same host"):
        await add_people(with_hosts(house.hub()), [ONE, OTHER], admin=False, actor="x")
    assert await names(house) == {"alice", "bob"}


async def test_where_all_share_a_host_names_are_free_and_are_told_of_when_that_ends(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    hub = house.hub()
    await add_people(hub, [ONE, OTHER], admin=False, actor="x")
    await house.store.read(lambda tx: warn_of_clashes(tx, hub))
    assert "same host" not in capsys.readouterr().out
    await house.store.read(lambda tx: warn_of_clashes(tx, with_hosts(hub)))
    told = capsys.readouterr().out
    assert ONE in told
    assert OTHER in told


def test_what_only_looks_like_a_made_up_host_clashes_with_nobody(house: House) -> None:
    """A name with "--" in it never stands as it is."""
    assert clashes(with_hosts(house.hub()).addresses, ["u-adaexamp--c786a05", ONE, "u-ada", "adaexamp", "ada"]) == []
