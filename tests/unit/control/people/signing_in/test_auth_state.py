"""What authenticators hand over is kept encrypted, and outlives a change of keys done in the right order."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from perijove.adapters.keys import Keys
from perijove.control.context import Hub
from perijove.control.people.auth_state import AT_ONCE, auth_state_of, renew_once, seal, sealed_change
from perijove.control.people.sign_in import finish
from perijove.domain.claims import Claims
from perijove.domain.errors import BadInputError
from perijove.domain.user import User

from .conftest import Configure
from .door import Door, typed

MASTER, OLD, NEW = "m" * 40, "o" * 40, "n" * 40
ALICE = Claims(issuer="door", subject="id-alice", username="alice")
STATE: Mapping[str, Any] = {"refresh_token": "very secret"}


@pytest.fixture
def hub(configure: Configure, door: Door) -> Hub:
    door.known["alice"] = replace(ALICE, auth_state=STATE)
    return replace(configure(access={"allow_all": True}), secrets=Keys(MASTER, [OLD]))


def with_keys(hub: Hub, *keys: str) -> Hub:
    return replace(hub, secrets=Keys(MASTER, keys))


async def kept(hub: Hub, user: User) -> bytes | None:
    return await hub.store.read(lambda tx: tx.users.auth_state(user.id))


async def test_reading_with_an_older_key_encrypts_anew_with_the_newest(hub: Hub) -> None:
    user = (await finish(hub, typed("alice"))).user
    before = await kept(hub, user)
    assert before is not None
    assert b"very secret" not in before
    assert await auth_state_of(hub, user) == STATE
    assert await kept(hub, user) == before
    assert await auth_state_of(with_keys(hub, NEW, OLD), user) == STATE
    assert await kept(hub, user) != before
    assert await auth_state_of(with_keys(hub, NEW), user) == STATE


async def test_a_pass_over_everybody_frees_the_old_key_even_for_who_never_comes(hub: Hub) -> None:
    many = AT_ONCE + 3

    def write(tx: Any) -> list[User]:
        people = tx.users.add_missing([f"p{number}" for number in range(many)], now=hub.clock.now())
        for user in people:
            tx.users.set_auth_state(user.id, seal(hub, {"of": user.name}))
        return list(people)

    people = await hub.store.write(write)
    with capture_logs() as lines:
        await renew_once(with_keys(hub, NEW, OLD))
        await renew_once(with_keys(hub, NEW, OLD))
    assert [line["people"] for line in lines] == [many]
    assert [await auth_state_of(with_keys(hub, NEW), user) for user in people] == [{"of": user.name} for user in people]


async def test_a_key_removed_too_early_is_told_and_costs_the_state_alone(hub: Hub) -> None:
    user = (await finish(hub, typed("alice"))).user
    with capture_logs() as lines:
        await renew_once(with_keys(hub, NEW))
        assert await auth_state_of(with_keys(hub, NEW), user) is None
    assert [(line["log_level"], line.get("user"), line.get("people")) for line in lines] == [("warning", None, 1), ("warning", "alice", None)]
    assert all("crypt_keys" in line["event"] and "very secret" not in str(line) for line in lines)
    assert await auth_state_of(with_keys(hub, NEW, OLD), user) == STATE, "the key came back"
    await finish(with_keys(hub, NEW), typed("alice"))
    assert await auth_state_of(with_keys(hub, NEW), user) == STATE


async def test_a_hub_that_is_to_keep_none_keeps_none_and_deletes_what_there_was(hub: Hub, configure: Configure) -> None:
    user = (await finish(hub, typed("alice"))).user
    none = replace(configure(access={"allow_all": True}, hub={"keep_auth_state": False}), secrets=hub.secrets)
    assert await auth_state_of(none, user) is None
    await renew_once(none)
    assert await kept(hub, user) is None
    await finish(none, typed("alice"))
    assert await kept(hub, user) is None
    with pytest.raises(BadInputError, match="keeps no auth_state"):
        sealed_change(none, {"a": 1})
    assert sealed_change(none, None) is None
