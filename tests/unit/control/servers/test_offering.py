"""What a place says of a request is asked as rarely as it may be, and whatever goes wrong keeps nobody from starting."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from perijove.control.context import Hub
from perijove.control.servers.offering import AT_ONCE, AWAY, FRESH_S, Judge, estimates, offers_for
from perijove.domain.batch.offers import Offers
from perijove.domain.errors import SpawnerError
from perijove.ports.cluster_spawner import Verdict
from perijove.testing.clock import FakeClock
from perijove.testing.fuse import Fuse
from perijove.testing.scripted_spawner import ScriptedSpawner
from perijove.testing.world import World
from tests.unit.control.house import House


class Judging(ScriptedSpawner):
    """Answers what it is told to; an error is raised, None: no answer ever comes."""

    def __init__(self, world: World, answer: Any) -> None:
        super().__init__(world, Fuse())
        self.answer = answer
        self.asked = 0

    async def estimate(self, user_name: str, options: Mapping[str, Any]) -> Verdict:
        found: Verdict = await self._answer()
        return found

    async def offers(self, user_name: str) -> Offers:
        found: Offers = await self._answer()
        return found

    async def _answer(self) -> Any:
        self.asked += 1
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def hub_with(house: House, spawner: ScriptedSpawner, **changes: Any) -> Hub:
    return replace(house.hub(limits={"hook_timeout": 0.05}), spawner=spawner, **changes)


async def test_the_same_request_is_asked_about_once_in_half_a_minute(house: House) -> None:
    clock, spawner = FakeClock(), Judging(house.world, Verdict({}))
    judge = Judge(hub_with(house, spawner, clock=clock))
    for _ in range(3):
        assert await judge.verdict("alice", {"time": "1:00:00", "cpus": 2}) == (Verdict({}), "")
        assert await judge.verdict("alice", {"cpus": 2, "time": "1:00:00"}) == (Verdict({}), "")
    assert spawner.asked == 1
    await judge.verdict("bob", {"time": "1:00:00", "cpus": 2})
    assert spawner.asked == 2, "another person has other accounts"
    await clock.turn(FRESH_S)
    await judge.verdict("alice", {"time": "1:00:00", "cpus": 2})
    assert spawner.asked == 3


async def test_a_class_that_types_at_once_costs_the_place_a_bounded_number_of_questions(house: House) -> None:
    clock, spawner = FakeClock(), Judging(house.world, Verdict({}))
    judge = Judge(hub_with(house, spawner, clock=clock))
    told = [await judge.verdict(f"p{number}", {}) for number in range(300)]
    assert spawner.asked == AT_ONCE
    assert [verdict for verdict, _ in told[AT_ONCE:]] == [None] * (300 - AT_ONCE)
    assert "Many people ask just now." in told[-1][1]
    await clock.turn(10)
    for number in range(300, 400):
        await judge.verdict(f"p{number}", {})
    assert spawner.asked == AT_ONCE + 10


@pytest.mark.parametrize(
    ("answer", "words"),
    [(SpawnerError("It is away.", "Wait."), "It is away. Wait."), (None, AWAY), (RuntimeError("a bug"), "an administrator finds more")],
)
async def test_a_place_that_cannot_be_asked_is_said_to_be_and_refuses_nothing(house: House, answer: Any, words: str) -> None:
    hub = hub_with(house, Judging(house.world, answer))
    for told, said in (await Judge(hub).verdict("alice", {}), await offers_for(hub, "alice")):
        assert told is None
        assert words in said


async def test_a_spawner_without_a_cluster_is_not_asked(house: House) -> None:
    hub = house.hub()
    assert not estimates(hub)
    assert await Judge(hub).verdict("alice", {}) == (None, "")
    assert await offers_for(hub, "alice") == (None, "")
