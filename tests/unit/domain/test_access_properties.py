"""What an answer tells about what the asker may not see: nothing, whatever they hold."""

from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.access import Identity, Resource, may, may_list
from perijove.wire.scopes import BUILT_IN, Owner, bind

GROUPS_OF = {"alice": frozenset({"staff"}), "bob": frozenset({"staff", "tas"}), "carol": frozenset[str]()}
NAMES = ("users", "read:users", "servers", "read:servers", "groups", "read:groups", "read:services", "admin:services", "delete:users")
LIMITS = ("", "!user", "!user=alice", "!user=bob", "!group=staff", "!group=tas", "!server=bob/lab", "!service=forum", "!user=gone")
THERE = (
    *(Resource("user", name, "", groups) for name, groups in GROUPS_OF.items()),
    *(Resource("server", name, server, groups) for name, groups in GROUPS_OF.items() for server in ("", "lab")),
    Resource("group", "staff"),
    Resource("group", "tas"),
    Resource("service", "forum"),
)
"""What exists."""

texts = st.lists(st.one_of(st.builds("{}{}".format, st.sampled_from(NAMES), st.sampled_from(LIMITS)), st.just("self")), max_size=5)
identities = st.builds(lambda written: Identity(kind="user", name="alice", scopes=BUILT_IN.expand(written, bind(Owner("user", "alice")))), texts)
needed = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).map(tuple)


def nowhere(on: Resource) -> Resource:
    """The same kind of thing, but there is none."""
    return Resource(on.kind, "nobody-at-all", on.server)


@given(identities, needed, st.sampled_from(THERE))
def test_a_denial_is_the_same_whether_the_thing_exists_or_not(identity: Identity, scopes: tuple[str, ...], on: Resource) -> None:
    there, not_there = may(identity, scopes, on), may(identity, scopes, nowhere(on))
    if not there:
        assert (not_there.allowed, not_there.hidden, not_there.message) == (there.allowed, there.hidden, there.message)


@given(identities, needed, st.sampled_from(THERE))
def test_what_is_hidden_is_not_named(identity: Identity, scopes: tuple[str, ...], on: Resource) -> None:
    verdict = may(identity, scopes, on)
    assert not (verdict.hidden and verdict.allowed)
    if verdict.hidden:
        assert on.name not in verdict.message
        assert not any(scope in verdict.message for scope in scopes)


@given(identities, needed, st.sampled_from(THERE))
def test_a_denial_hides_exactly_where_part_of_the_scope_is_held(identity: Identity, scopes: tuple[str, ...], on: Resource) -> None:
    verdict = may(identity, scopes, on)
    if not verdict:
        assert verdict.hidden == any(identity.scopes.filter_for(scope) for scope in scopes)


@given(identities, needed, st.sampled_from(THERE))
def test_any_one_of_the_scopes_is_enough_and_each_is_asked_alone(identity: Identity, scopes: tuple[str, ...], on: Resource) -> None:
    assert bool(may(identity, scopes, on)) == any(may(identity, scope, on) for scope in scopes)


@given(identities, st.sampled_from(NAMES))
def test_who_may_list_without_a_limit_may_read_each(identity: Identity, scope: str) -> None:
    verdict, reach = may_list(identity, scope, ("user", "group", "server", "service"))
    assert bool(verdict) == bool(reach)
    assert not reach.all or all(may(identity, scope, on) for on in THERE)


@given(identities, needed, st.sampled_from(THERE))
def test_every_verdict_has_a_reason_that_says_who_and_what(identity: Identity, scopes: tuple[str, ...], on: Resource) -> None:
    verdict = may(identity, scopes, on)
    assert verdict.reason.startswith("Allowed to user alice: " if verdict else "Denied to user alice: ")
    assert any(scope in verdict.reason for scope in scopes)
    assert (verdict.message == "") == verdict.allowed
