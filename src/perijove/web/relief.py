"""How a hub gives way to the one that takes its place, and comes back if that one disappoints.

Whoever started it (`perijove up`) keeps the hub's socket, so that requests wait in it rather than being refused, and says one byte at a time
over a pair of sockets what is to be done. It is told one byte at a time how far the hub is.
"""

import asyncio
import signal
import socket
from collections.abc import Sequence
from typing import Final

from perijove.web.ending import Ending

READY: Final = b"r"
"""Of a child: it serves."""
WAITS: Final = b"w"
"""Of a hub: another hub has its SQLite file."""
FAILED: Final = b"!"
"""Of a child, before words in UTF-8: why it ends."""
GIVE_WAY: Final = b"a"
"""To a hub: let go of the database, and wait."""
COME_BACK: Final = b"b"
"""To a hub that gave way: go on as before."""
END: Final = b"e"
"""To a hub: another serves in its place already."""


class Relief:
    """A hub's side of it, and any child's."""

    def __init__(self, channel: socket.socket, doors: Sequence[socket.socket] = (), *, succeeds: bool = False) -> None:
        """`doors`: where to listen, kept open by whoever started us. `succeeds`: another child is to give way to us."""
        self.succeeds = succeeds
        self._channel = channel
        self._doors = doors
        self.gave_way = False

    def say(self, word: bytes) -> None:
        """Nobody may be there to hear it."""
        try:
            self._channel.sendall(word)
        except OSError:
            return

    def doors(self) -> list[socket.socket]:
        """To be closed by whoever serves at them; there are new ones each time."""
        return [door.dup() for door in self._doors]

    def watch(self, ending: Ending) -> None:
        """From now on, on the running event loop, until it ends: set `ending` when told."""
        loop = asyncio.get_running_loop()
        self.gave_way = False
        self._channel.setblocking(False)
        loop.add_reader(self._channel, self._told, loop, ending)

    def _told(self, loop: asyncio.AbstractEventLoop, ending: Ending) -> None:
        try:
            word = self._channel.recv(1)
        except OSError:
            return
        if word in {GIVE_WAY, END, b""}:
            loop.remove_reader(self._channel)
        if word in {GIVE_WAY, END}:
            self.gave_way = word == GIVE_WAY
            ending.relieved = True
            ending.set()

    def called_back(self) -> bool:
        """Once the event loop has ended, wait: True if this hub is to go on; False if it is to end, or whoever started it has gone."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # the event loop's handlers would hold us here
        self._channel.setblocking(True)
        return self._channel.recv(1) == COME_BACK
