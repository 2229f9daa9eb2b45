"""Two hubs on one PostgreSQL: what one counts, gives or takes away holds at the other."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perijove.adapters.authenticators.accounts import Accounts, AccountsConfig
from perijove.adapters.keys import Keys
from perijove.adapters.store_sql import open_store
from perijove.config.settings import Settings
from perijove.control.context import Hub
from perijove.control.identity import open_identities
from perijove.control.invitations import Acceptance, accept_invitation, first_admin_link, new_admin_link
from perijove.control.sessions import block_user, sign_out
from perijove.control.sign_in import finish
from perijove.control.watch import Watch
from perijove.domain.claims import Claims
from perijove.domain.environment import HubAddresses
from perijove.domain.errors import ForbiddenError, NotFoundError, TooManyAttemptsError
from perijove.domain.token import Token, TokenKind, hash_secret
from perijove.ports.plugin import PluginContext
from perijove.testing.clock import FakeClock
from tests.contract.store.postgres import PostgresServer
from tests.unit.control.signing_in.door import Door, typed

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


async def test_first_sign_ins_at_both_at_once_make_one_account(hubs: tuple[Hub, Hub], door: Door) -> None:
    for number in range(10):
        name = f"person{number}"
        door.known[name] = Claims(issuer="door", subject=f"id-{name}", username=name)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(finish(hub, typed(name, address=f"192.0.2.{number}"))) for hub in (*hubs, *hubs)]
        assert len({task.result().user.id for task in tasks}) == 1


async def test_of_two_people_with_one_new_name_one_gets_it(hubs: tuple[Hub, Hub], door: Door) -> None:
    for number in range(10):
        name = f"person{number}"
        prepared = number % 2 == 0
        if prepared:
            await hubs[0].store.write(lambda tx, name=name: tx.users.add(name, now=hubs[0].clock.now()))  # type: ignore[misc]
        for which in ("a", "b"):
            door.known[f"{which}-{name}"] = Claims(issuer="door", subject=f"id-{which}-{name}", username=name)

        async def attempt(hub: Hub, typed_name: str, address: str) -> bool:
            try:
                await finish(hub, typed(typed_name, address=address))
            except ForbiddenError:
                return False
            return True

        async with asyncio.TaskGroup() as group:
            one = group.create_task(attempt(hubs[0], f"a-{name}", f"192.0.2.{number}"))
            two = group.create_task(attempt(hubs[1], f"b-{name}", f"192.0.2.{number}"))
        assert [one.result(), two.result()].count(True) == 1


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
