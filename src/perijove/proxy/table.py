"""The route table: which route a path belongs to. The longest prefix wins, by whole path segments.

A tree of dictionaries: a look-up costs one step for each segment that routes have in common with the path, however many routes there
are, and at most as many steps as the deepest route has segments, however long the path is.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from perijove.wire.feed import Route
from perijove.wire.routespec import RouteSpec, host_without_port, parse_routespec

T = TypeVar("T")


class Entry(Generic[T]):
    """A route in the table."""

    __slots__ = ("below", "last", "place", "prefix", "reported", "route")

    def __init__(self, route: Route, place: T, last: float = 0.0) -> None:
        self.route = route
        self.place = place
        """Whatever the table's owner made of the target."""
        self.last = last
        """When somebody last used it, seconds since the epoch; 0: not since it is known here."""
        self.reported = last
        self.prefix = b""
        """In the table: the path that it begins with, decoded, with a slash at its end."""
        self.below: object = None
        """In the table: false while no longer route begins with this one."""


class _Node(Generic[T]):
    __slots__ = ("children", "entry")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node[T]] = {}
        self.entry: Entry[T] | None = None


class Table(Generic[T]):
    """Routes by prefix. Not for use from several threads."""

    def __init__(self) -> None:
        self._any: _Node[T] = _Node()
        self._hosts: dict[bytes, _Node[T]] = {}
        self._deepest = 0
        self._count = 0
        self.generation = 0
        """Changes whenever any look-up may have another result."""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry[T]]:
        """All routes. Goes on whatever is changed meanwhile, and then may miss or still have what was changed."""
        stack = [self._any, *self._hosts.values()]
        while stack:
            node = stack.pop()
            if node.entry is not None:
                yield node.entry
            stack.extend(node.children.values())

    def set(self, entry: Entry[T]) -> Entry[T] | None:
        """Add a route, or replace the one with the same prefix, which is returned. Raises BadRouteSpecError."""
        return self.put(parse_routespec(entry.route.spec), entry)

    def put(self, spec: RouteSpec, entry: Entry[T]) -> Entry[T] | None:
        """The same, with the spec of the entry's route parsed already."""
        host, segments = spec
        node = self._hosts.setdefault(host, _Node()) if host else self._any
        for segment in segments:
            below = node.children.get(segment)
            if below is None:
                below = node.children[segment] = _Node()
            node = below
        before, node.entry = node.entry, entry
        entry.prefix = b"/".join((b"", *segments, b"")) if segments else b"/"
        entry.below = node.children
        self.generation += 1
        self._count += before is None
        self._deepest = max(self._deepest, len(segments))
        return before

    def delete(self, spec: str) -> Entry[T] | None:
        """Take a route out and return it; None if there is none. Raises BadRouteSpecError."""
        host, segments = parse_routespec(spec)
        node = self._hosts.get(host) if host else self._any
        above: list[tuple[dict[bytes, _Node[T]], bytes]] = []
        for segment in segments:
            if node is None:
                return None
            above.append((node.children, segment))
            node = node.children.get(segment)
        if node is None or node.entry is None:
            return None
        gone, node.entry = node.entry, None
        self.generation += 1
        self._count -= 1
        for children, segment in reversed(above):
            left = children[segment]
            if left.children or left.entry is not None:
                break
            del children[segment]
        if host and not (self._hosts[host].children or self._hosts[host].entry):
            del self._hosts[host]
        return gone

    def become(self, other: "Table[T]") -> None:
        """Take over the contents of a table that was built aside and is not used any more."""
        generation = self.generation
        self.__dict__.update(other.__dict__)
        self.generation = generation + 1

    def get(self, spec: str) -> Entry[T] | None:
        """The route with exactly this prefix. Raises BadRouteSpecError."""
        return self.at(parse_routespec(spec))

    def at(self, spec: RouteSpec) -> Entry[T] | None:
        host, segments = spec
        node = self._hosts.get(host) if host else self._any
        for segment in segments:
            node = None if node is None else node.children.get(segment)
        return None if node is None else node.entry

    def find(self, path: bytes, host: bytes) -> Entry[T] | None:
        """The route of a request. `path`: as received, without the query; `host`: of its Host field, as received."""
        # Split no further than routes go: a path of a thousand slashes costs what a short one does.
        segments = path.split(b"/", self._deepest + 1)[1:]
        if b"%" in path:
            segments = [unquote_to_bytes(segment) for segment in segments[: self._deepest]]
        if self._hosts:
            of_host = self._hosts.get(host_without_port(host))
            if of_host is not None:
                found = _longest(of_host, segments)
                if found is not None:
                    return found
        return _longest(self._any, segments)


def _longest(node: _Node[T], segments: list[bytes]) -> Entry[T] | None:
    best = node.entry
    for segment in segments:
        below = node.children.get(segment)
        if below is None:
            break
        node = below
        if node.entry is not None:
            best = node.entry
    return best
