"""What a share may give, and who may give it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.access import Identity, may, server_resource, user_resource
from perijove.domain.server import ServerId
from perijove.domain.share import Recipient, Share, SharedServer, may_hand_on, may_name, share_names
from perijove.wire.scopes import BUILT_IN, ScopeError, Scopes

LAB = "ann/lab"
NOBODYS: dict[str, frozenset[str]] = {}


def asker(*texts: str) -> Identity:
    return Identity(kind="user", name="ann", scopes=BUILT_IN.expand(texts))


def test_without_scopes_a_share_gives_access_alone() -> None:
    assert share_names(BUILT_IN, [], LAB) == {"access:servers"}


def test_scopes_are_kept_without_their_limit() -> None:
    assert share_names(BUILT_IN, ["servers", "access:servers!server=ann/lab"], LAB) == {"servers", "access:servers"}


@pytest.mark.parametrize("text", ["access:servers!server=ann/", "access:servers!user=ann", "access:servers!server", "self", "inherit", "nonsense"])
def test_what_reaches_further_is_no_share(text: str) -> None:
    with pytest.raises(ScopeError):
        share_names(BUILT_IN, [text], LAB)


def test_a_share_follows_its_server_to_a_new_name() -> None:
    made = datetime(2025, 1, 1, tzinfo=UTC)
    for name, wanted in (("lab", "access:servers!server=ann/lab"), ("", "access:servers!server=ann/")):
        server = SharedServer(id=ServerId(1), owner="ann", name=name, ready=True)
        share = Share(id=1, server=server, to=Recipient("user", "bob"), names=frozenset({"access:servers"}), created=made)
        assert share.scopes == (wanted,)


@pytest.mark.parametrize(
    ("held", "names", "allowed"),
    [
        (["shares!user=ann"], {"access:servers"}, True),
        (["shares!server=ann/lab"], {"access:servers"}, True),
        (["shares!server=ann/lab"], {"shares"}, True),
        (["shares!server=ann/"], {"access:servers"}, False),
        (["shares!user=ann"], {"servers"}, False),
        (["shares!user=ann", "servers!user=ann"], {"servers", "access:servers"}, True),
        (["shares!user=ann", "start:servers!user=ann"], {"servers"}, False),
        (["shares!group=staff"], {"access:servers"}, True),
        (["shares!group=students"], {"access:servers"}, False),
        (["shares"], {"admin:servers"}, False),
    ],
)
def test_nobody_shares_what_they_do_not_hold(held: list[str], names: set[str], allowed: bool) -> None:
    verdict = may_hand_on(BUILT_IN, asker(*held), frozenset(names), LAB, {"ann": frozenset({"staff"})})
    assert bool(verdict) is allowed
    assert allowed or "do not hold" in verdict.message


def test_a_token_that_may_share_shares_no_more_than_it_carries() -> None:
    owner = asker("shares!user=ann", "servers!user=ann")
    token = Identity(kind="user", name="ann", scopes=Scopes.of(["shares!server=ann/lab", "access:servers!server=ann/lab"]), token_id=1)
    assert may_hand_on(BUILT_IN, owner, frozenset({"servers"}), LAB, NOBODYS)
    assert not may_hand_on(BUILT_IN, token, frozenset({"servers"}), LAB, NOBODYS)


@pytest.mark.parametrize(
    ("held", "to", "groups", "allowed"),
    [
        (["read:users:name"], Recipient("user", "bob"), (), True),
        (["read:users:name!user=bob"], Recipient("user", "bob"), (), True),
        (["read:users:name!user=cat"], Recipient("user", "bob"), (), False),
        (["read:users:name!group=team"], Recipient("user", "bob"), ("team",), True),
        (["list:users"], Recipient("user", "bob"), (), True),
        (["read:groups:name"], Recipient("user", "bob"), (), False),
        (["read:groups:name!group=team"], Recipient("group", "team"), (), True),
        (["read:users:name"], Recipient("group", "team"), (), False),
        (["self"], Recipient("user", "bob"), (), False),
    ],
)
def test_sharing_by_name_needs_to_know_the_name(held: list[str], to: Recipient, groups: tuple[str, ...], allowed: bool) -> None:
    verdict = may_name(asker(*held), to, frozenset(groups))
    assert bool(verdict) is allowed
    assert allowed or f"read:{to.kind}s:name" in verdict.message


@given(st.sets(st.sampled_from([name for name in BUILT_IN.definitions if name not in {"self", "inherit"}]), min_size=1))
def test_whatever_is_shared_reaches_that_server_only(names: set[str]) -> None:
    server = SharedServer(id=ServerId(1), owner="ann", name="lab", ready=True)
    given_names = share_names(BUILT_IN, sorted(names), LAB)
    share = Share(id=1, server=server, to=Recipient("user", "bob"), names=given_names, created=datetime(2025, 1, 1, tzinfo=UTC))
    bob = Identity(kind="user", name="bob", scopes=BUILT_IN.expand(share.scopes))
    for name in BUILT_IN.definitions:
        assert not may(bob, name)
        for on in (
            user_resource("ann"),
            user_resource("bob"),
            server_resource("ann", ""),
            server_resource("bob", "lab"),
            server_resource("ann", "lab2"),
        ):
            assert not may(bob, name, on)
