"""The keeper's route table: what the API is asked about, numbered for those who follow."""

import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from perijove.proxy.chp.paths import spec_of
from perijove.wire.feed import Change, Route, Snapshot
from perijove.wire.target import parse_target

_KNOWN_CHANGES: Final = 10_000
"""How many changes are kept for a follower that comes back."""


class Kept:
    """One route."""

    __slots__ = ("data", "last", "path", "spec", "target")

    def __init__(self, path: str, spec: str, target: str, data: dict[str, Any], last: float) -> None:
        self.path = path
        self.spec = spec
        self.target = target
        self.data = data
        """What was posted besides the target."""
        self.last = last
        """When it was last used or set, seconds since the epoch."""

    def model(self) -> dict[str, Any]:
        return {"target": self.target, **self.data, "last_activity": iso(self.last)}


class Routes:
    """By path. Not for use from several threads."""

    def __init__(self, host_routing: bool = False) -> None:
        self.epoch = secrets.token_hex(8)
        self.revision = 0
        self.by_path: dict[str, Kept] = {}
        self._by_spec: dict[str, Kept] = {}
        self._host_routing = host_routing
        self._recent: deque[tuple[int, Change]] = deque(maxlen=_KNOWN_CHANGES)

    def put(self, path: str, target: str, data: Mapping[str, Any], now: float) -> tuple[Kept, Change]:
        """Add a route or replace it. Raises BadRouteSpecError or BadTargetError."""
        spec = spec_of(path, self._host_routing)
        parse_target(target)
        own = {name: value for name, value in data.items() if name not in {"target", "last_activity"}}
        if self._host_routing and path != "/":
            own["host"] = path.split("/")[1]
        twin = self._by_spec.get(spec)
        if twin is not None:
            del self.by_path[twin.path]  # the same path, or its host in other letters
        kept = self.by_path[path] = self._by_spec[spec] = Kept(path, spec, target, own, now)
        return kept, self._note(Change("set", Route(spec, target)))

    def delete(self, path: str) -> Change | None:
        """None if there is none."""
        kept = self.by_path.pop(path, None)
        if kept is None:
            return None
        del self._by_spec[kept.spec]
        return self._note(Change("delete", spec=kept.spec))

    def used(self, activity: Mapping[str, str]) -> list[Kept]:
        """Take over what a worker tells, by spec; returns the routes for which that is news."""
        news = []
        for spec, text in activity.items():
            kept = self._by_spec.get(spec)
            if kept is not None and (last := datetime.fromisoformat(text).timestamp()) > kept.last:
                kept.last = last
                news.append(kept)
        return news

    def restored(self, epoch: str, revision: int) -> None:
        """What was put until now is what a keeper before this one knew."""
        self.epoch = epoch or self.epoch
        self.revision = revision
        self._recent.clear()

    def snapshot(self) -> bytes:
        routes = tuple(Route(kept.spec, kept.target) for kept in self.by_path.values())
        return msgspec.json.encode(Snapshot(self.epoch, self.revision, routes))

    def since(self, epoch: str, revision: int) -> tuple[Change, ...] | None:
        """The changes after a revision; None if they are not known any more."""
        first = self.revision - len(self._recent)
        if epoch != self.epoch or not first <= revision <= self.revision:
            return None
        return tuple(change for number, change in self._recent if number > revision)

    def models(self, inactive_since: float | None = None) -> dict[str, dict[str, Any]]:
        """All routes, or those not used since then, as the API shows them."""
        kept: Iterable[Kept] = self.by_path.values()
        if inactive_since is not None:
            kept = (route for route in kept if route.last < inactive_since)
        return {route.path: route.model() for route in kept}

    def _note(self, change: Change) -> Change:
        self.revision += 1
        self._recent.append((self.revision, change))
        return change


def iso(moment: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
