"""From credentials to a session: who gets in, under which name, and who does not."""

import asyncio
from dataclasses import replace

import pytest

from perijove.control.context import Hub
from perijove.control.people.sign_in import SignedIn, finish
from perijove.domain.claims import Claims
from perijove.domain.errors import AuthenticatorUnavailableError, ForbiddenError, TooManyAttemptsError
from perijove.domain.token import Token, TokenKind, hash_secret
from perijove.domain.user import User
from perijove.ports.observer import AuditEvent
from perijove.testing.clock import FakeClock

from .conftest import Configure
from .door import Door, Ear, typed


async def user_of(hub: Hub, name: str) -> User | None:
    return await hub.store.read(lambda tx: tx.users.get(name))


async def audited(hub: Hub) -> list[AuditEvent]:
    page = await hub.store.read(lambda tx: tx.audit.page(0, 100))
    return list(page.items)


async def test_the_first_sign_in_makes_the_account_and_the_second_finds_it(hub: Hub, clock: FakeClock, ear: Ear) -> None:
    first = await finish(hub, typed("alice"), user_agent="Browser/1")
    again = await finish(hub, typed("alice"))
    assert first.user.name == "alice"
    assert first.user.id == again.user.id
    assert not first.user.admin
    assert first.cookie != again.cookie
    assert (first.session.issuer, first.session.subject, first.session.user_agent) == ("door", "id-alice", "Browser/1")
    assert (first.session.expires_at - clock.now()).days == 14
    kept = await hub.store.read(lambda tx: tx.sessions.find(hash_secret(first.cookie)))
    assert kept == first.session
    assert [(event.action, event.actor, event.outcome, event.address) for event in ear.heard] == [("sign-in", "alice", "success", "192.0.2.1")] * 2
    assert [event.action for event in await audited(hub)] == ["sign-in"] * 2
    assert first.cookie not in repr(first)


async def test_a_name_is_normalised_once_at_the_edge(hub: Hub, door: Door) -> None:
    door.known["Zoë"] = Claims(issuer="door", subject="id-zoe", username=" ZOE\u0308 ")
    assert (await finish(hub, typed("Zoë"))).user.name == "zoë"


async def test_a_name_that_cannot_be_used_is_refused_in_words(hub: Hub, door: Door) -> None:
    door.known["x"] = Claims(issuer="door", subject="id-x", username="../etc")
    with pytest.raises(ForbiddenError, match="cannot contain '/'"):
        await finish(hub, typed("x"))


async def test_nobody_is_allowed_by_default_and_nothing_of_them_is_kept(configure: Configure, ear: Ear) -> None:
    hub = configure()
    with pytest.raises(ForbiddenError, match="not allowed to use this hub"):
        await finish(hub, typed("alice"))
    assert await user_of(hub, "alice") is None
    (event,) = ear.heard
    assert (event.outcome, event.detail["reason"]) == ("refused", "no rule allows alice")
    assert len(await audited(hub)) == 1


async def test_wrong_credentials_are_refused_without_telling_whether_the_name_exists(hub: Hub) -> None:
    await finish(hub, typed("alice"))
    for name in ("alice", "nobody"):
        with pytest.raises(ForbiddenError, match=r"^The user name or password is wrong\.$"):
            await finish(hub, typed(name, "wrong"))


async def test_a_name_nobody_has_is_not_written_down_for_it_may_be_a_password(hub: Hub) -> None:
    await finish(hub, typed("alice"))
    for name in ("hunter2hunter2", "alice"):
        with pytest.raises(ForbiddenError):
            await finish(hub, typed(name, "wrong"))
    failures = [event.target for event in await audited(hub) if event.outcome == "failure"]
    assert sorted(failures) == ["", "alice"]
    attempts = await hub.store.read(lambda tx: tx.throttle.get("user:hunter2hunter2"))
    assert attempts is None


async def test_a_reused_name_does_not_open_the_former_holders_account(hub: Hub, door: Door) -> None:
    """The provider gave alice's name to somebody else: another subject, the same issuer."""
    former = await finish(hub, typed("alice"))
    door.known["alice"] = Claims(issuer="door", subject="id-other-alice", username="alice")
    with pytest.raises(ForbiddenError, match="taken by somebody else"):
        await finish(hub, typed("alice"))
    door.known["ALICE"] = Claims(issuer="door", subject="id-third", username="ALICE")
    with pytest.raises(ForbiddenError, match="taken by somebody else"):
        await finish(hub, typed("ALICE"))
    assert await hub.store.read(lambda tx: [session.id for session in tx.sessions.of_user(former.user.id)]) == [former.session.id]


async def test_an_account_made_beforehand_is_linked_to_the_first_who_holds_its_name(hub: Hub, clock: FakeClock) -> None:
    made = await hub.store.write(lambda tx: tx.users.add("alice", now=clock.now()))
    assert (await finish(hub, typed("alice"))).user.id == made.id


async def test_somebody_renamed_at_the_provider_keeps_the_account(hub: Hub, door: Door) -> None:
    before = await finish(hub, typed("alice"))
    door.known["alicia"] = Claims(issuer="door", subject="id-alice", username="alicia")
    after = await finish(hub, typed("alicia"))
    assert (after.user.id, after.user.name) == (before.user.id, "alice")


async def test_rules_about_names_ask_for_the_name_on_the_hub(configure: Configure, door: Door) -> None:
    hub = configure(access={"allowed_users": ["alice"], "admin_users": ["root-of-all"]})
    await finish(hub, typed("alice"))
    door.known["alice"] = Claims(issuer="door", subject="id-alice", username="root-of-all")
    assert not (await finish(hub, typed("alice"))).user.admin


async def test_groups_and_admin_follow_the_authenticator_where_it_speaks_of_them(hub: Hub, door: Door) -> None:
    claims = door.known["alice"]
    assert isinstance(claims, Claims)
    door.known["alice"] = replace(claims, groups=frozenset({"staff", "lab"}), admin=True, display_name="Alice A.")
    signed_in = await finish(hub, typed("alice"))
    assert (set(signed_in.user.groups), signed_in.user.admin, signed_in.user.display_name) == ({"staff", "lab"}, True, "Alice A.")
    door.known["alice"] = replace(claims, groups=frozenset({"lab"}), admin=False)
    signed_in = await finish(hub, typed("alice"))
    assert (set(signed_in.user.groups), signed_in.user.admin) == ({"lab"}, False)
    door.known["alice"] = claims
    signed_in = await finish(hub, typed("alice"))
    assert set(signed_in.user.groups) == {"lab"}, "a silent authenticator takes nothing away"


async def test_hub_groups_admit_and_deny_where_the_authenticator_is_silent(configure: Configure, clock: FakeClock) -> None:
    hub = configure(access={"allowed_groups": ["staff"], "blocked_groups": ["out"]})
    await hub.store.write(lambda tx: tx.users.add("alice", now=clock.now()))
    alice = await user_of(hub, "alice")
    assert alice is not None
    with pytest.raises(ForbiddenError):
        await finish(hub, typed("alice"))
    await hub.store.write(lambda tx: tx.users.set_groups(alice.id, frozenset({"staff"}), clock.now()))
    await finish(hub, typed("alice"))
    await hub.store.write(lambda tx: tx.users.set_groups(alice.id, frozenset({"staff", "out"}), clock.now()))
    with pytest.raises(ForbiddenError):
        await finish(hub, typed("alice"))


async def test_a_blocked_person_is_refused_whoever_vouches(hub: Hub, door: Door) -> None:
    signed_in = await finish(hub, typed("alice"))
    await hub.store.write(lambda tx: tx.users.save(replace(signed_in.user, blocked=True)))
    claims = door.known["alice"]
    assert isinstance(claims, Claims)
    door.known["alice"] = replace(claims, admin=True, allowed=True)
    with pytest.raises(ForbiddenError, match="not allowed"):
        await finish(hub, typed("alice"))


async def test_signing_in_again_ends_the_browsers_former_session_and_its_oauth_tokens(hub: Hub, clock: FakeClock) -> None:
    first = await finish(hub, typed("alice"))
    token = Token(id=0, kind=TokenKind.OAUTH, user_id=first.user.id, session_id=first.session.session_id, created=clock.now())
    await hub.store.write(lambda tx: tx.tokens.add(token, hash_secret("oauth")))
    second = await finish(hub, typed("bob"), replaces=first.cookie)
    found = await hub.store.read(lambda tx: (tx.sessions.find(hash_secret(first.cookie)), tx.tokens.find(hash_secret("oauth"))))
    assert found == (None, None)
    assert await hub.store.read(lambda tx: tx.sessions.find(hash_secret(second.cookie))) == second.session


async def test_the_authenticators_state_is_sealed_in_the_store(hub: Hub, door: Door) -> None:
    claims = door.known["alice"]
    assert isinstance(claims, Claims)
    door.known["alice"] = replace(claims, auth_state={"refresh_token": "very secret"})
    signed_in = await finish(hub, typed("alice"))
    sealed = await hub.store.read(lambda tx: tx.users.auth_state(signed_in.user.id))
    assert sealed is not None
    assert b"very secret" not in sealed
    assert b"very secret" in hub.secrets.decrypt(sealed)


async def wrong(hub: Hub, name: str = "alice", address: str = "192.0.2.1") -> None:
    with pytest.raises(ForbiddenError):
        await finish(hub, typed(name, "wrong", address=address))


async def test_after_the_limit_one_has_to_wait_longer_each_time_even_with_the_right_password(configure: Configure, clock: FakeClock) -> None:
    hub = configure(access={"allow_all": True}, limits={"sign_in_failures": 3, "sign_in_window": 900})
    for _ in range(3):
        await wrong(hub)
    waits = []
    for _ in range(3):
        with pytest.raises(TooManyAttemptsError, match="Wait") as caught:
            await finish(hub, typed("alice"))
        assert caught.value.retry_after_s is not None
        waits.append(caught.value.retry_after_s)
        await clock.turn(caught.value.retry_after_s - 0.5)
        with pytest.raises(TooManyAttemptsError):
            await finish(hub, typed("alice"))
        await clock.turn(0.5)
        await wrong(hub)
    assert waits == [15, 30, 60]
    with pytest.raises(TooManyAttemptsError) as caught:
        await finish(hub, typed("alice"))
    await clock.turn(caught.value.retry_after_s or 0)
    assert (await finish(hub, typed("alice"))).user.name == "alice"


async def test_no_wait_reaches_beyond_the_window(configure: Configure, clock: FakeClock) -> None:
    hub = configure(access={"allow_all": True}, limits={"sign_in_failures": 1, "sign_in_window": 100})
    await wrong(hub)
    while True:
        try:
            await wrong(hub)
        except TooManyAttemptsError as error:
            await clock.turn(error.retry_after_s or 0)
        if clock.monotonic() >= 100:
            break
    assert clock.monotonic() == 100
    await wrong(hub)
    with pytest.raises(TooManyAttemptsError) as caught:
        await finish(hub, typed("alice"))
    assert caught.value.retry_after_s == 15


async def test_one_address_cannot_try_many_names_nor_many_addresses_one_name(configure: Configure) -> None:
    hub = configure(access={"allow_all": True}, limits={"sign_in_failures": 3})
    for number in range(3):
        await wrong(hub, f"name{number}", "192.0.2.7")
    with pytest.raises(TooManyAttemptsError):
        await finish(hub, typed("alice", address="192.0.2.7"))
    for number in range(3):
        await wrong(hub, "Bob" if number else "bob ", f"192.0.2.{number + 20}")
    with pytest.raises(TooManyAttemptsError):
        await finish(hub, typed("bob", address="192.0.2.99"))
    assert (await finish(hub, typed("alice", address="192.0.2.8"))).user.name == "alice"


async def test_an_ipv6_address_counts_by_its_network(configure: Configure) -> None:
    hub = configure(access={"allow_all": True}, limits={"sign_in_failures": 2})
    await wrong(hub, "a", "2001:db8:1:2::1")
    await wrong(hub, "b", "2001:db8:1:2:ffff::9")
    with pytest.raises(TooManyAttemptsError):
        await finish(hub, typed("alice", address="2001:db8:1:2:3::"))
    assert (await finish(hub, typed("alice", address="2001:db8:1:3::1"))).user.name == "alice"


async def test_success_clears_the_counters(configure: Configure) -> None:
    hub = configure(access={"allow_all": True}, limits={"sign_in_failures": 3})
    for _ in range(4):
        await wrong(hub)
        await wrong(hub)
        await finish(hub, typed("alice"))


async def test_guesses_sent_at_once_count_each(configure: Configure, door: Door) -> None:
    hub = configure(access={"allow_all": True}, limits={"sign_in_failures": 5})
    door.pause = asyncio.Event()

    async def attempt() -> type[Exception] | None:
        try:
            await finish(hub, typed("alice", "wrong"))
        except (ForbiddenError, TooManyAttemptsError) as error:
            return type(error)
        return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt()) for _ in range(30)]
        while sum(task.done() for task in tasks) < 25:
            await asyncio.sleep(0.001)
        door.pause.set()
    assert len(door.asked) == 5
    assert [task.result() for task in tasks].count(TooManyAttemptsError) == 25


async def test_an_attempt_that_could_not_be_judged_does_not_count(configure: Configure, door: Door) -> None:
    hub = configure(access={"allow_all": True}, limits={"sign_in_failures": 3})
    alice = door.known["alice"]
    await wrong(hub)
    door.known["alice"] = AuthenticatorUnavailableError("The directory does not answer.")
    for _ in range(10):
        with pytest.raises(AuthenticatorUnavailableError):
            await finish(hub, typed("alice"))
    door.known["alice"] = alice
    await wrong(hub)
    await wrong(hub)
    with pytest.raises(TooManyAttemptsError):  # the failure before counts still
        await finish(hub, typed("alice"))


async def test_an_authenticator_that_hangs_or_breaks_is_unavailable(configure: Configure, door: Door) -> None:
    hub = configure(access={"allow_all": True}, limits={"hook_timeout": 0.05})
    door.known["bob"] = ZeroDivisionError("a bug in a plugin")
    with pytest.raises(AuthenticatorUnavailableError, match="authenticator failed"):
        await finish(hub, typed("bob"))
    door.pause = asyncio.Event()
    with pytest.raises(AuthenticatorUnavailableError, match="did not answer in time"):
        await finish(hub, typed("alice"))


async def test_two_first_sign_ins_at_once_make_one_account(hub: Hub) -> None:
    async def attempt() -> SignedIn:
        return await finish(hub, typed("alice"))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt()) for _ in range(5)]
    assert len({task.result().user.id for task in tasks}) == 1
