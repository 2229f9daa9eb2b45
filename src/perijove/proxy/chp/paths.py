"""Route paths as the API names them, and route specs as the workers know them. Pure."""

import re
from urllib.parse import quote, unquote

from perijove.wire.routespec import BadRouteSpecError, parse_routespec

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def clean_path(raw: str) -> str:
    """The path of a route from the API's address: decoded, with a slash before and none behind. Raises BadRouteSpecError."""
    if _BAD_ESCAPE.search(raw):
        raise BadRouteSpecError(f"The path {raw!r} has a percent sign that two hexadecimal digits do not follow; write %25 for the sign itself.")
    try:
        path = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise BadRouteSpecError(f"The path {raw!r} is not UTF-8.") from None
    return "/" + path.removeprefix("/").removesuffix("/")


def spec_of(path: str, host_routing: bool) -> str:
    """The spec of a cleaned path, whose first segment is the host if routes are by host. Raises BadRouteSpecError for what no request can match."""
    if host_routing and path != "/":
        host, slash, rest = path[1:].partition("/")
        spec = host.lower() + quote(f"/{rest}/" if slash else "/", safe="/@~!$&'()*+,;=:")
    else:
        spec = quote(path if path == "/" else f"{path}/", safe="/@~!$&'()*+,;=:")
    parse_routespec(spec)
    return spec
