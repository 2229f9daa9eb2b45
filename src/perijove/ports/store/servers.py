"""Servers and the routes to what listens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from perijove.domain.page import Page
from perijove.domain.server import JsonObject, Phase, Server, ServerId, UserId
from perijove.wire.names import ServerName


class Servers(Protocol):
    def get(self, server_id: ServerId) -> Server | None: ...

    def find(self, user: str, name: str) -> Server | None:
        """By the user's name and the server's."""
        ...

    def ids_of(self, users: Sequence[str]) -> dict[str, tuple[UserId, dict[str, ServerId]]]:
        """Of the people named, those who are there: their id, and their servers' ids by name. In one query, which locks nothing."""
        ...

    def of_users(self, user_ids: Sequence[UserId]) -> dict[UserId, list[Server]]:
        """In one query; a user without servers is absent. Sorted by name, the default server first."""
        ...

    def add(self, user_id: UserId, name: ServerName, *, display_name: str = "", now: datetime) -> Server:
        """A stopped server. Raises ConflictError if the user has one of this name."""
        ...

    def save(self, server: Server) -> Server:
        """Write the row if its revision is still the one given (compare and swap), and return it with the next revision.

        Saves every field but id, user and created; of a lease that the holder in the record has renewed meanwhile, the longer
        one stays. Adds a SERVER notice with the key `str(id)` and the data {"phase"}. Raises StaleError.
        """
        ...

    def rename(self, server: Server, name: ServerName) -> Server: ...

    def delete(self, server_id: ServerId) -> None: ...

    def claim(self, server_id: ServerId, holder: str, now: datetime, until: datetime) -> Server | None:
        """Take the lease if it is free, expired or the holder's own; None otherwise or if the row is gone. Not a new revision."""
        ...

    def renew(self, server_ids: Sequence[ServerId], holder: str, until: datetime, *, wait: bool = False) -> set[ServerId]:
        """Renew the holder's leases; returns those it has renewed. Not a new revision. Without `wait` rows that another transaction is just
        changing may be left out: waiting for them with many others in hand is how transactions come to wait in a circle."""
        ...

    def release(self, server_id: ServerId, holder: str) -> None: ...

    def release_all(self, holder: str) -> int:
        """Give all leases of a holder back, when it ends."""
        ...

    def release_all_but(self, holder: str) -> int:
        """Break all other holders' leases (only where the store is not shared: the others are dead)."""
        ...

    def held(self, now: datetime) -> dict[str, int]:
        """On how many servers each holder of leases works just now."""
        ...

    def due(self, holder: str, now: datetime, limit: int) -> list[Server]:
        """Rows in a phase with an activity (lifecycle.ACTIVITY) but QUEUED, or ABSENT ones at rest, whose lease is free, expired
        or the holder's own; oldest wish first."""
        ...

    def in_phase(self, phase: Phase, after: ServerId, limit: int) -> list[Server]:
        """By id, after the given id: for walking all of them in slices."""
        ...

    def counts(self, phases: Sequence[Phase] = ()) -> dict[Phase, int]:
        """How many servers are in each phase; `phases`: count these only, the others are 0."""
        ...

    def active_of(self, user_id: UserId) -> int:
        """How many of the user's servers are between admission and stopped (neither STOPPED, FAILED nor QUEUED)."""
        ...

    def touch(self, activity: Mapping[ServerId, datetime]) -> None:
        """Move last_activity forward (never back), of the servers and of their users. Not a new revision. Rows that another transaction is
        just changing may be left out; the next report counts."""
        ...

    def touch_alone(self, activity: Mapping[ServerId, datetime]) -> None:
        """As `touch`, without their users: for whoever touches these as well."""
        ...

    def page(self, offset: int, limit: int, *, search: str = "", phases: Sequence[Phase] = ()) -> Page[Server]:
        """For administrators: sorted by user name and server name; `search` matches either."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRoute:
    spec: str
    target: str
    data: JsonObject = field(default_factory=dict)
    server_id: ServerId | None = None


class Routes(Protocol):
    def set(self, route: StoredRoute, at: datetime) -> int:
        """Add or replace; adds a ROUTE notice (key: spec, data: {"target", "data"}). Returns a revision R such that whoever
        has applied all notices up to R knows the route; if nothing changed, that of the notice that told of it."""
        ...

    def delete(self, spec: str, at: datetime) -> None:
        """Adds a ROUTE notice with data {"target": null} if it existed."""
        ...

    def delete_of_server(self, server_id: ServerId, at: datetime) -> None: ...

    def all(self) -> tuple[int, list[StoredRoute]]:
        """The whole table and the revision it stands at."""
        ...

    def part(self, offset: int, limit: int) -> list[StoredRoute]:
        """Of the table sorted by spec."""
        ...

    def find(self, spec: str) -> StoredRoute | None: ...
    def servers_of(self, specs: Sequence[str]) -> dict[str, ServerId]:
        """Of these routes those that are there and lead to a server. In one query."""
        ...


def as_route_data(user: str, server_name: str) -> dict[str, Any]:
    """The data JupyterHub puts beside a server's target; others read it from the proxy."""
    return {"user": user, "server_name": server_name}
