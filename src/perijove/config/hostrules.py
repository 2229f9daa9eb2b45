"""Rules of [hub] subdomain_host."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from perijove.config.problems import Problems
from perijove.config.settings import Settings
from perijove.wire.hosts import MAX_LABEL, dns_safe

_PLACE: Final = ("hub", "subdomain_host")
_MAX: Final = 253 - MAX_LABEL - 1
"""The longest name that still leaves room for a label (RFC 1035 section 2.3.4)."""
_DEFAULT: Final = {"http": 80, "https": 443}


def check_subdomains(settings: Settings, problems: Problems) -> None:
    """Add a problem for each rule that does not hold."""
    hub, text = settings.hub, settings.hub.subdomain_host
    if not text:
        return
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        problems.add(_PLACE, f"{text!r} cannot be read: {error}")
        return
    if parts.scheme not in _DEFAULT or not host or parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        problems.add(_PLACE, f"{text!r} must be scheme://host[:port] without a path", "Write it like https://jupyter.example.org.")
        return
    if problem := _host_problem(host, parts.netloc):
        problems.add(_PLACE, f"{text!r}: {problem}", "Use a name with a wildcard in DNS: people get hosts below it.")
    if port == _DEFAULT[parts.scheme]:
        problems.add(_PLACE, f"{text!r} names the port that {parts.scheme} has anyway", f"Browsers leave it out; write {parts.scheme}://{host}.")
    if hub.public_url and hub.public_url.rstrip("/") != text.rstrip("/"):
        problems.add(_PLACE, f"{text!r} is not public_url, which is {hub.public_url!r}", "Leave public_url out: it is the same.")
    if settings.proxy.ends_tls and parts.scheme == "http":
        problems.add(_PLACE, f"{text!r} must begin with https: [proxy] has a certificate", f"Write https:{text.partition(':')[2]}.")


def _host_problem(host: str, netloc: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return "an address of digits has no names below it"
    if netloc.partition(":")[0] != host or host.endswith("."):
        return "the name must be in lower case and without a dot at its end"
    labels = host.split(".")
    if len(labels) < 2:
        return "browsers keep no cookie for a name without a dot; for a trial on one machine, hub.localhost does"
    if len(host) > _MAX:
        return f"the name has more than {_MAX} characters, which leaves no room for people's"
    if not all(dns_safe(label) or label.isdigit() for label in labels):
        return "it is not a host name (other alphabets are written in their xn-- form)"
    return ""
