"""Strict-Transport-Security (RFC 6797): browsers are told to come by TLS only. Without IO."""

import re
from functools import lru_cache

from perijove.proxy.http1 import ResponseHead

_THEIRS = re.compile(rb"(?i)\r\nstrict-transport-security:[^\r]*(?=\r\n)")


def hsts_line(max_age_s: int, subdomains: bool) -> bytes:
    """The field line; empty for an age of 0."""
    return b"Strict-Transport-Security: max-age=%d%b\r\n" % (max_age_s, b"; includeSubDomains" if subdomains else b"") if max_age_s else b""


def with_hsts(head: ResponseHead, data: bytes, line: bytes) -> tuple[ResponseHead, bytes]:
    """A server's answer, as far as it has come, with our line. What the server says is left out: one person's server must not decide for the host."""
    if _THEIRS.search(data, 0, head.size) is not None:
        changed = _THEIRS.sub(b"", data[: head.size])
        data = changed + data[head.size :]
        head = ResponseHead(data, len(changed) - 4)
    return head, head.extend(data, line)


@lru_cache(maxsize=256)
def stamped(page: bytes, line: bytes) -> bytes:
    """A whole answer of our own with the line."""
    head, empty, body = page.partition(b"\r\n\r\n")
    return head + b"\r\n" + line + empty[2:] + body
