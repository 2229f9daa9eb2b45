"""Whether a login node is the one it was: by the person's known_hosts, as ssh does it. An unknown one is shown and asked about; one that has changed
is refused."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

from perijove.connect.login import Person, RefusedLoginError

_OF_ALL: Final = Path("/etc/ssh/ssh_known_hosts")


@dataclass(slots=True)
class Asked:
    """The key that a host showed, if it was not a known one."""

    host: str = ""
    address: str = ""
    port: int = 22
    key: asyncssh.SSHKey | None = None

    @property
    def called(self) -> str:
        """As known_hosts writes it."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


class HostKeys:
    """`configured`: files by ~/.ssh/config, if it names some. `own`: the usual one, which new keys are written to if it names none."""

    def __init__(self, configured: object, own: Path) -> None:
        named = [configured] if isinstance(configured, str) else list(configured) if isinstance(configured, Sequence) else []
        self._files = [Path(str(name)).expanduser() for name in named] or [own]

    def trusted(self) -> list[str] | bytes:
        """For asyncssh."""
        there = [str(file) for file in (*self._files, _OF_ALL) if file.is_file() and os.access(file, os.R_OK)]
        return there or b""

    async def decide(self, asked: Asked, person: Person) -> None:
        """Raises RefusedLoginError."""
        key = asked.key
        if key is None:
            raise RefusedLoginError("The host shows no key.")
        known = self.known(asked)
        shown = f"{key.get_algorithm()} {key.get_fingerprint()}"
        if known:
            raise RefusedLoginError(
                f"The host key of {asked.called} has changed: it shows {shown}, and known_hosts has {', '.join(known)}. "
                "Somebody may be between you and it, so no connection is made.",
                f"Ask the administrators of the cluster whether it was changed. If so: ssh-keygen -R '{asked.called}', and try again.",
            )
        person.say(f"{asked.called} is not known yet. It shows the host key {shown}; the cluster's documentation says which it must be.")
        answer = await person.ask("Is it the right one, and shall it be remembered (yes/no)? ", secret=False)
        if answer.strip().lower() != "yes":
            raise RefusedLoginError(f"The host key of {asked.called} was not accepted.")
        self._remember(asked, key)

    def known(self, asked: Asked) -> list[str]:
        """The fingerprints that it should show."""
        trusted = self.trusted()
        if isinstance(trusted, bytes):
            return []
        keys = asyncssh.match_known_hosts(trusted, asked.host, asked.address, None if asked.port == 22 else asked.port)[0]
        return [f"{key.get_algorithm()} {key.get_fingerprint()}" for key in keys]

    def _remember(self, asked: Asked, key: asyncssh.SSHKey) -> None:
        file = self._files[0]
        line = (
            f"{asked.called} {key.export_public_key().decode().rsplit(' ', 1)[0] if key.get_comment() else key.export_public_key().decode().strip()}"
        )
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            ends = not file.exists() or not file.stat().st_size or file.read_bytes().endswith(b"\n")
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as writing:
                writing.write(f"{'' if ends else chr(10)}{line.strip()}\n")
        except OSError as error:
            raise RefusedLoginError(f"{file} cannot be written: {error.strerror}.", "Add the host key by `ssh` once.") from None
