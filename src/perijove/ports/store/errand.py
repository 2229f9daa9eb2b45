"""Is somebody still waiting for what is about to be changed?

Whoever gets no answer gives up, and asks again, perhaps at another replica. What they had asked first must then not be done
late: a stop of yesterday's server would hit today's. So a change that was asked for by a request is not begun, nor committed,
once whoever asked is gone. After its first commit an errand is always finished.
"""

from contextvars import ContextVar


class Errand:
    """What one request wants changed. Set `abandoned` from any thread."""

    __slots__ = ("abandoned", "begun")

    def __init__(self) -> None:
        self.abandoned = False
        self.begun = False

    @property
    def void(self) -> bool:
        """Whether it must not be done any more."""
        return self.abandoned and not self.begun


ERRAND: ContextVar[Errand | None] = ContextVar("errand", default=None)
"""Of the request that is being answered, if it changes something."""
