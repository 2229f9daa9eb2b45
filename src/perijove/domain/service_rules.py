"""What a service may be called and how it may be described, wherever it comes from: the file or the API. JupyterHub's rules."""

from urllib.parse import unquote, urlsplit

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
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{url!r} is not an address: {error}"
    if parts.scheme not in {"http", "https"}:
        return f"{url!r} must begin with http:// or https://"
    if not parts.hostname or port == 0:
        return f"{url!r} must name the host and port at which the service listens"
    if parts.username or parts.password or parts.query or parts.fragment:
        return f"{url!r} must be scheme://host:port, with nothing else but a path"
    return ""
