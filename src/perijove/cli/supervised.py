"""In a child of `perijove up`: what it was given by its parent."""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from perijove.domain.errors import PerijoveError
from perijove.web.relief import FAILED, Relief

SUPERVISED = "PERIJOVE_SUPERVISED"
_PR_SET_PDEATHSIG = 1


class Orders(msgspec.Struct):
    """As JSON in the child's environment. Descriptors are inherited under the numbers given."""

    parent: int
    channel: int
    succeeds: bool = False
    """Another child is to give way to this one."""
    sockets: dict[str, list[int]] = msgspec.field(default_factory=dict)
    """Bound, by what is served there: "hub", or "public", "admin" and "plain" of the proxy."""


@dataclass(frozen=True)
class Post:
    """What a child has in hand."""

    relief: Relief
    sockets: dict[str, list[socket.socket]]


def taken_up() -> Post | None:
    """None if no supervisor started us. Asks the kernel for SIGTERM should that die, however it dies (prctl(2)).

    To be called once, before anything reads the environment or starts a process: neither may inherit what is ours.
    """
    text = os.environ.pop(SUPERVISED, "")
    if not text:
        return None
    orders = msgspec.json.decode(text, type=Orders)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != orders.parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)
    for number in (orders.channel, *(number for group in orders.sockets.values() for number in group)):
        os.set_inheritable(number, False)
    sockets = {name: [socket.socket(fileno=number) for number in numbers] for name, numbers in orders.sockets.items()}
    return Post(Relief(socket.socket(fileno=orders.channel), sockets.get("hub", ()), succeeds=orders.succeeds), sockets)


@contextmanager
def telling(post: Post | None) -> Iterator[None]:
    """An error that ends us is told to the supervisor, too: somebody may wait there to know."""
    try:
        yield
    except PerijoveError as error:
        if post is not None:
            post.relief.say(FAILED + f"{error.message} {error.hint}".strip().encode())
        raise
