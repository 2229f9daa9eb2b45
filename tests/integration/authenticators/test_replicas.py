"""Two hubs on one PostgreSQL: what one counts, gives or takes away holds at the other."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from perijove.adapters.authenticators.accounts import Accounts, AccountsConfig
from perijove.adapters.keys import Keys
from perijove.adapters.store_sql import open_store
from perijove.config.settings import Settings
from perijove.control.access.identity import open_identities
from perijove.control.context import Hub
from perijove.control.people.invitations import Acceptance, accept_invitation, first_admin_link, new_admin_link
from perijove.control.people.sessions import block_user, sign_out
from perijove.control.people.sign_in import finish
from perijove.control.watch import Watch
from perijove.domain.addresses import HubAddresses
from perijove.domain.claims import Claims
from perijove.domain.errors import ForbiddenError, NotFoundError, TooManyAttemptsError
from perijove.domain.token import Token, TokenKind, hash_secret
from perijove.domain.user import User
from perijove.ports.plugin import PluginContext
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import UserName
from tests.contract.store.postgres import PostgresServer
from tests.unit.control.people.signing_in.door import Door, typed

T = TypeVar("T")
PASSWORD = "fuchsia ladder 7"


@pytest.fixture(scope="module")
def postgres(postgresql_bin: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(postgresql_bin)
    try:
        server.start()
        yield server
    finally:
        server.close()


def hub_on(store: Any, clock: FakeClock, authenticator: Any, name: str) -> Hub:
    unused: Any = None  # nothing here starts or probes servers
    return Hub(
        replica=name,
        settings=msgspec.convert({"access": {"allow_all": True}, "limits": {"sign_in_failures": 5}}, Settings),
        addresses=HubAddresses(base_url="/", api_url="http://127.0.0.1:8081/hub/api"),
        store=store,
        clock=clock,
        secrets=Keys("m" * 40),
        authenticator=authenticator,
        spawner=unused,
        prober=unused,
        watch=Watch(store, clock),
    )


@pytest.fixture
def door() -> Door:
    return Door(known={"alice": Claims(issuer="door", subject="id-alice", username="alice")})


@pytest.fixture
async def hubs(postgres: PostgresServer, door: Door) -> AsyncIterator[tuple[Hub, Hub]]:
    url, clock = postgres.url(postgres.new_database()), FakeClock()
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(url, pool_size=4, clock=clock)) for _ in range(2)]
        yield hub_on(stores[0], clock, door, "one"), hub_on(stores[1], clock, door, "two")


async def test_guesses_sent_to_both_at_once_count_together(hubs: tuple[Hub, Hub], door: Door) -> None:
    door.pause = asyncio.Event()

    async def guess(hub: Hub) -> type[Exception] | None:
        try:
            await finish(hub, typed("alice", "wrong"))
        except (ForbiddenError, TooManyAttemptsError) as error:
            return type(error)
        return None

    async with asyncio.timeout(25), asyncio.TaskGroup() as group:
        tasks = [group.create_task(guess(hubs[number % 2])) for number in range(40)]
        while sum(task.done() for task in tasks) < 35:
            await asyncio.sleep(0.005)
        door.pause.set()
    assert len(door.asked) == 5
    assert [task.result() for task in tasks].count(TooManyAttemptsError) == 35


async def all_at_once(door: Door, attempts: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Let all come as far as the authenticator, then let all go on."""
    door.asked.clear()
    door.pause = asyncio.Event()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt) for attempt in attempts]
        while len(door.asked) < len(tasks):
            await asyncio.sleep(0.001)
        door.pause.set()
    return [task.result() for task in tasks]


async def test_first_sign_ins_at_both_at_once_make_one_account(hubs: tuple[Hub, Hub], door: Door) -> None:
    for number in range(40):
        spellings = [f"{number}-{which}" for which in range(4)]  # nothing in common but the identity
        for spelling in spellings:
            door.known[spelling] = Claims(issuer="door", subject=f"id-{number}", username=f"person{number}")
        done = await all_at_once(
            door, [finish(hubs[which % 2], typed(spelling, address=f"192.0.{number}.{which}")) for which, spelling in enumerate(spellings)]
        )
        assert len({signed_in.user.id for signed_in in done}) == 1


async def test_a_sign_in_that_loses_the_race_for_the_account_finds_it_made(hubs: tuple[Hub, Hub], postgres: PostgresServer) -> None:
    """One hub has made the account and not committed yet; the other waits for the name, and must then not fail."""
    one, two = hubs[0], replace(hubs[1], settings=msgspec.convert({"access": {"allow_all": True}, "limits": {"sign_in_failures": 0}}, Settings))
    go_on = threading.Event()

    def make(tx: Tx) -> User:
        user = tx.users.add("alice", now=one.clock.now())
        tx.users.link_identity(user.id, "door", "id-alice")
        assert go_on.wait(20)
        return user

    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        made = group.create_task(one.store.write(make))
        signed_in = group.create_task(finish(two, typed("alice")))
        try:
            while postgres.execute(waiting)[0][0] == 0:
                await asyncio.sleep(0.005)
        finally:
            go_on.set()
    assert signed_in.result().user.id == made.result().id


async def test_of_two_people_with_one_new_name_one_gets_it(hubs: tuple[Hub, Hub], door: Door) -> None:
    async def attempt(hub: Hub, typed_name: str, address: str) -> bool:
        try:
            await finish(hub, typed(typed_name, address=address))
        except ForbiddenError:
            return False
        return True

    for number in range(10):
        name = UserName(f"person{number}")
        if number % 2:  # prepared: then it is about who is linked
            await hubs[0].store.write(partial(add_user, name=name, now=hubs[0].clock.now()))
        for which in range(2):
            door.known[f"{which}-{name}"] = Claims(issuer="door", subject=f"id-{which}-{name}", username=name)
        let_in = await all_at_once(door, [attempt(hubs[which], f"{which}-{name}", f"192.0.{number}.{which}") for which in range(2)])
        assert sorted(let_in) == [False, True]


def add_user(tx: Tx, name: UserName, now: datetime) -> None:
    tx.users.add(name, now=now)


async def test_what_one_takes_away_the_other_does_not_honour(hubs: tuple[Hub, Hub]) -> None:
    one, two = hubs
    alice = await finish(one, typed("alice"))
    token = Token(id=0, kind=TokenKind.API, user_id=alice.user.id, scopes=("inherit",), created=one.clock.now())
    await one.store.write(lambda tx: tx.tokens.add(token, hash_secret("t")))
    async with open_identities(two) as identities:
        assert await identities.of_browser(alice.cookie) is not None
        assert await identities.of_token("t") is not None
        await sign_out(one, alice.session)
        await block_user(one, "alice", actor="root")
        now = two.clock.now()
        async with asyncio.timeout(5):
            while identities.cached("t", now) is not None or identities.cached_browser(alice.cookie, now) is not None:
                await asyncio.sleep(0.005)
        assert await identities.of_browser(alice.cookie) is None
        assert await identities.of_token("t") is None


async def test_of_two_first_administrators_at_both_at_once_one_wins(hubs: tuple[Hub, Hub], tmp_path: Path) -> None:
    one, two = hubs
    context = PluginContext(
        state_dir=tmp_path, runtime_dir=tmp_path, base_url="/", exposed=False, store=one.store, clock=one.clock, secrets=one.secrets
    )
    async with Accounts.open(AccountsConfig(memory_kib=8192, passes=1, lanes=1), context) as accounts:
        one, two = (hub_on(hub.store, FakeClock(), accounts, hub.replica) for hub in hubs)
        links = [await first_admin_link(one)] * 2

        async def attempt(hub: Hub, link: str | None, name: str) -> bool:
            assert link is not None
            try:
                await accept_invitation(hub, link.rpartition("/")[2], Acceptance(user_name=name, password=PASSWORD))
            except NotFoundError:
                return False
            return True

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(attempt(hub, link, name)) for hub, link, name in zip((one, two), links, ("alice", "bob"), strict=True)]
        assert sorted(task.result() for task in tasks) == [False, True]
        assert await one.store.read(lambda tx: tx.users.count()) == 1
        assert await first_admin_link(two) is None
        assert await attempt(two, await new_admin_link(one), "carol"), "who runs the machine still can"
