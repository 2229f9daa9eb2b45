"""Lists of people: every filter, order and part against a plain model, and what the databases do for them on a large site."""

import itertools
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perijove.adapters.store_sql import SqlStore
from perijove.adapters.store_sql.people_page import page_of_people
from perijove.domain.page import Page
from perijove.domain.server import IDLE_PHASES, Phase, Server
from perijove.domain.user import User
from perijove.ports.store.access import UserQuery, Visible
from perijove.ports.store.servers import StoredRoute
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock
from perijove.wire.names import DEFAULT_SERVER, parse_server_name, parse_user_name
from tests.contract.store.plans import Recording

_WRITTEN = (
    "ann Anna ANNE hannah bob b%b b_b bxb b\\b 100% under_score o'neil d\"arc äpfel apfel Ünal unal straße strasse ﬁnn fin İstanbul istanbul "
    "ΣΊΣΥΦΟΣ σίσυφος 日本 日本語 🐍snake e\u0301mile émilie zz zzz zzzz [a-z] a*b ?x -dash 007 0x7 ann@example.org"
)
NAMES = list(dict.fromkeys(parse_user_name(word) for word in _WRITTEN.split()))
_SOUGHT = (
    "",
    "a",
    "AN",
    "%",
    "_",
    "b%",
    "b_",
    "\\",
    "'",
    "ä",
    "Ä",
    "ÜN",
    "SS",
    "ß",
    "ﬁ",
    "İ",
    "ς",
    "Σ",
    "日",
    "🐍",
    "É",
    "e\u0301",
    "zz",
    "*",
    "[",
    "nobody",
)
_SORTS = ("id", "name", "last_activity", "-id", "-name", "-last_activity")
_STATES = (None, "active", "ready", "inactive")
_GROUPS = {"even": NAMES[::2], "few": NAMES[3:6], "none": []}


def _activity(number: int, now: datetime) -> datetime | None:
    """Many at the same moment, and some never."""
    return None if number % 4 == 0 else now + timedelta(seconds=number % 3)


def _phases(number: int) -> list[Phase]:
    """Of the person's servers: none, one in each phase in turn, or two."""
    phases = [list(Phase)[number % len(Phase)]] if number % 3 else []
    return [*phases, Phase.READY] if number % 5 == 1 else phases


def _fill(tx: Tx, now: datetime) -> None:
    for number, user in enumerate(tx.users.add_missing(NAMES, now=now)):
        moment = _activity(number, now)
        if moment is not None:
            tx.users.touch(user.id, moment)
        for place, phase in enumerate(_phases(number)):
            server = tx.servers.add(user.id, parse_server_name(f"s{place}") if place else DEFAULT_SERVER, now=now)
            tx.servers.save(replace(server, phase=phase))
    for group, members in _GROUPS.items():
        tx.groups.add(group, now=now)
        tx.groups.add_users(group, members, now=now)


def _expected(query: UserQuery, now: datetime) -> list[str]:
    """Names on all pages, as the port's words have it."""
    chosen: list[tuple[Any, int, str]] = []
    sought = unicodedata.normalize("NFC", query.search).lower()
    for number, name in enumerate(NAMES):
        phases = set(_phases(number))
        fits = {None: True, "active": bool(phases - IDLE_PHASES), "ready": Phase.READY in phases, "inactive": not phases - IDLE_PHASES}[query.state]
        seen = query.visible.all or name in query.visible.users or any(name in _GROUPS.get(group, ()) for group in query.visible.groups)
        if fits and seen and sought in name:
            moment = _activity(number, now)
            key = {"id": number, "name": name, "last_activity": moment.timestamp() if moment else 0.0}[query.sort.removeprefix("-")]
            chosen.append((key, number, name))
    return [name for _, _, name in sorted(chosen, reverse=query.sort.startswith("-"))]


_queries = st.builds(
    UserQuery,
    offset=st.integers(0, len(NAMES) + 2),
    limit=st.integers(1, len(NAMES) + 2),
    sort=st.sampled_from(_SORTS),
    search=st.sampled_from(_SOUGHT) | st.text(max_size=2),
    state=st.sampled_from(_STATES),
    visible=st.builds(
        Visible,
        all=st.booleans(),
        users=st.frozensets(st.sampled_from([*NAMES, "stranger"]), max_size=4),
        groups=st.frozensets(st.sampled_from([*_GROUPS, "gone"])),
    ),
)


def _is_text(query: UserQuery) -> bool:
    return "\0" not in query.search  # PostgreSQL has no text with it, and no name has it


def _page(query: UserQuery) -> Callable[[Tx], Page[User]]:
    return lambda tx: tx.users.page(query)


def _servers(sought: str) -> Callable[[Tx], Page[Server]]:
    return lambda tx: tx.servers.page(0, 200, search=sought)


@pytest.fixture
async def crowd(store: SqlStore, clock: FakeClock) -> SqlStore:
    await store.write(lambda tx: _fill(tx, clock.now()))
    return store


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=_queries.filter(_is_text))
async def test_a_page_is_the_part_asked_for_of_those_who_fit_in_order(crowd: SqlStore, clock: FakeClock, query: UserQuery) -> None:
    wanted = _expected(query, clock.now())
    page = await crowd.read(lambda tx: tx.users.page(query))
    assert [user.name for user in page.items] == wanted[query.offset : query.offset + query.limit]
    assert page.total == len(wanted)


async def test_every_order_of_every_state_walks_through_all_of_them_once(crowd: SqlStore, clock: FakeClock) -> None:
    for sort, state, limit in itertools.product(_SORTS, _STATES, (1, 7)):
        query, met = UserQuery(sort=sort, state=state, limit=limit), list[str]()
        offset: int | None = 0
        while offset is not None:
            page = await crowd.read(_page(replace(query, offset=offset)))
            met += [user.name for user in page.items]
            offset = page.next_offset
        assert met == _expected(query, clock.now())


async def test_pages_of_servers_find_people_by_any_part_of_their_name(crowd: SqlStore) -> None:
    for sought in filter(None, _SOUGHT):
        page = await crowd.read(_servers(sought))
        folded = unicodedata.normalize("NFC", sought).lower()
        servers = [(name, f"s{place}" if place else "") for number, name in enumerate(NAMES) for place, _ in enumerate(_phases(number))]
        wanted = sorted((name, server) for name, server in servers if folded in name or folded in server)
        assert [(server.user_name, server.name) for server in page.items] == wanted
        assert page.total == len(wanted)


def _recorded(query: UserQuery) -> Callable[[Tx], Recording]:
    def ask(tx: Any) -> Recording:
        link: Any = Recording(tx.users._link)
        page_of_people(link, query)
        return cast(Recording, link)

    return ask


def _plans(query: UserQuery) -> Callable[[Tx], list[Any]]:
    return lambda tx: _recorded(query)(tx).plans()


@pytest.fixture
async def many(store: SqlStore, clock: FakeClock, url: str) -> SqlStore:
    """People enough for a plan to matter: PostgreSQL's own choice depends on how many there are."""
    now = clock.now()

    def fill(tx: Tx) -> None:
        added = tx.users.add_missing([f"person-{number:05d}" for number in range(6000)], now=now)
        for user in added[::4]:
            tx.servers.save(replace(tx.servers.add(user.id, DEFAULT_SERVER, now=now), phase=Phase.READY))
        tx.groups.add("all", now=now)
        tx.groups.add_users("all", [user.name for user in added], now=now)

    await store.write(fill)
    if not url.startswith("sqlite"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
    return store


_IN_ORDER = (
    *(UserQuery(sort=sort, offset=offset) for sort in _SORTS for offset in (0, 3000)),
    *(UserQuery(sort=sort, state=state) for sort in ("id", "-id") for state in ("active", "ready")),
    *(UserQuery(sort=sort, state="inactive") for sort in _SORTS),
    *(UserQuery(sort=sort, search="person") for sort in _SORTS),
)
"""The lists that are read in the order of an index: a page costs what is skipped, in index entries, and no sorting of all."""


async def test_lists_are_read_in_the_order_of_an_index(many: SqlStore, url: str) -> None:
    for query in _IN_ORDER:
        link = await many.read(_recorded(query))
        plan = (await many.read(_plans(query)))[0]
        assert len(link.asked) == 2
        if url.startswith("sqlite"):
            steps = _below(plan, "CO-ROUTINE part")
            assert not [step for step in steps if "TEMP B-TREE" in step], (query, plan)
            assert [step for step in steps if _in_order(step)], (query, plan)
        else:
            nodes = _below_limit(plan[0][0][0]["Plan"])
            assert not [node for node in nodes if "Sort" in node["Node Type"]], (query, nodes)
            assert [node for node in nodes if node["Node Type"].startswith("Index")], (query, nodes)


def _in_order(step: str) -> bool:
    return "USING COVERING INDEX" in step or "USING INDEX" in step or step == "SCAN users"  # the last: by id, as rows lie


def _below(plan: list[Any], what: str) -> list[str]:
    """The steps that make `what` up, of rows (id, parent, unused, text)."""
    inside, found = set[int](), list[str]()
    for step_id, parent, _, text in plan:
        if parent in inside:
            found.append(text)
        if parent in inside or text == what:
            inside.add(step_id)
    return found


def _below_limit(node: dict[str, Any], *, inside: bool = False) -> list[dict[str, Any]]:
    inside = inside or node["Node Type"] == "Limit"
    found = [node] if inside else []
    return found + [deeper for child in node.get("Plans", ()) for deeper in _below_limit(child, inside=inside)]


@pytest.mark.parametrize("state", ["active", "ready"])
async def test_people_at_work_are_counted_from_the_index_of_running_servers_alone(many: SqlStore, url: str, state: str) -> None:
    plan = str((await many.read(_plans(UserQuery(state=state))))[1])
    assert "ix_servers_busy" in plan
    assert "users" not in plan.replace("users_", "")
    if url.startswith("sqlite"):
        assert "COVERING INDEX" in plan


async def test_a_page_takes_as_many_statements_whatever_its_size(many: SqlStore) -> None:
    for query in (
        UserQuery(),
        UserQuery(state="inactive", sort="-last_activity", search="1"),
        UserQuery(visible=Visible(all=False, groups=frozenset({"all"}))),
    ):
        counts = {len((await many.read(_recorded(replace(query, limit=limit)))).asked) for limit in (1, 20, 500)}
        assert counts == {2}


async def test_the_route_table_is_read_in_parts_in_order(store: SqlStore, clock: FakeClock) -> None:
    specs = [f"/user/{name}/" for name in ("zoe", "ann", "b%b", "bob", "a b")]

    def write(tx: Tx) -> None:
        for spec in specs:
            tx.routes.set(StoredRoute(spec=spec, target="http://127.0.0.1:1", data={"user": spec}), clock.now())

    await store.write(write)
    parts = [await store.read(_routes(offset)) for offset in (0, 2, 4, 6)]
    assert [route.spec for part in parts for route in part] == sorted(specs)
    assert [len(part) for part in parts] == [2, 2, 1, 0]
    assert parts[0][0].data == {"user": min(specs)}


def _routes(offset: int) -> Callable[[Tx], list[StoredRoute]]:
    return lambda tx: tx.routes.part(offset, 2)
