"""The master secret, and all keys derived from it: implements ports.secrets.Secrets.

Keys are derived with HKDF-SHA256 (RFC 5869), one per purpose, so that a key known for one purpose says nothing about another.
What is encrypted at rest is a Fernet token (AES-128-CBC with HMAC-SHA256).
"""

import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from perijove.domain.errors import SettingsError

MIN_SECRET = 32
"""Characters; the secrets themselves should be random."""


class Keys:
    """`crypt_keys` newest first. What was sealed before they were configured stays readable with a key of the master secret."""

    def __init__(self, master: str, crypt_keys: Sequence[str] = ()) -> None:
        self._master = master.encode()
        self._keys: dict[str, bytes] = {}
        sealing = [_fernet(text.encode()) for text in crypt_keys]
        self._newest, *_ = sealing = [*sealing, _fernet(self._master)]
        self._sealer = MultiFernet(sealing)

    def __repr__(self) -> str:
        return "Keys()"

    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose."""
        known = self._keys.get(purpose)
        if known is None:
            known = self._keys[purpose] = _expand(self._master, f"perijove key: {purpose}")
        return known

    def encrypt(self, plain: bytes) -> bytes:
        """Encrypt with the newest key."""
        return self._sealer.encrypt(plain)

    def decrypt(self, sealed: bytes) -> bytes:
        """Decrypt with whichever key fits. Raises ValueError if none does."""
        try:
            return self._sealer.decrypt(sealed)
        except InvalidToken:
            raise ValueError("none of the keys fits: it was encrypted with a key that is no longer configured, or it was changed") from None

    def renewed(self, sealed: bytes) -> bytes | None:
        """The same encrypted with the newest key; None if it is already. Raises ValueError if no key fits."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return self.encrypt(self.decrypt(sealed))
        return None


def _expand(secret: bytes, info: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info.encode()).derive(secret)


def _fernet(secret: bytes) -> Fernet:
    return Fernet(urlsafe_b64encode(_expand(secret, "perijove encryption at rest")))


def open_keys(path: Path, master: str | None, crypt_keys: Sequence[str] = ()) -> Keys:
    """The keys of a hub: from the configured `master` secret, or else from the file `path`, which is made if it is missing.

    Raises SettingsError.
    """
    for index, text in enumerate(crypt_keys):
        if len(text) < MIN_SECRET:
            raise SettingsError(f"hub.crypt_keys[{index}] has less than {MIN_SECRET} characters.", "`openssl rand -hex 32` makes a good key.")
    if master is not None and len(master) < MIN_SECRET:
        raise SettingsError(f"hub.cookie_secret has less than {MIN_SECRET} characters.", "`openssl rand -hex 32` makes a good one.")
    return Keys(_kept(path) if master is None else master, crypt_keys)


def _kept(path: Path) -> str:
    """The master secret in the file. Several processes may start at once: the first to link its file into place wins."""
    try:
        if not path.exists():
            _make(path)
        with path.open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The master secret {path} cannot be read or made: {error}.",
            "Set state_dir in [hub] to a place where the hub may write, or cookie_secret.",
        ) from None
    if mode & 0o077:
        raise SettingsError(
            f"Others than its owner may read the master secret {path}.", f"If nobody has: chmod 600 {path}. Else delete it; everybody signs in again."
        )
    if len(text) < MIN_SECRET:
        raise SettingsError(f"The master secret {path} is damaged.", "Restore it from a backup, or delete it; everybody signs in again.")
    return text


def _make(path: Path) -> None:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            return
    finally:
        fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
