"""Is it a request that waits for the database, or the hub's own work?

Requests may be refused when the database is slow: whoever sent them can ask again. The hub's own work (leases, heartbeats,
driving servers) never is, and goes first: a crowd of requests must not cost a replica its leases.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Asking:
    """One request. What it set going and left behind when it was answered is the hub's own work."""

    __slots__ = ("answered",)

    def __init__(self) -> None:
        self.answered = False


_ASKING: ContextVar[Asking | None] = ContextVar("asking", default=None)


def is_asked() -> bool:
    """Whether the caller works for a request that is not answered yet."""
    asking = _ASKING.get()
    return asking is not None and not asking.answered


@contextmanager
def on_request() -> Iterator[None]:
    """What is asked of the store in here is asked for a request."""
    asking = Asking()
    token = _ASKING.set(asking)
    try:
        yield
    finally:
        asking.answered = True
        _ASKING.reset(token)
