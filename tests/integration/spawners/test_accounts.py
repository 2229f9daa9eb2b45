"""As root: each server is its person's own account, and no account comes near another's."""

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from urllib.parse import unquote, urlsplit

import pytest

from perijove.adapters.spawners.local.state import read_state
from perijove.domain.errors import SettingsError, SpawnerError
from perijove.ports.spawner import Progress

from .stage import PYTHON, TOKEN, Stage, ask


def as_account(name: str, code: str) -> str:
    """What a Python of this account says; of an exception, its type."""
    wrapped = f"try:\n    print({code})\nexcept Exception as error:\n    print(type(error).__name__)"
    return subprocess.run(["runuser", "-u", name, "--", PYTHON, "-c", wrapped], capture_output=True, text=True, check=True).stdout.strip()


async def test_a_server_has_its_accounts_identity_and_no_privilege(privileged: Stage, two_accounts: tuple[str, str]) -> None:
    entry = pwd.getpwnam(privileged.account)
    async with privileged.spawner() as spawner:
        handle = await privileged.started(spawner)
        about = ask(handle)
    assert about["uid"] == [entry.pw_uid] * 3
    assert about["gid"] == [entry.pw_gid] * 3
    assert about["groups"] == [group.gr_gid for group in grp.getgrall() if privileged.account in group.gr_mem] or about["groups"] == [entry.pw_gid]
    assert about["cwd"] == about["env"]["HOME"] == entry.pw_dir
    status = Path(f"/proc/{about['pid']}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "CapPrm:\t0000000000000000" in status
    assert Path(f"/proc/{about['pid']}/oom_score_adj").read_text().strip() == "0"


async def test_another_account_reaches_neither_socket_nor_token_nor_log(privileged: Stage, two_accounts: tuple[str, str]) -> None:
    mine, other = two_accounts
    async with privileged.spawner(socket_dir=str(privileged.folder / "sockets")) as spawner:
        handle = await privileged.started(spawner)
        assert handle.state is not None
        run, pid = read_state(handle.state).run, ask(handle)["pid"]
        connect = "__import__('socket').socket(1).connect({!r})"
        reading = "open({!r}).read()"
        listing = "__import__('os').listdir({!r})"
        for path in (run.server_socket, run.proxy_socket):
            assert as_account(other, connect.format(str(path))) == "PermissionError"
        for path in (Path(f"/proc/{pid}/environ"), run.claim_file, Path(str(handle.state["log"]))):
            assert as_account(other, reading.format(str(path))) == "PermissionError"
        for path in (run.root, run.folder, run.own, run.private):
            assert as_account(other, listing.format(str(path))) == "PermissionError"
        assert TOKEN in as_account(mine, reading.format(f"/proc/{pid}/environ"))  # it is their own


async def test_the_account_itself_can_forge_nothing_the_hub_reads(privileged: Stage) -> None:
    async with privileged.spawner(socket_dir=str(privileged.folder / "sockets")) as spawner:
        handle = await privileged.started(spawner)
        assert handle.state is not None
        run = read_state(handle.state).run
        for path in (run.folder / "exit", run.failure_file, run.claim_file, run.private / "s"):
            assert as_account(privileged.account, f"open({str(path)!r}, 'w')") in {"PermissionError", "FileExistsError"}
        supervisor = run.claim().supervisor.pid  # type: ignore[union-attr]
        assert as_account(privileged.account, f"__import__('os').kill({supervisor}, 9)") == "PermissionError"
        assert unquote(urlsplit(handle.address or "").netloc) == str(run.proxy_socket)


@pytest.mark.parametrize(("account", "said"), [("root", "is root"), ("daemon", "belongs to the system"), ("nobody", "belongs to the system")])
async def test_no_server_runs_as_root_or_a_system_account(privileged: Stage, account: str, said: str) -> None:
    async with privileged.spawner(account=account, create_accounts=True) as spawner:
        with pytest.raises(SpawnerError, match=said) as refused:
            await privileged.drive(spawner, privileged.request())
        assert "administrator" in refused.value.hint
    assert not privileged.handles


async def test_a_missing_account_is_named_and_who_makes_it(privileged: Stage) -> None:
    async with privileged.spawner(account="pj-none-{username}") as spawner:
        with pytest.raises(SpawnerError, match=r"no Unix account 'pj-none-alice'.*useradd"):
            await privileged.drive(spawner, privileged.request())


async def test_accounts_are_made_locked_and_with_a_closed_home(privileged: Stage) -> None:
    prefix = f"pj{token_hex(3)}-"
    try:
        async with privileged.spawner(account=prefix + "{username}", create_accounts=True) as spawner:
            handle, events = await privileged.drive(spawner, privileged.request())
            entry = pwd.getpwnam(prefix + "alice")
            assert ask(handle)["uid"][0] == entry.pw_uid >= 1000
            assert Path(entry.pw_dir).stat().st_mode & 0o777 == 0o700
            locked = subprocess.run(["passwd", "-S", entry.pw_name], capture_output=True, text=True, check=True).stdout.split()[1]
            assert locked in {"L", "LK"}
            assert any(isinstance(event, Progress) and "Making the Unix account" in event.message for event in events)
            await spawner.stop(handle, 5)
            shutil.rmtree(entry.pw_dir)  # a home that vanished is made again, too
            assert ask(await privileged.started(spawner))["cwd"] == entry.pw_dir
            await spawner.stop(privileged.handles[-1], 5)
    finally:
        subprocess.run(["userdel", "--force", "--remove", prefix + "alice"], check=False, capture_output=True)


def _remove(home: Path) -> None:
    shutil.rmtree(home)


def _close(home: Path) -> None:
    os.chown(home, 0, 0)
    home.chmod(0o755)


def _link(home: Path) -> None:
    shutil.rmtree(home)
    home.symlink_to("/root")


@pytest.mark.parametrize(("harm", "said"), [(_remove, "does not exist"), (_close, "may not write in its home"), (_link, "may not write in its home")])
async def test_a_home_that_does_not_do_is_named(privileged: Stage, harm: Callable[[Path], None], said: str) -> None:
    name = f"pj-{token_hex(4)}"
    subprocess.run(["useradd", "--create-home", name], check=True, capture_output=True)
    home = Path(pwd.getpwnam(name).pw_dir)
    try:
        harm(home)
        async with privileged.spawner(account=name) as spawner:
            with pytest.raises(SpawnerError, match=said):
                await privileged.drive(spawner, privileged.request())
    finally:
        subprocess.run(["userdel", "--force", name], check=False, capture_output=True)
        home.unlink() if home.is_symlink() else shutil.rmtree(home, ignore_errors=True)


async def test_a_shell_that_lets_nobody_in_is_replaced(privileged: Stage, two_accounts: tuple[str, str]) -> None:
    subprocess.run(["usermod", "--shell", "/usr/sbin/nologin", privileged.account], check=True)
    try:
        async with privileged.spawner() as spawner:
            assert ask(await privileged.started(spawner))["env"]["SHELL"] in {"/bin/bash", "/bin/sh"}
    finally:
        subprocess.run(["usermod", "--shell", "/bin/bash", privileged.account], check=True)


async def test_rubbish_the_account_leaves_in_its_folder_does_not_stop_stopping(privileged: Stage, two_accounts: tuple[str, str]) -> None:
    """Its folder is its own; a link there must not lead the hub to delete elsewhere."""
    treasure = privileged.folder / "treasure"
    treasure.mkdir()
    (treasure / "gold").touch()
    trick = (
        "import os, socket, urllib.parse as u\n"
        "path = u.unquote(u.urlsplit(os.environ['JUPYTERHUB_SERVICE_URL']).netloc)\n"
        f"here = os.path.dirname(path); os.symlink({str(treasure)!r}, here + '/link'); os.makedirs(here + '/' + 'd/' * 200)\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(); import time; time.sleep(600)"
    )
    async with privileged.spawner(command=(PYTHON, "-c", trick)) as spawner:
        handle = await privileged.started(spawner)
        assert handle.state is not None
        await spawner.stop(handle, 0)
        assert (treasure / "gold").exists()
        assert not read_state(handle.state).run.folder.exists()


async def test_a_folder_for_sockets_that_another_account_could_have_prepared_is_refused(privileged: Stage, two_accounts: tuple[str, str]) -> None:
    prepared = privileged.folder / "prepared"
    prepared.mkdir()
    os.chown(prepared, pwd.getpwnam(two_accounts[1]).pw_uid, -1)
    with pytest.raises(SettingsError, match="belongs to another account"):
        async with privileged.spawner(socket_dir=str(prepared)):
            pass


async def test_a_port_somebody_else_took_is_not_proxied_to(privileged: Stage, two_accounts: tuple[str, str]) -> None:
    """The command listens on nothing; another account does, on the very port."""
    hijack = (
        "import os, socket, subprocess, sys, time, urllib.parse as u\n"
        "print(u.urlsplit(os.environ['JUPYTERHUB_SERVICE_URL']).port, flush=True); time.sleep(600)"
    )
    async with privileged.spawner(command=(PYTHON, "-c", hijack), listen="tcp") as spawner:
        handle, _ = await privileged.drive(spawner, request := privileged.request(), until=1)
        assert handle.state is not None
        listen = f"import socket; s = socket.create_server(('127.0.0.1', {handle.state['port']})); print(flush=True); input()"
        with subprocess.Popen(["runuser", "-u", two_accounts[1], "--", PYTHON, "-c", listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as thief:
            assert thief.stdout is not None
            thief.stdout.readline()
            with pytest.raises(SpawnerError, match="not this server"):
                await privileged.drive(spawner, type(request)(handle=handle, prefix=request.prefix, env=request.env))
            assert thief.stdin is not None
            thief.stdin.close()
