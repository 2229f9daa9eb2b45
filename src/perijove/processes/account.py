"""Unix accounts of this machine."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NO_SHELL: Final = frozenset({"nologin", "false", "true", "sync"})


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    uid: int
    gid: int
    home: Path
    shell: str


def find_account(name: str) -> Account | None:
    """The account of exactly this name, but for upper and lower case."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):  # ValueError: a NUL or a lone surrogate
        return None
    # a directory service may answer with another spelling; two people must not meet in one account by that
    if entry.pw_name.lower() != name.lower():
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, Path(entry.pw_dir), usable_shell(entry.pw_shell))


def own_account(home: Path | None = None) -> Account:
    """The hub's own account, with another home if one is given."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # containers run as numbers without names
        return Account(str(uid), uid, gid, home or Path("/"), usable_shell(""))
    return Account(entry.pw_name, uid, gid, home or Path(entry.pw_dir), usable_shell(entry.pw_shell))


def usable_shell(shell: str) -> str:
    """The account's shell, or one that works: a terminal with /usr/sbin/nologin closes at once and nobody knows why."""
    if shell and Path(shell).name not in _NO_SHELL and os.access(shell, os.X_OK):
        return shell
    return next((path for path in ("/bin/bash", "/usr/bin/bash") if os.access(path, os.X_OK)), "/bin/sh")
