"""Tell systemd how we are (sd_notify(3)): `systemctl start` returns when people can come in, if the unit has Type=notify."""

import os
import socket
from contextlib import suppress

NOTIFY_SOCKET = "NOTIFY_SOCKET"


def notify(text: str) -> None:
    """Such as "READY=1". Nothing happens where nobody listens."""
    path = os.environ.get(NOTIFY_SOCKET, "")
    if path:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), f"\0{path[1:]}" if path.startswith("@") else path)
