"""A real proxy worker in the test's loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from perijove.proxy.listening import bind_tcp
from perijove.proxy.settings import Limits, ProxySettings
from perijove.proxy.worker import Worker

from .fake_hub import FakeHub
from .harness import Proxy, StartProxy, StartServer
from .raw_http import Handler, Server, hello


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop the proxy runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """uvloop wants a few more turns to close what the test has dropped."""
    yield
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
async def start_proxy() -> AsyncIterator[StartProxy]:
    """Start workers with given settings; `limits` holds what differs from the usual ones."""
    started: list[Worker] = []

    async def start(limits: dict[str, float] | None = None, **settings: object) -> Proxy:
        worker = Worker(ProxySettings(limits=Limits(**(limits or {})), **settings), proxy_id="test-0")  # type: ignore[arg-type]
        public, admin = bind_tcp("127.0.0.1", 0), bind_tcp("127.0.0.1", 0)
        await worker.start(public, admin)
        started.append(worker)
        return Proxy(worker, public[0].getsockname()[1], admin[0].getsockname()[1])

    yield start
    for worker in started:
        await worker.aclose()


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    started: list[Server] = []

    async def start(handler: Handler = hello, path: str = "", **more: bool) -> Server:
        server = Server(handler, **more)
        await server.start(path)
        started.append(server)
        return server

    yield start
    for server in started:
        await server.kill()


@pytest.fixture
async def hub() -> AsyncIterator[FakeHub]:
    hub = FakeHub()
    await hub.start()
    yield hub
    await hub.kill()


@pytest.fixture
async def proxy(start_proxy: StartProxy, hub: FakeHub) -> Proxy:
    """A proxy before a hub it does not follow."""
    return await start_proxy(hubs=(hub.url,), follow=False)
