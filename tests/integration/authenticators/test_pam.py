"""Real PAM, real Unix accounts, a PAM service of our own. Needs root: only root may check everybody's password."""

import asyncio
import os
import pwd
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import cast

import pamela
import pytest

from perijove.adapters.authenticators.pam import Pam, PamConfig
from perijove.adapters.keys import Keys
from perijove.adapters.system_clock import SystemClock
from perijove.domain.errors import AuthenticatorUnavailableError, ForbiddenError, SettingsError
from perijove.ports.authenticator import Credentials, SignInRequest
from perijove.ports.plugin import PluginContext
from perijove.ports.store.store import Store

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="PAM checks other people's passwords for root only: run the tests as root")
REQUEST = SignInRequest(callback_url="http://127.0.0.1:8000/hub/callback", address="127.0.0.1")
PASSWORD = "fuchsia-ladder-7"


def run(*command: str, text: str = "") -> None:
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    name = f"perijove-test-{token_hex(4)}"
    path = Path("/etc/pam.d", name)
    path.write_text("auth required pam_unix.so nodelay\naccount required pam_unix.so\n")
    try:
        yield name
    finally:
        path.unlink()


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """A Unix account with a password, in a group of its own and one more."""
    name, group = f"pj{token_hex(4)}", f"pjg{token_hex(4)}"
    run("groupadd", group)
    run("useradd", "--no-create-home", "--user-group", "--groups", group, "--comment", "Pia Jay,Room 7", name)
    try:
        run("chpasswd", text=f"{name}:{PASSWORD}")
        yield name
    finally:
        run("userdel", "--force", name)
        run("groupdel", group)


@pytest.fixture
def context(tmp_path: Path) -> PluginContext:
    return PluginContext(
        state_dir=tmp_path,
        runtime_dir=tmp_path,
        base_url="/",
        exposed=False,
        store=cast("Store", None),  # it has no use for one
        clock=SystemClock(),
        secrets=Keys("m" * 40),
    )


@pytest.fixture
async def pam(service: str, context: PluginContext) -> AsyncIterator[Pam]:
    async with Pam.open(PamConfig(service=service), context) as opened:
        yield opened


def typed(name: str, password: str, **more: str) -> Credentials:
    return Credentials(fields={"username": name, "password": password, **more}, request=REQUEST)


async def test_the_right_password_gives_the_account_with_its_groups(pam: Pam, account: str) -> None:
    claims = await pam.finish(typed(account.upper(), PASSWORD))
    assert claims is not None
    assert (claims.issuer, claims.subject, claims.username, claims.display_name) == ("pam", account, account, "Pia Jay")
    assert claims.groups is not None
    assert account in claims.groups
    assert any(group.startswith("pjg") for group in claims.groups)
    assert (claims.allowed, claims.admin) == (False, None)
    assert await pam.refresh(claims) == claims


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + "\0", PASSWORD + "x", PASSWORD[:-1]])
async def test_a_wrong_password_gives_nothing(pam: Pam, account: str, password: str) -> None:
    assert await pam.finish(typed(account, password)) is None


async def test_names_that_nobody_has_or_can_have_give_nothing(pam: Pam) -> None:
    assert await pam.finish(typed("pj-nobody-at-all", PASSWORD)) is None
    assert await pam.finish(typed("a/b", PASSWORD)) is None
    assert await pam.finish(typed("", PASSWORD)) is None


async def test_root_is_refused_whatever_the_password(pam: Pam) -> None:
    for name in ("root", "ROOT"):
        with pytest.raises(ForbiddenError, match="root cannot sign in"):
            await pam.finish(typed(name, "whatever"))


async def test_any_name_of_user_number_0_is_root(pam: Pam) -> None:
    name = f"pj{token_hex(4)}"
    run("useradd", "--no-create-home", "--non-unique", "--uid", "0", "--gid", "0", name)
    try:
        run("chpasswd", text=f"{name}:{PASSWORD}")
        with pytest.raises(ForbiddenError, match="root cannot sign in"):
            await pam.finish(typed(name, PASSWORD))
    finally:
        lines = [line for line in Path("/etc/passwd").read_text().splitlines(keepends=True) if not line.startswith(f"{name}:")]
        Path("/etc/passwd").write_text("".join(lines))  # userdel would refuse: "user is used by process 1"
        shadow = Path("/etc/shadow")
        shadow.write_text("".join(line for line in shadow.read_text().splitlines(keepends=True) if not line.startswith(f"{name}:")))
    assert pwd.getpwuid(0).pw_name == "root"


async def test_an_expired_account_is_told_so_only_with_the_right_password(pam: Pam, account: str) -> None:
    claims = await pam.finish(typed(account, PASSWORD))
    assert claims is not None
    run("chage", "--expiredate", "2001-01-01", account)
    try:
        with pytest.raises(ForbiddenError, match="expired"):
            await pam.finish(typed(account, PASSWORD))
        assert await pam.finish(typed(account, "wrong")) is None
        with pytest.raises(ForbiddenError, match="expired"):
            await pam.refresh(claims)
    finally:
        run("chage", "--expiredate", "-1", account)
    assert await pam.refresh(claims) == claims


async def test_an_account_that_the_machine_does_not_let_in_is_told_so_only_with_the_right_password(context: PluginContext, account: str) -> None:
    name = f"perijove-test-{token_hex(4)}"
    path = Path("/etc/pam.d", name)
    path.write_text("auth required pam_unix.so nodelay\naccount required pam_deny.so\n")
    try:
        async with Pam.open(PamConfig(service=name), context) as pam:
            with pytest.raises(ForbiddenError, match="does not let you in"):
                await pam.finish(typed(account, PASSWORD))
            assert await pam.finish(typed(account, "wrong")) is None
        async with Pam.open(PamConfig(service=name, check_account=False), context) as pam:
            assert await pam.finish(typed(account, PASSWORD)) is not None
    finally:
        path.unlink()


async def test_a_deleted_account_is_gone_at_the_next_refresh_and_new_groups_are_seen(pam: Pam) -> None:
    name, group = f"pj{token_hex(4)}", f"pjg{token_hex(4)}"
    run("useradd", "--no-create-home", name)
    try:
        run("chpasswd", text=f"{name}:{PASSWORD}")
        claims = await pam.finish(typed(name, PASSWORD))
        assert claims is not None
        run("groupadd", "--users", name, group)
        try:
            fresh = await pam.refresh(claims)
            assert fresh is not None
            assert fresh.groups == (claims.groups or frozenset()) | {group}
        finally:
            run("groupdel", group)
    finally:
        run("userdel", "--force", name)
    assert await pam.refresh(claims) is None


async def test_groups_can_be_left_to_the_hub(service: str, account: str, context: PluginContext) -> None:
    async with Pam.open(PamConfig(service=service, groups=False), context) as pam:
        claims = await pam.finish(typed(account, PASSWORD))
        assert claims is not None
        assert claims.groups is None
        assert await pam.refresh(claims) == claims


async def test_an_unknown_service_is_a_mistake_in_the_settings(context: PluginContext) -> None:
    with pytest.raises(SettingsError, match=r"/etc/pam\.d/pj-no-such-service"):
        async with Pam.open(PamConfig(service="pj-no-such-service"), context):
            pass


async def test_a_broken_service_says_that_it_cannot_tell(context: PluginContext, account: str) -> None:
    name = f"perijove-test-{token_hex(4)}"
    path = Path("/etc/pam.d", name)
    path.write_text("auth required pam_there_is_no_such_module.so\naccount required pam_unix.so\n")
    try:
        async with Pam.open(PamConfig(service=name), context) as pam:
            with pytest.raises(AuthenticatorUnavailableError, match="PAM says"):
                await pam.finish(typed(account, PASSWORD))
    finally:
        path.unlink()


async def test_a_one_time_code_is_the_second_answer(service: str, context: PluginContext, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PAM takes the answers in this order, one for each hidden prompt."""
    handed, converse = [], pamela.new_simple_password_conv

    def spy(answers: list[str], encoding: str) -> object:
        handed.append(list(answers))
        return converse(answers, encoding)

    monkeypatch.setattr(pamela, "new_simple_password_conv", spy)
    async with Pam.open(PamConfig(service=service, one_time_code=True), context) as pam:
        assert [field.name for field in (await pam.begin(REQUEST)).fields] == ["username", "password", "otp"]
        assert await pam.finish(typed(account, PASSWORD, otp="123456")) is not None
    assert handed == [[PASSWORD, "123456"]]


async def test_slow_refusals_do_not_hold_up_the_event_loop_nor_grow_without_bound(context: PluginContext, account: str) -> None:
    """PAM holds up wrong passwords for some seconds; meanwhile others sign in, and no more threads than allowed are busy."""
    name = f"perijove-test-{token_hex(4)}"
    path = Path("/etc/pam.d", name)
    path.write_text("auth optional pam_faildelay.so delay=700000\nauth required pam_unix.so\naccount required pam_unix.so\n")
    try:
        async with Pam.open(PamConfig(service=name, threads=2), context) as pam:
            began, ticks = time.monotonic(), 0
            async with asyncio.TaskGroup() as group:
                wrong = [group.create_task(pam.finish(typed(account, "wrong"))) for _ in range(4)]
                while not all(task.done() for task in wrong):
                    ticks += 1
                    await asyncio.sleep(0.01)
            took = time.monotonic() - began
            assert all(task.result() is None for task in wrong)
            assert took > 1.0, "four refusals of 0.5 s or more on two threads"
            assert ticks > took * 20, "the event loop went on"
            assert await pam.finish(typed(account, PASSWORD)) is not None
    finally:
        path.unlink()


async def test_a_waiting_check_can_be_given_up(service: str, context: PluginContext, account: str) -> None:
    async with Pam.open(PamConfig(service=service, threads=1), context) as pam:
        task = asyncio.ensure_future(pam.finish(typed(account, PASSWORD)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await pam.finish(typed(account, PASSWORD)) is not None


async def test_another_spelling_is_the_same_person_or_nobody(service: str, account: str, context: PluginContext) -> None:
    """PAM is asked for the normal form of the name, so no spelling can lead to somebody else's account on the hub."""
    async with Pam.open(PamConfig(service=service, normalize=True), context) as pam:
        for spelling in (account.upper(), f" {account} ", account.capitalize()):
            claims = await pam.finish(typed(spelling, PASSWORD))
            assert claims is not None
            assert replace(claims, groups=None) == replace(claims, groups=None, subject=account, username=account)
