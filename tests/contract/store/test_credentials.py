"""Tokens, OAuth, sessions, invitations, throttling."""

from dataclasses import replace
from datetime import timedelta

import pytest

from perijove.adapters.store_sql import SqlStore
from perijove.domain.change import Topic
from perijove.domain.errors import BadInputError, ConflictError
from perijove.domain.token import Session, TokenKind
from perijove.ports.store.credentials import Attempts
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import DEFAULT_SERVER
from tests.contract.store.records import adding, client, code, invitation, session, token

HASH = bytes(range(32))


async def test_a_token_comes_back_as_recorded(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> object:
        user = tx.users.add("ann", now=now)
        server = tx.servers.add(user.id, DEFAULT_SERVER, now=now)
        tx.oauth.put_client(client("c", server_id=server.id))
        return tx.tokens.add(
            token(
                now,
                kind=TokenKind.OAUTH,
                user_id=user.id,
                client_id="c",
                session_id="s",
                server_id=server.id,
                scopes=("a", "b!user=ann"),
                note="mine ✓",
                expires_at=now + timedelta(hours=1),
                last_activity=now,
            ),
            HASH,
        )

    added = await store.write(write)
    assert await store.read(lambda tx: tx.tokens.find(HASH)) == added
    assert await store.read(lambda tx: tx.tokens.find(HASH[::-1])) is None
    with pytest.raises(ConflictError):
        await store.write(lambda tx: tx.tokens.add(token(now), HASH))


async def test_every_end_of_a_token_is_told(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> tuple[int, list[int]]:
        user = tx.users.add("ann", now=now)
        tx.oauth.put_client(client("c1"))
        tx.oauth.put_client(client("c2"))
        kinds: list[dict[str, object]] = [
            {},
            {"session_id": "s"},
            {"client_id": "c1"},
            {"client_id": "c2", "expires_at": now},
            {"expires_at": now + timedelta(seconds=1)},
        ]
        return user.id, [tx.tokens.add(token(now, user_id=user.id, **fields), bytes([number])).id for number, fields in enumerate(kinds)]

    user_id, ids = await store.write(write)
    listed = await store.read(lambda tx: tx.tokens.of_user(user_id, now))  # type: ignore[arg-type] # a UserId
    assert [found.id for found in listed] == [ids[4], ids[2], ids[1], ids[0]], "unexpired, newest first"
    before = await store.read(lambda tx: tx.notices.last())

    def end(tx: Tx) -> list[int]:
        tx.tokens.touch([ids[0], ids[1]], now)
        tx.tokens.delete(ids[0], at=now)
        return [
            tx.tokens.delete_of_session(user_id, "s", at=now),  # type: ignore[arg-type] # a UserId
            tx.tokens.delete_of_client("c1", user_id, at=now),  # type: ignore[arg-type] # a UserId
            tx.tokens.purge_expired(now),
            tx.tokens.delete_of_user(user_id, at=now),  # type: ignore[arg-type] # a UserId
            tx.tokens.delete_of_user(user_id, at=now),  # type: ignore[arg-type] # a UserId
        ]

    assert await store.write(end) == [1, 1, 1, 1, 0]
    told = await store.read(lambda tx: tx.notices.after(before, (Topic.TOKEN,)))
    assert told is not None
    assert [notice.key for notice in told] == ["00", "01", "02", "03", "04"]


async def test_a_code_works_once(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> object:
        user = tx.users.add("ann", now=now)
        tx.oauth.put_client(client("c", allowed_scopes=("x",)))
        tx.oauth.put_client(client("c", description="again"))
        made = code(now, "c", user.id)
        for number in range(3):
            tx.oauth.add_code(made, bytes([number]))
        return made

    made = await store.write(write)
    assert await store.read(lambda tx: tx.oauth.client("c")) == client("c", description="again")
    assert await store.write(lambda tx: tx.oauth.take_code(b"\x00")) == made
    assert await store.write(lambda tx: tx.oauth.take_code(b"\x00")) is None
    assert await store.write(lambda tx: tx.oauth.purge_expired(now)) == 0
    assert await store.write(lambda tx: tx.oauth.purge_expired(now + timedelta(minutes=5))) == 2
    await store.write(lambda tx: tx.oauth.delete_client("c", at=now))
    assert await store.read(lambda tx: tx.oauth.client("c")) is None


async def test_sessions_move_on_and_end_loudly(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> list[Session]:
        user = tx.users.add("ann", now=now)
        return [tx.sessions.add(session(now, user.id, session_id=f"s{number}", user_agent="Firefox"), bytes([number])) for number in range(3)]

    first, second, third = await store.write(write)
    later = now + timedelta(hours=1)
    assert await store.read(lambda tx: tx.sessions.find(b"\x00")) == first
    found = await store.read(lambda tx: tx.sessions.find(b"\x01"))
    assert found == second
    assert found is not None

    def move(tx: Tx) -> None:
        tx.sessions.save_seen(found.id, seen=later, refreshed=later)
        tx.sessions.save_seen(found.id, seen=now, expires=later)
        tx.sessions.seen_all({found.id: now, found.id + 1: later, 999: later})

    await store.write(move)
    moved = replace(found, last_seen=later, refreshed_at=later, expires_at=later)
    assert await store.read(lambda tx: tx.sessions.of_user(found.user_id)) == [replace(third, last_seen=later), moved, first]
    before = await store.read(lambda tx: tx.notices.last())
    assert await store.write(lambda tx: tx.sessions.purge_expired(later)) == 1
    await store.write(lambda tx: tx.sessions.delete(found.id + 1, at=now))
    assert await store.write(lambda tx: tx.sessions.delete_of_user(found.user_id, at=now)) == 1
    told = await store.read(lambda tx: tx.notices.after(before, (Topic.SESSION,)))
    assert told is not None
    assert [notice.key for notice in told] == ["01", "02", "00"]


async def test_an_invitation_is_good_for_as_many_as_it_says(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    made = await store.write(lambda tx: tx.invitations.add(invitation(now, admin=True, groups=("g",), note="hi", uses_left=2), HASH))
    single = await store.write(lambda tx: tx.invitations.add(invitation(now, user_name="bob", reset=True, created_by="ann"), b"single"))
    assert await store.read(lambda tx: tx.invitations.find(HASH)) == made
    page = await store.read(lambda tx: tx.invitations.page(0, 10, now))
    assert (page.items, page.total) == ((single, made), 2)
    assert await store.write(lambda tx: tx.invitations.take(HASH, made.expires_at)) is None
    assert await store.write(lambda tx: tx.invitations.take(HASH, now)) == replace(made, uses_left=1)
    assert await store.write(lambda tx: tx.invitations.take(HASH, now)) == replace(made, uses_left=0)
    assert await store.write(lambda tx: tx.invitations.take(HASH, now)) is None
    await store.write(lambda tx: tx.invitations.delete(single.id))
    assert (await store.read(lambda tx: tx.invitations.page(0, 10, now))).total == 0
    assert await store.write(lambda tx: tx.invitations.purge_expired(made.expires_at)) == 1


async def test_failures_are_counted_within_a_window(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    minute = timedelta(minutes=1)
    assert await store.read(lambda tx: tx.throttle.get("user:ann")) is None
    assert await store.write(lambda tx: tx.throttle.fail("user:ann", now, now - minute)) == Attempts(1, now, now)
    assert await store.write(lambda tx: tx.throttle.fail("user:ann", now + minute, now)) == Attempts(2, now, now + minute)
    assert await store.read(lambda tx: tx.throttle.get("user:ann")) == Attempts(2, now, now + minute)
    assert await store.write(lambda tx: tx.throttle.fail("user:ann", now + 2 * minute, now + minute)) == Attempts(
        1, now + 2 * minute, now + 2 * minute
    )
    await store.write(lambda tx: tx.throttle.fail("address:::1", now, now))
    await store.write(lambda tx: tx.throttle.clear("user:ann"))
    assert await store.write(lambda tx: tx.throttle.purge(now + minute)) == 1


async def test_what_no_database_can_hold_is_the_asker_s_mistake(store: SqlStore, clock: FakeClock) -> None:
    for name in ("\ud800", "x" * 3 + "\udfff"):
        with pytest.raises(BadInputError):
            await store.write(adding(name, clock.now()))

    def write(tx: Tx) -> object:
        tx.throttle.fail("k", clock.now(), clock.now())
        return tx.groups.page(10**30, 1)

    with pytest.raises(BadInputError):
        await store.write(write)
    assert await store.read(lambda tx: tx.throttle.get("k")) is None
