"""A real sshd of our own for one account of this machine: on a free port, with its own host key and one key of the person's."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.running.slurm import free_ports

PACKAGES: Final = "openssh-server openssh-client"
_WITHIN_S: Final = 20.0

_CONF: Final = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
AllowUsers {account}
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
AllowTcpForwarding {forwarding}
AllowStreamLocalForwarding no
X11Forwarding no
MaxStartups 100:30:200
MaxSessions 100
"""

_CLIENT: Final = """\
Host login
  HostName 127.0.0.1
  Port {port}
  User {account}
  IdentityFile {folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
"""


def missing() -> str:
    """Why it cannot run here, "" if it can."""
    if os.geteuid() != 0:
        return "sshd must become the person, which takes root"
    lacking = [name for name in ("sshd", "ssh", "ssh-keygen") if _program(name) is None]
    return f"{', '.join(lacking)} missing: apt-get install {PACKAGES}" if lacking else ""


@dataclass
class Sshd:
    """`config`: a file as ~/.ssh/config, in which "login" is this one. Forwarding is off unless asked for, as on many login nodes."""

    folder: Path
    port: int
    account: str
    process: subprocess.Popen[bytes]

    @property
    def config(self) -> Path:
        return self.folder / "config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def host_key(self) -> str:
        """As known_hosts has it."""
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        return f"{kind} {key}"

    def know(self, key: str) -> None:
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {key}\n")

    def cut(self) -> int:
        """End every connection as a network that fails would, those that come after are served; returns how many."""
        found = [int(pid) for pid in _children(self.process.pid)]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(found)


@contextmanager
def sshd(account: str, *, forwarding: bool = False) -> Iterator[Sshd]:
    """Puts nothing into the account's home, but lets it in: without a password, accounts are locked. Raises TimeoutError with its log."""
    subprocess.run(["usermod", "--password", "*", account], check=True, capture_output=True)
    folder = Path(tempfile.mkdtemp(prefix="pj-sshd-"))
    try:
        folder.chmod(0o755)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for name in ("host_key", "key", "other_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)], check=True)
        shutil.copy(folder / "key.pub", folder / "authorized_keys")
        (folder / "authorized_keys").chmod(0o644)
        (port,) = free_ports(1)
        (folder / "sshd_config").write_text(
            _CONF.format(port=port, folder=folder, account=pwd.getpwnam(account).pw_name, forwarding="yes" if forwarding else "no")
        )
        (folder / "config").write_text(_CLIENT.format(port=port, folder=folder, account=account))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([str(_program("sshd")), "-D", "-e", "-f", str(folder / "sshd_config")], stdout=log, stderr=log)
        found = Sshd(folder, port, account, process)
        found.know(found.host_key)
        try:
            _wait(found)
            yield found
        finally:
            found.cut()
            process.terminate()
            process.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(found: Sshd) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", found.port), timeout=1):
                return
        except OSError as error:
            if time.monotonic() > deadline or found.process.poll() is not None:
                raise TimeoutError(f"sshd does not listen: {(found.folder / 'log').read_text()}") from error
            time.sleep(0.05)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _children(pid: int) -> list[str]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [child, *_children(int(child))]
    return found
