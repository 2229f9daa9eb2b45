"""What a service may be called and how it may be described, wherever it comes from: the file or the API. JupyterHub's rules."""

from urllib.parse import unquote, urlsplit

from perijove.wire.target import BadTargetError, parse_target

CLIENT_PREFIX = "service-"
MIN_TOKEN = 8
LONGEST_NAME = 255


def name_problem(name: str) -> str:
    """Why no service can have this name; "" if one can."""
    if not name:
        return "a service's name cannot be empty"
    if len(name) > LONGEST_NAME:
        return f"a service's name has at most {LONGEST_NAME} characters"
    if "/" in name:
        return "a service's name cannot contain '/'"
    if unquote(name) != name:
        return "a service's name cannot contain percent escapes"
    if set(name) == {"."}:
        return "a service's name cannot be a relative path"
    if name != name.strip():
        return "a service's name cannot begin or end with a space"
    if not name.isprintable():
        return "a service's name cannot contain control characters"
    return ""


def client_id_problem(client_id: str) -> str:
    """Why no service can have this OAuth client id: those of servers must stay theirs."""
    return "" if client_id.startswith(CLIENT_PREFIX) else f"a service's OAuth client id must begin with {CLIENT_PREFIX!r}"


def url_problem(url: str) -> str:
    """Why no service can be there. A port must be one that can be connected to: who runs the service says where it listens."""
    if not url.lower().startswith(("http://", "https://")):
        return f"{url!r} must begin with http:// or https://"
    try:
        target = parse_target(url)
    except BadTargetError as error:
        return str(error).removesuffix(".")
    return "" if target.port else f"{url!r} must name the port at which the service listens"


def origin(url: str) -> str:
    """Where to connect. A path in the address says nothing about that (JupyterHub's rule): requests come below the service's prefix."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
