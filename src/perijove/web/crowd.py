"""How much one hub takes upon itself at once. What is more is told so at once, instead of waiting with all the others until nobody is served in time.

Each bound is far above what a busy class does (a thousand people, one request and one stream each).
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from secrets import randbelow
from typing import Final

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from perijove.domain.access import Identity
from perijove.domain.errors import Blame, PerijoveError
from perijove.telemetry.metrics import Metrics

MOST_REQUESTS: Final = 4000
"""Being answered at once. Requests of proxies, and questions whether the hub is well, are not among them."""
MOST_STREAMS: Final = 8000
"""Streams of progress at once."""
MOST_STREAMS_EACH: Final = 100
"""Of one person or service: a page for each of their servers, in several windows."""


class HubOverloadedError(PerijoveError):
    """More is asked of this hub at this moment than it can do in good time. Servers go on running."""

    code = "hub-overloaded"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    blame = Blame.ADMINISTRATOR


class TooManyStreamsError(PerijoveError):
    """Somebody follows more starts at once than a person can."""

    code = "too-many-streams"
    status = HTTPStatus.TOO_MANY_REQUESTS
    blame = Blame.PERSON


class Crowd:
    """One for each process."""

    def __init__(self, metrics: Metrics) -> None:
        self.requests = 0
        self.streams = 0
        self._refused = metrics.requests_refused
        metrics.requests_open.set_function(lambda: self.requests)
        metrics.streams_open.set_function(lambda: self.streams)
        self._each: dict[tuple[str, str], int] = {}

    @contextmanager
    def request(self) -> Iterator[None]:
        """Raises HubOverloadedError."""
        if self.requests >= MOST_REQUESTS:
            self._refused.labels("requests").inc()
            raise _overloaded()
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    def check_stream(self, who: Identity) -> None:
        """Raises HubOverloadedError, TooManyStreamsError."""
        if self.streams >= MOST_STREAMS:
            self._refused.labels("streams").inc()
            raise _overloaded()
        if self._each.get((who.kind, who.name), 0) >= MOST_STREAMS_EACH:
            self._refused.labels("streams_each").inc()
            raise TooManyStreamsError(
                f"You follow {MOST_STREAMS_EACH} starts at once, which is as many as one may.",
                "Close some of the pages that wait, or let the program ask for the servers' state instead.",
                retry_after_s=_soon_s(),
            )

    @contextmanager
    def stream(self, who: Identity) -> Iterator[None]:
        key = who.kind, who.name
        self.streams += 1
        self._each[key] = self._each.get(key, 0) + 1
        try:
            yield
        finally:
            self.streams -= 1
            left = self._each[key] - 1
            if left:
                self._each[key] = left
            else:
                del self._each[key]


class CountedStream(StreamingResponse):
    """Events, counted as long as they are being sent. Raises HubOverloadedError, TooManyStreamsError."""

    def __init__(self, events: AsyncIterator[bytes], crowd: Crowd, who: Identity) -> None:
        crowd.check_stream(who)
        super().__init__(events, media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._crowd, self._who = crowd, who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._crowd.stream(self._who):
            await super().__call__(scope, receive, send)


def _overloaded() -> HubOverloadedError:
    return HubOverloadedError(
        "This hub has too much to do at this moment.", "Your servers go on running. Try again in a moment.", retry_after_s=_soon_s()
    )


def _soon_s() -> int:
    """Apart, so that they do not all come back at once."""
    return 3 + randbelow(7)
