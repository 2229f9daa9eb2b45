"""What the proxy takes for a message, h11 takes for the same one.

Hypothesis writes messages that are good, nearly good and spoilt, and cuts them anywhere; the proxy reads them from a transport in memory; then
h11 reads what the proxy sent on. The proxy may refuse more than h11 does. Where it refuses less, the rule is one of the functions `as_if_...`,
with the section of the RFC that says so.
"""

import re
from itertools import pairwise

import h11
from hypothesis import assume, event, example, given
from hypothesis import strategies as st

from tests.fuzz.honest import Honest
from tests.fuzz.memory import MemoryTransport
from tests.fuzz.world import World
from tests.integration.proxy.h11_reading import Seen, read_answers, seen
from tests.integration.proxy.recorder import check_head, heads

_FIRST_LINE = re.compile(rb"([^ \r\n]+) ([^ \r\n]+) HTTP/1\.[01]\r\n")


def as_if_empty_lines_were_not_there(rest: bytes) -> bytes:
    """RFC 9112, section 2.2: a server ignores empty lines before a request."""
    while rest.startswith(b"\r\n"):
        rest = rest[2:]
    return rest


def as_if_the_client_had_encoded_its_target(rest: bytes) -> bytes:
    """RFC 3986, section 2.1: what is not ASCII is written as its bytes, each with a percent sign."""
    line = _FIRST_LINE.match(rest)
    if line is None or line[2].isascii():
        return rest
    target = b"".join(bytes([byte]) if byte < 128 else b"%%%02X" % byte for byte in line[2])
    return rest[: line.start(2)] + target + rest[line.end(2) :]


def as_if_http_1_0_could_be_kept(request: h11.Request) -> bool:
    """RFC 9112, section 9.3: whether the connection persists after this request."""
    options = {part.strip() for name, value in request.headers if name == b"connection" for part in value.lower().split(b",")}
    return b"close" not in options and (request.http_version == b"1.1" or b"keep-alive" in options)


_OF_FRAMING = ("Content-Length", "Transfer-Encoding")
_TRAILER_OF_FRAMING = re.compile(rb"(?i)(\r\n0+(?:;[^\r\n]*)?\r\n)(?:content-length|transfer-encoding):[^\r\n]*\r\n(?=\r\n)")


def as_if_no_trailer_spoke_of_framing(head: h11.Request | None, error: h11.RemoteProtocolError) -> bool:
    """RFC 9110, section 6.5.1: trailers are not merged, and may be thrown away, which the proxy does. h11 wants sense in them.

    Once a head has been read, only trailers can have a bad field of these names.
    """
    return head is not None and any(name in str(error) for name in _OF_FRAMING)


def as_if_answers_had_no_such_trailers(raw: bytes) -> bytes:
    """The same of answers: the proxy passes trailers on, or throws them away for HTTP/1.0, but sees no sense in them."""
    return _TRAILER_OF_FRAMING.sub(rb"\1", raw)


def by_h11(raw: bytes) -> tuple[list[Seen], str]:
    """The requests that h11 finds in a stream, and how this ends: "refused", "unfinished", "closed" or "open"."""
    requests: list[Seen] = []
    while True:
        raw = as_if_the_client_had_encoded_its_target(as_if_empty_lines_were_not_there(raw))
        if not raw or raw == b"\r":
            return requests, "open"
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        server.receive_data(raw)
        head, body = None, b""
        try:
            while not isinstance(found := server.next_event(), h11.EndOfMessage):
                if isinstance(found, h11.Request):
                    head = found
                elif isinstance(found, h11.Data):
                    body += bytes(found.data)
                else:
                    return requests, "unfinished"
        except h11.RemoteProtocolError as error:
            if not as_if_no_trailer_spoke_of_framing(head, error):
                return requests, "refused"
        assert head is not None
        requests.append(seen(head, body))
        raw = server.trailing_data[0]
        if not as_if_http_1_0_could_be_kept(head):
            return requests, "closed"


def pieces(raw: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    return [raw[begin:end] for begin, end in pairwise(places)]


def feed(transport: MemoryTransport, data: bytes) -> None:
    transport.inbound += data
    for _ in range(100):
        transport.pump(1 << 30)


TOKENS = st.text("abcxyzABC019-_.!~", min_size=1, max_size=8).map(str.encode)
VALUES = st.text('abc 019,;=:"\té', max_size=12).map(lambda text: text.strip().encode("latin-1"))
TARGETS = st.sampled_from(
    [
        b"/",
        b"/user/alice/x",
        b"/user/alice/%41?a=b",
        b"/a//b",
        b"/a/.b",
        b"/user/alice",
        b"http://b/x?y",
        b"http://b:80",
        "/é?ü".encode(),
        b"/a;b=c",
        b"/x?/../y",
    ]
)
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"X-OWN", b"get"])
FIELDS = st.lists(st.tuples(TOKENS.map(b"X-".__add__), VALUES).map(b": ".join), max_size=3)
OPTIONS = st.sampled_from(
    [b"", b"", b"", b"Connection: keep-alive", b"Connection: close", b"connection: x,, keep-alive", b"Connection: Upgrade\r\nUpgrade: own/1"]
)
EXTENSIONS = st.sampled_from([b"", b"", b";a", b';a="b c"', b"; a=b"])
CUTS = st.lists(st.integers(0, 5000), max_size=8)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """(fields, body)."""
    kind = draw(st.sampled_from(["none", "none", "length", "chunked"]))
    if kind == "length":
        body = draw(st.binary(max_size=60) | st.just(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
        return [draw(st.sampled_from([b"Content-Length: %d", b"content-length:%03d "])) % len(body)], body
    if kind == "chunked":
        chunks = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
        coded = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), draw(EXTENSIONS), chunk) for chunk in chunks)
        return [b"Transfer-Encoding: Chunked"], coded + b"0\r\n" + draw(
            st.sampled_from([b"", b"", b"X-Sum: 1\r\n", b"Content-Length: 5\r\n"])
        ) + b"\r\n"
    return [], b""


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    framing, body = draw(bodies())
    minor = 0 if not framing and draw(st.integers(0, 7)) == 0 else 1
    lines = [b"Host: " + draw(st.sampled_from([b"a", b"A.b:80", b"[::1]", b""])), *draw(FIELDS), *framing]
    if option := draw(OPTIONS):
        lines.append(option)
    lines = draw(st.permutations(lines))
    before = draw(st.sampled_from([b"", b"", b"", b"\r\n"]))
    return before + b"%b %b HTTP/1.%d\r\n" % (draw(METHODS), draw(TARGETS), minor) + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


SPOILS = st.sampled_from([
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b"\x00", b" ", b"\t", b":", b",", b";", b"0", b"f", b"+", b"-", b"\xff", b"\x0b", b"chunked", b"\r\n ", b"Host: b\r\n",
    b"Content-Length: 3\r\n", b"Content-Length:", b"Transfer-Encoding: chunked\r\n", b"transfer-encoding :x\r\n", b"HTTP/1.1", b"Connection: close\r\n", b"0\r\n\r\n",
])  # fmt: skip


TWISTS = [
    (b"ength: ", b"ength: +"), (b"ength: ", b"ength: 0x"), (b"ength: ", b"ength: 1,"), (b"ength: ", b"ength: 1\r\nContent-Length: "), (b"ength: ", b"ength : "),
    (b"ength: ", b"ength: -"), (b"ength:", b"ength:\r\n "), (b"ength:", b"ength: 5\r\nTransfer-Encoding: chunked\r\nContent-Length:"),
    (b"ransfer-Encoding:", b"ransfer-Encoding: chunked\r\nContent-Length: 5\r\nTransfer-Encoding:"), (b"Transfer-E", b"Content-Length: 5\r\nTransfer-E"),
    (b"Chunked", b"chunked, chunked"), (b"Chunked", b"gzip, chunked"), (b"Chunked", b"xchunked"), (b"Chunked", b"\x0bchunked"), (b"Chunked", b'"chunked"'),
    (b"ncoding:", b"ncoding :"), (b"ncoding:", b"ncoding:\r\n "), (b"\r\n0\r\n", b"\r\n0 \r\n"), (b"\r\n0\r\n", b"\r\n0\r\n\r"), (b"\r\n0\r\n", b"\n0\r\n"),
    (b"\r\n0\r\n", b"\r\n-0\r\n"), (b"Host:", b"Host : b\r\nHost:"), (b"Host:", b"X: y\r\n Host:"), (b"HTTP/1.1", b"HTTP/1.0"), (b"HTTP/1.1", b"HTTP/1.2"),
    (b"X-", b"Connection: content-length, transfer-encoding\r\nX-"), (b"\r\n\r\n", b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
]  # fmt: skip
"""What smugglers do, at the places where they do it."""


@st.composite
def twisted(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    raw = draw(good)
    old, new = draw(st.sampled_from([(old, new) for old, new in TWISTS if old in raw]))
    return raw.replace(old, new, 1)


@st.composite
def spoilt(draw: st.DrawFn, good: st.SearchStrategy[bytes]) -> bytes:
    """One to three places replaced by something that means much to one of the readers."""
    raw = draw(good)
    for _ in range(draw(st.integers(1, 3))):
        # Mostly where things are decided: at the ends of lines and around colons.
        near = draw(st.booleans())
        marks = [found.start() for found in re.finditer(rb"[\r\n: ]", raw)] if near else []
        at = draw(st.sampled_from(marks or range(len(raw) + 1)))
        raw = raw[:at] + draw(SPOILS) + raw[at + draw(st.integers(0, 3)) :]
    return raw


def through_the_proxy(raw: bytes, cuts: list[int]) -> tuple[list[Seen], bytes, bool]:
    """The requests that servers see, what the client is told, and whether the connection is still open."""
    with World() as world:
        honest = Honest(world)
        client = world.connect()
        for piece in pieces(raw, cuts):
            feed(client, piece)
            honest.run()
            client.take(1 << 30)
            client.pump(1 << 30)
        honest.run()
        client.take(1 << 30)
        world.loop.settle()
        world.check_errors()
        honest.check()
        for server in world.servers:
            for head in heads(bytes(server.sent)):
                check_head(head)
        return honest.requests, bytes(client.sent), not (client.is_closing() or client.sent_eof)


STREAMS = st.lists(requests(), min_size=1, max_size=4)


@given(STREAMS, CUTS)
def test_good_requests_arrive_as_h11_reads_them_and_the_connection_is_kept_as_it_says(stream: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(stream)
    expected, end = by_h11(raw)
    assert end in {"open", "closed"}
    arrived, told, is_open = through_the_proxy(raw, cuts)
    assert arrived == expected
    assert is_open == (end == "open")
    answers, wrong = read_answers(told, [request.method for request in expected], ended=False)
    assert not wrong
    assert [answer.body for answer in answers] == [b"" if request.method == b"HEAD" else b"seen: " + request.target for request in expected]


@given(spoilt(STREAMS.map(b"".join)) | twisted(STREAMS.map(b"".join)), CUTS)
@example(b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 ;a\r\nhello\r\n0\r\n\r\n", [])
@example(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /y HTTP/1.1\r\nHost:\r\n\r\n", [3])
def test_of_spoilt_requests_only_those_arrive_that_h11_reads(raw: bytes, cuts: list[int]) -> None:
    expected, end = by_h11(raw)
    assume(not any(request.host is None for request in expected))  # HTTP/1.0 without Host gets the server's
    arrived, told, is_open = through_the_proxy(raw, cuts)
    event(f"{end} by h11, {'open' if is_open else 'closed'} by the proxy, {min(len(arrived), 2)} arrived")
    assert arrived == expected[: len(arrived)]
    if is_open:
        assert end in {"open", "unfinished"}, "h11 refuses what the proxy still takes for HTTP"
        assert len(arrived) == len(expected)
    elif len(arrived) < len(expected) or end != "closed":
        # As if to a HEAD: it does not matter here whether the last one has a page.
        answers, _ = read_answers(told, [*(request.method for request in arrived), b"HEAD"], ended=True)
        assert len(answers) == len(arrived) + 1
        assert 400 <= answers[-1].status < 600, "the proxy's word is its last"


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    interim = draw(st.sampled_from([b"", b"", b"", b"HTTP/1.1 103 E\r\nLink: <x>\r\n\r\n", b"HTTP/1.1 100 C\r\n\r\n"]))
    status = draw(st.sampled_from([b"200 OK", b"200 OK", b"200", b"404 ", b"500 \xe9", b"204 N", b"304 N", b"599 X"]))
    framing, body = draw(bodies())
    if framing and framing[0].startswith(b"T") and draw(st.booleans()):
        framing = [framing[0], b"Connection: close"]
    lines = draw(
        st.permutations([*draw(FIELDS), *framing, *draw(st.sampled_from([[], [], [b"Connection: keep-alive"], [b"Keep-Alive: 5"], [b"Trailer: X"]]))])
    )
    minor = 0 if b"chunked" not in b"".join(framing).lower() and draw(st.integers(0, 7)) == 0 else 1
    if not framing:
        body = draw(st.binary(max_size=40))
    return interim + b"HTTP/1.%d " % minor + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def answered(raw: bytes, cuts: list[int], method: bytes, minor: int, ends: bool) -> tuple[bytes, str]:
    """What a client is told if a server answers with `raw`, and whether its connection is then "open", "ended" or "reset"."""
    with World() as world:
        client = world.connect()
        feed(client, b"%b /user/alice/x HTTP/1.%d\r\nHost: a\r\n\r\n" % (method, minor))
        world.loop.settle()
        server = world.accept()
        assert server is not None
        world.loop.settle()
        for piece in pieces(raw, cuts):
            feed(server, piece)
            world.loop.settle()
            client.take(1 << 30)
        if ends:
            server.end()
            world.loop.settle()
        client.take(1 << 30)
        world.loop.settle()
        told = bytes(client.sent)
        is_open = not (client.is_closing() or client.sent_eof)
        if is_open and world.clients[0].is_reading() and not client.lost:
            connection = next(iter(world.door.connections))
            if not connection.busy:
                honest_is_asked_next(world, client, len(told))
        world.check_errors()
        return told, "reset" if client.aborted else "open" if is_open else "ended"


def honest_is_asked_next(world: World, client: MemoryTransport, before: int) -> None:
    """Whatever the server has said, the next answer is that to the next question."""
    honest = Honest(world)
    for server in world.servers:
        server.take(1 << 30)
        server.sent.clear()
    feed(client, b"GET /user/alice/next HTTP/1.1\r\nHost: a\r\n\r\n")
    honest.run()
    client.take(1 << 30)
    assert bytes(client.sent[before:]).endswith(b"\r\n\r\nseen: /user/alice/next")
    assert bytes(client.sent[before:]).count(b"HTTP/1.1 ") == 1


@given(
    answers() | spoilt(answers()) | twisted(answers()), CUTS, st.sampled_from([b"GET", b"GET", b"HEAD"]), st.sampled_from([1, 1, 0]), st.booleans()
)
def test_a_client_is_told_what_h11_reads_in_the_answer_or_that_something_is_wrong(
    raw: bytes, cuts: list[int], method: bytes, minor: int, ends: bool
) -> None:
    assume(raw)
    expected, wrong = read_answers(as_if_answers_had_no_such_trailers(raw), [method], ended=ends)
    told, end = answered(raw, cuts, method, minor, ends)
    got, broken = read_answers(as_if_answers_had_no_such_trailers(told), [method], ended=end == "ended")
    event("502" if b"no proper answer" in told else f"{'passed' if got else 'broken off'}, {'passed' if expected else wrong[:20]} by h11")
    if got and got[0].status != 502:
        assert got == expected, "the client reads something else than h11 would have"
        assert not broken
    elif not got:
        assert end != "open" or not expected, "an answer that is whole was held back"
