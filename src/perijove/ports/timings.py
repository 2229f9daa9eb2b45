"""How long work inside the hub takes: metrics hear of it."""

from typing import Protocol


class Timings(Protocol):
    """Durations are in seconds. Nothing here raises or waits."""

    def server_polled(self, duration_s: float, *, running: bool) -> None:
        """A question to the spawner that this server was in was answered: it runs, or has ended."""
        ...

    def routes_checked(self, duration_s: float) -> None:
        """Somebody asked whether all proxies have the route table, and was told."""
        ...

    def servers_found(self, duration_s: float) -> None:
        """A hub that starts has found out which servers there are."""
        ...


class NoTimings:
    """Nobody listens."""

    def server_polled(self, duration_s: float, *, running: bool) -> None: ...
    def routes_checked(self, duration_s: float) -> None: ...
    def servers_found(self, duration_s: float) -> None: ...
