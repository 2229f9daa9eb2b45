"""Is somebody still waiting for what is about to be changed?

Whoever gets no answer gives up, and asks again, perhaps at another replica. What they had asked first must then not be done
late: a stop of yesterday's server would hit today's. So a change that was asked for by a request is not begun, nor committed,
once whoever asked is gone. After its first commit an errand is always finished.

That somebody is gone is noticed late by a process that was paused. So before it is asked whether the errand is void, `listen` waits until all has been heard.
"""

from collections.abc import Callable
from contextvars import ContextVar


def _surely() -> None:
    """Nothing stands still here."""


class Errand:
    """What one request wants changed. Set `abandoned` from any thread."""

    __slots__ = ("abandoned", "begun", "listen")

    def __init__(self, listen: Callable[[], None] = _surely) -> None:
        """`listen` is called in the thread that is about to begin, or to commit."""
        self.listen = listen
        self.abandoned = False
        self.begun = False

    @property
    def void(self) -> bool:
        """Whether it must not be done any more."""
        return self.abandoned and not self.begun


ERRAND: ContextVar[Errand | None] = ContextVar("errand", default=None)
"""Of the request that is being answered, if it changes something."""
