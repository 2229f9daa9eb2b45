"""The one route table, and a look-up whose cost does not grow with it.

Paths are written "/api/users/{name}/server"; a segment in braces matches one segment, "{rest:path}" all that is left. A
literal segment wins over a parameter. A slash at the end of a request's path means nothing, unless there is a route written
with one: "/api/shares/{name}/" is about the default server, whose name is empty. Segments are matched as they arrived and decoded afterwards, so that an encoded
slash stays inside its segment (names of users may need it).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar
from urllib.parse import unquote

from perijove.web.described import Gives, Query, Takes

C = TypeVar("C")
R = TypeVar("R")


class Access(Enum):
    """Who may call a route, before its handler asks for scopes."""

    OPEN = "open"
    """Anybody; the handler looks at credentials itself, if at all."""
    API = "api"
    """Token or signed-in browser; 403 JSON otherwise."""
    PAGE = "page"
    """Signed-in browser; the sign-in page otherwise."""
    READ = "read"
    """As PAGE, but scripts may ask too, for the handler neither changes anything nor tells a secret."""
    VISIT = "visit"
    """Anybody with a browser; a form that is sent must come from our own page."""
    PROXY = "proxy"
    """The shared secret of proxies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[C, R]):
    """One method and path. The handler enforces the `scopes`, of which any is enough; they go into the OpenAPI document with
    `summary`, `query`, `takes`, `gives` (what it answers beside refusals that all routes have) and the handler's docstring."""

    method: str
    path: str
    handler: Callable[[C], Awaitable[R]]
    access: Access
    summary: str = ""
    scopes: tuple[str, ...] = ()
    query: tuple[Query, ...] = ()
    takes: Takes | None = None
    gives: tuple[Gives, ...] = ()


@dataclass(slots=True)
class _Node(Generic[C, R]):
    literal: dict[str, "_Node[C, R]"] = field(default_factory=dict)
    parameter: "_Node[C, R] | None" = None
    names: dict[str, tuple[Route[C, R], tuple[str, ...]]] = field(default_factory=dict)
    slashed: dict[str, tuple[Route[C, R], tuple[str, ...]]] = field(default_factory=dict)
    rest: dict[str, tuple[Route[C, R], tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match(Generic[C, R]):
    """`route` None with `allowed` methods: the path exists, the method does not; without: nothing here."""

    route: Route[C, R] | None
    params: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()


class Router(Generic[C, R]):
    def __init__(self, routes: Iterable[Route[C, R]]) -> None:
        self.routes = tuple(routes)
        self._root: _Node[C, R] = _Node()
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route[C, R]) -> None:
        node = self._root
        names: list[str] = []
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{") and segment.endswith(":path}"):
                node.rest[route.method] = (route, (*names, segment[1:-6]))
                return
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        table = node.slashed if route.path.endswith("/") and names else node.names
        if route.method in table:
            raise ValueError(f"two routes for {route.method} {route.path}")
        table[route.method] = (route, tuple(names))

    def match(self, method: str, raw_path: str) -> Match[C, R]:
        """Look up a path as it arrived (percent-encoded, without the query)."""
        segments = raw_path.strip("/").split("/")
        wanted = "GET" if method == "HEAD" else method
        found = _walk(self._root, segments, 0, [], raw_path.endswith("/"))
        if found is None:
            return Match(None)
        table, values, rest = found
        hit = table.get(method) or table.get(wanted)
        if hit is None:
            return Match(None, allowed=tuple(table))
        route, names = hit
        decoded = [unquote(value) for value in values]
        if rest is not None:
            decoded.append(rest)
        return Match(route, dict(zip(names, decoded, strict=True)))


_Found = tuple[dict[str, tuple[Route[C, R], tuple[str, ...]]], list[str], str | None]


def _walk(node: _Node[C, R], segments: list[str], index: int, values: list[str], slash: bool) -> _Found[C, R] | None:
    if index == len(segments):
        names = node.slashed if slash and node.slashed else node.names
        return (names, values, None) if names else (node.rest, values, "") if node.rest else None
    segment = segments[index]
    if (child := node.literal.get(segment)) is not None and (found := _walk(child, segments, index + 1, values, slash)):
        return found
    if node.parameter is not None and segment and (found := _walk(node.parameter, segments, index + 1, [*values, segment], slash)):
        return found
    return (node.rest, values, "/".join(segments[index:])) if node.rest else None
