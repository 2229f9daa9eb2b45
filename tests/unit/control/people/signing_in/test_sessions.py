"""Sessions can be seen and ended, and last only as long as their person is welcome."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from perijove.control.access.identity import Identities, open_identities
from perijove.control.context import Hub
from perijove.control.people.sessions import REFRESH_RETRY_S, revoke_session, sessions_of
from perijove.control.people.sign_in import SignedIn, finish
from perijove.domain.claims import Claims
from perijove.domain.errors import AuthenticatorUnavailableError, ForbiddenError, NotFoundError
from perijove.domain.token import Token, TokenKind, hash_secret
from perijove.testing.clock import FakeClock

from .conftest import Configure
from .door import Door, Ear, typed

CLAIMS = Claims(issuer="door", subject="id-alice", username="alice")


@pytest.fixture
def hub(configure: Configure) -> Hub:
    return configure(access={"allow_all": True, "blocked_groups": ["out"]}, hub={"refresh_age": 300}, limits={"hook_timeout": 0.05})


@pytest.fixture
async def alice(hub: Hub) -> SignedIn:
    return await finish(hub, typed("alice"))


@pytest.fixture
async def identities(hub: Hub) -> AsyncIterator[Identities]:
    async with open_identities(hub) as opened:
        yield opened


async def test_a_person_sees_their_own_sessions_the_latest_first(hub: Hub, alice: SignedIn, clock: FakeClock) -> None:
    await clock.turn(60)
    phone = await finish(hub, typed("alice"), user_agent="Phone")
    await finish(hub, typed("bob"))
    assert [session.id for session in await sessions_of(hub, "alice")] == [phone.session.id, alice.session.id]
    await clock.turn(14 * 86400 - 60)
    assert [session.user_agent for session in await sessions_of(hub, "alice")] == ["Phone"]


async def test_a_session_elsewhere_can_be_ended_but_not_somebody_elses(hub: Hub, alice: SignedIn, identities: Identities) -> None:
    bob = await finish(hub, typed("bob"))
    with pytest.raises(NotFoundError):
        await revoke_session(hub, "alice", bob.session.id, actor="alice")
    token = Token(id=0, kind=TokenKind.OAUTH, user_id=alice.user.id, session_id=alice.session.session_id, created=hub.clock.now())
    await hub.store.write(lambda tx: tx.tokens.add(token, hash_secret("oauth")))
    assert await identities.of_browser(alice.cookie) is not None
    await revoke_session(hub, "alice", alice.session.id, actor="alice")
    await identities.caught_up()
    assert await identities.of_browser(alice.cookie) is None
    assert await identities.of_token("oauth") is None
    assert await identities.of_browser(bob.cookie) is not None


async def test_the_authenticator_is_asked_again_only_when_it_is_time(alice: SignedIn, identities: Identities, door: Door, clock: FakeClock) -> None:
    for _ in range(3):
        assert await identities.of_browser(alice.cookie) is not None
    await clock.turn(299)
    assert await identities.of_browser(alice.cookie) is not None
    assert door.refreshed == []
    await clock.turn(1)
    assert identities.cached_browser(alice.cookie, clock.now()) is None
    for _ in range(3):
        assert await identities.of_browser(alice.cookie) is not None
    assert door.refreshed == ["id-alice"]
    assert identities.cached_browser(alice.cookie, clock.now()) is not None


async def test_another_replica_need_not_ask_again(hub: Hub, alice: SignedIn, identities: Identities, door: Door, clock: FakeClock) -> None:
    async with open_identities(hub) as other:
        assert await identities.of_browser(alice.cookie) is not None
        assert await other.of_browser(alice.cookie) is not None
        await clock.turn(200)
        assert await other.of_browser(alice.cookie) is not None
        await clock.turn(100)
        assert await identities.of_browser(alice.cookie) is not None
        assert await other.of_browser(alice.cookie) is not None
        assert door.refreshed == ["id-alice"]


@pytest.mark.parametrize(
    "fresh",
    [
        None,
        ForbiddenError("Your account has expired."),
        replace(CLAIMS, groups=frozenset({"out"})),
        replace(CLAIMS, subject="id-somebody-else"),
    ],
)
async def test_whoever_is_not_welcome_any_more_is_signed_out_everywhere(
    hub: Hub, alice: SignedIn, identities: Identities, door: Door, clock: FakeClock, ear: Ear, fresh: Claims | Exception | None
) -> None:
    second = await finish(hub, typed("alice"))
    token = Token(id=0, kind=TokenKind.OAUTH, user_id=alice.user.id, session_id=second.session.session_id, created=hub.clock.now())
    await hub.store.write(lambda tx: tx.tokens.add(token, hash_secret("oauth")))
    door.fresh["id-alice"] = fresh
    assert await identities.of_browser(alice.cookie) is not None
    await clock.turn(300)
    assert await identities.of_browser(alice.cookie) is None
    assert await identities.of_browser(second.cookie) is None
    assert await identities.of_token("oauth") is None
    event = ear.heard[-1]
    assert (event.action, event.actor, event.target, event.outcome) == ("session.ended", "hub", "alice", "refused")
    assert event.detail["reason"]
    assert door.refreshed == ["id-alice"]


async def test_the_rules_are_applied_again_not_only_the_authenticator_asked(configure: Configure, alice: SignedIn, clock: FakeClock) -> None:
    stricter = configure(access={"allowed_users": ["bob"]}, hub={"refresh_age": 300})
    async with open_identities(stricter) as identities:
        assert await identities.of_browser(alice.cookie) is not None
        await clock.turn(300)
        assert await identities.of_browser(alice.cookie) is None


async def test_groups_and_admin_follow_at_refresh(alice: SignedIn, identities: Identities, door: Door, clock: FakeClock) -> None:
    door.fresh["id-alice"] = replace(CLAIMS, groups=frozenset({"staff"}), admin=True)
    await clock.turn(300)
    browser = await identities.of_browser(alice.cookie)
    assert browser is not None
    assert (browser.identity.groups, browser.identity.admin) == (frozenset({"staff"}), True)


@pytest.mark.parametrize("trouble", ["unavailable", "bug", "hangs"])
async def test_an_outage_signs_nobody_out_and_is_not_asked_into_at_every_request(
    hub: Hub, alice: SignedIn, identities: Identities, door: Door, clock: FakeClock, trouble: str
) -> None:
    bob = await finish(hub, typed("bob"))
    if trouble == "hangs":
        door.pause = asyncio.Event()
    for subject in ("id-alice", "id-bob"):
        door.fresh[subject] = KeyError("a bug") if trouble == "bug" else AuthenticatorUnavailableError("The directory does not answer.")
    await clock.turn(301)
    for cookie in (alice.cookie, bob.cookie, alice.cookie):
        assert await identities.of_browser(cookie) is not None
    assert door.refreshed == ["id-alice"]
    assert identities.cached_browser(alice.cookie, clock.now()) is not None
    await clock.turn(REFRESH_RETRY_S)
    door.pause = None
    door.fresh["id-bob"] = None
    assert await identities.of_browser(alice.cookie) is not None
    assert door.refreshed == ["id-alice"] * 2
    assert await identities.of_browser(bob.cookie) is not None
    await clock.turn(REFRESH_RETRY_S)
    assert await identities.of_browser(bob.cookie) is None


async def test_many_requests_at_once_ask_the_authenticator_once_and_none_waits_for_another(
    configure: Configure, alice: SignedIn, door: Door, clock: FakeClock
) -> None:
    async with open_identities(configure(access={"allow_all": True}, hub={"refresh_age": 300})) as identities:
        assert await identities.of_browser(alice.cookie) is not None
        await clock.turn(300)
        door.pause = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(identities.of_browser(alice.cookie)) for _ in range(20)]
            async with asyncio.timeout(5):
                while sum(task.done() for task in tasks) < 19:
                    await asyncio.sleep(0.001)
            door.pause.set()
        assert all(task.result() is not None for task in tasks)
        assert door.refreshed == ["id-alice"]


async def test_an_authenticators_state_is_handed_back_and_kept_anew(hub: Hub, identities: Identities, door: Door, clock: FakeClock) -> None:
    door.known["alice"] = replace(CLAIMS, auth_state={"turn": 1})
    alice = await finish(hub, typed("alice"))
    seen: list[object] = []
    ask = door.refresh

    async def refresh(claims: Claims) -> Claims | None:
        await ask(claims)
        seen.append(claims.auth_state)
        return replace(claims, auth_state={"turn": len(seen) + 1})

    door.refresh = refresh  # type: ignore[method-assign]
    for _ in range(2):
        await clock.turn(300)
        assert await identities.of_browser(alice.cookie) is not None
    assert seen == [{"turn": 1}, {"turn": 2}]


async def test_refresh_can_be_switched_off(configure: Configure, alice: SignedIn, door: Door, clock: FakeClock) -> None:
    async with open_identities(configure(access={"allow_all": True}, hub={"refresh_age": 0})) as identities:
        await clock.turn(timedelta(days=13).total_seconds())
        assert await identities.of_browser(alice.cookie) is not None
        assert door.refreshed == []
