"""A job's Jupyter is used through agent, gateway and proxy, with every hub down; and goes on when any of these goes away for a while."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from tests.integration.tunnel.site import Relay, Site, ended, running, until_answers

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Site, Relay, asyncio.subprocess.Process]]:
    async with running(tmp_path_factory.mktemp("site"), 2) as site:
        relay = Relay(site.proxy_port)
        await relay.start()
        agent = await site.start_agent(relay.port)
        try:
            async with httpx.AsyncClient() as client:
                await until_answers(site, client)
            yield site, relay, agent
        finally:
            code = await ended(agent)
            await relay.close()
            assert code == 0, site.said("agent")


Parts = tuple[Site, Relay, asyncio.subprocess.Process]


@pytest_asyncio.fixture(loop_scope="module")
async def kernel(site: Parts) -> AsyncIterator["Kernel"]:
    async with httpx.AsyncClient(timeout=30) as client:
        made = await client.post(f"{site[0].api}/kernels", headers=site[0].fields, json={"name": "python3"})
        assert made.status_code == 201, made.text
        url = f"{site[0].api.replace('http', 'ws', 1)}/kernels/{made.json()['id']}/channels"
        async with connect(url, additional_headers=site[0].fields, max_size=None) as socket:
            yield Kernel(socket)
        await client.delete(f"{site[0].api}/kernels/{made.json()['id']}", headers=site[0].fields)


class Kernel:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._count = 0

    async def ask(self, code: str) -> str:
        """Run it; what it prints."""
        self._count += 1
        header = {"msg_id": f"m{self._count}", "msg_type": "execute_request", "username": "ada", "session": "s", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        await self.socket.send(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}))
        return await self.printed(f"m{self._count}")

    async def printed(self, of: str) -> str:
        text = ""
        async with asyncio.timeout(30):
            while True:
                message: dict[str, Any] = json.loads(await self.socket.recv())
                if message["parent_header"].get("msg_id") != of:
                    continue
                if message["msg_type"] == "stream":
                    text += message["content"]["text"]
                elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                    return text


async def test_a_cell_runs_in_the_job_with_every_hub_down(site: Parts, kernel: Kernel) -> None:
    assert (
        await kernel.ask("import os; print(os.environ['PERIJOVE_START_ID'], 'TOKEN' in str(list(os.environ)).replace('SERVER_TOKEN', ''))")
        == "s1 False\n"
    )
    assert len(await kernel.ask("print('x' * 900_000)")) == 900_001
    runtime = Path(await kernel.ask("print(os.environ['JUPYTER_RUNTIME_DIR'], end='')"))
    assert runtime.parent.stat().st_mode & 0o777 == 0o700
    assert (runtime.parent / "server.sock").is_socket()


async def test_no_secret_is_on_the_command_line_or_in_a_log(site: Parts) -> None:
    secret = (site[0].folder / "proxy.toml").read_text().split('value = "')[1].split('"')[0]
    for name in ("agent", "gateway0", "gateway1", "proxy"):
        assert secret not in site[0].said(name)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                assert secret not in (entry / "cmdline").read_text(errors="replace")
            except OSError:
                continue


async def test_an_open_websocket_survives_a_cut_of_the_network(site: Parts, kernel: Kernel) -> None:
    relay = site[1]
    await kernel.ask("import time")
    asked = asyncio.ensure_future(kernel.ask("for number in range(20):\n    print(number, flush=True); time.sleep(0.05)"))
    await asyncio.sleep(0.3)
    relay.break_off()
    await asyncio.sleep(1.0)
    relay.mend()
    assert await asked == "".join(f"{number}\n" for number in range(20))


async def test_a_job_that_was_suspended_goes_on(site: Parts, kernel: Kernel) -> None:
    assert await kernel.ask("print('before')") == "before\n"
    site[2].send_signal(signal.SIGSTOP)
    asked = asyncio.ensure_future(kernel.ask("print('after')"))
    async with httpx.AsyncClient(timeout=20) as client:
        status = asyncio.ensure_future(client.get(f"{site[0].api}/status", headers=site[0].fields))
        await asyncio.sleep(0.5)
        assert not asked.done()
        site[2].send_signal(signal.SIGCONT)
        assert (await status).status_code == 200
    assert await asked == "after\n"


async def test_the_death_of_one_of_two_gateways_is_not_noticed_by_new_requests(site: Parts) -> None:
    async with httpx.AsyncClient(timeout=20) as client:
        for number in (0, 1):
            site[0].gateways[number].send_signal(signal.SIGKILL)
            await site[0].gateways[number].wait()
            for _ in range(5):
                answer = await client.get(f"{site[0].api}/status", headers=site[0].fields)
                assert answer.status_code == 200, answer.text
            await site[0].start_gateway(number)
            await _connected(site[0], number)


async def test_requests_wait_while_all_gateways_start_again(site: Parts) -> None:
    for gateway in site[0].gateways:
        gateway.send_signal(signal.SIGKILL)
        await gateway.wait()
    async with httpx.AsyncClient(timeout=20) as client:
        await asyncio.gather(site[0].start_gateway(0), site[0].start_gateway(1))
        answer = await client.get(f"{site[0].api}/status", headers=site[0].fields)
        assert answer.status_code == 200, answer.text


async def _connected(site: Site, number: int) -> None:
    """Until the agent is at this gateway again."""
    secret = (site.folder / "proxy.toml").read_text().split('value = "')[1].split('"')[0]
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        while True:
            listed = await client.get(f"http://127.0.0.1:{site.gateway_ports[number]}/agents", headers={"Authorization": f"token {secret}"})
            if [agent for agent in listed.json() if agent["here"]]:
                return
            await asyncio.sleep(0.05)
