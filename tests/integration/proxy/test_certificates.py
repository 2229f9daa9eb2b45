"""Certificates at the door: whose is shown, how they change, and what visitors have to show and speak."""

import asyncio
import os
import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from perijove.proxy.certfiles import CertificateFiles
from perijove.proxy.tlsdemands import TlsDemands

from .certificates import careless, make_certificate, name_shown, tls_client, tls_name, write_certificate
from .fake_hub import FakeHub
from .harness import Proxy, StartProxy
from .raw_http import Client, closed_port, until
from .test_processes import StartProcess, start_process

__all__ = ["start_process"]
GET = b"GET /hub/home HTTP/1.1\r\nHost: h\r\n\r\n"


def files(paths: tuple[str, str]) -> CertificateFiles:
    return CertificateFiles(cert=paths[0], key=paths[1])


async def test_visitors_are_shown_the_certificate_of_the_name_they_ask_for(start_proxy: StartProxy, hub: FakeHub, tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, "first", "hub.example.org")
    more = (
        files(write_certificate(tmp_path, "wild", "*.lab.example.org")),
        files(write_certificate(tmp_path, "address", "127.0.0.1", "one.lab.example.org")),
    )
    proxy = await start_proxy(hubs=(hub.url,), follow=False, tls_cert=cert, tls_key=key, certificates=more)
    names = ("hub.example.org", "x.lab.example.org", "ONE.lab.example.org", "elsewhere.example.com", None)
    assert [await tls_name(proxy.port, name) for name in names] == ["first", "wild", "address", "first", "address"]
    trusting = ssl.create_default_context(cafile=more[0].cert)
    client = await tls_client(proxy.port, trusting, "any.lab.example.org")
    assert (await client.ask(GET)).status == 200
    client.abort()


async def test_no_connection_fails_while_certificates_change(start_proxy: StartProxy, hub: FakeHub, tmp_path: Path) -> None:
    first, second = (write_certificate(tmp_path, name, f"{name}.example.org") for name in ("a", "b"))
    proxy = await start_proxy(hubs=(hub.url,), follow=False, certificates=(files(first), files(second)))
    kept = await tls_client(proxy.port)
    changing = True
    seen: set[str] = set()

    async def visit(host: str) -> None:
        while changing:
            client = await tls_client(proxy.port, host=host)
            assert (await client.ask(GET)).status == 200
            seen.add(name_shown(client))
            client.abort()

    async with asyncio.TaskGroup() as group:
        for host in ("a.example.org", "b.example.org") * 4:
            group.create_task(visit(host))
        await until(lambda: seen == {"a", "b"})
        for turn in range(12):
            cert, key = make_certificate(f"a{turn}", "a.example.org")
            for path, content in ((first[0], b"rubbish"), (first[0], cert), (first[1], key)):  # in between, what is there does not fit
                Path(path).write_bytes(content)
                proxy.worker.reload_certificates()
            async with asyncio.timeout(10):
                while f"a{turn}" not in seen:
                    await asyncio.sleep(0.01)
        changing = False
    assert seen == {"a", "b", *(f"a{turn}" for turn in range(12))}
    assert (await kept.ask(GET)).status == 200, "who is inside stays"
    kept.abort()


def demanding(version: ssl.TLSVersion, ciphers: str = "") -> ssl.SSLContext:
    context = careless()
    context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context


async def spoken(proxy: Proxy, context: ssl.SSLContext) -> str | None:
    """The version and cipher agreed upon; None if there was no agreement."""
    try:
        client = await tls_client(proxy.port, context)
        assert (await client.ask(GET)).status == 200
    except OSError:
        await until(lambda: not proxy.worker.door.connections)
        return None
    tls = client.writer.get_extra_info("ssl_object")
    client.abort()
    assert tls.selected_alpn_protocol() in {None, "http/1.1"}
    return f"{tls.version()} {tls.cipher()[0]}"


async def test_only_sensible_versions_and_ciphers_are_spoken(start_proxy: StartProxy, hub: FakeHub, tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, "a")
    proxy = await start_proxy(hubs=(hub.url,), follow=False, tls_cert=cert, tls_key=key)
    old, new = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    mixed = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384"
    assert await spoken(proxy, demanding(old, mixed)) == "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384", "the proxy's order counts"
    assert (await spoken(proxy, demanding(new)) or "").startswith("TLSv1.3 ")
    assert await spoken(proxy, demanding(old, "ECDHE-ECDSA-AES128-SHA256")) is None
    with_alpn = careless()
    with_alpn.set_alpn_protocols(["h2", "http/1.1"])
    client = await tls_client(proxy.port, with_alpn)
    assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    client.abort()
    strict = await start_proxy(hubs=(hub.url,), follow=False, tls_cert=cert, tls_key=key, tls_demands=TlsDemands(min_version="1.3"))
    assert await spoken(strict, demanding(old)) is None
    assert (await spoken(strict, demanding(new)) or "").startswith("TLSv1.3 ")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("required", [True, False])
async def test_visitors_show_certificates(start_proxy: StartProxy, hub: FakeHub, tmp_path: Path, required: bool, version: ssl.TLSVersion) -> None:
    cert, key = write_certificate(tmp_path, "a", "a.example.org")
    good, bad, later = (write_certificate(tmp_path, name) for name in ("good", "bad", "later"))
    authorities = tmp_path / "ca.pem"
    authorities.write_bytes(Path(good[0]).read_bytes())
    demands = TlsDemands(request_cert=True, reject_unauthorized=required, client_ca=str(authorities))
    more = (files(write_certificate(tmp_path, "b", "b.example.org")),)
    proxy = await start_proxy(hubs=(hub.url,), follow=False, tls_cert=cert, tls_key=key, tls_demands=demands, certificates=more)

    async def admitted(shown: tuple[str, str] | None) -> bool:
        context = demanding(version)
        if shown is not None:
            context.load_cert_chain(*shown)
        with suppress(OSError):
            client = await tls_client(proxy.port, context, "b.example.org")
            client.send(GET)
            data = await asyncio.wait_for(client.reader.read(100), 10)
            client.abort()
            return data.startswith(b"HTTP/1.1 200")
        return False

    assert await admitted(good)
    assert not await admitted(bad)
    assert await admitted(None) != required
    authorities.write_bytes(Path(later[0]).read_bytes())
    proxy.worker.reload_certificates()
    assert await admitted(later)
    assert not await admitted(good)
    await until(lambda: not proxy.worker.door.connections)


def resumed(port: int, session: ssl.SSLSession | None, context: ssl.SSLContext) -> tuple[bool, ssl.SSLSession | None]:
    """Whether a session was taken up again, and the one to go on with."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock, context.wrap_socket(sock, session=session) as tls:
        tls.sendall(GET)
        assert tls.recv(100).startswith(b"HTTP/1.1 200")
        return bool(tls.session_reused), tls.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_sessions_begun_with_one_worker_go_on_with_others(
    start_process: StartProcess, hub: FakeHub, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    cert, key = write_certificate(tmp_path, "a")
    proxy = await start_process(hubs=(hub.url,), workers=2, tls_cert=cert, tls_key=key)
    context = demanding(version)
    _, session = await asyncio.to_thread(resumed, proxy.port, None, context)
    for _ in range(20):
        again, session = await asyncio.to_thread(resumed, proxy.port, session, context)
        assert again
    # Also after the certificate has changed, and with workers that came later.
    Path(cert).write_bytes((new := make_certificate("new"))[0])
    Path(key).write_bytes(new[1])
    before = proxy.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len(proxy.workers()) == 2 and not proxy.workers() & before)
    assert await patient_name(proxy.port) == "new"
    assert (await asyncio.to_thread(resumed, proxy.port, session, context))[0]


async def patient_name(port: int) -> str:
    """As tls_name, while workers are being replaced."""
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                return await tls_name(port)
            await asyncio.sleep(0.02)


async def test_a_worker_that_begins_while_the_files_are_broken_shows_what_was_there_before(
    start_process: StartProcess, hub: FakeHub, tmp_path: Path
) -> None:
    cert, key = write_certificate(tmp_path, "a")
    proxy = await start_process(hubs=(hub.url,), tls_cert=cert, tls_key=key)
    Path(cert).write_text("rubbish")
    Path(key).unlink()
    before = proxy.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await until(lambda: len(proxy.workers()) == 1 and not proxy.workers() & before)
    assert await patient_name(proxy.port) == "a"


async def test_the_plain_port_of_a_running_proxy_sends_people_to_its_tls_port(start_process: StartProcess, hub: FakeHub, tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, "a")
    plain = closed_port()
    proxy = await start_process(hubs=(hub.url,), workers=2, tls_cert=cert, tls_key=key, redirect_host="127.0.0.1", redirect_port=plain)
    for _ in range(6):
        client = await Client.connect(plain)
        answer = await client.ask(b"GET /x?y HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (answer.status, answer.header("Location")) == (308, f"https://localhost:{proxy.port}/x?y")
        assert await client.rest() == b""
        client.abort()
    assert await proxy.end() == 0
