"""How long a server may run yet is asked of the hub rarely, and of hubs that know nothing of it more rarely still."""

from __future__ import annotations

from typing import Any

import pytest
from perijove_singleuser import place as module
from perijove_singleuser.hub import HubRefusedError, HubUnavailableError
from perijove_singleuser.place import Place


class Hub:
    """What the hub answers, one after the other; an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def place(self) -> dict[str, Any]:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: dict[str, Any] = answer
        return found

    async def extend(self, by_s: int) -> dict[str, Any]:
        return {"ends_at": "…", "left_s": 600.0 + by_s}


class Time:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    turned = Time()
    monkeypatch.setattr(module, "time", turned)
    return turned


def told(left_s: float | None, extendable_s: int = 7200) -> dict[str, Any]:
    return {"report": {"left_s": left_s}, "extendable_s": extendable_s}


async def test_several_tabs_cost_the_hub_one_question_and_time_goes_on_meanwhile(time: Time) -> None:
    hub = Hub(told(600.0), told(500.0))
    place = Place(hub)  # type: ignore[arg-type]
    assert await place.get() == {"left_s": 600.0, "extendable_s": 7200}
    time.now_s += 15
    assert (await place.get())["left_s"] == 585.0
    assert hub.asked == 1
    time.now_s += 10
    assert (await place.get())["left_s"] == 500.0


@pytest.mark.parametrize("answer", [HubRefusedError(404, ""), {"report": None, "extendable_s": 0}, told(None)])
async def test_a_hub_that_knows_of_no_end_is_asked_rarely(time: Time, answer: Any) -> None:
    hub = Hub(answer, answer)
    place = Place(hub)  # type: ignore[arg-type]
    for _ in range(5):
        assert (await place.get())["left_s"] is None
        time.now_s += 50
    assert hub.asked == 1
    time.now_s += 100
    await place.get()
    assert hub.asked == 2


async def test_more_time_counts_at_once_and_a_hub_that_is_away_is_said_to_be(time: Time) -> None:
    hub = Hub(told(600.0), HubUnavailableError("it is away"))
    place = Place(hub)  # type: ignore[arg-type]
    await place.get()
    time.now_s += 1
    assert await place.extend(3600) == {"left_s": 4200.0, "extendable_s": 7200}
    with pytest.raises(HubUnavailableError):
        await place.get()
