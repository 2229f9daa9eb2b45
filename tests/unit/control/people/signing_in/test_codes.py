"""A code is traded for a token once, soon, and only as long as nothing that it stands on has gone."""

from asyncio import TaskGroup
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from perijove.control.access.identity import Identities
from perijove.control.access.oauth import AuthorizeRequest, Granted, OAuthError, consider, exchange, issue_code
from perijove.control.context import Hub
from perijove.control.people.sessions import block_user, sign_out
from perijove.control.people.sign_in import SignedIn, finish
from perijove.control.people.users import delete_user_row
from perijove.domain.token import OAuthClient, hash_secret
from perijove.domain.user import Service
from perijove.ports.store.access import StoredRole
from perijove.ports.store.store import Tx
from perijove.testing.clock import FakeClock

from .conftest import Configure
from .door import typed

REDIRECT = "http://127.0.0.1:9/oauth_callback"


@pytest.fixture
async def alice(hub: Hub) -> SignedIn:
    def write(tx: Tx) -> None:
        now = hub.clock.now()
        made = tx.services.put(Service(id=0, name="forum", oauth_client_id="service-forum", oauth_redirect_uri=REDIRECT), now=now)
        tx.oauth.put_client(OAuthClient(id="service-forum", description="forum", secret=hash_secret("s"), redirect_uri=REDIRECT, service_id=made.id))
        tx.roles.put(StoredRole(name="visitor", scopes=("access:services",)), now=now)
        tx.roles.assign("visitor", "user", "alice", now=now)

    signed_in = await finish(hub, typed("alice"))
    await hub.store.write(write)
    return signed_in


async def code_for(hub: Hub, identities: Identities, signed_in: SignedIn) -> str:
    await identities.caught_up()
    browser = await identities.of_browser(signed_in.cookie)
    assert browser is not None
    request = AuthorizeRequest(
        client_id="service-forum", redirect_uri=REDIRECT, response_type="code", scopes=(), code_challenge=None, code_challenge_method=None
    )
    grant = await consider(hub, browser.identity, request)
    return await issue_code(hub, browser.identity, browser.session.session_id, request, grant)


async def trade(hub: Hub, code: str) -> Granted:
    return await exchange(hub, client_id="service-forum", client_secret="s", code=code, redirect_uri=REDIRECT, code_verifier=None)


async def test_a_code_lasts_five_minutes(hub: Hub, identities: Identities, alice: SignedIn, clock: FakeClock) -> None:
    first, second = [await code_for(hub, identities, alice) for _ in range(2)]
    await clock.turn(299)
    assert (await trade(hub, first)).text
    await clock.turn(1)
    with pytest.raises(OAuthError, match="expired"):
        await trade(hub, second)


async def test_a_code_sent_twice_at_once_gives_one_token(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    code = await code_for(hub, identities, alice)

    async def outcome() -> str:
        try:
            return (await trade(hub, code)).text
        except OAuthError as error:
            return error.error

    async with TaskGroup() as group:
        tasks = [group.create_task(outcome()) for _ in range(5)]
    found = [task.result() for task in tasks]
    assert found.count("invalid_grant") == 4


async def test_neither_codes_nor_tokens_are_kept_as_text(hub: Hub, identities: Identities, alice: SignedIn, tmp_path: Path) -> None:
    kept = await code_for(hub, identities, alice)
    token = (await trade(hub, await code_for(hub, identities, alice))).text
    written = b"".join(file.read_bytes() for file in tmp_path.glob("hub.sqlite*"))
    assert b"service-forum" in written
    assert kept.encode() not in written
    assert token.encode() not in written


async def test_a_token_lasts_as_long_as_the_setting_says(configure: Configure, identities: Identities, alice: SignedIn, clock: FakeClock) -> None:
    hub = configure(access={"allow_all": True}, hub={"oauth_token_age": 3600.0})
    granted = await trade(hub, await code_for(hub, identities, alice))
    assert granted.expires_in_s == 3600
    assert await identities.of_token(granted.text)
    await clock.turn(3600)
    assert await identities.of_token(granted.text) is None


async def signs_out(hub: Hub, alice: SignedIn) -> None:
    await sign_out(hub, alice.session)


async def is_blocked(hub: Hub, alice: SignedIn) -> None:
    await block_user(hub, alice.user.name, actor="ada")


async def is_deleted(hub: Hub, alice: SignedIn) -> None:
    await delete_user_row(hub, alice.user.name, actor="ada")


async def client_goes(hub: Hub, _alice: SignedIn) -> None:
    await hub.store.write(lambda tx: tx.oauth.delete_client("service-forum", at=hub.clock.now()))


@pytest.mark.parametrize("happens", [signs_out, is_blocked, is_deleted, client_goes])
async def test_neither_code_nor_token_outlives_what_it_stands_on(
    hub: Hub, identities: Identities, alice: SignedIn, happens: Callable[[Hub, SignedIn], Awaitable[None]]
) -> None:
    token = await trade(hub, await code_for(hub, identities, alice))
    assert await identities.of_token(token.text)
    code = await code_for(hub, identities, alice)
    await happens(hub, alice)
    await identities.caught_up()
    with pytest.raises(OAuthError):
        await trade(hub, code)
    assert await identities.of_token(token.text) is None


async def test_another_browsers_sign_out_ends_nothing_here(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    elsewhere = await finish(hub, typed("alice"))
    code = await code_for(hub, identities, alice)
    token = await trade(hub, await code_for(hub, identities, alice))
    await sign_out(hub, elsewhere.session)
    await identities.caught_up()
    assert await identities.of_token(token.text)
    assert (await trade(hub, code)).text


async def test_what_a_role_gave_ends_with_it_though_the_token_stays(hub: Hub, identities: Identities, alice: SignedIn) -> None:
    token = await trade(hub, await code_for(hub, identities, alice))
    before = await identities.of_token(token.text)
    await hub.store.write(lambda tx: tx.roles.revoke("visitor", "user", "alice", now=hub.clock.now()))
    await identities.caught_up()
    after = await identities.of_token(token.text)
    assert before is not None
    assert after is not None
    assert before.scopes.allows("access:services", service="forum")
    assert not after.scopes.allows("access:services", service="forum")
