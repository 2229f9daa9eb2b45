"""Heads of HTTP/1.1 messages: strict parsing without IO (RFC 9110, RFC 9112).

A head that two parties could read in two ways is refused, never repaired: that is what request smuggling lives on. Whole heads are
matched by one regular expression in C, which beats a callback for each field, keeps the sender's bytes as they are, and refuses
bare CR or LF, obs-fold, NUL and spaces before a colon by not knowing them.
"""

import re
from typing import Final

# Possessive (++, *+) are repeats of single characters alone: of a group, Python before 3.11.5 goes on from the wrong place when its last
# round fails (python/cpython#106052). Groups can be left to backtrack: each of their rounds begins and ends where no other could.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_FIELDS = rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*"
REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21\x22\x24-\x7e\x80-\xff]++) HTTP/1\.([01])\r\n")
_PLAIN_SEGMENT: Final = rb"/(?![/.])[\x21\x22\x24\x26-\x2e\x30-\x3e\x40-\x5b\x5d-\x7e]*+"
PLAIN_LINE: Final = re.compile(rb"(" + _TOKEN + rb") (((?:" + _PLAIN_SEGMENT + rb")+)(?:\?[\x21\x22\x24-\x7e]*+)?) HTTP/1\.1\r\n")
"""Groups: method, target, path. A first line whose path is what it seems to be: nothing encoded or to be encoded, no dots or slashes to resolve."""
_STATUS: Final = rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*+)?\r\n"
_STATUS_LINE = re.compile(_STATUS)
_HOP_BY_HOP: Final = rb"(?i:connection|content-length|keep-alive|proxy-connection|transfer-encoding|upgrade):"
# Fields of an answer that need no look: by their first letters, or else by not being one of those that do.
_OTHER_FIELDS: Final = (
    rb"(?:(?:[!#$%&'*+\-.^_`|~0-9ABDEFGHIJLMNOQRSVWXYZabdefghijlmnoqrsvwxyz]|Content-[DERST]|Cac|(?!" + _HOP_BY_HOP + rb"))"
    + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*"
)  # fmt: skip
PLAIN_ANSWER: Final = re.compile(
    rb"HTTP/1\.1 ((?!204|304)[2-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*+)?\r\n"
    + _OTHER_FIELDS + rb"Content-Length: ([0-9]{1,18})\r\n" + _OTHER_FIELDS + rb"(?:Connection: keep-alive\r\n" + _OTHER_FIELDS + rb")?\r\n"
)  # fmt: skip
"""Groups: status, length. The whole head of an answer that a client whose connection is kept can be given as it is."""
_RESPONSE = re.compile(_STATUS + rb"(" + _FIELDS + rb")\r\n")
_BLOCK = re.compile(_FIELDS)
TRAILERS: Final = re.compile(_FIELDS + rb"\r\n")
BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
"""What no head may have, however much of it is still to come."""
_METHOD = re.compile(_TOKEN)
HOST: Final = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=]*(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_TOKENS = re.compile(rb"(?:" + _TOKEN + rb")?(?:[ \t]*,[ \t]*(?:" + _TOKEN + rb")?)*")  # RFC 9110, section 5.6.1.2: parts may be empty
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._\-]{1,128}")

# The fields that a proxy has to look at; "_" is taken for "-" in names of ours, because CGI-like servers cannot tell them apart.
_REQUEST_NAMES = re.compile(
    rb"(?i)\n(connection|content-length|cookie|expect|forwarded|host|http2-settings|keep-alive|proxy-connection|proxy-authorization"
    rb"|te|trailer|transfer-encoding|upgrade|x[-_]forwarded[-_][a-z_-]+|x[-_]perijove[-_]proxy|x[-_]real[-_]ip|x[-_]scheme|x[-_]request[-_]id)"
    rb":[ \t]*([^\r]*)\r"
)
_RESPONSE_NAMES = re.compile(rb"(?i)\n(connection|content-length|keep-alive|proxy-connection|transfer-encoding|upgrade):[ \t]*([^\r]*)\r")
_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
_KNOWN_OPTIONS: Final = frozenset({b"close", b"keep-alive", b"upgrade"})
_ALWAYS_CUT = frozenset({b"http2-settings", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer", b"x-perijove-proxy"})
NO_LENGTH: Final = -1
TOO_LARGE: Final = "This site does not take requests as large as this one. Its administrator can raise body_size in [proxy_limits]."


class Refused(Exception):  # noqa: N818 - said of a message, in the words of the standard
    """A message that is not passed on. `status` is what a client is told; `reason` says what is wrong with it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def parse_request_line(data: bytes) -> "re.Match[bytes]":
    """Groups: method, target, minor version. `data` begins with a whole line. Raises Refused."""
    found = REQUEST_LINE.match(data)
    if found is not None:
        return found
    line = data.partition(b"\n")[0]
    if re.search(rb" HTTP/[0-9.]+\r?$", line) and not line.rstrip(b"\r").endswith((b"HTTP/1.1", b"HTTP/1.0")):
        raise Refused(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    raise Refused(400, "The first line of the request is malformed.")


def check_partial_head(data: bytes, limit: int) -> None:
    """Refuse what cannot become a request head however much follows. Raises Refused."""
    if len(data) > limit:
        if data.find(b"\r\n", 0, limit) < 0:
            raise Refused(414, "The address is too long.")
        raise Refused(431, "The head of the request is too large.")
    if BARE.search(data) or (not REQUEST_LINE.match(data) and (b"\n" in data or _METHOD.match(data) is None)):
        parse_request_line(data)
        raise Refused(400, "The head of the request has a bare CR or LF.")


class RequestFields:
    """The header fields of one request, checked; the same for every request that repeats them byte for byte."""

    __slots__ = (
        "block",
        "chunked",
        "cookies",
        "cuts",
        "expect",
        "forwarded",
        "has_body",
        "host",
        "keep_alive",
        "length",
        "minor",
        "request_id",
        "tails",
        "upgrade",
    )

    def __init__(self, block: bytes, minor: int, max_fields: int) -> None:
        """`block`: all field lines, each with its CRLF. Raises Refused."""
        if block.count(b"\n") > max_fields:
            raise Refused(431, "The request has too many header fields.")
        if _BLOCK.fullmatch(block) is None:
            raise Refused(400, "A header field of the request is malformed.")
        self.block = block
        self.minor = minor
        self.host: bytes | None = None
        self.length = NO_LENGTH
        self.chunked = False
        self.keep_alive = minor == 1
        self.upgrade = b""
        self.expect = False
        self.request_id = False
        self.cuts: list[tuple[int, int]] = []
        self.cookies: list[tuple[int, int]] = []
        self.forwarded: list[tuple[bytes, bytes, int, int]] = []
        """What the client claims about itself: (name in lower case with "-", value, begin, end)."""
        self.tails: dict[bool, bytes] = {}
        """Rendered heads to send on, kept by whoever renders them."""
        connection: list[bytes] = []
        upgrades: list[bytes] = []
        for found in _REQUEST_NAMES.finditer(b"\n" + block):
            # Positions are those in b"\n" + block, so a line begins at start() and ends, its CRLF included, at end().
            name, value, begin, end = found[1].lower(), found[2].rstrip(b" \t"), found.start(), found.end()
            if name == b"connection":
                if _TOKENS.fullmatch(value) is None:
                    raise Refused(400, "The Connection field of the request is malformed.")
                connection.extend(token for part in value.lower().split(b",") if (token := part.strip(b" \t")))
                self.cuts.append((begin, end))
            elif name == b"upgrade":
                upgrades.append(value)
                self.cuts.append((begin, end))
            else:
                self._see(name, value, begin, end)
        self._check()
        if connection:
            self._heed(connection, b", ".join(upgrades))

    def _check(self) -> None:
        self.has_body = self.chunked or self.length > 0
        if self.host is None and self.minor == 1:
            raise Refused(400, "The request has no Host.")
        if self.chunked and self.length != NO_LENGTH:
            raise Refused(400, "The request has both Content-Length and Transfer-Encoding.")
        if self.chunked and self.minor == 0:
            raise Refused(400, "Transfer-Encoding is not known in HTTP/1.0.")

    def _see(self, name: bytes, value: bytes, begin: int, end: int) -> None:
        if name == b"host":
            if self.host is not None or HOST.fullmatch(value) is None:
                raise Refused(400, "The Host of the request is malformed or given twice.")
            self.host = value
        elif name == b"cookie":
            self.cookies.append((begin, end))
        elif name == b"content-length":
            if self.length != NO_LENGTH or _LENGTH.fullmatch(value) is None:
                raise Refused(400, "The Content-Length of the request is malformed or given twice.")
            self.length = int(value)
        elif name == b"transfer-encoding":
            if self.chunked or value.lower() != b"chunked":
                raise Refused(400 if self.chunked or b"chunked" in value.lower() else 501, "The only Transfer-Encoding understood is one 'chunked'.")
            self.chunked = True
            self.cuts.append((begin, end))  # sent on in our own spelling
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise Refused(417, "The only expectation understood is '100-continue'.")
            self.expect = True
        elif name in _ALWAYS_CUT:
            self.cuts.append((begin, end))
        elif (plain := name.replace(b"_", b"-")) == b"x-request-id":
            if plain != name or self.request_id or REQUEST_ID.fullmatch(value) is None:
                self.cuts.append((begin, end))
            else:
                self.request_id = True
        elif plain == name:
            self.forwarded.append((name, value, begin, end))
        else:
            self.cuts.append((begin, end))

    def _heed(self, options: list[bytes], upgrade: bytes) -> None:
        """Apply the Connection field: RFC 9110, section 7.6.1."""
        if b"close" in options:
            self.keep_alive = False
        elif b"keep-alive" in options:
            self.keep_alive = True
        # h2c is never passed on: a server that takes it would talk past this proxy's rules.
        if b"upgrade" in options and upgrade and self.minor == 1 and not self.has_body and b"h2c" not in upgrade.lower():
            self.upgrade = upgrade
        named = set(options) - _FRAMING - _KNOWN_OPTIONS
        if named:
            known = {begin for begin, _ in self.cuts}
            begin = 0
            for line in self.block.splitlines(keepends=True):
                if line.partition(b":")[0].lower() in named and begin not in known:
                    self.cuts.append((begin, begin + len(line)))
                begin += len(line)
            self.forwarded = [entry for entry in self.forwarded if entry[0] not in named]
            self.cookies = [] if b"cookie" in named else self.cookies

    def without(self, more: list[tuple[int, int, bytes]]) -> bytes:
        """The field lines to send on: without those that end here, and with `more` replaced (begin, end, instead)."""
        cuts = [(begin, end, b"") for begin, end in self.cuts] + more
        if not cuts:
            return self.block
        cuts.sort()
        pieces: list[bytes] = []
        at = 0
        for begin, end, instead in cuts:
            pieces += (self.block[at:begin], instead)
            at = end
        pieces.append(self.block[at:])
        return b"".join(pieces)


class ResponseHead:
    """A response's head, checked."""

    # Defaults live on the class: one of these is made for each answer.
    minor = 1
    length = NO_LENGTH
    chunked = False
    keep_alive = True
    upgrade = False
    plain = True
    """Whether the head can be sent on as it is."""
    _cuts: tuple[tuple[int, int], ...] = ()
    _named: frozenset[bytes] = frozenset()

    def __init__(self, data: bytes, end: int) -> None:
        """`data` begins with the head, whose empty line begins at `end` + 2. Raises Refused, with status 502."""
        head = _RESPONSE.match(data)
        if head is None or head.end() != end + 4:
            what = "first line" if _STATUS_LINE.match(data) is None else "header fields"
            raise Refused(502, f"its {what} cannot be understood")
        version, status, _ = head.groups()
        self._data = data
        self._begin, self._stop = head.span(3)
        self.size = end + 4
        self.status = int(status)
        if version == b"0":
            self.minor = 0
            self.keep_alive = self.plain = False
        told = _RESPONSE_NAMES.findall(data, self._begin - 1, self._stop)
        if len(told) == 1 and told[0][0] == b"Content-Length" and self.status >= 200 and self.status != 204:
            value = told[0][1]
            if value.isdigit() and len(value) < 19:
                self.length = int(value)
                return
        if told:
            self._look_closely()

    def extend(self, data: bytes, line: bytes) -> bytes:
        """`data` with one more field line at the end of the head."""
        self._data = data = data[: self._stop] + line + data[self._stop :]
        self._stop += len(line)
        self.size += len(line)
        return data

    @property
    def fields(self) -> bytes:
        """The field lines to send on."""
        if not self._cuts:
            return self._data[self._begin : self._stop]
        fields = _cut(self._data, self._begin, self._stop, self._cuts)
        if self._named:
            fields = b"".join(line for line in fields.splitlines(keepends=True) if line.partition(b":")[0].lower() not in self._named)
        return fields

    def _look_closely(self) -> None:
        for found in _RESPONSE_NAMES.finditer(self._data, self._begin - 1, self._stop):
            name = found[1].lower()
            value = found[2].rstrip(b" \t")
            if name == b"content-length":
                if self.length != NO_LENGTH or _LENGTH.fullmatch(value) is None:
                    raise Refused(502, "its Content-Length is malformed or given twice")
                self.length = int(value)
                if self.status != 204 and self.status >= 200:
                    continue
            elif name == b"transfer-encoding":
                if self.chunked or value.lower() != b"chunked":
                    raise Refused(502, "its Transfer-Encoding is not one 'chunked'")
                self.chunked = True
                if self.status != 204 and self.status >= 200:
                    continue
            elif name == b"connection":
                self._heed(value.lower())
            self._cuts += ((found.start() + 1, found.end() + 1),)
            self.plain = False
        if self.chunked and (self.length != NO_LENGTH or self.minor == 0):
            raise Refused(502, "it has both Content-Length and Transfer-Encoding, or is chunked in HTTP/1.0")

    def _heed(self, value: bytes) -> None:
        if value == b"keep-alive":
            self.keep_alive = True
            return
        options = {token.strip() for token in value.split(b",")}
        if b"close" in options:
            self.keep_alive = False
        elif b"keep-alive" in options:
            self.keep_alive = True
        self.upgrade = self.upgrade or b"upgrade" in options
        self._named |= options - _FRAMING - _KNOWN_OPTIONS


def _cut(data: bytes, begin: int, stop: int, cuts: tuple[tuple[int, int], ...]) -> bytes:
    pieces: list[bytes] = []
    for cut_begin, cut_end in cuts:
        pieces.append(data[begin:cut_begin])
        begin = cut_end
    pieces.append(data[begin:stop])
    return b"".join(pieces)
