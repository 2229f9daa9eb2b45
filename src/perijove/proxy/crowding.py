"""How many connections each client address has."""

import socket
from typing import Final

Place = bytes | str
"""Those who are counted together: an IPv4 address, or a network of IPv6. Empty: not counted."""

_LINGERING: Final = 32
"""Of those too many, this many at once are told so; more are closed without a word, or telling them would be what fills the door."""


class Crowding:
    """Connections by where they come from. Costs nothing but when a connection begins and ends."""

    def __init__(self, most: int) -> None:
        """`most`: for each place; 0: no limit, and nothing is counted."""
        self.most = most
        self.counts: dict[Place, int] = {}

    def enter(self, address: str) -> tuple[Place, bool]:
        """Count one more from `address`. Returns what to give to `leave`, and whether there is room. Not counted and no room: there are far too many."""
        if not self.most:
            return "", True
        place = place_of(address)
        if not place:
            return "", True
        count = self.counts.get(place, 0)
        if count >= self.most + _LINGERING:
            return "", False
        self.counts[place] = count + 1
        return place, count < self.most

    def leave(self, place: Place) -> None:
        if place:
            count = self.counts[place] - 1
            if count:
                self.counts[place] = count
            else:
                del self.counts[place]


def place_of(address: str) -> Place:
    """An IPv6 customer has a /64 at least, and may use each of its addresses: they are one place (RFC 6177)."""
    if ":" not in address:
        return address
    try:
        return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8]
    except OSError:
        return address
