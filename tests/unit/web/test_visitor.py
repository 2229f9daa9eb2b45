"""Whose word about a client's address the hub takes."""

import pytest
from starlette.types import Scope

from perijove.web.visitor import believe_proxies
from perijove.wire.proxymark import proxy_mark

MARK = proxy_mark("the proxies' secret").encode()
TOLD = [(b"x-forwarded-for", b"192.0.2.1"), (b"x-real-ip", b"192.0.2.1"), (b"x-forwarded-proto", b"https")]


def scope(*marks: bytes) -> Scope:
    headers = [(b"host", b"h"), *TOLD, *((b"x-perijove-proxy", mark) for mark in marks)]
    return {"type": "http", "client": ("127.0.0.1", 4711), "scheme": "http", "headers": headers}


def test_what_our_proxy_says_of_its_client_is_believed() -> None:
    seen = scope(MARK)
    believe_proxies(seen, MARK)
    assert (seen["client"], seen["scheme"]) == (("192.0.2.1", 0), "https")
    assert seen["headers"] == [(b"host", b"h"), *TOLD], "the mark goes no further"


@pytest.mark.parametrize("marks", [(), (b"",), (b"guess",), (MARK[:-1],), (MARK, MARK), (MARK, b"")])
def test_nobody_else_can_choose_an_address(marks: tuple[bytes, ...]) -> None:
    seen = scope(*marks)
    believe_proxies(seen, MARK)
    assert (seen["client"], seen["scheme"]) == (("127.0.0.1", 4711), "http")
    assert seen["headers"] == [(b"host", b"h"), *TOLD]


def test_a_hub_without_a_secret_believes_nobody() -> None:
    seen = scope(b"")
    believe_proxies(seen, proxy_mark("").encode())
    assert seen["client"] == ("127.0.0.1", 4711)


def test_marks_of_different_secrets_differ_and_show_nothing_of_them() -> None:
    assert proxy_mark("a") != proxy_mark("b")
    assert "secret" not in proxy_mark("secret")
