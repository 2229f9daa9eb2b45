"""With whom servers are shared, and the links that say so."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from perijove.adapters.store_sql import SqlStore
from perijove.domain.change import Topic
from perijove.domain.errors import NotFoundError
from perijove.domain.server import Server, ServerId
from perijove.domain.share import Recipient, Share
from perijove.domain.user import User
from perijove.ports.store.shares import ShareQuery
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import ServerName, UserName

ACCESS = frozenset({"access:servers"})
BOB, CAT, TEAM = Recipient("user", "bob"), Recipient("user", "cat"), Recipient("group", "team")


@dataclass
class People:
    """ann has two servers; bob and cat are in the team."""

    ann: User
    bob: User
    cat: User
    first: Server
    lab: Server


@pytest.fixture
async def people(store: SqlStore, clock: FakeClock) -> People:
    now = clock.now()

    def write(tx: Tx) -> People:
        ann, bob, cat = (tx.users.add(name, now=now) for name in ("ann", "bob", "cat"))
        tx.groups.add("team", now=now)
        tx.groups.add_users("team", ["bob", "cat"], now=now)
        return People(ann, bob, cat, tx.servers.add(ann.id, ServerName(""), now=now), tx.servers.add(ann.id, ServerName("lab"), now=now))

    return await store.write(write)


async def told(store: SqlStore, after: int) -> set[tuple[Topic, str]]:
    notices = await store.read(lambda tx: tx.notices.after(after, (Topic.USER, Topic.GROUP)))
    assert notices is not None
    return {(notice.topic, notice.key) for notice in notices}


async def last(store: SqlStore) -> int:
    return await store.read(lambda tx: tx.notices.last())


async def held(store: SqlStore, user: User) -> list[tuple[str, str, tuple[str, ...]]]:
    shares = await store.read(lambda tx: tx.shares.held_by(user.id))
    return [(share.server.full_name, str(share.to), share.scopes) for share in shares]


async def test_there_is_one_share_for_each_server_and_recipient(store: SqlStore, clock: FakeClock, people: People) -> None:
    made = await store.write(lambda tx: tx.shares.put(people.lab.id, BOB, ACCESS, now=clock.now()))
    assert (made.server.full_name, made.server.ready, made.to, made.scopes) == ("ann/lab", False, BOB, ("access:servers!server=ann/lab",))
    assert made.created == clock.now()
    await clock.turn(60)
    more = await store.write(lambda tx: tx.shares.put(people.lab.id, BOB, ACCESS | {"read:servers"}, now=clock.now()))
    assert more == replace(made, names=ACCESS | {"read:servers"})
    group = await store.write(lambda tx: tx.shares.put(people.lab.id, TEAM, ACCESS, now=clock.now()))
    assert await store.read(lambda tx: tx.shares.find("ann", "lab", BOB)) == more
    assert await store.read(lambda tx: tx.shares.find("ann", "lab", TEAM)) == group
    assert await store.read(lambda tx: tx.shares.find("ann", "", BOB)) is None
    assert await store.read(lambda tx: tx.shares.find("ann", "lab", CAT)) is None


async def test_a_user_and_a_group_of_one_name_are_two_recipients(store: SqlStore, clock: FakeClock, people: People) -> None:
    await store.write(lambda tx: tx.groups.add("bob", now=clock.now()))
    await store.write(lambda tx: tx.shares.put(people.lab.id, Recipient("group", "bob"), ACCESS, now=clock.now()))
    assert await store.read(lambda tx: tx.shares.find("ann", "lab", BOB)) is None
    assert await held(store, people.bob) == []


async def test_a_share_needs_its_server_and_recipient(store: SqlStore, clock: FakeClock, people: People) -> None:
    for server, to in ((people.lab.id, Recipient("user", "team")), (people.lab.id, Recipient("group", "bob")), (ServerId(9999), BOB)):
        with pytest.raises(NotFoundError):
            await store.write(lambda tx, server=server, to=to: tx.shares.put(server, to, ACCESS, now=clock.now()))  # type: ignore[misc]


async def test_what_is_shared_with_a_group_is_held_by_its_members(store: SqlStore, clock: FakeClock, people: People) -> None:
    await store.write(lambda tx: tx.shares.put(people.lab.id, TEAM, ACCESS, now=clock.now()))
    await store.write(lambda tx: tx.shares.put(people.first.id, BOB, ACCESS, now=clock.now()))
    lab, first = ("ann/lab", "the group team", ("access:servers!server=ann/lab",)), ("ann/", "bob", ("access:servers!server=ann/",))
    assert await held(store, people.bob) == [lab, first]
    assert await held(store, people.cat) == [lab]
    await store.write(lambda tx: tx.groups.remove_users("team", ["bob"], now=clock.now()))
    assert await held(store, people.bob) == [first]
    await store.write(lambda tx: tx.groups.delete("team", now=clock.now()))
    assert await held(store, people.cat) == []


async def test_shares_come_in_pages_by_owner_server_holder_and_group(store: SqlStore, clock: FakeClock, people: People) -> None:
    def write(tx: Tx) -> list[Share]:
        wanted = ((people.lab, BOB), (people.lab, CAT), (people.first, TEAM), (people.first, BOB))
        return [tx.shares.put(server.id, to, ACCESS, now=clock.now()) for server, to in wanted]

    lab_bob, lab_cat, first_team, first_bob = await store.write(write)
    for query, wanted in (
        (ShareQuery(owner=people.ann.id), [lab_bob, lab_cat, first_team, first_bob]),
        (ShareQuery(owner=people.bob.id), []),
        (ShareQuery(server=people.lab.id), [lab_bob, lab_cat]),
        (ShareQuery(held_by=people.bob.id), [lab_bob, first_team, first_bob]),
        (ShareQuery(held_by=people.cat.id), [lab_cat, first_team]),
        (ShareQuery(group="team"), [first_team]),
        (ShareQuery(group="bob"), []),
    ):
        page = await store.read(lambda tx, query=query: tx.shares.page(0, 10, query))  # type: ignore[misc]
        assert (list(page.items), page.total) == (wanted, len(wanted)), query
        page = await store.read(lambda tx, query=query: tx.shares.page(1, 1, query))  # type: ignore[misc]
        assert (list(page.items), page.total) == (wanted[1:2], len(wanted)), query


async def test_whoever_gains_or_loses_by_a_share_is_announced(store: SqlStore, clock: FakeClock, people: People) -> None:
    before = await last(store)
    bob = await store.write(lambda tx: tx.shares.put(people.lab.id, BOB, ACCESS, now=clock.now()))
    assert await told(store, before) == {(Topic.USER, "bob")}
    before = await last(store)
    await store.write(lambda tx: tx.shares.put(people.lab.id, TEAM, ACCESS, now=clock.now()))
    assert await told(store, before) == {(Topic.GROUP, "team")}
    before = await last(store)
    assert await store.write(lambda tx: tx.shares.delete(bob.id, now=clock.now()))
    assert not await store.write(lambda tx: tx.shares.delete(bob.id, now=clock.now()))
    assert await told(store, before) == {(Topic.USER, "bob")}
    before = await last(store)
    await store.write(lambda tx: tx.shares.put(people.lab.id, CAT, ACCESS, now=clock.now()))
    await store.write(lambda tx: tx.shares.put(people.first.id, BOB, ACCESS, now=clock.now()))
    before = await last(store)
    assert await store.write(lambda tx: tx.shares.delete_of_server(people.lab.id, now=clock.now())) == 2
    assert await told(store, before) == {(Topic.USER, "cat"), (Topic.GROUP, "team")}
    assert await held(store, people.bob) == [("ann/", "bob", ("access:servers!server=ann/",))]


async def test_shares_follow_their_server_through_renames(store: SqlStore, clock: FakeClock, people: People) -> None:
    await store.write(lambda tx: tx.shares.put(people.lab.id, BOB, ACCESS, now=clock.now()))
    before = await last(store)
    await store.write(lambda tx: tx.servers.rename(people.lab, ServerName("desk")))
    assert await held(store, people.bob) == [("ann/desk", "bob", ("access:servers!server=ann/desk",))]
    assert (Topic.USER, "bob") in await told(store, before)
    before = await last(store)
    await store.write(lambda tx: tx.users.save(replace(people.ann, name=UserName("anna")), was="ann"))
    assert await held(store, people.bob) == [("anna/desk", "bob", ("access:servers!server=anna/desk",))]
    assert (Topic.USER, "bob") in await told(store, before)


async def test_shares_and_codes_go_with_server_and_recipient(store: SqlStore, clock: FakeClock, people: People) -> None:
    def write(tx: Tx) -> None:
        for server in (people.first, people.lab):
            for to in (BOB, CAT, TEAM):
                tx.shares.put(server.id, to, ACCESS, now=clock.now())
            tx.share_codes.add(server.id, ACCESS, server.name.encode(), now=clock.now(), expires_at=clock.now() + timedelta(days=1))

    await store.write(write)
    before = await last(store)
    await store.write(lambda tx: tx.servers.delete(people.lab.id))
    assert {(Topic.USER, "bob"), (Topic.USER, "cat"), (Topic.GROUP, "team")} <= await told(store, before)
    assert await store.read(lambda tx: tx.share_codes.find(b"lab", clock.now())) is None
    await store.write(lambda tx: tx.users.delete(people.bob.id))
    page = await store.read(lambda tx: tx.shares.page(0, 10, ShareQuery(owner=people.ann.id)))
    assert [(share.server.name, share.to) for share in page.items] == [("", CAT), ("", TEAM)]


async def test_a_code_works_until_it_expires_and_counts_its_uses(store: SqlStore, clock: FakeClock, people: People) -> None:
    now = clock.now()
    made = await store.write(lambda tx: tx.share_codes.add(people.lab.id, ACCESS, b"h", now=now, expires_at=now + timedelta(minutes=1)))
    assert (made.server.full_name, made.scopes, made.created) == ("ann/lab", ("access:servers!server=ann/lab",), now)
    assert (made.exchange_count, made.last_exchanged_at) == (0, None)
    assert await store.read(lambda tx: tx.share_codes.find(b"h", now)) == made
    await clock.turn(30)
    await store.write(lambda tx: tx.share_codes.exchanged(made.id, clock.now()))
    used = await store.read(lambda tx: tx.share_codes.find(b"h", now))
    assert used == replace(made, exchange_count=1, last_exchanged_at=clock.now())
    assert await store.read(lambda tx: tx.share_codes.find(b"h", made.expires_at)) is None
    assert (await store.read(lambda tx: tx.share_codes.page(0, 10, made.expires_at, server=people.lab.id))).total == 0
    assert await store.write(lambda tx: tx.share_codes.purge_expired(now)) == 0
    assert await store.write(lambda tx: tx.share_codes.purge_expired(made.expires_at)) == 1


async def test_codes_are_listed_and_taken_back_by_server(store: SqlStore, clock: FakeClock, people: People) -> None:
    now, later = clock.now(), clock.now() + timedelta(days=1)

    def write(tx: Tx) -> list[int]:
        wanted = ((people.lab, b"1"), (people.lab, b"2"), (people.first, b"3"), (people.lab, b"4"))
        return [tx.share_codes.add(server.id, ACCESS, hashed, now=now, expires_at=later).id for server, hashed in wanted]

    one, two, three, four = await store.write(write)
    page = await store.read(lambda tx: tx.share_codes.page(1, 2, now, owner=people.ann.id))
    assert ([code.id for code in page.items], page.total) == ([two, three], 4)
    page = await store.read(lambda tx: tx.share_codes.page(0, 10, now, server=people.lab.id))
    assert ([code.id for code in page.items], page.total) == ([one, two, four], 3)
    assert await store.write(lambda tx: tx.share_codes.delete(people.first.id, code_id=one)) == 0
    assert await store.write(lambda tx: tx.share_codes.delete(people.first.id, hashed=b"1")) == 0
    assert await store.write(lambda tx: tx.share_codes.delete(people.lab.id, code_id=one, hashed=b"2")) == 0
    assert await store.write(lambda tx: tx.share_codes.delete(people.lab.id, code_id=one)) == 1
    assert await store.write(lambda tx: tx.share_codes.delete(people.lab.id, hashed=b"2")) == 1
    assert await store.write(lambda tx: tx.share_codes.delete(people.lab.id)) == 1
    page = await store.read(lambda tx: tx.share_codes.page(0, 10, now, owner=people.ann.id))
    assert [code.id for code in page.items] == [three]
