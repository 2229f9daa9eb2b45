"""Which Unix account a person's server runs as."""

import asyncio
import shutil
from typing import Final

from perijove.adapters.spawners.local.config import Config
from perijove.adapters.spawners.local.names import filled, safe_name
from perijove.domain.errors import SpawnerError
from perijove.processes.account import Account, find_account

_NOBODY: Final = frozenset({65534, 65535, 2**32 - 2})
_NAME_IN_USE: Final = 9  # useradd(8), "username already in use"
_SYSTEM_PATHS: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class Accounts:
    """Finds accounts, and makes them if the administrator wants that."""

    def __init__(self, config: Config) -> None:
        self._config = config
        # one at a time: useradd holds a lock on the account database and gives up when it is taken
        self._making = asyncio.Lock()

    def name_for(self, user_name: str) -> str:
        """The account's name. It is made safe only where we make accounts: else it has to be exactly what the directory knows."""
        if not self._config.create_accounts:
            return filled(self._config.account, {"username": user_name})
        before, _, after = self._config.account.partition("{username}")
        plain = filled(self._config.account, {"username": safe_name(user_name, 32 - len(before) - len(after))})
        return plain if plain == plain.lower() and len(plain) <= 32 else safe_name(plain)

    async def missing(self, user_name: str) -> bool:
        """Whether an account has to be made."""
        return self._config.create_accounts and await asyncio.to_thread(find_account, self.name_for(user_name)) is None

    async def account(self, user_name: str) -> Account:
        """The account, fit to run somebody's server. Raises SpawnerError."""
        name = self.name_for(user_name)
        found = await asyncio.to_thread(find_account, name)
        if found is None and self._config.create_accounts:
            async with self._making:
                await _run(name, "useradd", *_USERADD, "--comment", "Perijove", name)
            found = await asyncio.to_thread(find_account, name)
        if found is None:
            raise SpawnerError(
                f"There is no Unix account {name!r} on this machine.",
                "The administrator can make it (useradd --create-home NAME), or let the hub make accounts: spawner.create_accounts = true.",
            )
        check_fit(found, self._config.min_uid)
        if self._config.create_accounts and not found.home.exists():
            await _run(name, "mkhomedir_helper", name, "0077")
        return found


def check_fit(account: Account, min_uid: int) -> None:
    """Raises SpawnerError for root and the system's accounts."""
    if account.uid == 0:
        raise SpawnerError(
            f"The account {account.name!r} is root, and no server ever runs as root.",
            "The administrator must map this person to another account (spawner.account).",
        )
    if account.uid < min_uid or account.uid in _NOBODY or account.name == "nobody":
        raise SpawnerError(
            f"The account {account.name!r} (uid {account.uid}) belongs to the system, so no server runs as it.",
            f"The administrator must map this person to another account (spawner.account), or lower spawner.min_uid, which is {min_uid}.",
        )


# UMASK for versions of useradd that do not know HOME_MODE
_USERADD: Final = ("--create-home", "--user-group", "--shell", "/bin/bash", "--key", "UMASK=0077", "--key", "HOME_MODE=0700")


async def _run(account: str, program: str, *words: str) -> None:
    path = shutil.which(program, path=_SYSTEM_PATHS)
    if path is None:
        raise SpawnerError(
            f"The account {account!r} is not complete, and this machine has no {program} to mend that.",
            f"The administrator can install it, or prepare the account and its home by hand ({program} is in the packages passwd, shadow-utils or pam).",
        )
    process = await asyncio.create_subprocess_exec(
        path,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": _SYSTEM_PATHS, "LC_ALL": "C"},
    )
    output, _ = await process.communicate()
    if process.returncode not in {0, _NAME_IN_USE}:
        said = output.decode(errors="replace").strip()[-500:]
        raise SpawnerError(
            f"The account {account!r} could not be made: {program} said: {said}", "The administrator can make it by hand with the same command."
        )
