"""The route table finds what a loop over all routes would find, and forgets what is deleted."""

from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perijove.proxy.table import Entry, Table
from perijove.wire.feed import Route
from perijove.wire.routespec import BadRouteSpecError, parse_routespec

SEGMENT = st.sampled_from(["user", "alice", "bob", "a@b", "a%40b", "x", "constructor", "__proto__", "é", "a%2Fb"])
HOST = st.sampled_from(["", "", "", "alice.example.org", "b.example.org"])
SPEC = st.builds(lambda host, segments: host + "/" + "".join(f"{s}/" for s in segments), HOST, st.lists(SEGMENT, max_size=4))
PATH = st.lists(SEGMENT | st.just(""), max_size=6).map(lambda segments: quote("/" + "/".join(segments), safe="/%@").encode())


def put(table: Table[str], spec: str) -> None:
    table.set(Entry(Route(spec, "http://t:1"), spec))


def naive(specs: set[str], path: bytes, host: bytes) -> str | None:
    """The longest spec, of the request's host if it has any that fits, whose segments all begin the path."""
    segments = [unquote_to_bytes(segment) for segment in path.split(b"/")[1:]]
    fitting = []
    for spec in specs:
        parsed = parse_routespec(spec)
        if parsed.host in {b"", host} and list(parsed.segments) == segments[: len(parsed.segments)]:
            fitting.append((parsed.host != b"", len(parsed.segments), spec))
    return max(fitting)[2] if fitting else None


@settings(max_examples=150)
@given(st.lists(SPEC, max_size=12), st.lists(SPEC, max_size=6), st.lists(PATH, max_size=8), st.sampled_from([b"", b"alice.example.org", b"other"]))
def test_it_finds_what_a_loop_over_all_routes_finds(added: list[str], deleted: list[str], paths: list[bytes], host: bytes) -> None:
    table: Table[str] = Table()
    model: dict[object, str] = {}
    for spec in added:
        put(table, spec)
        model[parse_routespec(spec)] = spec
    for spec in deleted:
        assert (table.delete(spec) is not None) == (model.pop(parse_routespec(spec), None) is not None)
    assert len(table) == len(model)
    assert {entry.place for entry in table} == set(model.values())
    for path in paths:
        found = table.find(path, host + b":8000" if host else b"")
        assert (found.place if found else None) == naive(set(model.values()), path, host)


def test_a_path_without_the_slash_at_its_end_belongs_to_the_route() -> None:
    table: Table[str] = Table()
    put(table, "/user/alice/")
    assert table.find(b"/user/alice", b"") is table.find(b"/user/alice/lab/tree", b"") is table.get("/user/alice/")
    assert table.find(b"/user/alicea", b"") is None
    assert table.find(b"/user", b"") is None


def test_replacing_a_route_gives_back_the_one_before() -> None:
    table: Table[str] = Table()
    put(table, "/user/a@b/")
    before = table.set(Entry(Route("/user/a%40b/", "http://t:2"), "new"))
    assert before is not None
    assert before.place == "/user/a@b/"
    assert len(table) == 1
    with pytest.raises(BadRouteSpecError):
        table.set(Entry(Route("nothing", "http://t:2"), "new"))


def test_nothing_is_left_behind_by_deleted_routes() -> None:
    table: Table[str] = Table()
    for number in range(1000):
        put(table, f"h{number}.example.org/user/{number}/lab/")
        put(table, f"/user/{number}/lab/")
    for number in range(1000):
        table.delete(f"h{number}.example.org/user/{number}/lab/")
        table.delete(f"/user/{number}/lab/")
    assert not table._hosts
    assert not table._any.children
    assert len(table) == 0


def test_a_path_of_thousands_of_segments_is_split_no_further_than_routes_go() -> None:
    table: Table[str] = Table()
    put(table, "/user/alice/")
    assert table.find(b"/user/alice" + b"/x" * 30_000, b"") is not None
    assert table.find(b"/user/alice" + b"/%78" * 10_000, b"") is not None
    put(table, "/user/alice/x%2Fx/")  # what is left over of the path must not be taken for one segment
    found = table.find(b"/user/alice/x/x", b"")
    assert found is not None
    assert found.place == "/user/alice/"
