"""TLS at the door and behind it."""

import asyncio
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from .certificates import make_certificate
from .harness import StartProxy
from .raw_http import until


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """Paths of a certificate for localhost and its key."""
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    for path, content in zip(paths, make_certificate("test"), strict=True):
        path.write_bytes(content)
    return str(paths[0]), str(paths[1])


async def test_websockets_by_tls_to_a_server_by_tls(start_proxy: StartProxy, certificate: tuple[str, str]) -> None:
    cert, key = certificate
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(cert, key)

    async def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(connection.request.headers["X-Forwarded-Proto"])
        async for message in connection:
            await connection.send(message)

    proxy = await start_proxy(follow=False, tls_cert=cert, tls_key=key, upstream_ca=cert)
    async with serve(echo, "localhost", 0, ssl=inside, max_size=None) as server:
        proxy.route("/user/alice/", f"https://localhost:{server.sockets[0].getsockname()[1]}")
        outside = ssl.create_default_context(cafile=cert)
        async with connect(f"wss://localhost:{proxy.port}/user/alice/", ssl=outside, host="127.0.0.1", max_size=None) as connection:
            assert await connection.recv() == "https"
            await connection.send(b"x" * 3_000_000)
            assert await connection.recv() == b"x" * 3_000_000
        await until(lambda: not proxy.worker.door.tunnels)


async def test_a_server_whose_certificate_nobody_vouches_for_is_not_talked_to(start_proxy: StartProxy, certificate: tuple[str, str]) -> None:
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(*certificate)
    reached = False

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached = bool(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(served, "localhost", 0, ssl=inside)
    proxy = await start_proxy(follow=False)
    proxy.route("/user/alice/", f"https://localhost:{server.sockets[0].getsockname()[1]}")
    assert (await proxy.get("/user/alice/")).status == 503
    assert not reached
    server.close()
