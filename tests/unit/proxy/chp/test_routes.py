"""The keeper's table: paths, specs, changes by number, and the journal that outlives it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.chp.journal import Journal
from perijove.proxy.chp.paths import clean_path, spec_of
from perijove.proxy.chp.routes import Routes
from perijove.wire.feed import Change, Route
from perijove.wire.routespec import BadRouteSpecError, parse_routespec
from perijove.wire.target import BadTargetError

TARGET = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a"),
        ("/user/a%40b/", "/user/a@b"),
        ("/a%2Fb", "/a/b"),
        ("/caf%C3%A9", "/café"),
        ("/%2541", "/%41"),
    ],
)
def test_paths_are_decoded_and_have_no_slash_behind(raw: str, path: str) -> None:
    assert clean_path(raw) == path


@pytest.mark.parametrize("raw", ["/%ff", "/%", "/%zz"])
def test_paths_that_are_no_text_are_refused(raw: str) -> None:
    with pytest.raises(BadRouteSpecError):
        clean_path(raw)


@pytest.mark.parametrize("path", ["/a//b", "/../x", "/.", "/a\n"])
def test_paths_that_no_request_can_have_are_refused(path: str) -> None:
    with pytest.raises(BadRouteSpecError):
        spec_of(path, False)


@given(
    st.lists(st.text(st.characters(min_codepoint=0x20, exclude_characters="/\x7f", exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=4)
)
def test_a_spec_means_the_segments_of_its_path(segments: list[str]) -> None:
    if any(segment in {".", ".."} for segment in segments):
        return
    assert parse_routespec(spec_of("/" + "/".join(segments), False)).segments == tuple(segment.encode() for segment in segments)


def test_with_host_routing_the_first_segment_is_the_host() -> None:
    assert spec_of("/Alice.example.org/user/a b", True) == "alice.example.org/user/a%20b/"
    assert spec_of("/alice.example.org", True) == "alice.example.org/"
    assert spec_of("/", True) == "/"


def test_a_route_shows_what_was_posted_and_when_it_was_used() -> None:
    routes = Routes()
    routes.put("/a", TARGET, {"target": TARGET, "jupyterhub": True, "last_activity": "never"}, 1000.25)
    assert routes.models() == {"/a": {"target": TARGET, "jupyterhub": True, "last_activity": "1970-01-01T00:16:40.250Z"}}
    assert [kept.path for kept in routes.used({"/a/": "1970-01-01T00:20:00.000Z", "/gone/": "1970-01-01T00:20:00.000Z"})] == ["/a"]
    assert routes.used({"/a/": "1970-01-01T00:19:00.000Z"}) == [], "older than what is known"
    assert routes.models(1199.0) == {}
    assert list(routes.models(1200.5)) == ["/a"]


def test_bad_targets_change_nothing() -> None:
    routes = Routes()
    with pytest.raises(BadTargetError):
        routes.put("/a", "nonsense", {}, 0)
    assert routes.revision == 0
    assert routes.by_path == {}


def test_who_was_away_is_told_the_changes_or_to_take_all() -> None:
    routes = Routes()
    for path in ("/a", "/b"):
        routes.put(path, TARGET, {}, 0)
    assert routes.delete("/a") == Change("delete", spec="/a/")
    assert routes.delete("/a") is None
    assert routes.since(routes.epoch, 1) == (Change("set", Route("/b/", TARGET)), Change("delete", spec="/a/"))
    assert routes.since(routes.epoch, 3) == ()
    assert routes.since(routes.epoch, 4) is None
    assert routes.since("another", 3) is None
    assert json.loads(routes.snapshot())["routes"] == [{"spec": "/b/", "target": TARGET, "data": {}}]


def test_hosts_in_other_letters_are_one_route() -> None:
    routes = Routes(host_routing=True)
    routes.put("/Alice.example.org/x", TARGET, {}, 0)
    routes.put("/alice.example.org/x", TARGET, {"second": True}, 0)
    assert list(routes.by_path) == ["/alice.example.org/x"]
    assert routes.delete("/alice.example.org/x") is not None
    assert routes.models() == {}


def _kept(path: Path) -> tuple[Journal, Routes]:
    journal, routes = Journal(str(path)), Routes()
    journal.load(routes)
    journal.rewrite(routes, "")
    return journal, routes


def _put(journal: Journal, routes: Routes, path: str, **data: object) -> None:
    kept, _ = routes.put(path, TARGET, data, 5.0)
    journal.put(kept, routes.revision)


def test_what_was_written_is_there_again_with_its_numbers(tmp_path: Path) -> None:
    file = tmp_path / "routes"
    journal, routes = _kept(file)
    for name in ("a", "b", "c"):
        _put(journal, routes, f"/{name}", name=name)
    routes.delete("/b")
    journal.delete("/b", routes.revision)
    journal.used(routes.used({"/a/": "1970-01-01T00:20:00.000Z"}))
    for _ in range(2):  # as appended, and as written anew
        journal.close()
        again = Routes()
        journal = Journal(str(file))
        journal.load(again)
        assert again.models() == routes.models()
        assert (again.epoch, again.revision) == (routes.epoch, routes.revision)
        assert again.since(again.epoch, again.revision) == ()
        assert again.since(again.epoch, again.revision - 1) is None
        journal.rewrite(again, "http://default")
    assert journal.default_target == "http://default"
    journal.close()
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["routes"]


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_line_costs_itself_alone(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "routes"
    journal, routes = _kept(file)
    _put(journal, routes, "/a")
    _put(journal, routes, "/b")
    journal.close()
    file.write_bytes(file.read_bytes()[:-cut])
    journal, routes = _kept(file)
    assert "/a" in routes.by_path
    assert ("/b" in routes.by_path) is (cut == 1)
    _put(journal, routes, "/c")
    journal.close()
    assert "/c" in _kept(file)[1].by_path


def test_rubbish_and_missing_folders_do_not_stop_the_keeper(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "routes"
    file.write_bytes(b"\x00rubbish\n{}")
    journal, routes = _kept(file)
    assert routes.models() == {}
    assert "not a file of routes" in caplog.text
    _put(journal, routes, "/a")
    journal.close()
    blocked = tmp_path / "routes" / "below"
    journal, routes = _kept(blocked)
    _put(journal, routes, "/a")
    assert "cannot be kept" in caplog.text


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    journal, routes = _kept(tmp_path / "routes")
    for _ in range(100):
        _put(journal, routes, "/a", text="x" * 100_000)
        if journal.too_long:
            journal.rewrite(routes, "")
    journal.close()
    assert (tmp_path / "routes").stat().st_size < 6_000_000
    assert _kept(tmp_path / "routes")[1].models() == routes.models()
