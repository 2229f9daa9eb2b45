"""What people write as scopes, and what they are told when it is wrong."""

import pytest

from perijove.wire.scopes import BUILT_IN, Catalog, CustomScope, Scope, ScopeError, Scopes


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("read:users", Scope("read:users")),
        ("read:users!user", Scope("read:users", "user")),
        ("read:users!user=alice", Scope("read:users", "user", "alice")),
        ("read:users!user=a!b=c", Scope("read:users", "user", "a!b=c")),
        ("servers!server=alice/", Scope("servers", "server", "alice/")),
        ("servers!server=alice/lab", Scope("servers", "server", "alice/lab")),
        ("groups!group=a/b", Scope("groups", "group", "a/b")),
        ("self", Scope("self")),
    ],
)
def test_a_scope_is_read_and_written_back(text: str, scope: Scope) -> None:
    assert BUILT_IN.parse(text) == scope
    assert str(scope) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("read:user", "Did you mean 'read:users'?"),
        ("all", "Did you mean 'inherit'?"),
        ("", "documentation"),
        ("custom:wiki:read", "custom_scopes"),
        ("read:users!", "leave the '!' out"),
        ("read:users!usr=alice", "Did you mean !user=alice?"),
        ("read:users!colour=red", "Known kinds: user, group, server, service."),
        ("read:users!user=", "!user alone"),
        ("read:users!group", "write !group=NAME."),
        ("servers!server=alice", "!server=alice/ for the default server"),
        ("servers!server=/lab", "USER/SERVER"),
        ("servers!server=alice/lab/x", "USER/SERVER"),
        ("self!user=bob", "cannot be limited"),
        ("inherit!user", "cannot be limited"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(text: str, told: str) -> None:
    with pytest.raises(ScopeError) as caught:
        BUILT_IN.parse(text)
    assert told in str(caught.value)
    assert repr(text) in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ScopeError) as caught:
        BUILT_IN.check(["proxy", "shutdwn", "servers!server=x"])
    assert len(caught.value.problems) == 2


def test_a_shortcut_is_no_expanded_scope() -> None:
    with pytest.raises(ScopeError, match="must be expanded first"):
        Scopes.of(["proxy!user"])


@pytest.mark.parametrize("name", ["custom:a:b", "custom:0xy", "custom:wiki:*", "custom:my-tool:read_all"])
def test_a_custom_scope_may_be_named(name: str) -> None:
    assert Catalog({name: "does things"}).parse(f"{name}!user").name == name


@pytest.mark.parametrize(
    ("name", "scope", "told"),
    [
        ("wiki:read", "reads", "'wiki:read' cannot name a custom scope"),
        ("custom:", "reads", "cannot name"),
        ("custom:ab", "reads", "cannot name"),
        ("custom:Wiki:read", "reads", "cannot name"),
        ("custom:-wiki", "reads", "cannot name"),
        ("custom:wiki:", "reads", "cannot name"),
        ("custom:wiki-", "reads", "cannot name"),
        ("custom:wiki\n", "reads", "cannot name"),
        ("read:users", "reads", "cannot name"),
        ("custom:wiki", " ", "needs a description"),
        ("custom:wiki", CustomScope("reads", ("read:users",)), "only custom scopes"),
        ("custom:wiki", CustomScope("reads", ("custom:wikki",)), "Did you mean 'custom:wiki'?"),
    ],
)
def test_a_wrong_custom_scope_is_refused(name: str, scope: CustomScope | str, told: str) -> None:
    with pytest.raises(ScopeError) as caught:
        Catalog({name: scope})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("delete:users", "delete accounts"),
        ("delete:users!user=alice", "delete accounts (only user alice)"),
        ("delete:servers!server=alice/lab", "(only server lab of alice)"),
        ("delete:servers!server=alice/", "(only the default server of alice)"),
        ("read:users!user", "(only your own)"),
        ("access:servers!server", "(only this server)"),
    ],
)
def test_a_scope_is_described_in_words(text: str, end: str) -> None:
    assert BUILT_IN.describe(text).endswith(end)
