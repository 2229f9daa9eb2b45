"""What replicas share: leases, notices, proxies seen, the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from perijove.domain.change import Notice, Topic
from perijove.domain.page import Page
from perijove.domain.server import ServerId
from perijove.ports.observer import AuditEvent


class Leases(Protocol):
    """Who does periodic work: one row per job name."""

    def take(self, name: str, holder: str, now: datetime, until: datetime) -> bool:
        """Take or renew the lease; False while somebody else holds it."""
        ...

    def release(self, name: str, holder: str) -> None: ...

    def held(self, now: datetime) -> dict[str, str]:
        """The leases that run: job name -> who holds it."""
        ...


class Notices(Protocol):
    def add(self, topic: Topic, key: str, data: Mapping[str, Any] | None = None, *, at: datetime) -> None:
        """Announce a change; followers see it after the commit. Revisions are given in commit order."""
        ...

    def after(self, revision: int, topics: Sequence[Topic], *, key: str | None = None, limit: int = 1000) -> list[Notice] | None:
        """Notices after `revision` in order; None when some of them are no longer kept (or `revision` lies ahead)."""
        ...

    def progress(self, server_id: ServerId, after: int = 0) -> list[Notice]:
        """Of the PROGRESS notices of a server those still kept, in order."""
        ...

    def last(self) -> int:
        """The newest revision, 0 if there never was one."""
        ...

    def trim(self, before: datetime) -> int:
        """Forget old notices; returns how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySeen:
    proxy_id: str
    revision: int
    seen_at: datetime


class Proxies(Protocol):
    def report(self, proxy_id: str, revision: int, at: datetime) -> None:
        """A proxy has applied all notices up to `revision`."""
        ...

    def seen_since(self, moment: datetime) -> list[ProxySeen]: ...

    def forget(self, proxy_id: str) -> None:
        """The proxy said that it ends. Unknown ones are no error."""
        ...

    def forget_before(self, moment: datetime) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSeen:
    """A hub. `address` is where proxies reach it, `clock_ahead_s` by how much its machine's clock is before the time all go by."""

    name: str
    address: str
    version: str
    clock_ahead_s: float
    started: datetime
    seen_at: datetime


class Replicas(Protocol):
    def report(self, replica: ReplicaSeen) -> None:
        """A hub lives."""
        ...

    def seen_since(self, moment: datetime) -> list[ReplicaSeen]: ...

    def forget(self, name: str) -> None:
        """The hub ends. Unknown ones are no error."""
        ...

    def forget_before(self, moment: datetime) -> int: ...


class Audit(Protocol):
    def add(self, event: AuditEvent) -> None: ...

    def page(self, offset: int, limit: int, *, search: str = "") -> Page[AuditEvent]:
        """Newest first; `search` matches action, actor or target."""
        ...

    def about(self, action: str, targets: Sequence[str], limit: int) -> list[AuditEvent]:
        """The newest with this action and one of these targets."""
        ...

    def trim(self, before: datetime) -> int: ...
