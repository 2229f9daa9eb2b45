"""Who asks, from memory, and never longer than it is true."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from perijove.control.access.identity import TOPICS, Identities, open_identities
from perijove.control.context import Hub
from perijove.control.people.sessions import block_user, sign_out, unblock_user
from perijove.control.people.sign_in import SignedIn, finish
from perijove.domain.access import may, server_resource, user_resource
from perijove.domain.token import OAuthClient, Token, TokenKind, hash_secret
from perijove.domain.user import Service
from perijove.ports.store.access import StoredRole
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock

from .conftest import Configure
from .door import typed

COUNT = 200


@pytest.fixture
async def alice(hub: Hub) -> SignedIn:
    return await finish(hub, typed("alice"))


async def add_token(hub: Hub, text: str, **fields: Any) -> Token:
    token = Token(**{"id": 0, "kind": TokenKind.API, "scopes": ("inherit",), "created": hub.clock.now(), **fields})
    return await hub.store.write(lambda tx: tx.tokens.add(token, hash_secret(text)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_token_stands_for_its_owner_and_a_wrong_one_for_nobody(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    token = await add_token(hub, "t", user_id=alice.user.id)
    assert identities.cached("t", hub.clock.now()) is None
    identity = await identities.of_token("t")
    assert identity is not None
    assert (identity.kind, identity.name, identity.admin, identity.token_id) == ("user", "alice", False, token.id)
    assert may(identity, "start:servers", server_resource("alice", "")).allowed
    assert not may(identity, "read:users", user_resource("bob")).allowed
    assert identities.cached("t", hub.clock.now()) is identity
    assert await identities.of_token("T") is None
    assert await identities.of_token(alice.cookie) is None, "a sign-in cookie is no token"
    assert await identities.of_browser("t") is None, "a token is no sign-in cookie"


async def test_a_token_with_scopes_has_these_only_and_no_more_than_its_owner(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    await add_token(hub, "t", user_id=alice.user.id, scopes=("list:users", "read:servers!user"))
    identity = await identities.of_token("t")
    assert identity is not None
    assert may(identity, "read:servers", server_resource("alice", "")).allowed
    assert not may(identity, "list:users").allowed
    assert not may(identity, "start:servers", server_resource("alice", "")).allowed


async def test_a_servers_token_is_bound_to_its_server(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    def make(tx: Tx) -> None:
        for name in ("lab", "other"):
            server = tx.servers.add(alice.user.id, name, now=hub.clock.now())  # type: ignore[arg-type]  # names as a test writes them
            client = OAuthClient(id=f"client-{name}", description="", secret=b"", redirect_uri="/", server_id=server.id)
            tx.oauth.put_client(client)

    await hub.store.write(make)
    lab = await hub.store.read(lambda tx: tx.servers.find("alice", "lab"))
    assert lab is not None
    scopes = ("users:activity!user", "access:servers!server")
    await add_token(hub, "own", kind=TokenKind.SERVER, user_id=alice.user.id, server_id=lab.id, scopes=scopes)
    await add_token(hub, "visitor", kind=TokenKind.OAUTH, user_id=alice.user.id, client_id="client-lab", session_id="s", scopes=())
    for text in ("own", "visitor"):
        identity = await identities.of_token(text)
        assert identity is not None
        assert may(identity, "access:servers", server_resource("alice", "lab")).allowed
        assert not may(identity, "access:servers", server_resource("alice", "other")).allowed
    visitor = await identities.of_token("visitor")
    assert visitor is not None
    assert visitor.session_id == "s"


async def test_a_service_holds_its_roles(hub: Hub, identities: Identities) -> None:
    def make(tx: Tx) -> int:
        service = tx.services.put(Service(id=0, name="culler"), now=hub.clock.now())
        tx.roles.put(StoredRole(name="culling", scopes=("list:users", "delete:servers")), now=hub.clock.now())
        tx.roles.assign("culling", "service", "culler", now=hub.clock.now())
        return service.id

    await add_token(hub, "s", service_id=await hub.store.write(make))
    identity = await identities.of_token("s")
    assert identity is not None
    assert (identity.kind, identity.name) == ("service", "culler")
    assert may(identity, "delete:servers", server_resource("alice", "")).allowed
    assert not may(identity, "admin:users").allowed
    await hub.store.write(lambda tx: tx.roles.revoke("culling", "service", "culler", now=hub.clock.now()))
    await identities.caught_up()
    identity = await identities.of_token("s")
    assert identity is not None
    assert not may(identity, "delete:servers", server_resource("alice", "")).allowed


async def test_an_expired_token_ends_on_time_though_it_is_remembered(hub: Hub, identities: Identities, alice: SignedIn, clock: FakeClock) -> None:
    await add_token(hub, "t", user_id=alice.user.id, expires_at=clock.now() + timedelta(seconds=90))
    assert await identities.of_token("t") is not None
    await clock.turn(89)
    assert identities.cached("t", clock.now()) is not None
    await clock.turn(1)
    assert identities.cached("t", clock.now()) is None
    assert await identities.of_token("t") is None


def delete_token(tx: Tx, hub: Hub, alice: SignedIn) -> None:
    found = tx.tokens.find(hash_secret("t"))
    assert found is not None
    tx.tokens.delete(found.id, at=hub.clock.now())


def block(tx: Tx, hub: Hub, alice: SignedIn) -> None:
    tx.users.save(replace(alice.user, blocked=True))


def into_blocked_group(tx: Tx, hub: Hub, alice: SignedIn) -> None:
    tx.users.set_groups(alice.user.id, frozenset({"out"}), hub.clock.now())


def delete_user(tx: Tx, hub: Hub, alice: SignedIn) -> None:
    tx.users.delete(alice.user.id)


@pytest.mark.parametrize("change", [delete_token, block, into_blocked_group, delete_user])
async def test_what_is_taken_away_does_not_count_any_more(configure: Configure, change: Callable[[Tx, Hub, SignedIn], None]) -> None:
    hub = configure(access={"allow_all": True, "blocked_groups": ["out"]})
    alice = await finish(hub, typed("alice"))
    await add_token(hub, "t", user_id=alice.user.id)
    async with open_identities(hub) as identities:
        assert await identities.of_token("t") is not None
        assert await identities.of_browser(alice.cookie) is not None
        await hub.store.write(lambda tx: change(tx, hub, alice))
        await until(lambda: identities.cached("t", hub.clock.now()) is None)
        assert await identities.of_token("t") is None
        if change is not delete_token:
            assert await identities.of_browser(alice.cookie) is None


async def test_new_rights_count_at_once(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    now = hub.clock.now()
    await add_token(hub, "t", user_id=alice.user.id)
    await identities.of_token("t")

    async def holds(scope: str) -> bool:
        await identities.caught_up()
        identity = await identities.of_token("t")
        return identity is not None and bool(may(identity, scope))

    assert not await holds("list:users")
    await hub.store.write(lambda tx: tx.roles.put(StoredRole(name="lister", scopes=("list:users",)), now=now))
    await hub.store.write(lambda tx: tx.groups.add("staff", now=now))
    await hub.store.write(lambda tx: tx.roles.assign("lister", "group", "staff", now=now))
    assert not await holds("list:users")
    await hub.store.write(lambda tx: tx.groups.add_users("staff", ["alice"], now=now))
    assert await holds("list:users")
    await hub.store.write(lambda tx: tx.roles.put(StoredRole(name="lister", scopes=("read:hub",)), now=now))
    assert not await holds("list:users")
    assert await holds("read:hub")
    await hub.store.write(lambda tx: tx.groups.remove_users("staff", ["alice"], now=now))
    assert not await holds("read:hub")
    await hub.store.write(lambda tx: tx.users.save(replace(alice.user, admin=True)))
    assert await holds("admin:users")


async def test_groups_of_others_decide_where_scopes_are_limited_by_group(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    now = hub.clock.now()

    def make(tx: Tx) -> None:
        tx.users.add("zoe", now=now)
        tx.groups.add("students", now=now)
        tx.roles.put(StoredRole(name="assistant", scopes=("read:servers!group=students",)), now=now)
        tx.roles.assign("assistant", "user", "alice", now=now)

    await hub.store.write(make)
    await add_token(hub, "t", user_id=alice.user.id, scopes=("read:servers!user=zoe",))

    async def may_see_zoe() -> bool:
        identity = await identities.of_token("t")
        return identity is not None and bool(may(identity, "read:servers", server_resource("zoe", "")))

    assert not await may_see_zoe()
    await hub.store.write(lambda tx: tx.groups.add_users("students", ["zoe"], now=now))
    await identities.caught_up()
    assert await may_see_zoe()
    await hub.store.write(lambda tx: tx.groups.remove_users("students", ["zoe"], now=now))
    await identities.caught_up()
    assert not await may_see_zoe()


async def test_blocking_drops_sessions_and_tokens_and_unblocking_gives_none_back(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    await add_token(hub, "t", user_id=alice.user.id)
    await identities.of_token("t")
    await identities.of_browser(alice.cookie)
    await block_user(hub, "alice", actor="root")
    await identities.caught_up()
    assert await identities.of_token("t") is None
    assert await identities.of_browser(alice.cookie) is None
    await unblock_user(hub, "alice", actor="root")
    await identities.caught_up()
    assert await identities.of_token("t") is None
    assert await identities.of_browser(alice.cookie) is None
    assert (await finish(hub, typed("alice"))).user.id == alice.user.id


async def test_signing_out_ends_the_session_and_its_oauth_tokens_everywhere_at_once(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    """The second memory stands for another replica on the same database."""
    async with open_identities(hub) as other:
        await add_token(hub, "oauth", kind=TokenKind.OAUTH, user_id=alice.user.id, session_id=alice.session.session_id)
        await add_token(hub, "api", user_id=alice.user.id)
        for memory in (identities, other):
            assert await memory.of_browser(alice.cookie) is not None
            assert await memory.of_token("oauth") is not None
        await sign_out(hub, alice.session)
        await until(lambda: other.cached("oauth", hub.clock.now()) is None)
        for memory in (identities, other):
            await memory.caught_up()
            assert await memory.of_browser(alice.cookie) is None
            assert await memory.of_token("oauth") is None
            assert await memory.of_token("api") is not None


async def test_a_session_lasts_its_time_and_no_longer(configure: Configure, clock: FakeClock) -> None:
    hub = configure(access={"allow_all": True}, hub={"session_age": 7200, "refresh_age": 0})
    alice = await finish(hub, typed("alice"))
    async with open_identities(hub) as identities:
        await clock.turn(7199)
        assert await identities.of_browser(alice.cookie) is not None
        await clock.turn(1)
        assert identities.cached_browser(alice.cookie, clock.now()) is None
        assert await identities.of_browser(alice.cookie) is None


async def test_a_session_of_an_authenticator_that_is_not_used_any_more_does_not_hold(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    other = type(hub.authenticator)(issuer="new door")  # type: ignore[call-arg]  # Door, as the fixture made it
    async with open_identities(replace(hub, authenticator=other)) as after:
        assert await after.of_browser(alice.cookie) is None
    assert await identities.of_browser(alice.cookie) is not None


async def test_use_is_written_in_bulk_and_only_a_persons_own_use_is_their_activity(
    hub: Hub, identities: Identities, alice: SignedIn, clock: FakeClock
) -> None:
    api = await add_token(hub, "api", user_id=alice.user.id)
    server = await add_token(hub, "server", kind=TokenKind.SERVER, user_id=alice.user.id)
    signed_in_at = clock.now()
    await clock.turn(60)
    await identities.of_token("server")
    await identities.flush()

    async def activity() -> tuple[Any, Any, Any]:
        def query(tx: Tx) -> tuple[Any, Any, Any]:
            tokens = [tx.tokens.get(token.id) for token in (api, server)]
            user = tx.users.by_id(alice.user.id)
            return tuple(row and row.last_activity for row in (*tokens, user))  # type: ignore[return-value]  # three of them

        return await hub.store.read(query)

    assert await activity() == (None, clock.now(), signed_in_at)
    await clock.turn(5)
    await identities.of_token("api")
    used = clock.now()
    await clock.turn(25)

    async def written() -> bool:
        return await activity() == (used, used - timedelta(seconds=5), used)

    async with asyncio.timeout(5):
        while not await written():
            await clock.turn(1)
            await asyncio.sleep(0.001)


async def test_last_seen_of_a_session_is_written_every_few_minutes_only(hub: Hub, identities: Identities, alice: SignedIn, clock: FakeClock) -> None:
    async def seen() -> float:
        session = await hub.store.read(lambda tx: tx.sessions.find(hash_secret(alice.cookie)))
        assert session is not None
        return (session.last_seen - alice.session.last_seen).total_seconds()

    await clock.turn(60)
    await identities.of_browser(alice.cookie)
    await identities.flush()
    assert await seen() == 0
    await clock.turn(180)
    await identities.of_browser(alice.cookie)
    await identities.flush()
    assert await seen() == 240


async def test_what_was_used_is_written_at_the_end(hub: Hub, clock: FakeClock, alice: SignedIn) -> None:
    token = await add_token(hub, "t", user_id=alice.user.id)
    async with open_identities(hub) as identities:
        await identities.of_token("t")
    row = await hub.store.read(lambda tx: tx.tokens.get(token.id))
    assert row is not None
    assert row.last_activity == clock.now()


async def test_revocations_win_against_lookups_under_way(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    """Ask for tokens while they are revoked; nothing revoked may be left in memory afterwards."""
    rows = {f"t{number}": await add_token(hub, f"t{number}", user_id=alice.user.id) for number in range(COUNT)}

    async def ask(text: str) -> None:
        await identities.of_token(text)

    async def revoke(token: Token) -> None:
        await hub.store.write(lambda tx: tx.tokens.delete(token.id, at=hub.clock.now()))

    async with asyncio.TaskGroup() as group:
        for text, token in rows.items():
            group.create_task(ask(text))
            group.create_task(revoke(token))
            group.create_task(ask(text))
    await identities.caught_up()
    now = hub.clock.now()
    assert [text for text in rows if identities.cached(text, now) is not None] == []


async def test_catching_up_after_a_quiet_hour_forgets_once_not_each_time(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    """Old notices are not kept, so what they said is not known; what is remembered after that may stay."""
    for _ in range(3):
        await add_token(hub, "t", user_id=alice.user.id)
        await hub.store.write(lambda tx: delete_token(tx, hub, alice))
    await add_token(hub, "t", user_id=alice.user.id)
    last = await hub.store.read(lambda tx: tx.notices.last())
    await until(lambda: identities._revision >= last)
    await hub.store.write(lambda tx: tx.notices.trim(hub.clock.now() + timedelta(hours=1)))
    identities._revision = 1
    await identities.of_token("t")
    await identities.caught_up()
    assert identities.cached("t", hub.clock.now()) is None
    await identities.of_token("t")
    await identities.caught_up()
    assert identities.cached("t", hub.clock.now()) is not None


async def test_while_no_notices_arrive_everything_is_asked_of_the_database(hub: Hub, alice: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_token(hub, "t", user_id=alice.user.id)

    class Deaf:
        """The store, but for its notices."""

        def __getattr__(self, name: str) -> Any:
            return getattr(hub.store, name)

        def follow(self, topics: Any, after: int | None = None) -> Any:
            assert topics == TOPICS
            raise ConnectionError("no notices today")

    deaf: Any = Deaf()
    async with open_identities(replace(hub, store=deaf)) as identities:
        assert await identities.of_token("t") is not None
        assert identities.cached("t", hub.clock.now()) is None
        await hub.store.write(lambda tx: delete_token(tx, hub, alice))
        assert await identities.of_token("t") is None


async def test_a_hub_whose_notices_fall_silent_asks_what_changed(hub: Hub, alice: SignedIn, clock: FakeClock) -> None:
    """The connection that listens may be cut off alone: nothing fails, and nothing is heard."""
    await add_token(hub, "t", user_id=alice.user.id)

    class Silent:
        """The store, but nothing is told."""

        deaf_s = 0.0

        def __getattr__(self, name: str) -> Any:
            return getattr(hub.store, name)

        @asynccontextmanager
        async def follow(self, topics: Any, after: int | None = None) -> AsyncIterator[AsyncIterator[Any]]:
            async def batches() -> AsyncIterator[Any]:
                await asyncio.Event().wait()
                yield []

            yield batches()

    silent: Any = Silent()
    async with open_identities(replace(hub, store=silent)) as identities:
        assert await identities.of_token("t") is not None
        await hub.store.write(lambda tx: delete_token(tx, hub, alice))
        await clock.turn(1.0)
        assert identities.cached("t", hub.clock.now()) is not None, "remembered, for nothing was told"
        silent.deaf_s = 5.0
        await clock.turn_until(lambda: identities.cached("t", hub.clock.now()) is None, step_s=0.01, within_s=5.0)
        assert await identities.of_token("t") is None
