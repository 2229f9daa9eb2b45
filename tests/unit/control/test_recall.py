"""What is remembered is dropped by notices, and a notice that comes while looking up wins."""

import asyncio
from datetime import UTC, datetime, timedelta

from perijove.control.recall import Answer, Recall
from perijove.domain.change import Notice, Topic

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
ALICE = (Topic.USER, "alice")
BOB = (Topic.USER, "bob")


def notice(topic: Topic, key: str) -> Notice:
    return Notice(revision=1, topic=topic, key=key, at=NOW)


async def keep(recall: Recall[str], key: bytes, value: str, *tags: tuple[Topic, str]) -> None:
    async def query() -> Answer[str]:
        return Answer(value, frozenset(tags), LATER)

    assert await recall.look_up(key, query) == value


async def test_nothing_is_kept_before_notices_arrive_nor_after_they_stopped() -> None:
    recall: Recall[str] = Recall(10)
    await keep(recall, b"t", "alice", ALICE)
    assert recall.get(b"t", NOW) is None
    recall.begin()
    await keep(recall, b"t", "alice", ALICE)
    assert recall.get(b"t", NOW) == "alice"
    recall.end()
    assert recall.get(b"t", NOW) is None


async def test_an_answer_ends_at_its_moment() -> None:
    recall: Recall[str] = Recall(10)
    recall.begin()
    await keep(recall, b"t", "alice", ALICE)
    assert recall.get(b"t", LATER - timedelta(microseconds=1)) == "alice"
    assert recall.get(b"t", LATER) is None


async def test_a_notice_drops_what_it_is_about_and_nothing_else() -> None:
    recall: Recall[str] = Recall(10)
    recall.begin()
    await keep(recall, b"a", "alice", ALICE)
    await keep(recall, b"both", "alice", ALICE, BOB)
    await keep(recall, b"b", "bob", BOB)
    recall.apply([notice(Topic.USER, "alice"), notice(Topic.GROUP, "bob")])
    assert [recall.get(key, NOW) for key in (b"a", b"both", b"b")] == [None, None, "bob"]
    recall.apply([notice(Topic.USER, "*")])
    assert len(recall) == 0


async def test_an_answer_overtaken_by_a_notice_is_looked_up_again() -> None:
    recall: Recall[str] = Recall(10)
    recall.begin()
    asked, go_on = asyncio.Event(), asyncio.Event()
    answers = ["before", "after"]

    async def query() -> Answer[str]:
        value = answers.pop(0)
        if value == "before":
            asked.set()
            await go_on.wait()
        return Answer(value, frozenset({ALICE}), LATER)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(recall.look_up(b"t", query))
        await asked.wait()
        recall.apply([notice(Topic.USER, "alice")])
        go_on.set()
    assert task.result() == "after"
    assert recall.get(b"t", NOW) == "after"


async def test_a_gap_in_the_notices_counts_as_a_notice_about_everything() -> None:
    recall: Recall[str] = Recall(10)
    asked, go_on, times = asyncio.Event(), asyncio.Event(), 0

    async def query() -> Answer[str]:
        nonlocal times
        times += 1
        asked.set()
        await go_on.wait()
        return Answer("alice", frozenset({ALICE}), LATER)

    async with asyncio.TaskGroup() as group:
        group.create_task(recall.look_up(b"t", query))
        await asked.wait()
        recall.begin()
        go_on.set()
    assert times == 2


async def test_memory_is_bounded_and_the_longest_unused_goes_first() -> None:
    recall: Recall[str] = Recall(2)
    recall.begin()
    await keep(recall, b"1", "one", ALICE)
    await keep(recall, b"2", "two", ALICE)
    assert recall.get(b"1", NOW) == "one"
    await keep(recall, b"3", "three", ALICE)
    assert [recall.get(key, NOW) for key in (b"1", b"2", b"3")] == ["one", None, "three"]


async def test_what_does_not_exist_any_more_is_forgotten() -> None:
    recall: Recall[str] = Recall(10)
    recall.begin()
    await keep(recall, b"t", "alice", ALICE)

    async def gone() -> None:
        return None

    assert await recall.look_up(b"t", gone) is None
    assert recall.get(b"t", NOW) is None


class Slow:
    """A database that answers when it is told to."""

    def __init__(self, *answers: str | Exception | None) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.arrived = asyncio.Semaphore(0)
        self.go_on = asyncio.Semaphore(0)

    async def query(self) -> Answer[str] | None:
        self.asked += 1
        answer = self.answers.pop(0)
        self.arrived.release()
        await self.go_on.acquire()
        if isinstance(answer, Exception):
            raise answer
        return None if answer is None else Answer(answer, frozenset({ALICE}), LATER)


async def test_many_who_miss_the_same_at_once_ask_once() -> None:
    recall: Recall[str] = Recall(10)
    recall.begin()
    slow = Slow("alice")
    tasks = [asyncio.create_task(recall.look_up(b"t", slow.query)) for _ in range(500)]
    await slow.arrived.acquire()
    slow.go_on.release()
    assert await asyncio.gather(*tasks) == ["alice"] * 500
    assert slow.asked == 1


async def test_they_share_an_error_and_the_next_one_asks_anew() -> None:
    recall: Recall[str] = Recall(10)
    recall.begin()
    slow = Slow(OSError("away"), "alice")
    tasks = [asyncio.create_task(recall.look_up(b"t", slow.query)) for _ in range(500)]
    await slow.arrived.acquire()
    slow.go_on.release()
    assert {str(each) for each in await asyncio.gather(*tasks, return_exceptions=True)} == {"away"}
    assert slow.asked == 1
    slow.go_on.release()
    assert await recall.look_up(b"t", slow.query) == "alice"


async def test_who_asks_for_all_may_be_cancelled() -> None:
    recall: Recall[str] = Recall(10)
    recall.begin()
    slow = Slow("never told", "alice")
    first, *others = [asyncio.create_task(recall.look_up(b"t", slow.query)) for _ in range(10)]
    await slow.arrived.acquire()
    first.cancel()
    others.pop().cancel()  # and so may those who wait for that
    await slow.arrived.acquire()
    slow.go_on.release()
    assert await asyncio.gather(*others) == ["alice"] * 8
    assert slow.asked == 2


async def test_there_is_none_counts_only_for_those_who_came_before_it_was_asked() -> None:
    recall: Recall[str] = Recall(10)
    recall.begin()
    slow = Slow(None, "alice")
    first = asyncio.create_task(recall.look_up(b"t", slow.query))
    await slow.arrived.acquire()
    later = [asyncio.create_task(recall.look_up(b"t", slow.query)) for _ in range(500)]  # by now the token was made
    await asyncio.sleep(0)
    slow.go_on.release()
    assert await first is None
    await slow.arrived.acquire()
    slow.go_on.release()
    assert await asyncio.gather(*later) == ["alice"] * 500
    assert slow.asked == 2
