from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from perijove_singleuser.hub import HubUnavailableError, Identity
from perijove_singleuser.identities import ASK_AGAIN_S, FRESH_REFUSAL_S, LIMIT, VISITOR_S, Identities

MAX_AGE_S, GRACE_S = 300.0, 3600.0
ALICE = Identity("alice", "user", frozenset({"access:servers"}), may_enter=True)
MALLORY = Identity("mallory", "user", frozenset(), may_enter=False)


class Hub:
    def __init__(self) -> None:
        self.now = 1000.0
        self.answer: Identity | Exception | None = ALICE
        self.questions = 0
        self.gate: asyncio.Event | None = None

    async def ask(self, token: str) -> Identity | None:
        self.questions += 1
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
async def identities(hub: Hub) -> AsyncIterator[Identities]:
    cache = Identities(
        hub.ask,
        owner="alice",
        max_age_s=MAX_AGE_S,
        grace_s=GRACE_S,
        monotonic=lambda: hub.now,
        log=logging.getLogger("test"),
    )
    yield cache
    await cache.close()


async def test_the_hub_is_asked_again_only_when_the_answer_is_old(hub: Hub, identities: Identities) -> None:
    for passed, questions in ((0, 1), (MAX_AGE_S - 1, 1), (1, 2)):
        hub.now += passed
        assert await identities.identify("t", "s") == ALICE
        assert hub.questions == questions


async def test_another_session_or_token_is_another_question(hub: Hub, identities: Identities) -> None:
    await identities.identify("t", "s")
    hub.answer = None
    assert await identities.identify("t", "other session") is None
    assert await identities.identify("other token", "s") is None
    assert await identities.identify("t", "s") == ALICE


async def test_a_withdrawn_token_is_forgotten(hub: Hub, identities: Identities) -> None:
    await identities.identify("t", "s")
    hub.now += MAX_AGE_S
    hub.answer = None
    assert await identities.identify("t", "s") is None
    hub.answer = HubUnavailableError("down")
    with pytest.raises(HubUnavailableError):
        await identities.identify("t", "s")


async def test_many_requests_at_once_ask_once(hub: Hub, identities: Identities) -> None:
    hub.gate = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(identities.identify("t", "s")) for _ in range(50)]
        await asyncio.sleep(0)
        hub.gate.set()
    assert [task.result() for task in tasks] == [ALICE] * 50
    assert hub.questions == 1


async def test_a_request_that_is_given_up_does_not_spoil_the_others(hub: Hub, identities: Identities) -> None:
    hub.gate = asyncio.Event()
    given_up = asyncio.create_task(identities.identify("t", "s"))
    patient = asyncio.create_task(identities.identify("t", "s"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    hub.gate.set()
    assert await patient == ALICE


async def test_a_known_person_stays_through_an_outage_until_the_grace_ends(hub: Hub, identities: Identities) -> None:
    await identities.identify("t", "s")
    hub.answer = HubUnavailableError("down")
    hub.now += MAX_AGE_S
    assert await identities.identify("t", "s") == ALICE
    hub.now += GRACE_S - MAX_AGE_S - 1
    assert await identities.identify("t", "s") == ALICE
    hub.now += 1
    with pytest.raises(HubUnavailableError):
        await identities.identify("t", "s")


async def test_during_an_outage_requests_do_not_wait_for_the_hub(hub: Hub, identities: Identities) -> None:
    await identities.identify("t", "s")
    hub.now += MAX_AGE_S
    hub.answer = HubUnavailableError("down")
    await identities.identify("t", "s")
    hub.gate = asyncio.Event()  # from now on the hub hangs
    hub.now += ASK_AGAIN_S
    for _ in range(20):
        assert await asyncio.wait_for(identities.identify("t", "s"), 1) == ALICE
    await asyncio.sleep(0)
    assert hub.questions == 3


async def test_nobody_unknown_or_refused_comes_in_during_an_outage(hub: Hub, identities: Identities) -> None:
    hub.answer = MALLORY
    assert await identities.identify("m", "s") == MALLORY
    hub.answer = HubUnavailableError("down")
    hub.now += FRESH_REFUSAL_S
    for token in ("m", "never seen"):
        with pytest.raises(HubUnavailableError):
            await identities.identify(token, "s")


async def test_a_visitor_who_loses_access_is_out_soon(hub: Hub, identities: Identities) -> None:
    hub.answer = replace(ALICE, name="bob")
    assert await identities.identify("b", "s") == hub.answer
    hub.answer = replace(hub.answer, may_enter=False)
    hub.now += VISITOR_S - 1
    assert (await identities.identify("b", "s") or MALLORY).may_enter
    hub.now += 1
    assert await identities.identify("b", "s") == hub.answer


async def test_access_given_just_now_counts_soon(hub: Hub, identities: Identities) -> None:
    hub.answer = MALLORY
    await identities.identify("m", "s")
    hub.answer = ALICE
    hub.now += FRESH_REFUSAL_S
    assert await identities.identify("m", "s") == ALICE


async def test_memory_is_bounded(hub: Hub, identities: Identities) -> None:
    for number in range(LIMIT + 5):
        await identities.identify(str(number), "s")
    assert hub.questions == LIMIT + 5
    await identities.identify(str(LIMIT), "s")
    assert hub.questions == LIMIT + 5
    await identities.identify("0", "s")
    assert hub.questions == LIMIT + 6
