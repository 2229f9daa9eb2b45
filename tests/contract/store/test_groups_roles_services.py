"""Groups, roles and services."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from perijove.adapters.store_sql import SqlStore
from perijove.domain.change import Topic
from perijove.domain.errors import ConflictError, NotFoundError
from perijove.domain.service_life import RunPhase, ServiceHealth, ServiceRun, ServiceState
from perijove.domain.user import Group, Service
from perijove.ports.store.access import StoredRole
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from tests.contract.store.records import client, token

ROLE = StoredRole(name="reader", description="may read", scopes=("read:users!group=a", "list:users"))


async def test_a_group_has_members_properties_and_roles(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> None:
        tx.users.add_missing(["bob", "ann", "carl"], now=now)
        for name in ("z", "a", "m"):
            assert tx.groups.add(name, now=now) == Group(name=name)
        tx.groups.set_properties("a", {"quota": {"gpu": 2}}, now=now)
        tx.groups.add_users("a", ["bob", "ann", "bob"], now=now)
        tx.groups.add_users("a", ["ann", "carl"], now=now)
        tx.groups.remove_users("a", ["carl", "nobody"], now=now)
        tx.roles.put(ROLE, now=now)
        tx.roles.assign("reader", "group", "a", now=now)

    await store.write(write)
    group = Group(name="a", properties={"quota": {"gpu": 2}}, roles=("reader",), users=("ann", "bob"))
    assert await store.read(lambda tx: tx.groups.get("a")) == group
    page = await store.read(lambda tx: tx.groups.page(0, 2))
    assert [found.name for found in page.items] == ["z", "a"], "in the order they were made in"
    assert page.total == 3
    page = await store.read(lambda tx: tx.groups.page(0, 10, names=frozenset({"z", "a", "q"})))
    assert (page.items[0].name, page.items[1], page.total) == ("z", group, 2)
    with pytest.raises(ConflictError):
        await store.write(lambda tx: tx.groups.add("a", now=now))
    with pytest.raises(NotFoundError):
        await store.write(lambda tx: tx.groups.set_properties("q", {}, now=now))


async def test_whoever_is_touched_by_a_group_s_end_is_announced(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> int:
        people = [f"p{number}" for number in range(150)]
        tx.users.add_missing(people, now=now)
        for name, members in (("small", people[:2]), ("large", people)):
            tx.groups.add(name, now=now)
            tx.groups.add_users(name, members, now=now)
        return 0

    await store.write(write)
    before = await store.read(lambda tx: tx.notices.last())
    await store.write(lambda tx: tx.groups.delete("small", now=now))
    await store.write(lambda tx: tx.groups.delete("large", now=now))
    await store.write(lambda tx: tx.groups.delete("never", now=now))
    told = await store.read(lambda tx: tx.notices.after(before, (Topic.USER, Topic.GROUP)))
    assert told is not None
    assert [(n.topic.value, n.key) for n in told] == [("user", "p0"), ("user", "p1"), ("group", "small"), ("user", "*"), ("group", "large")]


async def test_roles_are_held_by_users_groups_and_services(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> None:
        tx.users.add_missing(["bob", "ann"], now=now)
        tx.groups.add("lab", now=now)
        tx.groups.add("empty", now=now)
        tx.services.put(Service(id=0, name="idle"), now=now)
        tx.roles.put(StoredRole(name="reader"), now=now)
        tx.roles.put(ROLE, now=now)
        for kind, name in (("user", "bob"), ("user", "ann"), ("group", "lab"), ("service", "idle"), ("service", "idle")):
            tx.roles.assign("reader", kind, name, now=now)

    await store.write(write)
    assert await store.read(lambda tx: tx.roles.all()) == {"reader": ROLE}
    assert await store.read(lambda tx: tx.roles.holders("reader")) == {"user": ["ann", "bob"], "group": ["lab"], "service": ["idle"]}
    assert await store.read(lambda tx: tx.roles.of_groups(["lab", "empty"])) == {"lab": ("reader",), "empty": ()}
    for role, kind, name in (("writer", "user", "bob"), ("reader", "user", "carl"), ("reader", "room", "b12")):

        def assign(tx: Tx, role: str = role, kind: str = kind, name: str = name) -> None:
            tx.roles.assign(role, kind, name, now=now)

        with pytest.raises(NotFoundError):
            await store.write(assign)
    before = await store.read(lambda tx: tx.notices.last())
    await store.write(lambda tx: tx.roles.assign("reader", "user", "bob", now=now))
    await store.write(lambda tx: tx.roles.revoke("reader", "user", "bob", now=now))
    await store.write(lambda tx: tx.roles.revoke("reader", "user", "bob", now=now))
    told = await store.read(lambda tx: tx.notices.after(before, tuple(Topic)))
    assert told is not None
    assert [(n.topic, n.key) for n in told] == [(Topic.USER, "bob")], "only what changed something is told"
    await store.write(lambda tx: tx.roles.delete("reader", now=now))
    assert await store.read(lambda tx: (tx.roles.holders("reader"), tx.roles.all())) == ({}, {})


async def test_a_service_is_replaced_under_its_number_and_goes_with_its_tokens(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    full = Service(
        id=0,
        name="dash",
        admin=True,
        url="http://127.0.0.1:9",
        info={"a": [1]},
        display=False,
        oauth_no_confirm=True,
        oauth_client_id="service-dash",
        oauth_redirect_uri="/cb",
        oauth_client_allowed_scopes=("self",),
        from_config=False,
        command=("dash", "--port=9"),
        timeout_s=2.5,
    )

    def write(tx: Tx) -> tuple[Service, Service]:
        first = tx.services.put(Service(id=99, name="dash"), now=now)
        second = tx.services.put(full, now=now)
        tx.oauth.put_client(client("service-dash", service_id=first.id))
        user = tx.users.add("ann", now=now)
        tx.tokens.add(token(now, service_id=first.id), b"own")
        tx.tokens.add(token(now, user_id=user.id, client_id="service-dash"), b"person's")
        tx.tokens.add(token(now, user_id=user.id, expires_at=now + timedelta(1)), b"other")
        return first, second

    first, second = await store.write(write)
    assert first.id == second.id
    assert await store.read(lambda tx: (tx.services.get("dash"), tx.services.by_id(first.id), tx.services.all())) == (second, second, [second])
    assert (second.info, second.oauth_client_allowed_scopes, second.url, second.from_config) == ({"a": [1]}, ("self",), "http://127.0.0.1:9", False)
    assert (second.command, second.timeout_s) == (("dash", "--port=9"), 2.5)
    before = await store.read(lambda tx: tx.notices.last())
    await store.write(lambda tx: tx.services.delete("dash", now=now))
    gone = await store.read(lambda tx: (tx.tokens.find(b"own"), tx.tokens.find(b"person's"), tx.oauth.client("service-dash"), tx.services.all()))
    assert gone == (None, None, None, [])
    assert await store.read(lambda tx: tx.tokens.find(b"other")) is not None
    told = await store.read(lambda tx: tx.notices.after(before, (Topic.TOKEN,)))
    assert told is not None
    assert {n.key for n in told} == {b"own".hex(), b"person's".hex()}


async def test_run_and_health_of_a_service_are_written_by_themselves_and_go_with_it(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()
    run = ServiceRun(
        phase=RunPhase.WAITING, pid=7, replica="a", since=now, restarts=3, exit_code=-9, problem="killed", next_start=now, last_output="bye\n"
    )
    health = ServiceHealth(up=False, since=now, problem="refused")
    dash = await store.write(lambda tx: tx.services.put(Service(id=0, name="dash"), now=now))
    assert await store.read(lambda tx: (tx.service_states.get(dash.id), tx.service_states.all())) == (ServiceState(service_id=dash.id), {})
    await store.write(lambda tx: tx.service_states.ask_restart(dash.id))
    await store.write(lambda tx: tx.service_states.save_health(dash.id, health))
    await store.write(lambda tx: tx.service_states.save_run(dash.id, run))
    await store.write(lambda tx: tx.service_states.ask_restart(dash.id))
    expected = ServiceState(service_id=dash.id, run=run, health=health, restarts_asked=2)
    assert await store.read(lambda tx: (tx.service_states.get(dash.id), tx.service_states.all())) == (expected, {dash.id: expected})
    assert await store.read(lambda tx: tx.services.get("dash")) == replace(dash, pid=7)
    await store.write(lambda tx: tx.services.delete("dash", now=now))
    await store.write(lambda tx: tx.service_states.save_run(dash.id, run))
    await store.write(lambda tx: tx.service_states.save_health(dash.id, health))
    assert await store.read(lambda tx: tx.service_states.all()) == {}


async def test_what_the_authenticator_gave_is_kept_apart_from_what_was_given_by_hand(store: SqlStore, clock: FakeClock) -> None:
    now = clock.now()

    def write(tx: Tx) -> None:
        for name in ("one", "two", "three"):
            tx.roles.put(StoredRole(name=name, managed=name == "three"), now=now)
        tx.users.add("ann", now=now)
        tx.users.add("bob", now=now)
        tx.roles.assign("one", "user", "ann", now=now)

    def give(name: str, *roles: str) -> Callable[[Tx], bool]:
        def change(tx: Tx) -> bool:
            user = tx.users.get(name)
            assert user is not None
            return tx.roles.set_managed(user, frozenset(roles), now=now)

        return change

    def held(tx: Tx) -> tuple[list[str], list[str]]:
        user = tx.users.get("ann")
        assert user is not None
        return sorted(user.roles), sorted(tx.roles.managed_of(user.id))

    await store.write(write)
    assert await store.write(give("ann", "one", "two", "three"))
    assert not await store.write(give("ann", "one", "two", "three"))
    assert await store.read(held) == (["one", "three", "two"], ["three", "two"])
    await store.write(lambda tx: tx.roles.assign("two", "user", "ann", now=now))
    assert await store.write(give("ann"))
    assert await store.read(held) == (["one", "two"], [])
    for name in ("ann", "bob"):
        await store.write(give(name, "three"))
    assert sorted(await store.read(lambda tx: tx.roles.managed_holders("three"))) == ["ann", "bob"]
    before = await store.read(lambda tx: tx.notices.last())
    await store.write(lambda tx: tx.roles.forget_managed("three", but=["bob"], now=now))
    assert await store.read(lambda tx: tx.roles.managed_holders("three")) == ["bob"]
    told = await store.read(lambda tx: tx.notices.after(before, [Topic.USER]))
    assert told is not None
    assert [notice.key for notice in told] == ["ann"]
    assert [role.name for role in (await store.read(lambda tx: tx.roles.all())).values() if role.managed] == ["three"]
