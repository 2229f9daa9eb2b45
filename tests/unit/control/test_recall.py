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
