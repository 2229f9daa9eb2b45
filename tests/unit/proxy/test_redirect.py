"""The plain port: where people are sent, and what is not answered."""

from pathlib import Path

import pytest

from perijove.proxy.redirect import Redirect


def asked(redirect: Redirect, head: bytes) -> tuple[int, str, bytes]:
    """Status, Location and body of the answer."""
    lines, _, body = redirect.answer(head).partition(b"\r\n\r\n")
    first, *fields = lines.decode("ascii").split("\r\n")
    named = dict(field.split(": ", 1) for field in fields)
    assert named["Connection"] == "close"
    assert "Strict-Transport-Security" not in named
    return int(first.split(" ")[1]), named.get("Location", ""), body


def get(target: bytes, host: bytes = b"hub.example.org", method: bytes = b"GET") -> bytes:
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (method, target, host)


@pytest.mark.parametrize(
    ("head", "location"),
    [
        (get(b"/"), "https://hub.example.org/"),
        (get(b"/hub/login?next=%2Fhub%2Fhome&a=b"), "https://hub.example.org/hub/login?next=%2Fhub%2Fhome&a=b"),
        (get(b"/", b"hub.example.org:80"), "https://hub.example.org/"),
        (get(b"/", b"hub.example.org:"), "https://hub.example.org/"),
        (get(b"/", b"[2001:db8::1]:8080"), "https://[2001:db8::1]/"),
        (get(b"/", b"192.0.2.7"), "https://192.0.2.7/"),
        (get(b"/", method=b"POST"), "https://hub.example.org/"),
        (get(b"//elsewhere.example.com/x"), "https://hub.example.org//elsewhere.example.com/x"),
        (get(b"http://other.example.org:80/x?y"), "https://other.example.org/x?y"),
        (get(b"http://other.example.org"), "https://other.example.org/"),
        (get('/é"<>\\'.encode()), "https://hub.example.org/%C3%A9%22%3C%3E%5C"),
        (b"GET /x HTTP/1.0\r\nhost: old.example.org\r\n\r\n", "https://old.example.org/x"),
        (get(b"/.well-known/acme-challenge/token"), "https://hub.example.org/.well-known/acme-challenge/token"),
    ],
)
def test_people_are_sent_to_the_same_address_by_tls(head: bytes, location: str) -> None:
    assert asked(Redirect(443), head) == (308, location, b"")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        get(b"/", b""),
        get(b"/", b"user@evil.example.com"),
        get(b"/", b"evil.example.com/x"),
        get(b"/", b"evil.example.com?x"),
        get(b"/", b"evil.example.com#x"),
        get(b"/", b"a b"),
        get(b"/", b"a\\b"),
        get(b"/", b"a%2fb"),
        get(b"/", b"a,b"),
        get(b"/", b"[::1"),
        get(b"/", b"[::1]x"),
        get(b"/", b"a:80:80"),
        get(b"/", b"-a"),
        get(b"/", b"a" * 300),
        get(b"/", "é.example.org".encode()),
        get(b"/", b"a\r\nHost: b"),
        get(b"/", b"a\r\n folded"),
        get(b"/", b"a\nSet-Cookie: x=y"),
        get(b"/", b"a\rb"),
        get(b"http://u@a/"),
        get(b"http:///x"),
        get(b"https://a/"),
        get(b"*"),
        get(b"a:443", method=b"CONNECT"),
        get(b"/a b"),
        get(b"/\x00"),
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_malformed_leads_nowhere(head: bytes) -> None:
    status, location, _ = asked(Redirect(443), head)
    assert (status, location) == (400, "")


def test_port_address_and_status_may_be_told() -> None:
    assert asked(Redirect(8443, status=301), get(b"/x", b"a:8080")) == (301, "https://a:8443/x", b"")
    assert asked(Redirect("https://hub.example.org:444/"), b"GET /x HTTP/1.0\r\n\r\n") == (308, "https://hub.example.org:444/x", b"")
    with pytest.raises(ValueError, match="200"):
        Redirect(443, status=200)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A web root with one challenge, and things that are none."""
    challenges = tmp_path / "root" / ".well-known" / "acme-challenge"
    (challenges / "folder").mkdir(parents=True)
    (challenges / "tok-en_1").write_text("tok-en_1.thumb")
    (challenges / "big").write_bytes(b"x" * 5000)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root" / "secret").write_text("secret")
    (challenges / "link").symlink_to(tmp_path / "secret")
    return tmp_path / "root"


def test_challenges_of_certificate_authorities_are_answered(folder: Path) -> None:
    redirect = Redirect(443, acme_folder=str(folder))
    path = b"/.well-known/acme-challenge/tok-en_1"
    assert asked(redirect, get(path)) == (200, "", b"tok-en_1.thumb")
    assert asked(redirect, get(path, method=b"HEAD")) == (200, "", b"")
    assert asked(redirect, get(path, method=b"POST"))[0] == 405
    assert asked(redirect, get(b"/.well-known/other")) == (308, "https://hub.example.org/.well-known/other", b"")


@pytest.mark.parametrize(
    "token", [b"", b"none", b".", b"..", b"../../secret", b"..%2f..%2fsecret", b"/secret", b"tok-en_1/", b"tok-en_1?x", b"folder", b"link", b"big"]
)
def test_nothing_but_challenges_can_be_read(folder: Path, token: bytes) -> None:
    status, _, body = asked(Redirect(443, acme_folder=str(folder)), get(b"/.well-known/acme-challenge/" + token))
    assert (status, body) == (404, b"There is no such challenge.")
