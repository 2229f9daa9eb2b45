"""Accounts that the hub keeps itself, with real argon2id at its cheapest: invitations, the first administrator, passwords."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perijove.adapters.authenticators import desk
from perijove.adapters.authenticators.accounts import Accounts, AccountsConfig
from perijove.control.access.identity import Identities, open_identities
from perijove.control.context import Hub
from perijove.control.people.accounts import change_password, has_password, local_accounts
from perijove.control.people.effective import user_scopes
from perijove.control.people.invitations import (
    ADMIN_LINK_AGE,
    INVITATION_AGE,
    Acceptance,
    accept_invitation,
    find_invitation,
    first_admin_link,
    invite,
    list_invitations,
    new_admin_link,
    revoke_invitation,
)
from perijove.control.people.sessions import block_user
from perijove.control.people.sign_in import SignedIn, finish
from perijove.domain.errors import BadInputError, ConflictError, ForbiddenError, NotFoundError, TooManyAttemptsError
from perijove.domain.token import hash_secret
from perijove.ports.plugin import PluginContext
from perijove.ports.store.access import StoredRole
from perijove.ports.store.store import Store, Tx
from perijove.testing.clock import FakeClock
from perijove.wire.scopes import BUILT_IN, Scopes

from .conftest import Configure
from .door import Ear, typed

GOOD = "fuchsia ladder 7"
BETTER = "teal bucket 99"
CHEAP = AccountsConfig(memory_kib=8192, passes=1, lanes=1)


@pytest.fixture
def context(tmp_path: Path, store: Store, clock: FakeClock, configure: Configure) -> PluginContext:
    return PluginContext(
        state_dir=tmp_path, runtime_dir=tmp_path, base_url="/base/", exposed=False, store=store, clock=clock, secrets=configure().secrets
    )


@pytest.fixture
async def accounts(context: PluginContext) -> AsyncIterator[Accounts]:
    async with Accounts.open(CHEAP, context) as opened:
        yield opened


@pytest.fixture
def hub(configure: Configure, accounts: Accounts) -> Hub:
    """Nobody is allowed by a rule here: local accounts need none."""
    return replace(configure(), authenticator=accounts)


@pytest.fixture
async def identities(hub: Hub) -> AsyncIterator[Identities]:
    async with open_identities(hub) as opened:
        yield opened


def secret_of(path: str) -> str:
    prefix, _, secret = path.rpartition("/")
    assert prefix == "/base/hub/invite"
    return secret


async def invited(hub: Hub, **more: object) -> str:
    arguments = {"admin": False, "user_name": None, "reset": False, "uses": 1, "actor": "root", **more}
    return secret_of(await invite(hub, **arguments))  # type: ignore[arg-type]  # names and types as invite has them


async def joined(hub: Hub, name: str, password: str = GOOD, **more: object) -> SignedIn:
    return await accept_invitation(hub, await invited(hub, **more), Acceptance(user_name=name, password=password))


async def test_an_invitation_makes_an_account_that_can_sign_in(hub: Hub, ear: Ear) -> None:
    joined_as = await joined(hub, " Alice ")
    assert (joined_as.user.name, joined_as.user.admin) == ("alice", False)
    assert (joined_as.session.issuer, joined_as.session.subject) == ("local", str(joined_as.user.id))
    assert (await finish(hub, typed("ALICE", GOOD))).user.id == joined_as.user.id
    for name, password in (("alice", BETTER), ("alice", ""), ("bob", GOOD), ("al/ice", GOOD), ("alice", "x" * 5000)):
        with pytest.raises(ForbiddenError, match="wrong"):
            await finish(hub, typed(name, password))
    assert [event.action for event in ear.heard[:3]] == ["invitation.made", "account.made", "sign-in"]
    assert await has_password(hub, "alice")


async def test_who_finds_too_many_before_the_door_has_not_tried(hub: Hub, accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    await joined(hub, "alice")
    go_on = threading.Event()
    held = [asyncio.create_task(accounts._desk.check(go_on.wait)) for _ in range(CHEAP.threads)]
    await asyncio.sleep(0)
    monkeypatch.setattr(desk, "MOST_WAITING", 0)
    for _ in range(50):  # many more than are allowed to fail
        with pytest.raises(desk.SignInBusyError):
            await finish(hub, typed("alice", GOOD))
    go_on.set()
    await asyncio.gather(*held)
    assert (await finish(hub, typed("alice", GOOD))).user.name == "alice"


async def test_passwords_are_kept_as_argon2id_and_links_as_hashes_only(hub: Hub) -> None:
    secret = await invited(hub)
    page = await list_invitations(hub, 0, 10)
    assert [(found.created_by, found.uses_left) for found in page.items] == [("root", 1)]
    assert secret not in repr(page)
    user = (await accept_invitation(hub, secret, Acceptance(user_name="alice", password=GOOD))).user
    phc = await hub.store.read(lambda tx: tx.passwords.get(user.id))
    assert phc is not None
    assert phc.startswith("$argon2id$")
    assert GOOD not in repr(Acceptance(user_name="alice", password=GOOD))


async def test_a_password_typed_on_another_keyboard_is_the_same(hub: Hub) -> None:
    await joined(hub, "alice", "e\u0301l\u00e9phant rose")
    assert (await finish(hub, typed("alice", "\u00e9le\u0301phant rose"))).user.name == "alice"


async def test_a_link_works_once_though_two_browsers_send_it_at_once(hub: Hub) -> None:
    secret = await invited(hub)

    async def attempt(name: str) -> str:
        try:
            return (await accept_invitation(hub, secret, Acceptance(user_name=name, password=GOOD))).user.name
        except NotFoundError:
            return ""

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt(name)) for name in ("alice", "bob", "carol")]
    (winner,) = [task.result() for task in tasks if task.result()]
    assert await hub.store.read(lambda tx: tx.users.count()) == 1
    assert await has_password(hub, winner)


async def test_a_mistake_does_not_use_the_link_up(hub: Hub) -> None:
    await joined(hub, "bob")
    secret = await invited(hub)
    for name, password, wrong in (
        ("alice", "short", BadInputError),
        ("alice", "alice", BadInputError),
        ("al/ice", GOOD, BadInputError),
        ("", GOOD, BadInputError),
        ("Bob", GOOD, ConflictError),
    ):
        with pytest.raises(wrong):
            await accept_invitation(hub, secret, Acceptance(user_name=name, password=password))
    assert (await accept_invitation(hub, secret, Acceptance(user_name="alice", password=GOOD))).user.name == "alice"


async def test_a_link_for_a_class_works_as_often_as_it_says(hub: Hub) -> None:
    secret = await invited(hub, uses=2)
    for name in ("alice", "bob"):
        await accept_invitation(hub, secret, Acceptance(user_name=name, password=GOOD))
    with pytest.raises(NotFoundError, match="used already"):
        await accept_invitation(hub, secret, Acceptance(user_name="carol", password=GOOD))


@pytest.mark.parametrize("more", [{"uses": 0}, {"uses": 1001}, {"uses": 2, "user_name": "alice"}, {"uses": 2, "admin": True}])
async def test_links_that_make_no_sense_are_not_made(hub: Hub, more: dict[str, object]) -> None:
    with pytest.raises(BadInputError):
        await invited(hub, **more)


async def test_links_end_with_their_time_or_when_taken_back(hub: Hub, clock: FakeClock) -> None:
    secret = await invited(hub)
    await clock.turn(INVITATION_AGE.total_seconds() - 1)
    assert (await find_invitation(hub, secret)).created_by == "root"
    await clock.turn(1)
    with pytest.raises(NotFoundError, match="too old"):
        await find_invitation(hub, secret)
    second = await invited(hub)
    await revoke_invitation(hub, (await find_invitation(hub, second)).id, actor="root")
    for dead in (secret, second, "guess", ""):
        with pytest.raises(NotFoundError):
            await accept_invitation(hub, dead, Acceptance(user_name="alice", password=GOOD))


async def test_a_link_can_name_the_person_and_carry_groups(hub: Hub) -> None:
    signed_in = await joined(hub, "mallory", user_name="alice", groups=("staff",))
    assert (signed_in.user.name, signed_in.user.groups) == ("alice", ("staff",))


async def test_an_account_made_beforehand_is_only_for_whom_the_link_names(hub: Hub, clock: FakeClock) -> None:
    made = await hub.store.write(lambda tx: tx.users.add("alice", admin=True, now=clock.now()))
    with pytest.raises(ConflictError, match="taken"):
        await joined(hub, "alice")
    assert (await joined(hub, "", user_name="alice")).user.id == made.id
    with pytest.raises(ConflictError, match="account already"):
        await invited(hub, user_name="alice")


async def test_a_link_made_before_the_account_got_its_password_does_not_change_it(hub: Hub) -> None:
    early = await invited(hub, user_name="alice")
    await joined(hub, "", user_name="alice")
    with pytest.raises(ConflictError):
        await accept_invitation(hub, early, Acceptance(password=BETTER))
    assert (await finish(hub, typed("alice", GOOD))).user.name == "alice"


async def test_deny_rules_hold_for_invited_people_too(configure: Configure, accounts: Accounts) -> None:
    hub = replace(configure(access={"blocked_users": ["mallory"]}), authenticator=accounts)
    with pytest.raises(ForbiddenError):
        await joined(hub, "mallory")
    assert await hub.store.read(lambda tx: tx.users.count()) == 0


async def test_a_password_link_sets_a_new_password_and_signs_out_everywhere_else(hub: Hub, identities: Identities) -> None:
    alice = await joined(hub, "alice")
    assert await identities.of_browser(alice.cookie) is not None
    earlier = await invited(hub, user_name="alice", reset=True)
    secret = await invited(hub, user_name="alice", reset=True)
    with pytest.raises(NotFoundError):
        await find_invitation(hub, earlier)
    assert (await find_invitation(hub, secret)).reset
    signed_in = await accept_invitation(hub, secret, Acceptance(user_name="bob", password=BETTER))
    await identities.caught_up()
    assert signed_in.user.id == alice.user.id
    assert await identities.of_browser(alice.cookie) is None
    assert await identities.of_browser(signed_in.cookie) is not None
    with pytest.raises(ForbiddenError):
        await finish(hub, typed("alice", GOOD))
    assert (await finish(hub, typed("alice", BETTER))).user.id == alice.user.id


async def test_a_password_link_does_not_let_blocked_people_in(hub: Hub) -> None:
    await joined(hub, "alice")
    secret = await invited(hub, user_name="alice", reset=True)
    await block_user(hub, "alice", actor="root")
    with pytest.raises(ForbiddenError):
        await accept_invitation(hub, secret, Acceptance(password=BETTER))
    with pytest.raises(ConflictError, match="blocked"):
        await invited(hub, user_name="alice", reset=True)
    with pytest.raises(NotFoundError):
        await invited(hub, user_name="nobody", reset=True)


async def test_nobody_takes_over_an_account_that_may_do_more_than_they(hub: Hub, clock: FakeClock) -> None:
    await joined(hub, "alice")
    await joined(hub, "helper")

    def powerful(tx: Tx) -> None:
        tx.roles.put(StoredRole(name="operator", scopes=("admin:servers",)), now=clock.now())
        tx.roles.assign("operator", "user", "alice", now=clock.now())

    await hub.store.write(powerful)
    helper = BUILT_IN.expand(("self", "admin:users"))
    with pytest.raises(ForbiddenError, match="may do more than you"):
        await invited(hub, user_name="alice", reset=True, within=helper)

    def scopes(tx: Tx) -> Scopes:
        user = tx.users.get("alice")
        assert user is not None
        return user_scopes(tx, BUILT_IN, user)

    await invited(hub, user_name="alice", reset=True, within=helper | await hub.store.read(scopes))


async def test_a_person_changes_their_password_with_the_old_one(hub: Hub, identities: Identities, ear: Ear) -> None:
    here = await joined(hub, "alice")
    there = await finish(hub, typed("alice", GOOD))
    for browser in (here, there):
        assert await identities.of_browser(browser.cookie) is not None
    for old, new, wrong in (("bad guess", BETTER, ForbiddenError), (GOOD, "short", BadInputError), (GOOD, GOOD, BadInputError)):
        with pytest.raises(wrong):
            await change_password(hub, "alice", old, new, keep=here.session.id)
    await change_password(hub, "alice", GOOD, BETTER, keep=here.session.id)
    await identities.caught_up()
    assert ear.heard[-1].action == "password.changed"
    assert await identities.of_browser(here.cookie) is not None
    assert await identities.of_browser(there.cookie) is None
    with pytest.raises(ForbiddenError):
        await finish(hub, typed("alice", GOOD))
    await finish(hub, typed("alice", BETTER))


async def test_the_old_password_cannot_be_guessed_without_end(hub: Hub) -> None:
    """Somebody at an unlocked screen."""
    here = await joined(hub, "alice")
    for number in range(10):
        with pytest.raises(ForbiddenError):
            await change_password(hub, "alice", f"guess {number}", BETTER, keep=here.session.id)
    with pytest.raises(TooManyAttemptsError):
        await change_password(hub, "alice", GOOD, BETTER, keep=here.session.id)


async def test_a_password_is_hashed_anew_when_checking_gets_dearer(hub: Hub, context: PluginContext) -> None:
    user = (await joined(hub, "alice")).user

    async def phc() -> str | None:
        return await hub.store.read(lambda tx: tx.passwords.get(user.id))

    before = await phc()
    await finish(hub, typed("alice", GOOD))
    assert await phc() == before
    async with Accounts.open(AccountsConfig(memory_kib=8192, passes=2, lanes=1), context) as dearer:
        now = replace(hub, authenticator=dearer)
        with pytest.raises(ForbiddenError):
            await finish(now, typed("alice", "wrong"))
        assert await phc() == before
        await finish(now, typed("alice", GOOD))
        after = await phc()
        assert after is not None
        assert ",t=2," in after
    await finish(hub, typed("alice", GOOD))
    assert await phc() == after, "never back to a cheaper one"


async def test_an_unknown_name_costs_as_much_as_a_known_one(hub: Hub, accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt checks one hash of the same cost, whoever it is for."""
    await joined(hub, "alice")
    await hub.store.write(lambda tx: tx.users.add("no-password", now=hub.clock.now()))
    checked: list[str] = []
    verify = accounts._hasher.verify

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(hasher, name)

        def verify(self, phc: str, password: bytes) -> bool:
            checked.append(phc.rsplit("$", 2)[0])
            return verify(phc, password)

    hasher = accounts._hasher
    monkeypatch.setattr(accounts, "_hasher", Counting())
    for name in ("alice", "nobody", "no-password", "not/a/name"):
        with pytest.raises(ForbiddenError):
            await finish(hub, typed(name, "wrong"))
    assert len(checked) == 4
    assert len(set(checked)) == 1


async def test_a_deleted_account_is_not_refreshed(accounts: Accounts, hub: Hub) -> None:
    alice = await joined(hub, "alice")
    claims = await accounts.finish(typed("alice", GOOD))
    assert claims is not None
    assert await accounts.refresh(replace(claims, allowed=False)) == claims
    await hub.store.write(lambda tx: tx.users.delete(alice.user.id))
    assert await accounts.refresh(claims) is None


async def test_the_first_link_makes_the_first_administrator_and_no_second(hub: Hub) -> None:
    void, first = await first_admin_link(hub), await first_admin_link(hub)
    assert void is not None
    assert first is not None
    with pytest.raises(NotFoundError):
        await find_invitation(hub, secret_of(void))

    async def attempt(name: str) -> bool:
        try:
            return (await accept_invitation(hub, secret_of(first), Acceptance(user_name=name, password=GOOD))).user.admin
        except NotFoundError:
            return False

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(attempt(name)) for name in ("alice", "mallory")]
    assert sorted(task.result() for task in tasks) == [False, True]
    assert await hub.store.read(lambda tx: tx.users.count()) == 1
    assert await first_admin_link(hub) is None


async def test_the_first_link_is_void_as_soon_as_an_administrator_exists(hub: Hub, clock: FakeClock) -> None:
    link = await first_admin_link(hub)
    assert link is not None
    await joined(hub, "boss", admin=True)
    with pytest.raises(NotFoundError):
        await find_invitation(hub, secret_of(link))
    with pytest.raises(NotFoundError):
        await accept_invitation(hub, secret_of(link), Acceptance(user_name="mallory", password=GOOD))
    assert await first_admin_link(hub) is None


async def test_the_first_link_is_void_though_the_administrator_came_while_its_form_was_being_sent(hub: Hub, accounts: Accounts) -> None:
    link = await first_admin_link(hub)
    assert link is not None
    hashing, go_on = asyncio.Event(), asyncio.Event()

    class Slow:
        """The accounts, but for a pause where the password is hashed."""

        def __getattr__(self, name: str) -> object:
            return getattr(accounts, name)

        async def hash_password(self, password: str) -> str:
            hashing.set()
            await go_on.wait()
            return await accounts.hash_password(password)

        async def verify_password(self, phc: str | None, password: str) -> bool:
            return await accounts.verify_password(phc, password)

    slow: Any = Slow()
    late = replace(hub, authenticator=slow)
    async with asyncio.TaskGroup() as group:

        async def attempt() -> None:
            with pytest.raises(NotFoundError):
                await accept_invitation(late, secret_of(link), Acceptance(user_name="mallory", password=GOOD))

        group.create_task(attempt())
        await hashing.wait()
        await joined(hub, "boss", admin=True)
        go_on.set()
    assert await hub.store.read(lambda tx: tx.users.get("mallory")) is None


async def test_the_first_link_lasts_a_day(hub: Hub, clock: FakeClock) -> None:
    link = await first_admin_link(hub)
    assert link is not None
    assert timedelta(hours=24) == ADMIN_LINK_AGE
    await clock.turn(86400)
    with pytest.raises(NotFoundError):
        await find_invitation(hub, secret_of(link))


async def test_an_administrator_named_in_the_configuration_can_use_the_first_link(hub: Hub, clock: FakeClock) -> None:
    """An administrator who has no password yet cannot let anybody in."""
    await hub.store.write(lambda tx: tx.users.add("boss", admin=True, now=clock.now()))
    link = await first_admin_link(hub)
    assert link is not None
    signed_in = await accept_invitation(hub, secret_of(link), Acceptance(user_name="boss", password=GOOD))
    assert signed_in.user.admin
    assert await first_admin_link(hub) is None


async def test_a_blocked_only_administrator_does_not_lock_the_hub(hub: Hub) -> None:
    await joined(hub, "boss", admin=True)
    await block_user(hub, "boss", actor="hub")
    assert await first_admin_link(hub) is not None


async def test_a_person_named_hub_cannot_pass_for_it(hub: Hub) -> None:
    await joined(hub, "boss", admin=True)
    secret = await invited(hub, admin=True, actor="hub")
    assert (await accept_invitation(hub, secret, Acceptance(user_name="second", password=GOOD))).user.admin


async def test_who_runs_the_machine_can_always_make_an_administrator(hub: Hub) -> None:
    await joined(hub, "boss", admin=True)
    link = await new_admin_link(hub)
    await first_admin_link(hub)
    assert (await accept_invitation(hub, secret_of(link), Acceptance(user_name="second", password=GOOD))).user.admin


async def test_where_passwords_are_kept_elsewhere_there_are_no_links(configure: Configure) -> None:
    hub = configure(access={"allow_all": True})
    assert not local_accounts(hub)
    assert await first_admin_link(hub) is None
    await finish(hub, typed("alice"))
    assert not await has_password(hub, "alice")
    for use in (lambda: invited(hub), lambda: new_admin_link(hub), lambda: change_password(hub, "alice", "x", GOOD, keep=None)):
        make: Callable[[], object] = use
        with pytest.raises(ConflictError, match="keeps no passwords"):
            await make()  # type: ignore[misc]  # each returns an awaitable


async def test_a_browser_that_was_signed_in_as_somebody_else_leaves_that_session(hub: Hub) -> None:
    boss = await joined(hub, "boss", admin=True)
    secret = await invited(hub)
    await accept_invitation(hub, secret, Acceptance(user_name="alice", password=GOOD, replaces=boss.cookie))
    assert await hub.store.read(lambda tx: tx.sessions.find(hash_secret(boss.cookie))) is None
