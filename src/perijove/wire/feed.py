"""What hub and proxy say to each other: the route table, its numbered changes, and the proxy's reports. JSON on the wire.

The hub serves them under `{base_url}hub/perijove/`: `GET routes` answers a Snapshot, `GET routes/changes?epoch=E&after=N` a stream
with one Changes a line (410 when the changes after N are no longer known), `POST proxies/{proxy_id}` takes a Report.
"""

from typing import Any, Literal

from msgspec import Raw, Struct, field


class Route(Struct, frozen=True):
    """Where requests below a prefix go."""

    spec: str
    """A path with a slash at both ends, or a host in front of one: "/user/alice/", "alice.example.org/user/alice/"."""
    target: str
    """http://host:port, https://host:port or http+unix://%2Fpath%2Fof.sock (see wire/target.py)."""
    data: dict[str, Any] = field(default_factory=dict)
    """What the route is for, such as {"user": "alice", "server_name": ""}; the proxy does not look inside."""


class Snapshot(Struct, frozen=True):
    """The whole table as of a revision. Revisions are comparable within one epoch only."""

    epoch: str
    revision: int
    routes: tuple[Route, ...] = ()


class UnreadSnapshot(Struct, frozen=True):
    """A Snapshot whose routes are still JSON texts, to be decoded as `Route` a few at a time."""

    epoch: str
    revision: int
    routes: tuple[Raw, ...] = ()


class Change(Struct, frozen=True, omit_defaults=True):
    """One route set (`route` is given) or deleted (`spec` is given)."""

    op: Literal["set", "delete"]
    route: Route | None = None
    spec: str | None = None

    def __post_init__(self) -> None:
        """Refuse a change that says nothing. msgspec turns the ValueError into a ValidationError when decoding."""
        if (self.route is None) if self.op == "set" else (self.spec is None):
            raise ValueError(f"a {self.op!r} change needs a {'route' if self.op == 'set' else 'spec'}")


class Changes(Struct, frozen=True, omit_defaults=True):
    """All that changed up to `revision` since the line before; no changes at all: a heartbeat."""

    revision: int
    changes: tuple[Change, ...] = ()
    report: bool = False
    """Tell now, not only at the usual time, who used which routes."""


class Report(Struct, frozen=True):
    """What a proxy has applied, and when people last used its routes since its report before."""

    epoch: str
    revision: int
    activity: dict[str, str] = field(default_factory=dict)
    """Route spec -> ISO 8601 time in UTC, by the proxy's clock."""
    now: str = ""
    """The time by the proxy's clock when this is sent, for it may be wrong; empty: it is not."""
    leaving: bool = False
    """The proxy ends: nobody need wait for it to apply more."""
