"""What the server writes: passed on to the job's output, and its end kept for reports."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque

TAIL = 16 * 1024
"""Bytes kept for reports."""
MOST = 64 * 1024 * 1024
"""Bytes passed on to the job's output: a program in a loop is not to fill somebody's home folder."""


class Log:
    """One for the agent and its server."""

    def __init__(self, out: int = 2, most: int = MOST) -> None:
        """`out`: the descriptor it is passed on to."""
        self._out = out
        self._left = most
        self._kept: deque[bytes] = deque()
        self._size = 0

    def say(self, text: str) -> None:
        """A line of the agent's own."""
        self.write(f"perijove-agent: {text}\n".encode(errors="replace"))

    def write(self, data: bytes) -> None:
        self._kept.append(data)
        self._size += len(data)
        while self._size - len(self._kept[0]) >= TAIL:
            self._size -= len(self._kept.popleft())
        if self._left <= 0:
            return
        self._left -= len(data)
        if self._left <= 0:
            data += b"\nperijove-agent: the output is too long; what comes from now on is not written here\n"
        try:
            os.write(self._out, data)
        except OSError:  # a full disk must not end anybody's server
            self._left = 0

    @property
    def tail(self) -> str:
        """The last 16 KiB at most, from the beginning of a line."""
        data = b"".join(self._kept)
        if len(data) > TAIL:
            data = data[-TAIL:].partition(b"\n")[2]
        text = data.decode(errors="replace")
        while len(text.encode()) > TAIL:  # replaced bytes are longer than they were
            text = text[len(text) // 16 + 1 :]
        return text

    async def follow(self, reader: asyncio.StreamReader) -> None:
        """Until its end."""
        while True:
            data = await reader.read(16 * 1024)
            if not data:
                return
            self.write(data)


def to_stderr() -> Log:
    return Log(sys.stderr.fileno())
