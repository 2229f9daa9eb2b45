"""What an authenticator offers if the hub itself keeps its accounts' passwords."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class KeepsPasswords(Protocol):
    """Implemented besides `Authenticator`. Then people come by invitation, and pages to set passwords make sense.

    Both are slow on purpose and run off the event loop. The hashes (in PHC form) are kept by the hub in the store.
    """

    async def hash_password(self, password: str) -> str: ...

    async def verify_password(self, phc: str | None, password: str) -> bool:
        """Whether the password fits. With None the answer is no, after as long as it takes to check one."""
        ...
