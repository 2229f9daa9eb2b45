"""Hosts of people and services in subdomain mode: JupyterHub 6's two rules that make a label from a name, and hosts as requests have them.

The rules are pinned, for proxies' tables, cookies and bookmarks all depend on them: the same name always has the same host.
"""

import hashlib
import re
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import quote

import idna

Kind = Literal["user", "service"]
Naming = Literal["idna", "legacy"]

MAX_LABEL: Final = 63
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_LEGACY = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_SERVICE = "--service"
_STUB = 8
_HASH = 7


def dns_safe(label: str) -> bool:
    """Whether it is a host name's label as it stands: RFC 1123 section 2.1, and not digits alone, which may be taken for an address."""
    return _LABEL.fullmatch(label) is not None and not label.isnumeric()


def _hashed(name: str) -> str:
    """A label for any name at all. "--" stands nowhere in what is used as it is, so that nobody's name is another's label; the "u-"
    before keeps it from the third and fourth place, which belongs to IDNA (RFC 5891 section 4.2.3.1)."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    stub = re.sub(r"[^a-z0-9]", "", name.lower())[:_STUB]
    return f"u-{stub or 'x'}--{digest}"


def safe_label(name: str) -> str:
    """JupyterHub's rule "idna": the name itself if that is safe, else its IDNA form (RFC 5891), else some of it and a hash."""
    if "--" in name:
        return _hashed(name)
    if dns_safe(name):
        return name
    if name.isascii():  # IDNA leaves it as it is or refuses it, and takes its time
        return _hashed(name)
    try:
        ascii_form = idna.encode(name).decode("ascii")
    except ValueError:
        return _hashed(name)
    return ascii_form if ascii_form != name and dns_safe(ascii_form) else _hashed(name)


def legacy_label(name: str) -> str:
    """JupyterHub's old rule: percent-quoted, with "_" for "%"; dots make further levels. Of names that this makes no host of, and of
    which JupyterHub makes one that no browser finds, some and a hash."""
    quoted = quote(name, safe="").lower()
    label = re.sub(r"[^a-z0-9.%-]", lambda found: f"%{ord(found[0]):x}", quoted).replace("%", "_")
    return label if all(_LEGACY.fullmatch(part) for part in label.split(".")) else _hashed(name)


@lru_cache(maxsize=65_536)
def host_name(naming: Naming, kind: Kind, name: str, domain: str) -> str:
    """The host of a person's servers or of a service: "ada.example.org", "grader--service.example.org"."""
    if naming == "legacy":
        return f"services.{domain}" if kind == "service" else f"{legacy_label(name)}.{domain}"
    if kind == "user":
        return f"{safe_label(name)}.{domain}"
    label = f"{safe_label(name)}{_SERVICE}"
    return f"{label if len(label) <= MAX_LABEL else _hashed(name) + _SERVICE}.{domain}"


def plain_host(host: str) -> str:
    """The name in a Host header: "Ada.Example.org.:8000" -> "ada.example.org". Brackets of IPv6 addresses stay."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower().removesuffix(".")


def below(host: str, domain: str) -> bool:
    """Whether a name, as `plain_host` makes it, is one of a host below the domain."""
    return host.endswith(f".{domain}")
