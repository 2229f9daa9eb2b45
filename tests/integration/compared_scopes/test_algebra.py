"""Our algebra of scopes beside JupyterHub's own functions: thousands of questions, the same answers.

What differs, and why, is in docs/reference/scope-differences.md; here each difference is a test of its own, so that it does
not widen unseen.
"""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from perijove.domain.access import Identity, Resource, may, may_list
from perijove.domain.delegation import IDENTIFY_SCOPES, excess_scopes, resolve_requested, share_scopes, token_scopes
from perijove.domain.roles import DEFAULT_ROLES, Grant, RoleDeclaration, RolesError, Source, merge_roles, owner_grants, owner_scopes, share_grant
from perijove.domain.visibility import visible_fields
from perijove.wire.scopes import Catalog, Client, Owner, ScopeError, Scopes, bind
from perijove.wire.scopes.table import STANDARD_SCOPES
from tests.integration.compared_scopes import world
from tests.integration.compared_scopes.asking import Oracle, RefusedError, oracle
from tests.integration.compared_scopes.written import (
    CATALOG,
    MEMBERSHIPS,
    NAMES,
    TARGETS,
    bad,
    client_told,
    clients,
    expanded,
    owner_told,
    owners,
    resources,
    texts,
)

SEED = int(os.environ.get("PERIJOVE_SEED") or secrets.randbits(32))
many = settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
some = settings(many, max_examples=250)


@pytest.fixture(scope="module")
def theirs(jupyterhub_6_env: Path) -> Iterator[Oracle]:
    print(f"to see the same again: PERIJOVE_SEED={SEED}")  # noqa: T201 - pytest shows it with a failure
    with oracle(jupyterhub_6_env) as asked:
        yield asked


def meant(texts_: list[str]) -> list[str]:
    """Theirs without the metascopes that stay as they are when expanded, and mean nothing by themselves."""
    return [text for text in texts_ if text != "inherit"]


def well_formed(text: str) -> bool:
    """Ours refuses at once what names no target, and metascopes with a limit."""
    name, mark, limit = text.partition("!")
    if not mark:
        return True
    shape = r"user|server|service|(user|group|service)=.+|server=[^/]+/[^/]*"
    return name not in {"self", "inherit"} and re.fullmatch(shape, limit) is not None


def target(on: tuple[str, str]) -> Resource:
    kind, name = on
    if kind == "server":
        user, _, server = name.partition("/")
        return Resource("server", user, server, MEMBERSHIPS[user])
    return Resource(kind, name, "", MEMBERSHIPS.get(name, frozenset()))  # type: ignore[arg-type]


def test_the_same_scopes_bring_along_the_same_scopes(theirs: Oracle) -> None:
    ours = {name: sorted(found.subscopes) for name, found in CATALOG.definitions.items()}
    assert theirs("definitions") == ours


def test_the_default_roles_hold_the_same(theirs: Oracle) -> None:
    assert {name: sorted(role.scopes) for name, role in DEFAULT_ROLES.items()} == {
        name: sorted(found) for name, found in theirs("default_roles").items()
    }


@seed(SEED)
@many
@given(texts, st.none() | owners, clients)
def test_expansion(theirs: Oracle, written: list[str], owner: Owner | None, client: Client) -> None:
    answer = theirs("expand", scopes=written, owner=owner_told(owner), client=client_told(client))
    assert CATALOG.expand(written, bind(owner, client)).sorted_names() == meant(answer)


@seed(SEED)
@many
@given(expanded)
def test_reduction(theirs: Oracle, written: list[str]) -> None:
    assert Scopes.of(written).sorted_names() == theirs("reduce", scopes=written)


@seed(SEED)
@many
@given(expanded, expanded)
def test_intersection(theirs: Oracle, a: list[str], b: list[str]) -> None:
    assert Scopes.of(a).intersection(Scopes.of(b), MEMBERSHIPS).sorted_names() == theirs("intersect", a=a, b=b)


@seed(SEED)
@many
@given(expanded, st.lists(st.builds("{}!{}".format, st.sampled_from(NAMES), st.sampled_from(TARGETS)) | st.sampled_from(NAMES), max_size=10))
def test_what_is_held_for_a_target(theirs: Oracle, held: list[str], asked: list[str]) -> None:
    asked = [*asked, *held]
    ours = Scopes.of(held)

    def covers(text: str) -> bool:
        kind, _, name = text.partition("!")[2].partition("=")
        user = name.partition("/")[0] if kind in {"user", "server"} else ""
        return ours.covers(text, MEMBERSHIPS.get(user, frozenset()))

    assert {text: covers(text) for text in asked} == dict(zip(asked, theirs("has", held=held, scopes=asked), strict=True))


@seed(SEED)
@many
@given(st.lists(st.sampled_from(["servers", "read:users", "groups", "read:services"]), min_size=1, max_size=2, unique=True), expanded, resources)
def test_who_is_let_in_refused_or_kept_from_knowing(theirs: Oracle, needed: list[str], held: list[str], on: tuple[str, str]) -> None:
    held = [*held, f"{needed[0]}!{TARGETS[len(held) % len(TARGETS)]}"]  # and perhaps the other one not at all
    verdict = may(Identity(kind="user", name="alice", scopes=Scopes.of(held)), tuple(needed), target(on))
    status = 200 if verdict else 404 if verdict.hidden else 403
    assert status == theirs("needs", needed=needed, held=held, on=on)


@seed(SEED)
@many
@given(st.sampled_from(["list:users", "list:groups", "list:services"]), expanded)
def test_who_may_list(theirs: Oracle, scope: str, held: list[str]) -> None:
    kinds = {"list:users": ("user", "group"), "list:groups": ("group",), "list:services": ("service",)}[scope]
    held = [*held, *(f"{scope}!{TARGETS[index]}" for index in range(0, len(held), 2))]
    verdict, reach = may_list(Identity(kind="user", name="alice", scopes=Scopes.of(held)), scope, kinds)  # type: ignore[arg-type]
    ill_limited = bool(Scopes.of(held).filter_for(scope).kinds() - set(kinds))
    assert bool(verdict) == (theirs("may_list", scope=scope, held=held) and not ill_limited)
    assert bool(reach) == bool(verdict)


@seed(SEED)
@many
@given(expanded, resources)
def test_which_fields_are_visible(theirs: Oracle, held: list[str], on: tuple[str, str]) -> None:
    reads = [
        "read:users",
        "read:users:name",
        "read:users:groups",
        "read:servers",
        "read:roles:users",
        "admin:auth_state",
        "read:groups",
        "read:services",
    ]
    held = [*held, *(f"{reads[(len(held) + index) % len(reads)]}!{on[0]}={on[1]}" for index in range(len(held) % 3))]
    answer = theirs("fields", held=held, on=on)
    shown = visible_fields(Scopes.of(held), target(on))
    if on[0] == "server":
        assert ("url" in shown, "state" in shown) == ("read:servers" in answer, "admin:server_state" in answer)
    else:
        # theirs shows this placeholder, and for people no servers where none is running
        assert sorted(shown) == sorted(answer)


@seed(SEED)
@some
@given(texts, owners, clients, texts, texts)
def test_what_a_token_may_do(theirs: Oracle, written: list[str], owner: Owner, client: Client, own: list[str], through_group: list[str]) -> None:
    grants = owner_grants(owner, {"own": own, "of-staff": through_group}, own_roles=["own"], group_roles=roles_through(owner))
    held = owner_scopes(CATALOG, owner, grants)
    given_ = {"owner": owner_told(owner), "roles": own, "group_roles": {"staff": through_group}}
    assert held.sorted_names() == meant(theirs("held", **given_))
    answer = theirs("token", **given_, scopes=written, client=client_told(client))
    assert token_scopes(CATALOG, written, owner, held, client, MEMBERSHIPS).sorted_names() == meant(answer)


def roles_through(owner: Owner) -> dict[str, list[str]]:
    return {"staff": ["of-staff"]} if "staff" in world.GROUPS_OF.get(owner.name, []) else {}


@seed(SEED)
@some
@given(texts, owners, texts)
def test_which_scopes_a_new_token_may_have(theirs: Oracle, written: list[str], owner: Owner, own: list[str]) -> None:
    held = CATALOG.expand(own, bind(owner))
    ours = not excess_scopes(CATALOG, written, owner, held, memberships=MEMBERSHIPS)
    assert ours == theirs.accepts("grantable", owner=owner_told(owner), roles=own, scopes=written)


@seed(SEED)
@many
@given(texts, texts, owners, clients)
def test_what_is_granted_of_what_an_oauth_client_asks_for(
    theirs: Oracle, requested: list[str], held: list[str], owner: Owner, client: Client
) -> None:
    binding = bind(owner, client)
    ours = resolve_requested(CATALOG, requested, held, binding, MEMBERSHIPS)
    granted, refused = theirs("resolve", requested=requested, held=held, owner=owner_told(owner), client=client_told(client))
    assert CATALOG.expand(ours.granted, binding) == CATALOG.expand(granted, binding)
    assert list(ours.refused) == refused


@seed(SEED)
@many
@given(
    st.lists(
        st.one_of(st.sampled_from(NAMES), st.builds("{}!server={}".format, st.sampled_from(NAMES), st.sampled_from(world.SERVERS)), bad), max_size=4
    )
)
def test_what_may_be_shared(theirs: Oracle, written: list[str]) -> None:
    try:
        answer: list[str] | None = theirs("share", scopes=written, server="alice/lab") or ["access:servers!server=alice/lab"]
    except RefusedError:
        answer = None
    if not all(map(well_formed, written)):
        answer = None
    try:
        ours: list[str] | None = sorted(share_scopes(CATALOG, written, "alice/lab"))
    except ScopeError:
        ours = None
    assert ours == answer


@seed(SEED)
@some
@given(
    owners.filter(lambda owner: owner.kind == "user"), texts, st.sampled_from(world.SERVERS), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)
)
def test_what_a_share_adds(theirs: Oracle, owner: Owner, own: list[str], server: str, shared: list[str]) -> None:
    scopes = share_scopes(CATALOG, shared, server)
    grants = [Grant(Source.ROLE, "own", tuple(own)), share_grant(server, scopes)]
    answer = theirs("held", owner=owner_told(owner), roles=own, shares=[[server, list(scopes)]])
    assert owner_scopes(CATALOG, owner, grants).sorted_names() == sorted(Scopes.of(meant(answer)))


@seed(SEED)
@many
@given(st.lists(st.one_of(texts.filter(bool).map(lambda found: found[0]), bad), min_size=1, max_size=3))
def test_what_is_no_scope_is_refused(theirs: Oracle, written: list[str]) -> None:
    try:
        CATALOG.check(written)
        ours = True
    except ScopeError:
        ours = False
    assert ours == (theirs.accepts("exist", scopes=written) and all(map(well_formed, written)))


parts = st.text(alphabet="abZ09-_:*. ", max_size=4)


@seed(SEED)
@many
@given(st.dictionaries(st.builds("custom:{}{}".format, parts, parts) | st.sampled_from([*STANDARD_SCOPES, "x"]), st.none(), min_size=1, max_size=2))
def test_which_custom_scopes_may_be_defined(theirs: Oracle, names: dict[str, None]) -> None:
    try:
        Catalog(dict.fromkeys(names, "words"))
        ours = True
    except ScopeError:
        ours = False
    assert ours == theirs.accepts("custom", scopes={name: {"description": "words"} for name in names})


@seed(SEED)
@many
@given(st.text(alphabet="aZ09-_~.!é ", max_size=5).map("{}".format) | st.sampled_from(["a" * 255, "a" * 256, "admin", "user"]), texts)
def test_which_roles_may_be_declared(theirs: Oracle, name: str, scopes: list[str]) -> None:
    try:
        merge_roles(CATALOG, [RoleDeclaration(name=name, scopes=tuple(scopes))])
        ours = True
    except RolesError:
        ours = False
    assert ours == theirs.accepts("role", role={"name": name, "scopes": scopes})


@pytest.mark.parametrize("name", ["abc\n", "reader\n"])
def test_a_name_with_a_line_end_names_no_role(theirs: Oracle, name: str) -> None:
    assert theirs.accepts("role", role={"name": name, "scopes": ["proxy"]})
    with pytest.raises(RolesError):
        merge_roles(CATALOG, [RoleDeclaration(name=name, scopes=("proxy",))])


def test_a_token_may_do_all_that_a_share_lets_its_owner_do(theirs: Oracle) -> None:
    owner, shared = Owner("user", "alice"), ("servers!server=bob/lab",)
    told = {"owner": owner_told(owner), "shares": [["bob/lab", list(shared)]]}
    held = owner_scopes(CATALOG, owner, [share_grant("bob/lab", shared)])
    whole = ["delete:servers!server=bob/lab", "read:servers!server=bob/lab", "servers!server=bob/lab", "start:servers!server=bob/lab"]
    assert theirs("held", **told) == held.sorted_names() == whole
    assert token_scopes(CATALOG, ["inherit"], owner, held).sorted_names() == whole
    assert theirs("token", **told, scopes=["inherit"]) == ["servers!server=bob/lab"]  # without what it brings along


def test_who_a_token_belongs_to_can_always_be_learnt(theirs: Oracle) -> None:
    assert sorted(IDENTIFY_SCOPES) == theirs("identify")
    for owner in (Owner("user", "alice"), Owner("service", "forum")):
        assert sorted(owner.identify_scopes) == theirs("identify", owner=owner_told(owner))


@pytest.mark.parametrize("client", [Client(server="alice/"), Client(server="bob/lab"), Client(service="forum"), Client()])
def test_what_opens_a_client(theirs: Oracle, client: Client) -> None:
    assert sorted(client.access_scopes) == theirs("access", client=client_told(client) or "")
