"""Users: identity, listing, and what goes with them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from perijove.adapters.store_sql import SqlStore
from perijove.domain.change import Topic
from perijove.domain.errors import BadInputError, ConflictError, NotFoundError
from perijove.domain.page import Page
from perijove.domain.server import Phase, UserId
from perijove.domain.user import User
from perijove.ports.store.access import StoredRole, UserQuery, Visible
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import DEFAULT_SERVER, UserName
from tests.contract.store.records import session, token


async def test_a_user_is_found_again_as_recorded(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now() + timedelta(microseconds=123457)

    def write(tx: Tx) -> User:
        user = tx.users.add("zoë", admin=True, now=now)
        tx.users.set_groups(user.id, frozenset({"b", "a"}), now)
        tx.roles.put(StoredRole(name="helper"), now=now)
        tx.roles.assign("helper", "user", "zoë", now=now)
        saved = tx.users.save(replace(user, blocked=True, display_name="Zoë 🦊", user_info={"mail": ["z@x.org"], "deep": {"n": 1}}))
        tx.users.touch(user.id, now)
        tx.users.touch(user.id, now - timedelta(days=1))
        return saved

    saved = await store.write(write)
    wanted = replace(saved, groups=("a", "b"), roles=("helper",), last_activity=now, created=now)
    assert await store.read(lambda tx: tx.users.get("zoë")) == wanted
    assert await store.read(lambda tx: tx.users.by_id(saved.id)) == wanted
    assert await store.read(lambda tx: tx.users.get("ZOË")) is None


async def test_a_taken_name_is_refused_and_leaves_nothing(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    await store.write(lambda tx: tx.users.add_missing(["ann", "bob"], now=now))
    with pytest.raises(ConflictError, match="ann"):
        await store.write(lambda tx: (tx.users.add("carl", now=now), tx.users.add("ann", now=now)))
    with pytest.raises(ConflictError, match="ann"):
        await store.write(lambda tx: tx.users.save(replace(_get(tx, "bob"), name=UserName("ann")), was="bob"))
    assert await store.read(lambda tx: tx.users.count()) == 2
    added = await store.write(lambda tx: tx.users.add_missing(["dora", "ann", "carl", "dora"], admin=True, now=now))
    assert sorted(await store.read(lambda tx: tx.users.names())) == ["ann", "bob", "carl", "dora"]
    assert [user.name for user in added] == ["dora", "carl"]
    assert await store.read(lambda tx: (_get(tx, "carl").admin, _get(tx, "ann").admin)) == (True, False)


async def test_an_identity_belongs_to_one_user(store: SqlStore, clock: FakeClock) -> None:
    def write(tx: Tx) -> None:
        ann, bob = tx.users.add("ann", now=clock.now()), tx.users.add("bob", now=clock.now())
        tx.users.link_identity(ann.id, "https://idp", "7")
        tx.users.link_identity(ann.id, "https://idp", "7")
        tx.users.link_identity(bob.id, "pam", "7")

    await store.write(write)
    with pytest.raises(ConflictError, match="somebody else"):
        await store.write(lambda tx: tx.users.link_identity(_get(tx, "bob").id, "https://idp", "7"))
    found = await store.read(lambda tx: tx.users.by_identity("https://idp", "7"))
    assert found is not None
    assert found.name == "ann"
    assert await store.read(lambda tx: tx.users.by_identity("pam", "8")) is None
    assert await store.read(lambda tx: [tx.users.has_identity(found.id, issuer) for issuer in ("https://idp", "pam")]) == [True, False]


async def test_what_authenticators_left_is_read_person_by_person_and_dropped_at_once(store: SqlStore, clock: FakeClock) -> None:
    def write(tx: Tx) -> list[User]:
        people = [tx.users.add(name, now=clock.now()) for name in ("ann", "bob", "cyn", "dan")]
        for user in (people[3], people[0], people[2]):
            tx.users.set_auth_state(user.id, user.name.encode())
        return people

    ann, _, cyn, dan = await store.write(write)
    assert await store.read(lambda tx: tx.users.auth_states(UserId(0), 2)) == [(ann.id, b"ann"), (cyn.id, b"cyn")]
    assert await store.read(lambda tx: tx.users.auth_states(cyn.id, 2)) == [(dan.id, b"dan")]
    assert await store.read(lambda tx: tx.users.auth_states(dan.id, 2)) == []
    assert await store.write(lambda tx: tx.users.drop_auth_states()) == 3
    assert await store.read(lambda tx: tx.users.auth_state(ann.id)) is None


async def test_a_deleted_user_takes_all_along_but_is_kept_while_a_server_is_left(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> User:
        user = tx.users.add("ann", now=now)
        tx.users.link_identity(user.id, "pam", "ann")
        tx.users.set_groups(user.id, frozenset({"g"}), now)
        tx.users.set_auth_state(user.id, b"\x00\xffsealed")
        tx.passwords.put(user.id, "$argon2id$1")
        tx.passwords.put(user.id, "$argon2id$2")
        tx.tokens.add(token(now, user_id=user.id), b"t" * 32)
        tx.sessions.add(session(now, user.id), b"s" * 32)
        tx.servers.add(user.id, DEFAULT_SERVER, now=now)
        return user

    user = await store.write(write)
    assert await store.read(lambda tx: (tx.users.auth_state(user.id), tx.passwords.get(user.id))) == (b"\x00\xffsealed", "$argon2id$2")
    with pytest.raises(ConflictError, match="server"):
        await store.write(lambda tx: tx.users.delete(user.id))
    assert await store.read(lambda tx: tx.tokens.find(b"t" * 32)) is not None

    def delete(tx: Tx) -> int:
        server = tx.servers.find("ann", "")
        assert server is not None
        tx.servers.delete(server.id)
        before = tx.notices.last()
        tx.users.delete(user.id)
        return before

    before = await store.write(delete)
    left = await store.read(
        lambda tx: (
            tx.users.get("ann"),
            tx.users.by_identity("pam", "ann"),
            tx.tokens.find(b"t" * 32),
            tx.sessions.find(b"s" * 32),
            tx.passwords.get(user.id),
            tx.users.auth_state(user.id),
        )
    )
    assert left == (None,) * 6
    group = await store.read(lambda tx: tx.groups.get("g"))
    assert group is not None
    assert group.users == ()
    told = await store.read(lambda tx: tx.notices.after(before, (Topic.TOKEN, Topic.SESSION, Topic.USER)))
    assert told is not None
    assert {(notice.topic, notice.key) for notice in told} == {
        (Topic.TOKEN, (b"t" * 32).hex()),
        (Topic.SESSION, (b"s" * 32).hex()),
        (Topic.USER, "ann"),
    }
    again = await store.write(lambda tx: tx.users.add("ann", now=now))
    assert again.id != user.id, "a number is never given twice"


async def test_people_are_listed_by_what_is_asked(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    phases = {"ann": Phase.READY, "bob": Phase.STARTING, "carl": Phase.STOPPED}

    def write(tx: Tx) -> None:
        for number, user in enumerate(tx.users.add_missing(["carl", "bob", "ann", "dora", "d%na", "Ünal".lower()], now=now)):
            if user.name != "dora":
                tx.users.touch(user.id, now + timedelta(seconds=number))
            if user.name in phases:
                server = tx.servers.add(user.id, DEFAULT_SERVER, now=now)
                tx.servers.save(replace(server, phase=phases[user.name]))
        tx.groups.add("lab", now=now)
        tx.groups.add_users("lab", ["bob", "dora"], now=now)

    await store.write(write)

    async def names(query: UserQuery) -> list[str]:
        page: Page[User] = await store.read(lambda tx: tx.users.page(query))
        assert page.total == len(page.items) or query.limit < 200 or query.offset
        return [user.name for user in page.items]

    assert await names(UserQuery()) == ["carl", "bob", "ann", "dora", "d%na", "ünal"]
    assert await names(UserQuery(sort="-name")) == ["ünal", "dora", "d%na", "carl", "bob", "ann"]
    assert await names(UserQuery(sort="last_activity")) == ["dora", "carl", "bob", "ann", "d%na", "ünal"]
    assert await names(UserQuery(sort="-last_activity", limit=2, offset=4)) == ["carl", "dora"]
    assert await names(UserQuery(search="N%")) == []
    assert await names(UserQuery(search="D%N")) == ["d%na"]
    assert await names(UserQuery(search="ÜN")) == ["ünal"]
    assert await names(UserQuery(state="active")) == ["bob", "ann"]
    assert await names(UserQuery(state="ready")) == ["ann"]
    assert await names(UserQuery(state="inactive", search="r")) == ["carl", "dora"]
    assert await names(UserQuery(visible=Visible(all=False))) == []
    assert await names(UserQuery(visible=Visible(all=False, users=frozenset({"ann"}), groups=frozenset({"lab"})))) == ["bob", "ann", "dora"]
    page = await store.read(lambda tx: tx.users.page(UserQuery(limit=2, offset=1)))
    assert (page.total, page.next_offset) == (6, 3)
    assert (await store.read(lambda tx: tx.users.page(UserQuery(offset=50)))).total == 6
    with pytest.raises(BadInputError):
        await names(UserQuery(sort="name; drop table users"))
    assert await store.read(lambda tx: tx.users.count_active_since(now + timedelta(seconds=2))) == 3


async def test_memberships_are_made_exactly_those_asked_for(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    user = await store.write(lambda tx: tx.users.add("ann", now=now))
    await store.write(lambda tx: tx.users.set_groups(user.id, frozenset({"a", "b"}), now))
    before = await store.read(lambda tx: tx.notices.last())
    await store.write(lambda tx: tx.users.set_groups(user.id, frozenset({"a", "b"}), now))
    assert await store.read(lambda tx: tx.notices.last()) == before, "nothing changed, so nobody is told"
    await store.write(lambda tx: tx.users.set_groups(user.id, frozenset({"b", "c"}), now))
    assert (await store.read(lambda tx: _get(tx, "ann"))).groups == ("b", "c")
    told = await store.read(lambda tx: tx.notices.after(before, (Topic.USER, Topic.GROUP)))
    assert told is not None
    assert sorted((notice.topic.value, notice.key) for notice in told) == [("group", "a"), ("group", "c"), ("user", "ann")]
    with pytest.raises(NotFoundError):
        await store.write(lambda tx: tx.groups.add_users("c", ["ann", "nobody"], now=now))


def _get(tx: Tx, name: str) -> User:
    user = tx.users.get(name)
    assert user is not None
    return user
