"""In subdomain mode no two people share a host, for whoever has it is trusted by the browsers of all who come there.

Names that cannot be a host have one made of some of them and a short hash (wire/hosts.py), and who chooses their own name can look for one
that comes out like somebody else's.
"""

from collections.abc import Iterable

import structlog

from perijove.control.context import Hub
from perijove.domain.addresses import HubAddresses
from perijove.domain.errors import ConflictError
from perijove.ports.store.store import Tx

_log = structlog.get_logger("perijove.hub")


def check_hosts(tx: Tx, hub: Hub, names: Iterable[str]) -> None:
    """For people that this transaction adds or renames. Raises ConflictError if one has the host of somebody else."""
    addresses = hub.addresses
    wanted = [name for name in names if addresses.domain and _made_up(addresses, name)]
    if not wanted:
        return
    tx.serialise("hosts")
    for one, other in clashes(addresses, {*tx.users.names(), *wanted}):
        if one in wanted or other in wanted:
            name = one if one in wanted else other
            raise ConflictError(
                f"The name {name} would have the same host as another account.", "Choose another name, or ask an administrator for one."
            )


def warn_of_clashes(tx: Tx, hub: Hub) -> None:
    """At the start: names that are there already."""
    if hub.addresses.domain:
        for one, other in clashes(hub.addresses, tx.users.names()):
            _log.error("two people have the same host; rename one of them", users=[one, other], host=hub.addresses.person_host(one))


def clashes(addresses: HubAddresses, names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names with the same host."""
    hosts: dict[str, str] = {}
    found = []
    for name in names:
        if not _made_up(addresses, name):
            continue
        before = hosts.setdefault(addresses.person_host(name), name)
        if before != name:
            found.append((before, name))
    return found


def _made_up(addresses: HubAddresses, name: str) -> bool:
    """Only these can clash: what is used as it is, or comes from IDNA, is one name's alone."""
    host = addresses.person_host(name)
    return host.startswith("u-") and host != f"{name}.{addresses.domain}"
