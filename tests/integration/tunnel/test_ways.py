"""How agents get to the site: by TLS, checked against the authorities they are told of, and through web proxies."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.proxy.certificates import write_certificate
from tests.integration.tunnel.wires import Wires, until, wires


class Front:
    """A TLS front before `to`, and a web proxy that leads anywhere but asks who comes."""

    def __init__(self) -> None:
        self.to = 0
        self.port = self.proxy_port = 0
        self.asked: list[bytes] = []

    async def pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await reader.read(64 * 1024):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: int) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", to)
        async with asyncio.TaskGroup() as both:
            both.create_task(self.pipe(reader, back))
            both.create_task(self.pipe(there, writer))

    async def tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.between(reader, writer, self.to)

    async def proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if b"Proxy-Authorization: Basic " + base64.b64encode(b"me:p@ss") not in head:
            writer.write(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Here you are\r\n\r\n")
        await self.between(reader, writer, int(head.split()[1].rpartition(b":")[2]))


@asynccontextmanager
async def front(folder: Path) -> AsyncIterator[tuple[Front, str]]:
    """And the file of the authority."""
    certificate, key = write_certificate(folder, "site")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    found = Front()
    async with (
        await asyncio.start_server(found.tls, "127.0.0.1", 0, ssl=context) as tls,
        await asyncio.start_server(found.proxy, "127.0.0.1", 0) as proxy,
    ):
        found.port, found.proxy_port = (server.sockets[0].getsockname()[1] for server in (tls, proxy))
        yield found, certificate
    for _ in range(10):
        await asyncio.sleep(0)


async def carries(found: Wires) -> None:
    async with asyncio.timeout(20):
        await until(lambda: found.dialler.up, "the agent")
        await until(lambda: (agent := found.gateway.front.agents.find("s1")) is not None and agent.here, "the agent")
        reader, writer, _ = await found.open()
        writer.write(b"x" * 300_000)
        assert await reader.readexactly(300_000) == b"x" * 300_000
        writer.close()


async def test_by_tls_to_a_site_whose_authority_is_known(tmp_path: Path) -> None:
    async with front(tmp_path) as (site, authority), wires(tmp_path, dial=f"wss://localhost:{site.port}/tunnel/", ca_file=authority) as found:
        site.to = found.port
        await carries(found)


async def test_a_site_that_is_not_who_it_says_gets_no_token(tmp_path: Path) -> None:
    async with front(tmp_path) as (site, _), wires(tmp_path, dial=f"wss://localhost:{site.port}/tunnel/") as found:
        site.to = found.port
        await until(lambda: found.said, "a complaint")
        assert "certificate verify failed" in found.said[0].lower()
        assert found.gateway.front.agents.find("s1") is None
        assert not found.gateway.front.refused, "it was not even asked"


async def test_through_a_web_proxy_that_asks_who_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front(tmp_path) as (site, authority):
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@127.0.0.1:{site.proxy_port}")
        monkeypatch.setenv("no_proxy", "example.org")
        async with wires(tmp_path, dial=f"wss://localhost:{site.port}/tunnel/", ca_file=authority) as found:
            site.to = found.port
            await carries(found)
        assert site.asked[0].startswith(f"CONNECT localhost:{site.port} HTTP/1.1\r\n".encode())
        assert b"Perijove" not in site.asked[0]
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{site.proxy_port}")
        async with wires(tmp_path, dial=f"wss://localhost:{site.port}/tunnel/", ca_file=authority) as found:
            await until(lambda: found.said, "a complaint")
            assert "407 the web proxy" in found.said[0]
        monkeypatch.setenv("no_proxy", "localhost")
        async with wires(tmp_path, dial=f"wss://localhost:{site.port}/tunnel/", ca_file=authority) as found:
            site.to = found.port
            await carries(found)
