"""Keys shared by all replicas of a hub, and encryption at rest."""

from typing import Protocol


class Secrets(Protocol):
    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose (e.g. "server-token", "proxy"), the same on every replica and after every restart."""
        ...

    def encrypt(self, plain: bytes) -> bytes:
        """Encrypt with the newest key."""
        ...

    def decrypt(self, sealed: bytes) -> bytes:
        """Decrypt with whichever key fits. Raises ValueError if none does."""
        ...

    def renewed(self, sealed: bytes) -> bytes | None:
        """The same encrypted with the newest key; None if it is already. Raises ValueError if no key fits."""
        ...
