"""A hub may die at any time and lose nothing that was acknowledged."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from perijove.adapters.store_sql import open_store
from perijove.domain.change import Topic
from perijove.ports.store.access import UserQuery
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock

ALL = 1_000_000


async def test_a_killed_writer_leaves_whole_changes_and_all_it_was_told_of(url: str, clock: FakeClock) -> None:
    before = 0
    for _ in range(2):  # the second time over what the first one left
        acknowledged = await _write_and_die(url)
        async with open_store(url, pool_size=4, clock=clock) as store:
            users, groups, told = await store.read(lambda tx: (_users(tx), _groups(tx), _told(tx, before)))  # noqa: B023 - run at once
            assert acknowledged <= users
            assert users == groups == told
            await store.write(_clear)
            before = await store.read(lambda tx: tx.notices.last())
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _users(tx: Tx) -> set[str]:
    return {str(user.name) for user in tx.users.page(UserQuery(limit=ALL)).items}


def _groups(tx: Tx) -> set[str]:
    return {group.name for group in tx.groups.page(0, ALL).items}


def _told(tx: Tx, after: int) -> set[str]:
    notices = tx.notices.after(after, (Topic.USER,), limit=ALL)
    assert notices is not None
    return {notice.key for notice in notices}


def _clear(tx: Tx) -> None:
    for user in tx.users.page(UserQuery(limit=ALL)).items:
        tx.users.delete(user.id)
    for group in tx.groups.page(0, ALL).items:
        tx.groups.delete(group.name, now=user.created)


async def _write_and_die(url: str) -> set[str]:
    """The names that were acknowledged before the process was killed."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(Path(__file__).with_name("writer.py")), url, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    acknowledged: set[str] = set()
    async with asyncio.timeout(60):
        while len(acknowledged) < 500:
            acknowledged.add((await process.stdout.readline()).decode().strip())
    process.kill()
    rest = (await process.stdout.read()).decode().split("\n")[:-1]
    await process.wait()
    assert "" not in acknowledged
    return acknowledged | set(rest)
