"""Proxies and hubs find the gateway that leads to a server, whichever it is and whatever the others do."""

import asyncio
from pathlib import Path

from perijove.adapters.probe import HttpProber
from perijove.agent import NUMBERS
from perijove.gateway.settings import GatewaySettings
from perijove.proxy.gateways import Gateways, agents_routes
from tests.integration.tunnel.wires import TOKEN, until, wires
from tests.running.perijove import free_port


async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX-JupyterHub-Version: 6.1.1\r\nContent-Length: 0\r\n\r\n")
    writer.close()


class Waiting(asyncio.Protocol):
    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.set_result(transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        self.got += data


async def test_a_hub_asks_a_server_by_whichever_gateway_leads_there(tmp_path: Path) -> None:
    async with wires(tmp_path, http) as found, asyncio.timeout(20):
        addresses = [f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{found.port}"]
        await until(lambda: found.gateway.front.agents.counts()["here"], "the agent")
        answer = await HttpProber(addresses, TOKEN).probe("tunnel://s1", "/api", 10)
        assert answer is not None
        assert (answer.status, answer.version) == (200, "6.1.1")
        assert await HttpProber(addresses, TOKEN).probe("tunnel://s2", "/api", 10) is None
        assert await HttpProber(addresses, "guessed").probe("tunnel://s1", "/api", 10) is None
        assert await HttpProber().probe("tunnel://s1", "/api", 10) is None


async def test_a_proxy_waits_a_little_for_an_agent_that_is_away(tmp_path: Path) -> None:
    port = free_port()
    gateways = Gateways([f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{port}"], TOKEN)
    protocol = Waiting()
    connecting = asyncio.ensure_future(gateways.connect("s1", protocol))
    await asyncio.sleep(0)
    async with wires(tmp_path, http, settings=GatewaySettings(port=port, token=TOKEN)), asyncio.timeout(20):
        await connecting
        transport = await protocol.made
        transport.write(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: protocol.got.startswith(b"HTTP/1.1 200"), "the server's answer")
        transport.abort()


def test_every_number_leads_to_a_gateway_and_they_take_turns() -> None:
    routes = {route.spec: route.target for route in agents_routes("/base/", ["http://a:1", "http://b:1", "http://c:1"])}
    assert len(routes) == NUMBERS + 1
    assert [routes[f"/base/tunnel/{number}/"][7] for number in range(4)] == ["a", "b", "c", "a"]
    assert agents_routes("/", []) == ()
