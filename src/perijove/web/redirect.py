"""Where a browser may be sent after signing in or starting a server: only to ourselves."""

from urllib.parse import urlsplit, urlunsplit


def safe_next(target: str | None, own_host: str) -> str | None:
    """The path (with query and fragment) to go on to, or None if `target` leads elsewhere.

    Rules of JupyterHub: an absolute URL counts only for our own host and is reduced to its path; backslashes and repeated
    slashes, which browsers read as another host, are defused.
    """
    if not target or any(ord(char) < 0x20 for char in target):
        return None
    text = target.replace("\\", "%5C").strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    if parts.scheme or parts.netloc:
        if parts.scheme not in {"http", "https"} or parts.netloc != own_host:
            return None
    elif not text.startswith("/"):
        return None
    path = "/" + parts.path.lstrip("/")
    return urlunsplit(("", "", path, parts.query, parts.fragment))
