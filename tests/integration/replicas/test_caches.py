"""What a hub remembers is dropped when another hub changes it, and is forgotten in time when nobody can tell."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perijove.adapters.keys import Keys
from perijove.adapters.store_sql import SqlStore, open_store
from perijove.config.settings import Settings
from perijove.control.access.identity import MAX_AGE, Identities, open_identities
from perijove.control.board import Board
from perijove.control.context import Hub
from perijove.control.people.groups import add_groups, change_members
from perijove.control.people.sessions import block_user, sign_out
from perijove.control.people.sign_in import SignedIn, finish
from perijove.control.people.users import UserChange, change_user
from perijove.control.servers.queueing import place_of
from perijove.control.watch import Watch
from perijove.domain.addresses import HubAddresses
from perijove.domain.claims import Claims
from perijove.domain.server import Phase, Server
from perijove.domain.token import Token, TokenKind, hash_secret
from perijove.ports.store.access import StoredRole
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.web import proxies
from perijove.web.answers import MAX_AGE_S, Answers
from perijove.wire.names import ServerName
from tests.contract.store.postgres import PostgresServer
from tests.faults.relay import Relay, Way
from tests.unit.control.people.signing_in.door import Door, typed

TOKEN = "t"


@pytest.fixture(scope="module")
def postgres(postgresql_bin: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(postgresql_bin)
    try:
        server.start()
        yield server
    finally:
        server.close()


@dataclass(repr=False)
class Site:
    """Two hubs on one database, to which the second one's way can be cut."""

    one: Hub
    two: Hub
    way: Relay
    clock: FakeClock
    stores: tuple[SqlStore, SqlStore]


def hub_on(store: SqlStore, clock: FakeClock, name: str) -> Hub:
    unused: Any = None  # nothing here starts or probes servers
    return Hub(
        replica=name,
        settings=msgspec.convert({"access": {"allow_all": True}, "limits": {"concurrent_starts": 1}}, Settings),
        addresses=HubAddresses(base_url="/", api_url="http://127.0.0.1:8081/hub/api"),
        store=store,
        clock=clock,
        secrets=Keys("m" * 40),
        authenticator=Door(known={"alice": Claims(issuer="door", subject="id-alice", username="alice")}),
        spawner=unused,
        prober=unused,
        watch=Watch(store, clock),
    )


@pytest.fixture
async def site(postgres: PostgresServer) -> AsyncIterator[Site]:
    database, clock = postgres.new_database(), FakeClock()
    way = Relay(partial(asyncio.open_unix_connection, str(postgres.folder / ".s.PGSQL.5432")))
    await way.listen()
    try:
        async with AsyncExitStack() as stack:
            urls = postgres.url(database), f"postgresql://hub@127.0.0.1:{way.port}/{database}"
            one, two = [await stack.enter_async_context(open_store(url, pool_size=4, clock=clock)) for url in urls]
            stack.callback(way.turn, Way.OPEN)
            yield Site(hub_on(one, clock, "one"), hub_on(two, clock, "two"), way, clock, (one, two))
    finally:
        await way.close()


async def until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(15):
            while not await true():
                await asyncio.sleep(0.005)  # a condition with a deadline
    except TimeoutError:
        pytest.fail(f"waited too long for {what}")


async def alice_with_a_token(site: Site) -> SignedIn:
    one = site.one
    await one.store.write(lambda tx: tx.roles.put(StoredRole(name="tutor", scopes=("list:services",)), now=site.clock.now()))
    await add_groups(one, ["staff"], [], actor="root")
    alice = await finish(one, typed("alice"))
    await one.store.write(lambda tx: tx.roles.put(StoredRole(name="helper", scopes=("list:users",)), now=site.clock.now()))
    await one.store.write(lambda tx: tx.roles.assign("helper", "user", "alice", now=site.clock.now()))
    token = Token(id=0, kind=TokenKind.API, user_id=alice.user.id, scopes=("inherit",), created=site.clock.now())
    await one.store.write(lambda tx: tx.tokens.add(token, hash_secret(TOKEN)))
    return alice


Change = Callable[[Site, SignedIn], Awaitable[object]]


async def _revoke(site: Site, alice: SignedIn) -> None:
    await site.one.store.write(lambda tx: tx.tokens.delete_of_user(alice.user.id, at=site.clock.now()))


async def _grant(site: Site, _: SignedIn) -> None:
    await site.one.store.write(lambda tx: tx.roles.assign("tutor", "user", "alice", now=site.clock.now()))


async def _change_role(site: Site, _: SignedIn) -> None:
    await site.one.store.write(lambda tx: tx.roles.put(StoredRole(name="helper", scopes=("list:groups",)), now=site.clock.now()))


CHANGES: dict[str, Change] = {
    "the token is revoked": _revoke,
    "the session ends": lambda site, alice: sign_out(site.one, alice.session),
    "the person is blocked": lambda site, _: block_user(site.one, "alice", actor="root"),
    "a group is joined": lambda site, _: change_members(site.one, "staff", ["alice"], add=True, actor="root"),
    "an administrator is made": lambda site, _: change_user(site.one, "alice", UserChange(admin=True), actor="root"),
    "a role is given": _grant,
    "a role is changed": _change_role,
}


async def seen(identities: Identities, cookie: str) -> tuple[object, object]:
    """Who a token and a cookie are, as this hub knows it."""
    token, browser = await identities.of_token(TOKEN), await identities.of_browser(cookie)
    return token, None if browser is None else browser.identity


@pytest.mark.parametrize("change", list(CHANGES))
async def test_who_somebody_is_and_may_do(site: Site, change: str) -> None:
    alice = await alice_with_a_token(site)
    async with open_identities(site.two) as identities:
        before = await seen(identities, alice.cookie)
        now = site.clock.now()
        assert identities.cached(TOKEN, now) is before[0]
        assert None not in before
        await CHANGES[change](site, alice)
        async with open_identities(site.one) as fresh:
            after = await seen(fresh, alice.cookie)
        assert after != before

        async def known() -> bool:
            return await seen(identities, alice.cookie) == after

        await until(known, "the other hub to hear of it")


async def test_who_somebody_is_is_forgotten_in_time_by_a_hub_that_hears_nothing(site: Site) -> None:
    alice = await alice_with_a_token(site)
    async with open_identities(site.two) as identities:
        await seen(identities, alice.cookie)
        site.way.turn(Way.SILENT)
        await block_user(site.one, "alice", actor="root")
        await site.clock.turn(MAX_AGE.total_seconds() - 1)
        now = site.clock.now()
        assert identities.cached(TOKEN, now) is not None, "notebooks go on while a hub is cut off from the database"
        await site.clock.turn(1)
        now = site.clock.now()
        assert identities.cached(TOKEN, now) is None
        assert identities.cached_browser(alice.cookie, now) is None
        site.way.turn(Way.OPEN)


async def test_what_changed_while_a_hub_was_cut_off_counts_when_it_is_back(site: Site) -> None:
    alice = await alice_with_a_token(site)
    async with open_identities(site.two) as identities:
        await seen(identities, alice.cookie)
        site.way.turn(Way.CLOSED)
        await block_user(site.one, "alice", actor="root")
        site.way.turn(Way.OPEN)

        async def forgotten() -> bool:
            return identities.cached(TOKEN, site.clock.now()) is None and identities.cached_browser(alice.cookie, site.clock.now()) is None

        await until(forgotten, "it to catch up")


async def add_server(site: Site, name: str, phase: Phase) -> Server:
    def add(tx: Tx) -> Server:
        user = tx.users.get("alice") or tx.users.add("alice", now=site.clock.now())
        server = tx.servers.add(user.id, ServerName(name), now=site.clock.now())
        return tx.servers.save(replace(server, phase=phase, queued_at=site.clock.now() if phase is Phase.QUEUED else None))

    return await site.one.store.write(add)


async def test_the_answer_to_who_am_i(site: Site) -> None:
    await alice_with_a_token(site)
    server = await add_server(site, "", Phase.STARTING)
    async with open_identities(site.two) as identities:
        answers, identity = Answers(site.two), await identities.of_token(TOKEN)
        assert identity is not None
        watching = asyncio.create_task(site.two.watch.run())
        try:
            await site.two.watch.standing.wait()
            answers.put(identity, answers.turn, b"starting")
            assert answers.get(identity) == b"starting"
            await site.one.store.write(lambda tx: tx.servers.save(replace(server, phase=Phase.WAITING)))

            async def forgotten() -> bool:
                return answers.get(identity) is None

            await until(forgotten, "the other hub to hear that the server moved")
            site.way.turn(Way.SILENT)
            answers.put(identity, answers.turn, b"waiting")
            await site.clock.turn(MAX_AGE_S)
            assert answers.get(identity) == b"waiting"
            await site.clock.turn(0.01)
            assert answers.get(identity) is None
            site.way.turn(Way.OPEN)
        finally:
            watching.cancel()
            await asyncio.wait({watching})


async def test_the_board_of_the_queue(site: Site) -> None:
    """It hears of nothing, and is bounded by time alone."""
    await add_server(site, "first", Phase.QUEUED)
    last = await add_server(site, "last", Phase.QUEUED)
    kept, short = replace(site.two, board=Board(keep_s=3600)), replace(site.two, board=Board(keep_s=0.05, newcomer_s=0.01))
    for hub in (kept, short):
        place = await place_of(hub, last.id)
        assert place is not None
        assert place.place == 2
    await site.one.store.write(lambda tx: tx.servers.delete(next(each.id for each in tx.servers.in_phase(Phase.QUEUED, 0, 1))))  # type: ignore[arg-type] # a ServerId

    async def moved() -> bool:
        place = await place_of(short, last.id)
        return place is not None and place.place == 1

    await until(moved, "the board to be looked at again")
    old = await place_of(kept, last.id)
    assert old is not None
    assert old.place == 2


async def test_the_routes_that_a_proxy_follows(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "DEAF_S", 4.0)
    monkeypatch.setattr(proxies, "HEARTBEAT_S", 0.1)
    lines = proxies.feed_lines(site.two.store, asyncio.Event(), 0)
    async with asyncio.timeout(30):
        await anext(lines)
        await site.one.store.write(lambda tx: tx.routes.set(StoredRoute(spec="/user/alice/", target="http://127.0.0.1:1"), site.clock.now()))
        async for line in lines:
            if b"/user/alice/" in line:
                break
        site.way.turn(Way.SILENT)
        async for line in lines:
            assert b"/user/" not in line
        assert site.two.store.deaf_s > 4.0, "it ended, so that the proxy follows another hub"
