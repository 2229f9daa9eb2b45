"""People who reach a Perijove by names that no DNS knows: all hosts are at one port of this machine."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlsplit

import httpx2 as httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.running.browser import Person


class AtOnePort(httpx.HTTPTransport):
    """Sends all requests to 127.0.0.1, with the Host field of their address."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        there = request.url.copy_with(host="127.0.0.1", port=self.port)
        return super().handle_request(
            httpx.Request(request.method, there, headers=request.headers, stream=request.stream, extensions=request.extensions)
        )


class Roamer(Person):
    """A Person at a browser whose DNS knows the hosts of a site. `url` is the hub's address, `at` where its proxy really listens."""

    def __init__(self, url: str, at: str) -> None:
        super().__init__(url)
        self.http.close()
        self.port = urlsplit(at).port or 80
        jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))  # as RFC 6265 has it
        transport = AtOnePort(self.port)
        self.http = httpx.Client(
            base_url=url, follow_redirects=True, timeout=60, headers={"accept": "text/html"}, cookies=jar, transport=transport, trust_env=False
        )

    def of(self, user: str) -> str:
        """The address of a person's host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{user}.{parts.netloc}"

    def cookies_for(self, host: str, path: str = "/") -> dict[str, str]:
        """What the browser would send there."""
        request = httpx.Request("GET", f"{urlsplit(self.url).scheme}://{host}{path}")
        self.http.cookies.set_cookie_header(request)
        pairs = (pair.partition("=") for pair in request.headers.get("cookie", "").split("; ") if pair)
        return {name: value for name, _, value in pairs}

    @contextmanager
    def socket(self, url: str, origin: str) -> Iterator[ClientConnection]:
        """A WebSocket to an http address, from a page of `origin`."""
        parts = urlsplit(url)
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies_for(parts.netloc, parts.path).items())
        with (
            socket.create_connection(("127.0.0.1", self.port)) as sock,
            connect(
                url.replace("http", "ws", 1),
                sock=sock,
                additional_headers={"Cookie": sent, "Sec-Fetch-Mode": "websocket"},
                origin=Origin(origin),
                proxy=None,
            ) as opened,
        ):
            yield opened
