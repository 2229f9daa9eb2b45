import asyncio
import json

import pytest

from perijove.agent.probe import dialled, hub_health, node, packed, probe, unpacked


def test_what_is_packed_for_a_comment_is_short_and_comes_back_whole() -> None:
    found = node({"HOME": "/tmp", "XDG_RUNTIME_DIR": "/nonexistent"}) | {"dial": [{"url": "wss://hub.example.org/tunnel/", "dns": 1.0}] * 2}
    text = packed(json.dumps(found))
    assert unpacked(text) == found
    assert found["runtime_dir"] == "missing /nonexistent"
    assert len(text) < 1000
    for other in ("", "perijove doctor", "perijove-probe:###", "perijove-probe:aGFsbG8="):
        assert unpacked(other) is None


async def _site(answer: bytes) -> tuple[asyncio.Server, str]:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(4096):
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    return server, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/tunnel/"


@pytest.mark.parametrize(
    ("answer", "failed", "status"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", None, None),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "websocket", 404),
        (b"HTTP/1.1 200 OK\r\n\r\n", "websocket", 200),
        (b"", "websocket", None),
    ],
)
async def test_a_gateway_is_known_by_its_refusal_of_a_token_that_is_none(answer: bytes, failed: str | None, status: int | None) -> None:
    server, url = await _site(answer)
    async with server:
        steps = await dialled(url, None, 5)
    assert (steps.get("failed"), steps.get("status")) == (failed, status)
    assert "tcp" in steps


async def test_what_cannot_be_dialled_says_at_which_step() -> None:
    assert (await dialled("https://x", None, 5))["failed"] == "url"
    assert (await dialled("wss://127.0.0.1:1/", "/nonexistent.pem", 5))["failed"] == "ca"
    assert (await dialled("ws://127.0.0.1:1/", None, 5))["failed"] == "tcp"


def test_a_hub_that_is_away_is_an_outcome_and_not_a_failure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert "error" in hub_health("file:///etc/passwd", None, 1)
    assert probe(["--hub", "http://127.0.0.1:1/hub/health", "--dial", "ws://127.0.0.1:1/", "--within", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "error" in found["hub"]
    assert found["dial"][0]["failed"] == "tcp"
