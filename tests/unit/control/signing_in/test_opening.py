"""Who may open somebody's server, and what the server may then know and do."""

import pytest

from perijove.control.context import Hub
from perijove.control.identity import Identities
from perijove.control.oauth import Authorization, AuthorizeRequest, consider
from perijove.control.sign_in import finish
from perijove.domain.environment import client_id
from perijove.domain.errors import ForbiddenError, NotFoundError
from perijove.domain.server import Server
from perijove.domain.token import OAuthClient, hash_secret
from perijove.ports.store.access import StoredRole
from perijove.ports.store.store import Tx
from perijove.wire.names import ServerName

from .door import typed

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
    request = AuthorizeRequest(
        client_id=client_id(server), redirect_uri=REDIRECT, response_type="code", scopes=(), code_challenge=None, code_challenge_method=None
    )
    return await consider(hub, browser.identity, request)


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
