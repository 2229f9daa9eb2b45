"""How two ends of a plain byte stream show each other that they know a secret, and how messages go over it after that. No input and output.

    peer   PERIJOVE 1 NONCE\\n                 64 hexadecimal digits
    agent  NONCE PROOF\\n                      its own nonce; HMAC-SHA256 of the secret over "agent", the start's id and both nonces
    peer   PROOF\\n                            the same over "peer"; whoever fails is closed without a word
    both   messages, each with its length before it: 4 bytes, big-endian

Neither end learns the secret from this, and nobody can answer for another. What follows is neither encrypted nor signed: it goes from a
login node to a compute node, where batch systems run programs over the same network.
"""

from __future__ import annotations

import hmac
import re
import secrets
import struct
from hashlib import sha256

from perijove.agent.frames import LARGEST, FrameError

LONGEST_LINE = 256
_LENGTH = struct.Struct(">I")
_GREETING = re.compile(rb"PERIJOVE 1 ([0-9a-f]{64})\n")
_ANSWER = re.compile(rb"([0-9a-f]{64}) ([0-9a-f]{64})\n")
_LAST = re.compile(rb"([0-9a-f]{64})\n")


class StrangerError(Exception):
    """The other end does not know the secret, or does not speak this."""


class Peer:
    """Of whoever comes. `greeting()` is sent first, then `answered(line)`."""

    def __init__(self, token: str, start_id: str) -> None:
        self._token = token
        self._start_id = start_id
        self._nonce = secrets.token_hex(32)

    def greeting(self) -> bytes:
        return f"PERIJOVE 1 {self._nonce}\n".encode()

    def answered(self, line: bytes) -> bytes:
        """The agent's line, with its end; what to send now. Raises StrangerError."""
        found = _ANSWER.fullmatch(line)
        if found is None:
            raise StrangerError("what answers is no agent")
        theirs = found[1].decode()
        if not hmac.compare_digest(_proof(self._token, "agent", self._start_id, self._nonce, theirs), found[2].decode()):
            raise StrangerError("what answers does not know the secret of this job")
        return _proof(self._token, "peer", self._start_id, self._nonce, theirs).encode() + b"\n"


class Host:
    """Of the agent: `greeted(line)`, then `convinced(line)`."""

    def __init__(self, token: str, start_id: str) -> None:
        self._token = token
        self._start_id = start_id
        self._nonce = secrets.token_hex(32)
        self._theirs = ""

    def greeted(self, line: bytes) -> bytes:
        """What to answer. Raises StrangerError."""
        found = _GREETING.fullmatch(line)
        if found is None:
            raise StrangerError("no greeting")
        self._theirs = found[1].decode()
        return f"{self._nonce} {_proof(self._token, 'agent', self._start_id, self._theirs, self._nonce)}\n".encode()

    def convinced(self, line: bytes) -> None:
        """Raises StrangerError."""
        found = _LAST.fullmatch(line)
        if found is None or not hmac.compare_digest(_proof(self._token, "peer", self._start_id, self._theirs, self._nonce), found[1].decode()):
            raise StrangerError("the secret is not that of this job")


def framed(message: bytes) -> bytes:
    """A message as it is sent."""
    return _LENGTH.pack(len(message)) + message


class Unframer:
    """What comes, to whole messages."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Raises FrameError for one that is too long."""
        self._data += data
        found = []
        at = 0
        while len(self._data) >= at + _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._data, at)
            if size > LARGEST:
                raise FrameError(f"a message of {size} bytes")
            if len(self._data) < at + _LENGTH.size + size:
                break
            at += _LENGTH.size
            found.append(bytes(self._data[at : at + size]))
            at += size
        del self._data[:at]
        return found


def _proof(token: str, of: str, start_id: str, peers: str, agents: str) -> str:
    return hmac.new(token.encode(), f"{of}\n{start_id}\n{peers}\n{agents}".encode(), sha256).hexdigest()
