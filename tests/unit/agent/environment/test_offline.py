"""Whether packages come from a network is found out, not guessed."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from perijove.agent.environment.offline import INDEX, PipSettings, reachable, settings, shown, source
from perijove.agent.environment.trouble import TroubleError

NOBODY = "http://127.0.0.1:9/simple"


@pytest.fixture(scope="module")
def index() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)  # which answers 501 to everything
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    thread.join()
    server.server_close()


def test_pips_own_configuration_is_read_its_variables_last() -> None:
    listed = "global.index-url='https://mirror/simple'\n:env:.find-links='/a /b'\nglobal.find-links='/c'\ninstall.no-index='true'\n"
    assert settings(listed) == PipSettings(True, ("https://mirror/simple",), ("/a", "/b"))
    assert settings("") == PipSettings(False, (INDEX,), ())


def test_an_index_that_answers_anything_is_there(index: str) -> None:
    assert reachable(index, {})
    assert not reachable(NOBODY, {})
    assert not reachable(index, {"http_proxy": "http://127.0.0.1:9"}), "the way is by the proxy"
    assert reachable(index, {"http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"})
    assert not reachable("ftp://127.0.0.1/simple", {})


def test_with_an_index_packages_come_from_it(index: str) -> None:
    found = source(told=None, find_links=["/w"], pip=PipSettings(indexes=(NOBODY, index)), environ={})
    assert (found.offline, found.options) == (False, ("--find-links", "/w"))


def test_without_one_they_come_from_the_wheels_that_are_known(tmp_path: Path) -> None:
    away = PipSettings(indexes=(NOBODY,))
    (tmp_path / "x-1-py3-none-any.whl").touch()
    assert source(told=None, find_links=["/w"], pip=away, environ={}).options == ("--no-index", "--find-links", "/w")
    assert source(told=None, find_links=[], pip=PipSettings(indexes=(NOBODY,), find_links=("/p",)), environ={}).options == ("--no-index",)
    found = source(told=None, find_links=[], pip=away, environ={}, wheelhouses=["/nowhere", str(tmp_path)])
    assert found.options == ("--no-index", "--find-links", str(tmp_path))
    with pytest.raises(TroubleError, match=r"cannot be reached from this machine.*login node"):
        source(told=None, find_links=[], pip=away, environ={}, wheelhouses=[])


def test_the_word_of_pip_or_of_the_person_costs_no_question() -> None:
    assert source(told=None, find_links=[], pip=PipSettings(no_index=True), environ={}).options == ()
    assert source(told=True, find_links=["/w"], pip=PipSettings(), environ={}).options == ("--no-index", "--find-links", "/w")
    assert not source(told=False, find_links=[], pip=PipSettings(indexes=(NOBODY,)), environ={}).offline


def test_an_indexs_password_is_not_shown() -> None:
    assert shown("https://me:secret@mirror.example/simple") == "https://mirror.example/simple"
