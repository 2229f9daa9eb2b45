"""The chunked coding (RFC 9112, section 7.1), checked as it passes by. Nothing is passed on before it has been checked."""

import re
from typing import Final

from perijove.proxy.http1 import TOO_LARGE, TRAILERS, Refused

# No space after the size: senders must not write one, and who reads on is not of one mind about it.
_FIRST = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]{0,200})?\r\n")
_NEXT = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]{0,200})?\r\n")
_LONGEST_LINE: Final = 256
_PARTIAL_SIZE: Final = rb"[0-9A-Fa-f]{0,15}(?:;[\t\x20-\x7e\x80-\xff]*)?(?:\r\Z)?"
_PARTIAL_FIRST = re.compile(_PARTIAL_SIZE)
_PARTIAL_NEXT = re.compile(rb"\r\Z|\r\n" + _PARTIAL_SIZE + rb"|\Z")
_MAX_TRAILERS: Final = 16 * 1024


class Chunks:
    """One chunked body. Chunks may be cut anywhere between calls of `feed`."""

    __slots__ = ("_carry", "_keep_trailers", "_left", "_line", "_most", "_payload", "_trailers", "done", "rest")

    def __init__(self, *, keep_trailers: bool, payload: bool = False, most: int = 0) -> None:
        """`payload`: give out the content alone, for a peer that does not know the coding. `most`: bytes of content; 0: any number."""
        self._most = most or 1 << 62
        self._keep_trailers = keep_trailers
        self._payload = payload
        self._left = 0
        self._line = _FIRST
        self._carry = b""
        self._trailers = False
        self.done = False
        self.rest = b""
        """What came after the end of the body."""

    def feed(self, data: bytes) -> bytes:
        """What to pass on of `data` and of what was held back before. Raises Refused if it breaks the coding."""
        if self._carry:
            data = self._carry + data
            self._carry = b""
        size = len(data)
        at = 0
        content: list[bytes] = []
        while not self._trailers:
            if self._left:
                upto = min(size, at + self._left)
                self._left -= upto - at
                if self._payload:
                    content.append(data[at:upto])
                at = upto
                if self._left:
                    break
            found = self._line.match(data, at)
            if found is None:
                if self._line is _NEXT and data.startswith(b"\r\n", at):
                    at += 2  # the end of a chunk goes out with it: somebody may wait for just that
                    self._line = _FIRST
                self._hold(data, at)
                break
            self._line = _NEXT
            self._left = int(found[1], 16)
            self._most -= self._left
            if self._most < 0:
                raise Refused(413, TOO_LARGE)
            at = found.end()
            self._trailers = not self._left
        end = b""
        if self._trailers:
            at, end = self._finish(data, at)
        if self._payload:
            return b"".join(content)
        passed = data if at == size else data[:at]
        return passed + end if end else passed

    def _hold(self, data: bytes, at: int) -> None:
        """Wait for the rest of a line that can still become a good one."""
        partial = _PARTIAL_FIRST if self._line is _FIRST else _PARTIAL_NEXT
        if len(data) - at > _LONGEST_LINE or partial.fullmatch(data, at) is None:
            raise Refused(400, "The chunked body is malformed.")
        self._carry = data[at:]

    def _finish(self, data: bytes, at: int) -> tuple[int, bytes]:
        """Read the trailer section at `at`: up to where `data` may be passed on, and what to send after it."""
        found = TRAILERS.match(data, at)
        if found is None or found.end() - at > _MAX_TRAILERS:
            held = data[at:]
            if len(held) > _MAX_TRAILERS or b"\r\n\r\n" in held or held.startswith(b"\r\n") or re.search(rb"(?<!\r)\n|\r(?!\n|\Z)", held):
                raise Refused(400, "The trailers of the chunked body are malformed or too long.")
            self._carry = held
            return at, b""
        self.done = True
        self.rest = data[found.end() :]
        if self._keep_trailers or found.end() - at == 2:
            return found.end(), b""
        return at, b"\r\n"
