"""The proxy's own pages: HTML for people, JSON for programs, nothing of the request in them."""

import json
from html.parser import HTMLParser

import pytest

from perijove.proxy.errorpages import SERVER_DOWN, Trouble, render, wants_html


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str | None] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])


def split(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    return line, dict(field.lower().split(": ", 1) for field in fields), body


def test_a_person_gets_a_page_with_a_way_out() -> None:
    line, fields, body = split(render(SERVER_DOWN, "/jupyter/", True, False, True))
    assert line == "HTTP/1.1 503 Service Unavailable"
    assert int(fields["retry-after"]) > 0
    assert int(fields["content-length"]) == len(body)
    page = Page()
    page.feed(body.decode())
    assert page.links == ["/jupyter/hub/home"]
    assert "script" not in page.tags
    assert "light dark" in body.decode()
    assert fields["content-security-policy"].startswith("default-src 'none'")
    assert fields["cache-control"] == "no-store"
    assert "connection" not in fields


def test_a_program_gets_json() -> None:
    _, fields, body = split(render(SERVER_DOWN, "/", False, False, False))
    assert fields["content-type"] == "application/json"
    assert fields["connection"] == "close"
    answer = json.loads(body)
    assert answer["status"] == 503
    assert "not answering" in answer["message"]


def test_head_gets_the_head_alone() -> None:
    _, fields, body = split(render(SERVER_DOWN, "/", True, True, True))
    assert body == b""
    assert int(fields["content-length"]) > 0


def test_words_are_escaped() -> None:
    body = split(render(Trouble(400, "<b>", "<script>", 0, "x\"onclick='y'", "<i>"), "/", True, False, False))[2].decode()
    assert "<script>" not in body
    assert "<b>" not in body
    assert 'x"' not in body


@pytest.mark.parametrize(
    ("block", "html"),
    [
        (b"Host: h\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", True),
        (b"accept:TEXT/HTML\r\n", True),
        (b"Accept: */*\r\n", False),
        (b"Accept: application/json\r\n", False),
        (b"X-Accept: text/html\r\n", False),
        (b"", False),
    ],
)
def test_who_looks_at_pages_is_told_by_accept(block: bytes, html: bool) -> None:
    assert wants_html(block) is html
