"""Fetching pip for a Python without one, from a package index on loopback."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pip_wheel import NoPipError, fetch_pip, setting

WHEEL = b"a wheel"
GOOD = f"sha256={hashlib.sha256(WHEEL).hexdigest()}"


class Index(ThreadingHTTPServer):
    """A simple index whose page for pip is `page`; remembers the credentials it was shown."""

    page = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.shown: list[str | None] = []


class _Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.shown.append(self.headers["Authorization"])
        body = self.server.page.encode() if self.path == "/simple/pip/" else WHEEL
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with Index() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        yield server
        server.shutdown()
        thread.join()


def link(name: str, fragment: str = GOOD, more: str = "") -> str:
    return f'<a href="../../files/{name}#{fragment}" {more}>{name}</a>'


def test_the_newest_pip_that_this_python_can_run_is_fetched(index: Index) -> None:
    index.page = (
        link("pip-9.0-py3-none-any.whl")
        + link("pip-24.1-py3-none-any.whl", more='data-requires-python="&gt;=3.8"')
        + link("pip-25.0b1-py3-none-any.whl")
        + link("pip-26.0-py3-none-any.whl", more='data-yanked="broken"')
        + link("pip-27.0-py3-none-any.whl", more='data-requires-python="&gt;=3.99"')
        + link("pip-28.0.tar.gz")
    )
    with fetch_pip() as wheel:
        assert wheel.name == "pip-24.1-py3-none-any.whl"
        assert wheel.read_bytes() == WHEEL


def test_a_wheel_that_is_not_what_the_index_announced_is_refused(index: Index) -> None:
    index.page = link("pip-24.1-py3-none-any.whl", fragment=f"sha256={'0' * 64}")
    with pytest.raises(NoPipError, match="not what the index announced"), fetch_pip():
        pass


def test_a_password_of_the_index_is_sent_and_never_shown(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"http://ada:s3cret@127.0.0.1:{index.server_port}/simple")
    with pytest.raises(NoPipError) as caught, fetch_pip():
        pass
    assert index.shown == ["Basic YWRhOnMzY3JldA=="]
    assert "s3cret" not in str(caught.value)


def test_the_index_of_pips_own_settings_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://packages.example.org/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    assert setting("index-url") == "https://packages.example.org/simple"
