"""JSON Web Tokens that slurmrestd believes (https://slurm.schedmd.com/jwt.html): whoever can make them is root on the cluster.

The claim `sun` names the account that a token is for. Slurm's key signs by HMAC-SHA256 (RFC 7515 with HS256, RFC 7519).
"""

import base64
import hashlib
import hmac
import json
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from perijove.adapters.spawners.batch.slurm.runner import run
from perijove.ports.batch import NotAllowedError
from perijove.ports.clock import Clock
from perijove.processes.batch_helper.run import plain

_LIFE_S: Final = 600
_EARLY_S: Final = 120
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}")


class Tokens(Protocol):
    async def token(self, person: str) -> str:
        """A token for this account that lives for two minutes at the least. Raises NotAllowedError."""
        ...


@dataclass
class KeyTokens:
    """Signed here, with the key of Slurm's AuthAltParameters=jwt_key=…; the hub must be able to read it, and nobody else but Slurm."""

    key_file: Path
    clock: Clock

    async def token(self, person: str) -> str:
        _check_account(person)
        now = int(self.clock.now().timestamp())
        return signed({"iat": now, "exp": now + _LIFE_S, "sun": person}, self._key())

    def _key(self) -> bytes:
        try:
            if self.key_file.stat().st_mode & stat.S_IRWXO:
                raise NotAllowedError(
                    f"Everybody can read the key {self.key_file}, and with it be anybody on the cluster.", "The administrator can take that right."
                )
            key = self.key_file.read_bytes()
        except OSError as error:
            raise NotAllowedError(
                f"The key {self.key_file} cannot be read: {error.strerror}.", "The administrator can let the hub read it."
            ) from None
        if len(key) < 16:
            raise NotAllowedError(f"The key {self.key_file} is too short to be one.", "The administrator can make a new one of 32 random bytes.")
        return key


@dataclass
class TokenCommand:
    """By a command that prints SLURM_JWT=… as `scontrol token` does; "{person}" in its words is the account's name."""

    command: tuple[str, ...]
    clock: Clock
    timeout_s: float = 20.0
    life_s: float = 1800.0
    """Of the tokens that it makes (`scontrol token` makes them for half an hour)."""
    _known: dict[str, tuple[float, str]] = field(default_factory=dict)

    async def token(self, person: str) -> str:
        _check_account(person)
        until, token = self._known.get(person, (0.0, ""))
        if until - _EARLY_S > self.clock.monotonic():
            return token
        asked_at = self.clock.monotonic()
        argv = [word.replace("{person}", person) for word in self.command]
        said = await run(argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}, b"", self.timeout_s)
        matched = re.search(r"^(?:SLURM_JWT=)?([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\s*$", said.out, re.MULTILINE)
        if said.code or matched is None:
            words = plain(said.err) if said.err.strip() else f"it ended with {said.code}"  # never its output: a token may be in it
            raise NotAllowedError(f"{argv[0]} made no token for {person}: {words}.", "The administrator can mend the token command.")
        self._known = {name: one for name, one in self._known.items() if one[0] > asked_at}
        self._known[person] = (asked_at + self.life_s, matched[1])
        return matched[1]


def signed(claims: dict[str, object], key: bytes) -> str:
    head = f"{_packed({'alg': 'HS256', 'typ': 'JWT'})}.{_packed(claims)}"
    return f"{head}.{_base64(hmac.new(key, head.encode(), hashlib.sha256).digest())}"


def _packed(value: dict[str, object]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _check_account(person: str) -> None:
    if not _ACCOUNT.fullmatch(person) or person == "root":
        raise NotAllowedError(f"{person!r} is not an account that jobs are submitted as.")
