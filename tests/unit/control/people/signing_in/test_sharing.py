"""Shares count at once, for as long as they last, and in what tokens may do."""

from datetime import timedelta
from typing import Any

import pytest

from perijove.control.access.explaining import explain_access
from perijove.control.access.identity import Identities
from perijove.control.context import Hub
from perijove.control.people.sign_in import SignedIn, finish
from perijove.control.sharing.codes import accept_code, codes_of_server, make_code, read_code, revoke_codes
from perijove.control.sharing.shares import Place, leave, share, shared_with, shares_of_owner, shares_of_server, unshare, unshare_all
from perijove.control.site.housekeeping import tidy_once
from perijove.domain.access import Identity, may, server_resource
from perijove.domain.errors import BadInputError, ForbiddenError, NotFoundError
from perijove.domain.share import Recipient
from perijove.domain.token import Token, TokenKind, hash_secret
from perijove.domain.user import User
from perijove.ports.store.access import StoredRole
from perijove.testing.clock import FakeClock
from perijove.wire.names import ServerName

from .door import Ear, typed

LAB, FIRST = Place("alice", "lab"), Place("alice", "")
BOB, TEAM = Recipient("user", "bob"), Recipient("group", "team")
DAY = timedelta(days=1)


@pytest.fixture
async def alice(hub: Hub) -> User:
    signed_in = await finish(hub, typed("alice"))
    await hub.store.write(lambda tx: tx.servers.add(signed_in.user.id, ServerName("lab"), now=hub.clock.now()))
    sharing = StoredRole(name="sharer", scopes=("shares!user", "read:users:name", "read:groups:name"))
    await hub.store.write(lambda tx: tx.roles.put(sharing, now=hub.clock.now()))
    await hub.store.write(lambda tx: tx.roles.assign("sharer", "user", "alice", now=hub.clock.now()))
    return signed_in.user


@pytest.fixture
async def bob(hub: Hub) -> SignedIn:
    signed_in = await finish(hub, typed("bob"))
    await hub.store.write(lambda tx: tx.groups.add("team", now=hub.clock.now()))
    return signed_in


async def token(hub: Hub, user: User, text: str, **fields: Any) -> None:
    made = Token(**{"id": 0, "kind": TokenKind.API, "user_id": user.id, "scopes": ("inherit",), "created": hub.clock.now(), **fields})
    await hub.store.write(lambda tx: tx.tokens.add(made, hash_secret(text)))


@pytest.fixture
async def sharer(hub: Hub, identities: Identities, alice: User) -> Identity:
    await token(hub, alice, "alice's")
    found = await identities.of_token("alice's")
    assert found is not None
    return found


class Opens:
    """Whether bob may open alice's server lab, by each way he can ask."""

    def __init__(self, hub: Hub, identities: Identities, bob: SignedIn) -> None:
        self.hub, self.identities, self.bob = hub, identities, bob

    async def __call__(self, server: str = "lab") -> bool:
        await self.identities.caught_up()
        on = server_resource("alice", server)
        browser = await self.identities.of_browser(self.bob.cookie)
        by_token, by_server = await self.identities.of_token("bob's"), await self.identities.of_token("bob's, from alice's server")
        assert browser is not None
        assert by_token is not None
        assert by_server is not None
        found = {bool(may(who, "access:servers", on)) for who in (browser.identity, by_token, *([by_server] if server == "lab" else []))}
        assert len(found) == 1
        return found.pop()


@pytest.fixture
async def opens(hub: Hub, identities: Identities, bob: SignedIn) -> Opens:
    await token(hub, bob.user, "bob's")
    await token(hub, bob.user, "bob's, from alice's server", scopes=("access:servers!server=alice/lab",))
    return Opens(hub, identities, bob)


async def test_a_share_opens_its_server_until_it_is_taken_back(hub: Hub, sharer: Identity, opens: Opens) -> None:
    assert not await opens()
    await share(hub, sharer, LAB, BOB, (), actor="alice")
    assert await opens()
    assert not await opens("")
    assert await unshare(hub, LAB, BOB, (), actor="alice") is None
    assert not await opens()


async def test_what_is_shared_with_a_group_opens_for_members_only(hub: Hub, sharer: Identity, opens: Opens) -> None:
    await share(hub, sharer, LAB, TEAM, (), actor="alice")
    assert not await opens()
    await hub.store.write(lambda tx: tx.groups.add_users("team", ["bob"], now=hub.clock.now()))
    assert await opens()
    with pytest.raises(NotFoundError):  # it is the group's, not bob's own
        await leave(hub, BOB, LAB, actor="bob")
    await leave(hub, TEAM, LAB, actor="alice")
    assert not await opens()
    await share(hub, sharer, LAB, TEAM, (), actor="alice")
    assert await opens()
    await hub.store.write(lambda tx: tx.groups.delete("team", now=hub.clock.now()))
    assert not await opens()


async def test_a_share_ends_with_its_server(hub: Hub, sharer: Identity, opens: Opens) -> None:
    await share(hub, sharer, LAB, BOB, (), actor="alice")
    assert await opens()
    server = await hub.store.read(lambda tx: tx.servers.find("alice", "lab"))
    assert server is not None
    await hub.store.write(lambda tx: tx.servers.delete(server.id))
    assert not await opens()


async def test_shares_add_up_and_are_taken_back_scope_by_scope(hub: Hub, sharer: Identity, bob: SignedIn) -> None:
    await share(hub, sharer, LAB, BOB, (), actor="alice")
    made = await share(hub, sharer, LAB, BOB, ("read:servers",), actor="alice")
    assert made.scopes == ("access:servers!server=alice/lab", "read:servers!server=alice/lab")
    left = await unshare(hub, LAB, BOB, ("access:servers", "start:servers"), actor="alice")
    assert left is not None
    assert left.scopes == ("read:servers!server=alice/lab",)
    assert await unshare(hub, LAB, BOB, ("read:servers!server=alice/lab",), actor="alice") is None
    assert await unshare(hub, LAB, BOB, (), actor="alice") is None


async def test_a_default_server_can_be_shared_before_it_is_started(hub: Hub, sharer: Identity, bob: SignedIn, opens: Opens) -> None:
    assert (await shares_of_server(hub, FIRST, 0, 10)).total == 0
    assert (await codes_of_server(hub, FIRST, 0, 10)).total == 0
    await unshare_all(hub, FIRST, actor="alice")
    await share(hub, sharer, FIRST, BOB, (), actor="alice")
    assert await opens("")
    await unshare_all(hub, FIRST, actor="alice")
    assert not await opens("")


@pytest.mark.parametrize(
    ("place", "to", "texts", "error"),
    [
        (Place("alice", "nothing"), BOB, (), NotFoundError),
        (Place("nobody", ""), BOB, (), NotFoundError),
        (LAB, Recipient("user", "nobody"), (), BadInputError),
        (LAB, Recipient("group", "nobody"), (), BadInputError),
        (LAB, BOB, ("admin:servers",), ForbiddenError),
        (LAB, BOB, ("access:servers!user=alice",), BadInputError),
        (LAB, BOB, ("nonsense",), BadInputError),
        (Place("bob", ""), BOB, (), ForbiddenError),
    ],
)
async def test_what_cannot_be_shared_leaves_no_trace(
    hub: Hub, sharer: Identity, bob: SignedIn, place: Place, to: Recipient, texts: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await share(hub, sharer, place, to, texts, actor="alice")
    assert (await shares_of_owner(hub, "alice", 0, 10)).total == 0
    assert (await shares_of_owner(hub, "bob", 0, 10)).total == 0
    assert await hub.store.read(lambda tx: tx.servers.find("bob", "")) is None


async def test_a_link_lets_in_whoever_has_it_until_it_expires(hub: Hub, clock: FakeClock, sharer: Identity, opens: Opens) -> None:
    made = await make_code(hub, sharer, LAB, (), DAY, actor="alice")
    assert made.path("/base/") == f"/base/hub/accept-share?code={made.text}"
    assert (await read_code(hub, made.text)).scopes == ("access:servers!server=alice/lab",)
    assert not await opens()
    await accept_code(hub, "bob", made.text)
    assert await opens()
    await accept_code(hub, "bob", made.text)
    assert (await read_code(hub, made.text)).exchange_count == 2
    await leave(hub, BOB, LAB, actor="bob")
    assert not await opens()
    await clock.turn(DAY.total_seconds())
    with pytest.raises(NotFoundError):
        await accept_code(hub, "bob", made.text)
    assert not await opens()
    await tidy_once(hub)
    assert await hub.store.write(lambda tx: tx.share_codes.delete(made.code.server.id)) == 0


async def test_a_link_taken_back_works_no_more_but_what_it_gave_stays(hub: Hub, sharer: Identity, opens: Opens) -> None:
    made, other = [await make_code(hub, sharer, LAB, (), DAY, actor="alice") for _ in range(2)]
    await accept_code(hub, "bob", made.text)
    with pytest.raises(NotFoundError):
        await revoke_codes(hub, FIRST, text=made.text, actor="alice")
    await revoke_codes(hub, LAB, text=made.text, actor="alice")
    with pytest.raises(NotFoundError):
        await accept_code(hub, "bob", made.text)
    assert await opens()
    await revoke_codes(hub, LAB, code_id=other.code.id, actor="alice")
    with pytest.raises(NotFoundError):
        await revoke_codes(hub, LAB, code_id=other.code.id, actor="alice")
    await revoke_codes(hub, LAB, actor="alice")


async def test_a_link_is_not_for_its_owner_and_not_for_ever(hub: Hub, sharer: Identity, bob: SignedIn) -> None:
    made = await make_code(hub, sharer, LAB, (), DAY, actor="alice")
    with pytest.raises(BadInputError, match="yourself"):
        await accept_code(hub, "alice", made.text)
    for age in (timedelta(seconds=59), timedelta(days=366)):
        with pytest.raises(BadInputError):
            await make_code(hub, sharer, LAB, (), age, actor="alice")
    with pytest.raises(ForbiddenError):
        await make_code(hub, sharer, LAB, ("admin:servers",), DAY, actor="alice")


async def test_it_is_told_why_somebody_may_open_a_shared_server(hub: Hub, sharer: Identity, bob: SignedIn) -> None:
    assert not (await explain_access(hub, "bob", "access:servers!server=alice/lab")).allowed
    await hub.store.write(lambda tx: tx.groups.add_users("team", ["bob"], now=hub.clock.now()))
    await share(hub, sharer, LAB, TEAM, (), actor="alice")
    why = await explain_access(hub, "bob", "access:servers!server=alice/lab")
    assert why.allowed
    assert "the server alice/lab was shared with the group team" in why.why


async def test_all_of_it_is_in_the_audit_log_and_no_code_is(hub: Hub, ear: Ear, sharer: Identity, bob: SignedIn) -> None:
    ear.heard.clear()
    await share(hub, sharer, LAB, BOB, (), actor="alice")
    made = await make_code(hub, sharer, LAB, (), DAY, actor="alice")
    await accept_code(hub, "bob", made.text)
    await revoke_codes(hub, LAB, text=made.text, actor="alice")
    await leave(hub, BOB, LAB, actor="bob")
    await unshare(hub, LAB, BOB, (), actor="alice")
    assert [(event.action, event.actor, event.target) for event in ear.heard] == [
        ("share.granted", "alice", "alice/lab"),
        ("share-code.made", "alice", "alice/lab"),
        ("share.accepted", "bob", "alice/lab"),
        ("share-code.revoked", "alice", "alice/lab"),
        ("share.left", "bob", "alice/lab"),
        ("share.revoked", "alice", "alice/lab"),
    ]
    assert made.text not in repr(ear.heard)
    assert (await shared_with(hub, BOB, 0, 10)).total == 0
