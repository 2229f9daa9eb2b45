"""What proxies before this one said about the client: X-Forwarded-…, X-Real-IP and Forwarded (RFC 7239). Pure."""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple

from perijove.proxy.http1 import HOST

UNKNOWN: Final = "unknown"
"""RFC 7239, section 6.2. Also what stands for a hop that cannot be read."""

_PORT: Final = re.compile(r"[0-9]{1,5}")
_HOP: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+)(?::[0-9]{1,5})?|([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)")
_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PAIR: Final = re.compile(rf'[ \t]*({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*")[ \t]*(;|,|\Z)')
_QUOTED: Final = re.compile(r"\\(.)")


class Told(NamedTuple):
    """`addresses`: the hops, the client first, without the one that speaks to us; the others, for each of them or fewer, may be empty."""

    addresses: tuple[str, ...] = ()
    protos: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()


def told(fields: Sequence[tuple[bytes, bytes, int, int]]) -> Told:
    """From the fields of a proxy that is believed: (name in lower case, value, …). The X- fields win over Forwarded, which many pass on unread."""
    values: dict[str, str] = {}
    for name, value, _, _ in fields:
        key = name.decode("ascii")
        values[key] = f"{values[key]},{value.decode('latin-1')}" if key in values else value.decode("latin-1")
    addresses = _list(values.get("x-forwarded-for", ""))
    protos = _list(values.get("x-forwarded-proto") or values.get("x-scheme", ""))
    hosts, ports = _list(values.get("x-forwarded-host", "")), _list(values.get("x-forwarded-port", ""))
    if not addresses and "forwarded" in values:
        elements = read_forwarded(values["forwarded"])
        addresses = [element.get("for", UNKNOWN) for element in elements]
        protos = protos or [element.get("proto", "") for element in elements]
        hosts = hosts or [element.get("host", "") for element in elements]
    if not addresses and "x-real-ip" in values:
        addresses = [values["x-real-ip"]]
    return Told(tuple(map(read_hop, addresses)), tuple(proto.lower() for proto in protos), tuple(hosts), tuple(ports))


def _list(text: str) -> list[str]:
    return [part for item in text.split(",") if (part := item.strip(" \t"))]


def read_hop(text: str) -> str:
    """The address in its usual form, without port and brackets; UNKNOWN if it is not one."""
    found = _HOP.fullmatch(text)
    if found is None:
        return UNKNOWN
    try:
        address = ip_address(found[1] or found[2] or found[3])
    except ValueError:
        return UNKNOWN
    return str(getattr(address, "ipv4_mapped", None) or address)


def read_forwarded(text: str) -> list[dict[str, str]]:
    """The elements of a Forwarded field, names in lower case. Empty if any of it is malformed: half of a chain may say the opposite of it."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(text):
        found = _PAIR.match(text, at)
        if found is None or found[1].lower() in elements[-1]:
            return []
        name, value, end = found.groups()
        elements[-1][name.lower()] = _QUOTED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        if end == ",":
            elements.append({})
        at = found.end()
    return [element for element in elements if element]


def of_hop(values: Sequence[str], hop: int, hops: int) -> str:
    """What was said with the hop at `hop` of `hops`. Where not every hop said something, the last word is that of the proxy we know."""
    if not values:
        return ""
    return values[hop] if len(values) == hops else values[-1]


def is_host(text: str) -> bool:
    return bool(text) and HOST.fullmatch(text.encode("latin-1", "replace")) is not None


def is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) < 65536


def write_forwarded(chain: Sequence[str], client: int, proto: str, host: str) -> str:
    """A Forwarded field's value; `proto` and `host` are said of the hop at `client`."""
    elements = []
    for at, hop in enumerate(chain or (UNKNOWN,)):
        element = f'for="[{hop}]"' if ":" in hop else f"for={hop}"
        if at == client:
            element += f';host="{host}";proto={proto}' if host else f";proto={proto}"
        elements.append(element)
    return ", ".join(elements)
