"""A hub that is started before its database waits for it, and says so."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.contract.store.postgres import PostgresServer
from tests.running.perijove import free_port, until


@pytest.fixture
def stopped(postgresql_bin: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(postgresql_bin)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def hub(stopped: PostgresServer, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """The process, where it will listen, and its log."""
    listen = f"127.0.0.1:{free_port()}"
    config, log = tmp_path / "perijove.toml", tmp_path / "log"
    store, spawner = (
        f'[store]\nurl = "{stopped.url("postgres")}"\n',
        '[spawner]\nuse = "perijove.testing.null_spawner:NullSpawner"\n[metrics]\nauthenticate = false\n',
    )
    config.write_text(f'[hub]\nlisten = "{listen}"\nstate_dir = "{tmp_path}/state"\n{store}{spawner}')
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "perijove", "hub", "--config", str(config)],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        until(lambda: "waiting for the database" in log.read_text() or process.poll() is not None, what="the hub's word that it waits")
        yield process, f"http://{listen}", log
    finally:
        process.kill()
        process.wait()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/hub/perijove/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def test_it_begins_when_the_database_is_there(hub: tuple[subprocess.Popen[bytes], str, Path], stopped: PostgresServer) -> None:
    process, url, log = hub
    assert process.poll() is None, log.read_text()
    stopped.start()
    until(lambda: _healthy(url), what=f"the hub: {log.read_text()}")
    stopped.stop()
    until(lambda: httpx.get(f"{url}/hub/perijove/ready", timeout=10).status_code == 503, what="the truth about the database")
    assert httpx.get(f"{url}/hub/health", timeout=10).status_code == 200
    program = httpx.get(f"{url}/hub/api/user", headers={"authorization": "token " + "0" * 32}, timeout=30)
    assert program.status_code == 503
    assert program.json()["code"] == "database-unavailable"
    assert 3 <= int(program.headers["retry-after"]) <= 9
    person = httpx.get(f"{url}/hub/home", headers={"cookie": "perijove-session=" + "0" * 43}, timeout=30)
    assert person.status_code == 503
    assert person.headers["refresh"] == person.headers["retry-after"]
    assert "This page tries again by itself." in person.text
    said = httpx.get(f"{url}/hub/metrics", timeout=10)
    assert "jupyterhub_store_available 0.0" in said.text
    assert "jupyterhub_store_outages_total 1.0" in said.text
    status = subprocess.run(
        [sys.executable, "-m", "perijove", "status", "--config", str(log.with_name("perijove.toml"))], check=False, capture_output=True, text=True
    )
    assert status.returncode == 1
    assert "The database does not answer" in status.stderr
    assert "waiting" not in status.stdout + status.stderr
    stopped.start()
    until(lambda: _healthy(url) or process.poll() is not None, what="the hub to be well again")
    assert process.poll() is None, log.read_text()
    until(lambda: "/hub/invite/" in log.read_text(), what="the first administrator's link, though the database went when the hub was up")


def test_it_ends_when_it_is_asked_to_meanwhile(hub: tuple[subprocess.Popen[bytes], str, Path]) -> None:
    process, _, log = hub
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
