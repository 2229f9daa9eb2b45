"""Profiles: prepared by an administrator, they win over what people type, and are for whom they are meant."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from perijove.control.context import Hub
from perijove.control.servers.ask import ask_start
from perijove.control.servers.choosing import MAX_OPTIONS
from perijove.control.servers.naming import ServerChange, change_server, create_server
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError
from perijove.domain.options import Profile
from tests.unit.control.house import House

SMALL = Profile(name="small", display_name="Small", options={"memory": 1}, default=True)
LARGE = Profile(name="large", display_name="Large", options={"memory": 64}, groups=("heavy",))


@pytest.fixture
def hub(house: House) -> Hub:
    return replace(house.hub(), profiles=(SMALL, LARGE))


async def chosen(hub: Hub, options: Mapping[str, Any] | None, user: str = "alice") -> dict[str, Any]:
    return dict((await ask_start(hub, user, "", options=options, actor=user)).options)


async def test_a_profile_s_options_win_over_what_was_typed_and_the_rest_is_kept(hub: Hub) -> None:
    assert await chosen(hub, {"profile": "small", "memory": 512, "colour": "red"}) == {"profile": "small", "memory": 1, "colour": "red"}


@pytest.mark.parametrize("options", [None, {}])
async def test_whoever_chooses_none_gets_the_default_one(hub: Hub, options: Mapping[str, Any] | None) -> None:
    assert await chosen(hub, options) == {"profile": "small", "memory": 1}


@pytest.mark.parametrize("name", ["huge", "", 5, ["small"]])
async def test_a_profile_that_is_not_there_is_refused_with_the_choice(hub: Hub, name: Any) -> None:
    with pytest.raises(BadInputError, match="no profile") as refused:
        await chosen(hub, {"profile": name})
    assert "small" in refused.value.hint
    assert "large" not in refused.value.hint


async def test_a_profile_is_for_members_of_its_groups_by_whatever_way_it_is_chosen(house: House, hub: Hub) -> None:
    with pytest.raises(BadInputError, match="members of heavy"):
        await chosen(hub, {"profile": "large"})
    with pytest.raises(BadInputError, match="members of heavy"):
        await create_server(hub, "alice", "lab", display_name=None, options={"profile": "large"}, actor="alice")
    await create_server(hub, "alice", "lab", display_name=None, options=None, actor="alice")
    with pytest.raises(BadInputError, match="members of heavy"):
        await change_server(hub, "alice", "lab", ServerChange(options={"profile": "large"}), actor="alice")
    alice = await house.store.read(lambda tx: tx.users.get("alice"))
    assert alice is not None
    await house.store.write(lambda tx: tx.users.set_groups(alice.id, frozenset({"heavy"}), house.time.now()))
    assert await chosen(hub, {"profile": "large"}) == {"profile": "large", "memory": 64}


async def test_without_profiles_the_word_means_nothing_to_the_hub(house: House) -> None:
    assert await chosen(house.hub(), {"profile": "of the spawner's own"}) == {"profile": "of the spawner's own"}


async def test_nobody_starts_the_server_of_somebody_who_is_blocked_or_unknown(house: House) -> None:
    alice = await house.store.read(lambda tx: tx.users.get("alice"))
    assert alice is not None
    hub = house.hub()
    await ask_start(hub, "alice", "lab", options=None, actor="admin")
    await house.store.write(lambda tx: tx.users.save(replace(alice, blocked=True)))
    with pytest.raises(ForbiddenError, match="blocked"):
        await ask_start(hub, "alice", "lab", options=None, actor="admin")
    with pytest.raises(NotFoundError):
        await ask_start(hub, "nobody", "", options=None, actor="admin")


async def test_named_servers_are_as_many_as_allowed(house: House) -> None:
    few = house.hub(limits={"named_servers_per_user": 1})
    await ask_start(few, "alice", "one", options=None, actor="alice")
    with pytest.raises(BadInputError, match="already has 1 named"):
        await ask_start(few, "alice", "two", options=None, actor="alice")
    await ask_start(few, "alice", "", options=None, actor="alice")
    none = house.hub(limits={"named_servers": False})
    with pytest.raises(BadInputError, match="not enabled"):
        await ask_start(none, "alice", "one", options=None, actor="alice")


@pytest.mark.parametrize("profiles", [(), (SMALL, LARGE)])
async def test_options_that_would_burden_everybody_s_list_are_refused(house: House, profiles: tuple[Profile, ...]) -> None:
    """They are kept, and shown wherever the server is: one person with 8 MB in each of a hundred servers, and no list of people can be had."""
    hub = replace(house.hub(), profiles=profiles)
    fits = {"colour": "ü" * (MAX_OPTIONS // 2 - 100)}
    assert (await ask_start(hub, "alice", "", options=fits, actor="alice")).options["colour"] == fits["colour"]
    large = {"colour": "ü" * (MAX_OPTIONS // 2)}
    for attempt in (
        ask_start(hub, "alice", "lab", options=large, actor="alice"),
        create_server(hub, "alice", "lab", display_name=None, options=large, actor="alice"),
        change_server(hub, "bob", "", ServerChange(options=large), actor="alice"),
    ):
        with pytest.raises(BadInputError, match=f"more than {MAX_OPTIONS} bytes"):
            await attempt
