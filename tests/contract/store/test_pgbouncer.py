"""Behind pgbouncer in transaction mode the store works as it does without."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from perijove.adapters.store_sql import SqlStore, open_store
from perijove.domain.change import Topic
from perijove.testing.clock import FakeClock
from tests.contract.store.postgres import ACCOUNT, PostgresServer
from tests.running.perijove import free_port, until

_CONFIG = """
[databases]
* = host={host} port=5432 user=hub
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
auth_file =
pool_mode = transaction
default_pool_size = 4
unix_socket_dir =
pidfile = {folder}/pid
logfile = {folder}/log
"""


class Bouncer:
    """A pgbouncer before the tests' PostgreSQL."""

    def __init__(self, program: str, postgres: PostgresServer, folder: Path) -> None:
        self.port = free_port()
        self._program = program
        self._config = folder / "pgbouncer.ini"
        self._config.write_text(_CONFIG.format(host=postgres.folder, port=self.port, folder=folder))
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            for path in (folder, self._config):
                os.chown(path, account.pw_uid, account.pw_gid)

    def start(self) -> None:
        more = ["-u", ACCOUNT] if os.geteuid() == 0 else []
        self._process = subprocess.Popen([self._program, *more, str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens, what="pgbouncer")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def url(self, database: str) -> str:
        return f"postgresql://hub@127.0.0.1:{self.port}/{database}"


@pytest.fixture
def bouncer(postgres: PostgresServer) -> Iterator[Bouncer]:
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed: ask the administrator of this machine for `apt-get install pgbouncer`")
    with TemporaryDirectory(prefix="pgbouncer-") as folder:
        made = Bouncer(program, postgres, Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


async def _add(store: SqlStore, name: str, clock: FakeClock) -> None:
    await store.write(lambda tx: tx.users.add_missing([name], now=clock.now()))


async def names(store: SqlStore) -> int:
    return await store.read(lambda tx: tx.users.count())


async def test_many_transactions_share_few_sessions_and_notices_arrive(postgres: PostgresServer, bouncer: Bouncer, clock: FakeClock) -> None:
    database = postgres.new_database()
    opened = {"pool_size": 12, "clock": clock, "direct_url": postgres.url(database)}
    async with open_store(bouncer.url(database), **opened) as one, open_store(bouncer.url(database), **opened) as two:  # type: ignore[arg-type]
        assert one.epoch == two.epoch
        async with two.follow((Topic.USER,)) as batches:
            async with asyncio.TaskGroup() as group:
                for number in range(300):
                    group.create_task(_add((one, two)[number % 2], f"user{number}", clock))
            told: set[str] = set()
            async with asyncio.timeout(20):
                while len(told) < 300:
                    told |= {notice.key for notice in await anext(batches)}
        for _ in range(20):  # often enough for statements to be prepared, were that left on
            assert await names(one) == await names(two) == 300


async def test_a_pooler_that_is_restarted_is_come_back_to(postgres: PostgresServer, bouncer: Bouncer, clock: FakeClock) -> None:
    database = postgres.new_database()
    async with open_store(bouncer.url(database), pool_size=4, clock=clock, direct_url=postgres.url(database)) as store:
        await store.write(lambda tx: tx.users.add_missing(["ada"], now=clock.now()))
        bouncer.stop()
        bouncer.start()
        assert await names(store) == 1
        await store.write(lambda tx: tx.users.add_missing(["bob"], now=clock.now()))
        assert await names(store) == 2


async def test_limits_hold_in_each_transaction_and_not_beyond_it(postgres: PostgresServer, bouncer: Bouncer, clock: FakeClock) -> None:
    database = postgres.new_database()
    async with open_store(bouncer.url(database), pool_size=2, clock=clock, direct_url=postgres.url(database)) as store:
        timeouts = await store.read(lambda tx: tx.users._link.opened.execute("SHOW lock_timeout").fetchone())  # type: ignore[attr-defined]
        assert timeouts == ("5s",)
