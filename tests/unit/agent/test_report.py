"""What the agent tells the hub, and when the batch system is asked for the job's end."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from perijove.agent.end_time import asked, iso, parsed, told
from perijove.agent.log import TAIL, Log
from perijove.agent.report import Reporter


def test_the_end_is_taken_from_what_the_job_was_told() -> None:
    assert told({"SLURM_JOB_END_TIME": "1770000000"}, 5.0) == 1770000000.0
    assert told({"PBS_WALLTIME": "3600"}, 5.0) == 3605.0
    assert told({"SLURM_JOB_END_TIME": "0", "PBS_WALLTIME": "unlimited"}, 5.0) is None


@pytest.mark.parametrize("nothing", ["N/A", "Unknown", "NONE", "", "12:00"])
def test_a_job_without_an_end_has_none(nothing: str) -> None:
    assert parsed(nothing) is None
    assert iso(parsed(nothing)) is None


async def test_the_batch_system_is_asked_in_utc_and_is_not_given_the_servers_token(tmp_path: Path) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text('#!/bin/sh\n[ "$TZ$JUPYTERHUB_API_TOKEN$2" = UTC--jobs=42 ] && echo 2026-03-01T12:00:00\n')
    squeue.chmod(0o755)
    environ = {"JUPYTERHUB_API_TOKEN": "t0ken", "SLURM_JOB_ID": "42", "PATH": str(tmp_path), "TZ": "America/Toronto"}
    assert iso(await asked(environ)) == "2026-03-01T12:00:00Z"
    assert await asked({**environ, "PATH": "/nowhere"}) is None


async def test_a_report_has_all_that_the_hub_wants_and_the_servers_own_token(tmp_path: Path) -> None:
    heard: list[tuple[bytes, bytes]] = []

    async def hub(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
        heard.append((head, await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    environ = {"JUPYTERHUB_API_TOKEN": "t0ken", "SLURM_JOB_ID": "42", "SLURM_RESTART_COUNT": "2", "PATH": os.environ["PATH"]}
    with (tmp_path / "out").open("wb") as out:
        log = Log(out.fileno())
        log.write(b"a line of the server\n")
        server = await asyncio.start_server(hub, "127.0.0.1", 0)
        async with server, asyncio.timeout(20):
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/report"
            reporter = Reporter("s1", url, environ, log)
            assert await reporter.send(5)
    (head, body) = heard[0]
    assert b"Authorization: token t0ken\r\n" in head
    said = json.loads(body)
    assert said["start_id"] == "s1"
    assert said["job"] == "42"
    assert said["restarts"] == 2
    assert said["log_tail"] == "a line of the server\n"
    assert said["usage"]["memory_bytes"] > 0
    assert said["ends_at"] is None


async def test_a_hub_that_is_down_is_said_once_and_ends_nothing(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        log = Log(out.fileno())
        reporter = Reporter("s1", "http://127.0.0.1:1/report", {}, log)
        assert not await reporter.send(2)
        assert not await reporter.send(2)
    assert (tmp_path / "out").read_text().count("could not be told") == 1


def test_the_log_keeps_its_end_and_does_not_fill_the_disk(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        log = Log(out.fileno(), most=100_000)
        for number in range(20_000):
            log.write(f"line {number} \u00e9\n".encode()[: -1 if number % 7 else None])
        log.write(b"\xff" * TAIL + b"\nlast\n")
    assert (tmp_path / "out").stat().st_size < 101_000
    assert len(log.tail.encode()) <= TAIL
    assert log.tail.endswith("last\n")
