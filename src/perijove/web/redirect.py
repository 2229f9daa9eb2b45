"""Where a browser may be sent after signing in or starting a server: only to ourselves."""

import re
from urllib.parse import urlsplit, urlunsplit

COUNT = "redirects"
_NAMES = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+", re.IGNORECASE)


def safe_next(target: str | None, own_host: str, subdomain_host: str = "") -> str | None:
    """The path (with query and fragment) to go on to, or None if `target` leads elsewhere.

    Rules of JupyterHub: an absolute URL counts only for our own host and is reduced to its path; backslashes and repeated
    slashes, which browsers read as another host, are defused. In subdomain mode (`subdomain_host` is scheme://host[:port]) it may also
    lead to a host below ours, with our scheme and port; then it stays as it is,
    for services have hosts of their own (JupyterHub reduces it to its path).
    """
    if not target or any(ord(char) < 0x20 for char in target):
        return None
    text = target.replace("\\", "%5C").strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    path = "/" + parts.path.lstrip("/")
    if parts.scheme or parts.netloc:
        if subdomain_host and _below(parts.scheme, parts.netloc, subdomain_host):
            return urlunsplit((parts.scheme, parts.netloc, path, parts.query, parts.fragment))
        if parts.scheme not in {"http", "https", ""} or parts.netloc != own_host:
            return None
    elif not text.startswith("/") or text.startswith("//"):
        return None
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def counted(target: str, count: int) -> str:
    """The address with how often somebody was sent there in its query, by JupyterHub's name for it."""
    path, _, query = target.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(f"{COUNT}=")]
    return f"{path}?{'&'.join([*kept, f'{COUNT}={count}'])}"


def _below(scheme: str, netloc: str, subdomain_host: str) -> bool:
    """Nothing but names stands before our own host: no user, no other port."""
    own = urlsplit(subdomain_host)
    before = netloc.lower().removesuffix(own.netloc)
    return scheme == own.scheme and before != netloc.lower() and _NAMES.fullmatch(before) is not None
