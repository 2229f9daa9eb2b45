"""Server rows: compare and swap, leases, the queue, activity."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
import pytest

from perijove.adapters.store_sql import SqlStore, open_store
from perijove.domain.change import Topic
from perijove.domain.errors import ConflictError, NotFoundError, StaleError
from perijove.domain.server import Desired, Failure, Phase, Server, ServerId, UserId
from perijove.domain.user import User
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import DEFAULT_SERVER, ServerName
from tests.contract.store.postgres import PostgresServer
from tests.contract.store.records import client, token


async def add(store: SqlStore, clock: FakeClock, *names: str) -> list[Server]:
    """A default server for each of these users."""

    def write(tx: Tx) -> list[Server]:
        return [tx.servers.add(user.id, DEFAULT_SERVER, now=clock.now()) for user in tx.users.add_missing(names, now=clock.now())]

    return await store.write(write)


async def save(store: SqlStore, server: Server, **fields: object) -> Server:
    return await store.write(lambda tx: tx.servers.save(replace(server, **fields)))  # type: ignore[arg-type] # any field


async def test_every_field_comes_back_as_saved(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    (server,) = await add(store, clock, "ann")
    assert await store.read(lambda tx: tx.servers.get(server.id)) == server
    full = replace(
        server,
        display_name="Ännchen",
        desired=Desired.RUNNING,
        phase=Phase.STOPPING,
        attempt=7,
        start_id="s7",
        spawner_state={"job": "12", "nodes": ["a", "b"]},
        address="http://127.0.0.1:1",
        options={"profile": "gpu", "n": 1.5},
        failure=Failure(code="exited", message="It ended.", hint="Look.", exit_code=-9, log_tail="x\n\x00y"),
        version="5.5.0",
        queued_at=now,
        started_at=now + timedelta(microseconds=1),
        ready_at=now + timedelta(seconds=1),
        last_activity=now + timedelta(seconds=2),
        lease_holder="me",
        lease_until=now + timedelta(seconds=3),
    )
    saved = await store.write(lambda tx: tx.servers.save(full))
    assert saved == replace(full, revision=1)
    assert await store.read(lambda tx: tx.servers.find("ann", "")) == saved
    bare = await store.write(lambda tx: tx.servers.save(replace(server, revision=1)))
    assert await store.read(lambda tx: tx.servers.get(server.id)) == bare


async def test_a_row_that_changed_meanwhile_is_not_overwritten(store: SqlStore, clock: FakeClock) -> None:
    (server,) = await add(store, clock, "ann")
    before = await store.read(lambda tx: tx.notices.last())
    fresh = await save(store, server, attempt=1)
    with pytest.raises(StaleError):
        await save(store, server, attempt=2)
    with pytest.raises(StaleError):
        await store.write(lambda tx: tx.servers.rename(server, ServerName("lab")))
    assert await store.read(lambda tx: tx.servers.get(server.id)) == fresh
    told = await store.read(lambda tx: tx.notices.after(before, (Topic.SERVER,)))
    assert told is not None
    assert [notice.key for notice in told] == [str(server.id)]


async def test_servers_are_told_apart_by_name(store: SqlStore, clock: FakeClock) -> None:
    first, other = await add(store, clock, "ann", "bob")
    lab = await store.write(lambda tx: tx.servers.add(first.user_id, ServerName("lab"), display_name="Lab", now=clock.now()))
    with pytest.raises(ConflictError, match="lab"):
        await store.write(lambda tx: tx.servers.add(first.user_id, ServerName("lab"), now=clock.now()))
    with pytest.raises(NotFoundError):
        await store.write(lambda tx: tx.servers.add(UserId(999), ServerName("lab"), now=clock.now()))
    found = await store.read(lambda tx: tx.servers.of_users([other.user_id, first.user_id, UserId(999)]))
    assert found == {first.user_id: [first, lab], other.user_id: [other]}
    renamed = await store.write(lambda tx: tx.servers.rename(lab, ServerName("den")))
    assert (renamed.name, renamed.revision, renamed.display_name) == ("den", 1, "Lab")
    assert await store.read(lambda tx: (tx.servers.find("ann", "lab"), tx.servers.find("ann", "den"))) == (None, renamed)
    with pytest.raises(ConflictError):
        await store.write(lambda tx: tx.servers.rename(renamed, DEFAULT_SERVER))


async def test_a_lease_has_one_holder_until_it_expires(store: SqlStore, clock: FakeClock) -> None:
    (server,) = await add(store, clock, "ann")
    now, soon, later = clock.now(), clock.now() + timedelta(seconds=10), clock.now() + timedelta(seconds=20)
    claimed = await store.write(lambda tx: tx.servers.claim(server.id, "a", now, soon))
    assert claimed == replace(server, lease_holder="a", lease_until=soon), "a lease is no new revision"
    assert await store.write(lambda tx: tx.servers.claim(server.id, "b", now, soon)) is None
    assert await store.write(lambda tx: tx.servers.claim(server.id, "a", now, later)) is not None
    assert await store.write(lambda tx: tx.servers.renew([server.id, ServerId(999)], "b", later)) == set()
    await store.write(lambda tx: tx.servers.release(server.id, "b"))
    assert await store.write(lambda tx: tx.servers.claim(server.id, "b", soon, later)) is None
    assert await store.write(lambda tx: tx.servers.claim(server.id, "b", later, later + timedelta(seconds=5))) is not None
    assert await store.write(lambda tx: tx.servers.renew([server.id], "a", later)) == set()
    assert await store.write(lambda tx: tx.servers.renew([server.id], "b", later)) == {server.id}
    assert await store.write(lambda tx: tx.servers.release_all_but("b")) == 0
    assert await store.write(lambda tx: tx.servers.release_all_but("a")) == 1
    free = await store.read(lambda tx: tx.servers.get(server.id))
    assert free == server
    assert await store.write(lambda tx: tx.servers.claim(ServerId(999), "a", now, soon)) is None


async def test_a_holder_that_ends_gives_all_its_leases_back_and_nobody_elses(store: SqlStore, clock: FakeClock) -> None:
    ann, bob, cleo = await add(store, clock, "ann", "bob", "cleo")
    now = clock.now()

    def claim(tx: Tx) -> None:
        for server, holder in ((ann, "a"), (bob, "a"), (cleo, "b")):
            tx.servers.claim(server.id, holder, now, now + timedelta(seconds=9))

    await store.write(claim)
    assert await store.write(lambda tx: tx.servers.release_all("a")) == 2
    holders = await store.read(lambda tx: [found.lease_holder for server in (ann, bob, cleo) if (found := tx.servers.get(server.id))])
    assert holders == [None, None, "b"]


async def test_a_save_from_an_old_record_never_shortens_the_holder_s_renewed_lease(store: SqlStore, clock: FakeClock) -> None:
    (server,) = await add(store, clock, "ann")
    now = clock.now()
    claimed = await store.write(lambda tx: tx.servers.claim(server.id, "a", now, now + timedelta(seconds=10)))
    assert claimed is not None
    await store.write(lambda tx: tx.servers.renew([server.id], "a", now + timedelta(seconds=60)))
    await save(store, claimed, spawner_state={"job": 1})
    assert await store.write(lambda tx: tx.servers.claim(server.id, "b", now + timedelta(seconds=30), now + timedelta(seconds=90))) is None
    row = await store.read(lambda tx: tx.servers.get(server.id))
    assert row is not None
    await save(store, row, lease_holder=None, lease_until=None)
    assert await store.write(lambda tx: tx.servers.claim(server.id, "b", now, now + timedelta(seconds=90))) is not None


async def test_what_is_due_is_what_has_work_and_no_other_worker(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    servers = await add(store, clock, *(phase.value for phase in Phase), "absent", "absent-ready", "theirs", "mine", "expired")
    by_name = {str(server.user_name): server for server in servers}
    for number, phase in enumerate(Phase):
        await save(store, by_name[phase.value], phase=phase, queued_at=now - timedelta(seconds=number))
    await save(store, by_name["absent"], desired=Desired.ABSENT, queued_at=now)
    await save(store, by_name["absent-ready"], desired=Desired.ABSENT, phase=Phase.READY)
    until = now + timedelta(seconds=1)
    await save(store, by_name["theirs"], phase=Phase.STARTING, lease_holder="them", lease_until=until)
    await save(store, by_name["mine"], phase=Phase.STARTING, lease_holder="me", lease_until=until)
    await save(store, by_name["expired"], phase=Phase.STARTING, lease_holder="them", lease_until=now)
    due = [server.user_name for server in await store.read(lambda tx: tx.servers.due("me", now, 100))]
    assert due == ["mine", "expired", "unknown", "stopping", "routing", "waiting", "starting", "absent"]  # the queue is asked for by itself
    assert [server.user_name for server in await store.read(lambda tx: tx.servers.due("me", now, 2))] == ["mine", "expired"]


async def test_servers_are_counted_by_phase_and_by_person(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    servers = await add(store, clock, "a", "b", "c", "d")
    asked = (3, 1, 1, 2)
    queued = [
        await save(store, server, phase=Phase.QUEUED, queued_at=now + timedelta(seconds=after)) for server, after in zip(servers, asked, strict=True)
    ]
    await save(store, queued[3], phase=Phase.STARTING)
    counts = await store.read(lambda tx: tx.servers.counts())
    assert counts == dict.fromkeys(Phase, 0) | {Phase.QUEUED: 3, Phase.STARTING: 1}
    some = await store.read(lambda tx: tx.servers.counts((Phase.STARTING, Phase.READY)))
    assert some == dict.fromkeys(Phase, 0) | {Phase.STARTING: 1}
    assert await store.read(lambda tx: [tx.servers.active_of(server.user_id) for server in (servers[0], servers[3])]) == [0, 1]
    walked = await store.read(lambda tx: tx.servers.in_phase(Phase.QUEUED, servers[0].id, 1))
    assert walked == [queued[1]]


async def test_activity_moves_forward_only_and_reaches_the_user(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    ann, bob = await add(store, clock, "ann", "bob")
    lab = await store.write(lambda tx: tx.servers.add(ann.user_id, ServerName("lab"), now=now))
    late = now + timedelta(minutes=1)
    await store.write(lambda tx: tx.servers.touch({ann.id: now, lab.id: late, bob.id: now, ServerId(999): late}))
    await store.write(lambda tx: tx.servers.touch({lab.id: now, bob.id: late}))
    seen = await store.read(lambda tx: [server.last_activity for server in map(tx.servers.get, (ann.id, lab.id, bob.id)) if server])
    assert seen == [now, late, late]
    people = await store.read(lambda tx: [user.last_activity for user in map(tx.users.get, ("ann", "bob")) if user])
    assert people == [late, late]
    row = await store.read(lambda tx: tx.servers.get(lab.id))
    assert row is not None
    assert row.revision == 0


async def test_a_deleted_server_takes_its_tokens_client_and_routes_and_tells(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    ann, bob = await add(store, clock, "ann", "bob")

    def write(tx: Tx) -> None:
        for server in (ann, bob):
            mark = str(server.user_name).encode()
            tx.oauth.put_client(client(f"server-{server.id}", server_id=server.id))
            tx.tokens.add(token(now, user_id=server.user_id, server_id=server.id), mark + b"own")
            tx.tokens.add(token(now, user_id=bob.user_id, client_id=f"server-{server.id}"), mark + b"visitor")
            tx.routes.set(StoredRoute(spec=f"/user/{server.user_name}/", target="http://x", server_id=server.id), now)

    await store.write(write)
    before = await store.read(lambda tx: tx.notices.last())
    await store.write(lambda tx: tx.servers.delete(ann.id))
    told = await store.read(lambda tx: tx.notices.after(before, tuple(Topic)))
    assert told is not None
    assert {(n.topic, n.key) for n in told} == {
        (Topic.TOKEN, b"annown".hex()),
        (Topic.TOKEN, b"annvisitor".hex()),
        (Topic.ROUTE, "/user/ann/"),
        (Topic.SERVER, str(ann.id)),
    }
    assert await store.read(lambda tx: [tx.oauth.client(f"server-{s.id}") is None for s in (ann, bob)]) == [True, False]
    assert await store.read(lambda tx: [route.spec for route in tx.routes.all()[1]]) == ["/user/bob/"]
    assert await store.write(lambda tx: tx.tokens.delete_of_server(bob.id, at=now)) == 2


async def test_administrators_page_through_servers(store: SqlStore, clock: FakeClock) -> None:
    carl, ann, bob = await add(store, clock, "carl", "ann", "bob")
    await store.write(lambda tx: tx.servers.add(ann.user_id, ServerName("bobsled"), now=clock.now()))
    await save(store, bob, phase=Phase.READY)
    page = await store.read(lambda tx: tx.servers.page(1, 2))
    assert ([server.full_name for server in page.items], page.total) == (["ann/bobsled", "bob/"], 4)
    page = await store.read(lambda tx: tx.servers.page(0, 9, search="BOB"))
    assert ([server.full_name for server in page.items], page.total) == (["ann/bobsled", "bob/"], 2)
    page = await store.read(lambda tx: tx.servers.page(0, 9, search="bob", phases=(Phase.READY, Phase.FAILED)))
    assert ([server.full_name for server in page.items], page.total) == (["bob/"], 1)
    assert carl.full_name == "carl/"


async def test_ids_of_people_and_their_servers_are_found_together(store: SqlStore, clock: FakeClock) -> None:
    ann, bob = await add(store, clock, "ann", "bob")
    lab = await store.write(lambda tx: tx.servers.add(ann.user_id, ServerName("lab"), now=clock.now()))
    (carl,) = await store.write(lambda tx: tx.users.add_missing(["carl"], now=clock.now()))
    found = await store.read(lambda tx: tx.servers.ids_of(["ann", "carl", "nobody", "bob"]))
    assert found == {"ann": (ann.user_id, {"": ann.id, "lab": lab.id}), "bob": (bob.user_id, {"": bob.id}), "carl": (carl.id, {})}
    assert await store.read(lambda tx: tx.servers.ids_of([])) == {}


async def test_routes_that_lead_to_servers_are_found_together(store: SqlStore, clock: FakeClock) -> None:
    (ann,) = await add(store, clock, "ann")
    specs = ["/user/ann/", "/services/x/", "/gone/"]

    def routes(tx: Tx) -> None:
        tx.routes.set(StoredRoute(spec="/user/ann/", target="http://127.0.0.1:1", server_id=ann.id), clock.now())
        tx.routes.set(StoredRoute(spec="/services/x/", target="http://127.0.0.1:1"), clock.now())

    await store.write(routes)
    assert await store.read(lambda tx: tx.routes.servers_of(specs)) == {"/user/ann/": ann.id}


async def test_many_peoples_activity_moves_forward_only(store: SqlStore, clock: FakeClock) -> None:
    now, late = clock.now(), clock.now() + timedelta(minutes=1)
    users = await store.write(lambda tx: tx.users.add_missing(["ann", "bob"], now=now))
    ann, bob = (user.id for user in users)
    await store.write(lambda tx: tx.users.touch_all({ann: late, bob: now, UserId(999): late}))
    await store.write(lambda tx: tx.users.touch_all({ann: now, bob: late}))
    await store.write(lambda tx: tx.users.touch_all({}))
    assert await store.read(lambda tx: [user.last_activity for user in map(tx.users.by_id, (ann, bob)) if user]) == [late, late]


async def test_in_a_first_storm_servers_are_found_by_an_index_though_the_database_remembers_an_empty_table(
    postgres: PostgresServer, clock: FakeClock
) -> None:
    """PostgreSQL keeps the plan of a statement that it was asked several times, and counts rows anew once a minute."""
    url, people = postgres.url(postgres.new_database()), [f"p{number}" for number in range(1000)]
    async with open_store(url, pool_size=1, clock=clock) as store:
        users = await store.write(lambda tx: tx.users.add_missing(people, now=clock.now()))
        for number, user in enumerate(users):
            await store.write(_found_or_added(user, ServerName("" if number else "lab"), clock.now()))
    with psycopg.connect(url, autocommit=True) as connection:
        read = connection.execute("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'servers'").fetchone()
    assert read is not None
    assert read[0] < 10 * len(people), "as many as a few looks through the table"


def _found_or_added(user: User, name: ServerName, now: datetime) -> Callable[[Tx], Server]:
    return lambda tx: tx.servers.find(user.name, name) or tx.servers.add(user.id, name, now=now)
