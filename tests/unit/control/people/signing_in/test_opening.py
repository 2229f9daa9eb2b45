"""Who may open somebody's server, and what the server may then know and do."""

import pytest

from perijove.control.access.identity import Identities
from perijove.control.access.oauth import Authorization, AuthorizeRequest, consider, issue_code
from perijove.control.context import Hub
from perijove.control.people.sign_in import finish
from perijove.control.people.visits import visits_to
from perijove.domain.environment import client_id
from perijove.domain.errors import ForbiddenError, NotFoundError
from perijove.domain.server import Server
from perijove.domain.token import OAuthClient, hash_secret
from perijove.ports.store.access import StoredRole
from perijove.ports.store.store import Tx
from perijove.wire.names import ServerName

from .door import Ear, typed

REDIRECT = "/base/user/alice/oauth_callback"


@pytest.fixture
async def server(hub: Hub) -> Server:
    """Alice's, which has an OAuth client as if it ran. Alice is in the class."""
    alice = (await finish(hub, typed("alice"))).user

    def write(tx: Tx) -> Server:
        made = tx.servers.add(alice.id, ServerName(""), now=hub.clock.now())
        tx.oauth.put_client(
            OAuthClient(id=client_id(made), description="alice's server", secret=hash_secret("s"), redirect_uri=REDIRECT, server_id=made.id)
        )
        tx.groups.add("class", now=hub.clock.now())
        tx.groups.add_users("class", ["alice"], now=hub.clock.now())
        return made

    return await hub.store.write(write)


def request_to(server: Server) -> AuthorizeRequest:
    return AuthorizeRequest(
        client_id=client_id(server), redirect_uri=REDIRECT, response_type="code", scopes=(), code_challenge=None, code_challenge_method=None
    )


async def ask(hub: Hub, identities: Identities, server: Server, *scopes: str) -> Authorization:
    """Bob opens the server, holding these scopes beside those everybody has."""
    bob = await finish(hub, typed("bob"))

    def write(tx: Tx) -> None:
        tx.roles.put(StoredRole(name="more", scopes=scopes), now=hub.clock.now())
        tx.roles.assign("more", "user", "bob", now=hub.clock.now())

    await hub.store.write(write)
    await identities.caught_up()
    browser = await identities.of_browser(bob.cookie)
    assert browser is not None
    return await consider(hub, browser.identity, request_to(server))


@pytest.mark.parametrize("scope", ["access:servers", "access:servers!user=alice", "access:servers!server=alice/", "access:servers!group=class"])
async def test_whoever_has_access_opens_the_server_and_is_asked_first(hub: Hub, identities: Identities, server: Server, scope: str) -> None:
    grant = await ask(hub, identities, server, scope)
    assert grant.confirm
    assert "access:servers!server=alice/" in grant.scopes


@pytest.mark.parametrize(
    "scope", ["read:servers!user=alice", "access:servers!server=alice/lab", "access:servers!group=others", "access:servers!user=bob"]
)
async def test_nobody_else_does(hub: Hub, identities: Identities, server: Server, scope: str) -> None:
    with pytest.raises((ForbiddenError, NotFoundError)):
        await ask(hub, identities, server, scope)


async def test_opening_somebody_elses_server_is_recorded_with_what_allowed_it(hub: Hub, identities: Identities, server: Server, ear: Ear) -> None:
    grant = await ask(hub, identities, server, "access:servers!group=class")
    bob = await finish(hub, typed("bob"))
    browser = await identities.of_browser(bob.cookie)
    assert browser is not None
    await issue_code(hub, browser.identity, browser.session.session_id, request_to(server), grant, address="192.0.2.7")
    (event,) = [event for event in ear.heard if event.action == "server.opened"]
    assert (event.actor, event.target, event.address, event.at) == ("bob", "alice/", "192.0.2.7", hub.clock.now())
    assert event.detail == {"owner": "alice", "administrator": False, "because": ["the role more"], "scope": "access:servers"}
    assert [(visit.visitor, visit.administrator, visit.server) for visit in await visits_to(hub, "alice", ["", "lab"])] == [("bob", False, "")]
    assert await visits_to(hub, "alice", ["lab"]) == []
    assert await visits_to(hub, "bob", [""]) == []


async def test_opening_ones_own_server_is_nothing_to_tell(hub: Hub, identities: Identities, server: Server, ear: Ear) -> None:
    alice = await finish(hub, typed("alice"))
    browser = await identities.of_browser(alice.cookie)
    assert browser is not None
    grant = await consider(hub, browser.identity, request_to(server))
    await issue_code(hub, browser.identity, browser.session.session_id, request_to(server), grant)
    assert not [event for event in ear.heard if event.action == "server.opened"]
