"""Laws of the algebra, checked against what scopes mean in a small world."""

from hypothesis import given
from hypothesis import strategies as st

from perijove.wire.scopes import BUILT_IN, Client, Owner, Scopes, bind

GROUPS_OF = {"alice": frozenset({"staff"}), "bob": frozenset({"staff", "tas"}), "carol": frozenset[str]()}
SERVERS = [(user, server) for user in GROUPS_OF for server in ("", "lab")]
SCOPES = [
    "users",
    "read:users",
    "servers",
    "read:servers",
    "admin:servers",
    "tokens",
    "shares",
    "access:servers",
    "groups",
    "proxy",
]
BINDING = bind(Owner("user", "alice"), Client(server="alice/lab"))
Meaning = frozenset[tuple[str, ...]]

limits = st.sampled_from(
    [
        "",
        *(f"!user={user}" for user in GROUPS_OF),
        "!group=staff",
        "!group=tas",
        *(f"!server={user}/{server}" for user, server in SERVERS),
        "!service=forum",
    ]
)
expanded_texts = st.lists(st.builds("{}{}".format, st.sampled_from(SCOPES), limits), max_size=6)
texts = st.lists(
    st.one_of(
        st.builds("{}{}".format, st.sampled_from(SCOPES), limits | st.sampled_from(["!user", "!server", "!service"])),
        st.sampled_from(["self", "inherit", "custom:gone"]),
    ),
    max_size=6,
)
held = st.builds(lambda written: BUILT_IN.expand(written, BINDING), texts)


def without_groups(scopes: Scopes) -> Scopes:
    return Scopes.of(text for text in scopes if "!group=" not in text)


def meaning(scopes: Scopes) -> Meaning:
    """All that is allowed, one thing at a time."""
    found: set[tuple[str, ...]] = set()
    for name in BUILT_IN.definitions:
        if scopes.allows(name):
            found.add((name, "all"))
        found |= {(name, "user", user) for user, groups in GROUPS_OF.items() if scopes.allows(name, user=user, groups=groups)}
        found |= {(name, "server", user, server) for user, server in SERVERS if scopes.allows(name, user=user, server=server, groups=GROUPS_OF[user])}
        found |= {(name, "group", group) for group in ("staff", "tas") if scopes.allows(name, group=group)}
        if scopes.allows(name, service="forum"):
            found.add((name, "service", "forum"))
    return frozenset(found)


@given(texts)
def test_expanding_again_changes_nothing(written: list[str]) -> None:
    once = BUILT_IN.expand(written, BINDING)
    assert BUILT_IN.expand(once) == once


@given(texts, texts)
def test_more_written_never_means_less(written: list[str], more: list[str]) -> None:
    less, all_of_it = BUILT_IN.expand(written, BINDING), BUILT_IN.expand([*written, *more], BINDING)
    assert less.within(all_of_it, GROUPS_OF)
    assert meaning(less) <= meaning(all_of_it)
    assert all_of_it == less | BUILT_IN.expand(more, BINDING)


@given(texts)
def test_whom_and_what_shortcuts_stand_for_only_adds(written: list[str]) -> None:
    assert meaning(BUILT_IN.expand(written)) <= meaning(BUILT_IN.expand(written, BINDING))


@given(texts)
def test_a_scope_is_held_with_all_it_brings_along_for_the_same_targets(written: list[str]) -> None:
    scopes = BUILT_IN.expand(written, BINDING)
    for name in BUILT_IN.definitions:
        reach = scopes.filter_for(name)
        for sub in BUILT_IN.subscopes(name):
            passed_on = reach.without_servers() if sub.startswith("read:user") and not name.startswith("read:user") else reach
            assert scopes.filter_for(sub).includes(passed_on)


@given(expanded_texts)
def test_reducing_keeps_the_meaning(written: list[str]) -> None:
    together = Scopes.of(written)
    assert meaning(together) == frozenset().union(*(meaning(Scopes.of([text])) for text in written))
    assert len(together.sorted_names()) <= len(set(written))


@given(held)
def test_text_and_back_is_the_same(scopes: Scopes) -> None:
    again = Scopes.of(reversed(scopes.sorted_names()))
    assert again == scopes
    assert hash(again) == hash(scopes)


@given(held, held)
def test_intersection_is_commutative(a: Scopes, b: Scopes) -> None:
    assert a.intersection(b, GROUPS_OF) == b.intersection(a, GROUPS_OF)


@given(held, held, held)
def test_intersection_is_associative_where_groups_are_not_resolved(a: Scopes, b: Scopes, c: Scopes) -> None:
    assert a.intersection(b).intersection(c) == a.intersection(b.intersection(c))


@given(held, held, held)
def test_in_whatever_order_three_are_intersected_nobody_gets_more_than_each_allows(a: Scopes, b: Scopes, c: Scopes) -> None:
    for scopes in (a.intersection(b, GROUPS_OF).intersection(c, GROUPS_OF), a.intersection(b.intersection(c, GROUPS_OF), GROUPS_OF)):
        assert meaning(scopes) <= meaning(a) & meaning(b) & meaning(c)
    a, b, c = without_groups(a), without_groups(b), without_groups(c)
    assert a.intersection(b, GROUPS_OF).intersection(c, GROUPS_OF) == a.intersection(b.intersection(c, GROUPS_OF), GROUPS_OF)


@given(held, held, held)
def test_who_holds_more_keeps_no_less(a: Scopes, b: Scopes, more: Scopes) -> None:
    b = without_groups(b)
    assert meaning(a.intersection(b, GROUPS_OF)) <= meaning((a | more).intersection(b, GROUPS_OF))


@given(held, held)
def test_an_intersection_allows_only_what_both_allow(a: Scopes, b: Scopes) -> None:
    both = a.intersection(b, GROUPS_OF)
    assert meaning(both) <= meaning(a) & meaning(b)
    assert both.within(a, GROUPS_OF)
    assert both.within(b, GROUPS_OF)


@given(held, held)
def test_an_intersection_loses_nothing_unless_two_groups_overlap(a: Scopes, b: Scopes) -> None:
    b = without_groups(b)
    assert meaning(a.intersection(b, GROUPS_OF)) == meaning(a) & meaning(b)


@given(held)
def test_intersection_with_itself_changes_nothing(scopes: Scopes) -> None:
    assert scopes.intersection(Scopes.of(scopes)) == scopes


@given(held, held)
def test_a_union_allows_what_either_allows(a: Scopes, b: Scopes) -> None:
    assert meaning(a | b) == meaning(a) | meaning(b)


@given(held, held)
def test_the_undecided_users_are_all_whose_groups_matter(a: Scopes, b: Scopes) -> None:
    known = {user: GROUPS_OF[user] for user in a.undecided(b)}
    assert a.intersection(b, known) == a.intersection(b, GROUPS_OF)


@given(held, held)
def test_there_is_excess_exactly_when_not_within(a: Scopes, b: Scopes) -> None:
    assert (a.excess(b, GROUPS_OF) == []) == a.within(b, GROUPS_OF)
    assert set(a.excess(b, GROUPS_OF)) <= set(a)


@given(held)
def test_a_list_shows_exactly_those_who_may_be_read_one_by_one(scopes: Scopes) -> None:
    reach = scopes.filter_for("read:users")
    listed = {user for user, groups in GROUPS_OF.items() if reach.all or user in reach.users or groups & reach.groups}
    assert listed == {user for user, groups in GROUPS_OF.items() if scopes.allows("read:users", user=user, groups=groups)}
