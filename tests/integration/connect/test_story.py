"""A person without a hub gets Jupyter on a compute node, leaves it, comes back from elsewhere, and ends it."""

import asyncio
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
from websockets.asyncio.client import connect

from tests.integration.connect.conftest import Place
from tests.integration.tunnel.test_job import Kernel

_WHO = (
    "import os; print(os.getuid(), os.environ['SLURM_JOB_ID'], os.environ['CUDA_VISIBLE_DEVICES'], 'PERIJOVE_ALONE_TOKEN' in os.environ); kept = 41"
)


async def test_jupyter_on_a_node_outlives_the_laptop_and_broken_connections(place: Place) -> None:
    asked = ("--existing", str(place.environment), "--time", "0:10:00", "--gpus", "1", "--cpus", "1", "--mem-per-cpu", "300M")
    with place.running("start", *asked) as command:
        url = command.until("Ready: ").removeprefix("Ready: ")
        token = parse_qs(urlsplit(url).query)["token"][0]
        (job,) = place.jobs()
        _no_secret_is_seen(place, token)
        await _only_with_the_token(url)
        made = httpx.post(_api(url, "kernels"), headers=_with(token), json={"name": "python3"}, timeout=30).json()["id"]
        async with connect(_channels(url, made), additional_headers=_with(token), max_size=None) as socket:
            kernel = Kernel(socket)
            assert (await kernel.ask(_WHO)).split() == [str(place.home.stat().st_uid), job, "0", "False"]
            command.drain()
            assert place.sshd.cut()  # every connection; the websocket below goes on over the next one
            assert await kernel.ask("print(kept + 1)") == "42\n"
        command.process.send_signal(2)
        assert command.process.wait(30) == 130
    assert place.jobs() == [job]

    listed = place.run("list")
    assert f"jupyter  job {job}  It runs on n1, for about" in listed.stdout, listed
    with place.running("reconnect", ssh="openssh") as command:
        again = command.until("Ready: ").removeprefix("Ready: ")
        assert again == url  # the same port too, so open tabs go on
        async with connect(_channels(again, made), additional_headers=_with(token), max_size=None) as socket:
            assert await Kernel(socket).ask("print(kept + 2)") == "43\n"
        assert "perijove connect reconnect login" in command.interrupt()

    assert "AloneServer" in place.run("logs").stdout
    stopped = place.run("stop", ssh="openssh")
    assert stopped.returncode == 0, stopped
    assert place.jobs() == []
    assert place.run("list").stdout == "There are none.\n"


def _no_secret_is_seen(place: Place, token: str) -> None:
    """By anybody else: in lists of processes, in files that others can read, in the log."""
    (record,) = place.records.glob("*.json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.records.stat().st_mode) == 0o700
    assert token not in (place.records / "jupyter.log").read_text()
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert token.encode() not in words.read_bytes(), words
        except (FileNotFoundError, ProcessLookupError):
            continue


async def _only_with_the_token(url: str) -> None:
    async with httpx.AsyncClient() as client:
        assert (await client.get(_api(url, "status"))).status_code == 403
        assert (await client.get(url, headers={"Host": "elsewhere.example"}, follow_redirects=True)).status_code == 403
        page = await client.get(url, follow_redirects=True)
        assert page.status_code == 200
        assert page.url.path == "/lab"
        assert (await client.get(_api(url, "status"))).status_code == 200  # by the cookie


def _api(url: str, path: str) -> str:
    return f"{url.partition('/?')[0]}/api/{path}"


def _channels(url: str, kernel: str) -> str:
    return _api(url, f"kernels/{kernel}/channels").replace("http", "ws", 1)


def _with(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"}


async def test_who_waits_is_told_why_and_may_leave(place: Place) -> None:
    place.slurm.command("sbatch", "-n4", "--mem=100M", "--wrap=sleep 100", "--chdir=/")
    with place.running("start", "--existing", str(place.environment), "--name", "patient", "--time", "5", "--cpus", "4", "--mem", "100M") as command:
        command.until("Submitted as job ")
        command.until("It is next: it waits for enough free CPUs")
        said = command.interrupt()
    assert "perijove connect reconnect login --name patient" in said
    (job,) = place.jobs()
    twice = await asyncio.to_thread(place.run, "start", "--existing", str(place.environment), "--name", "patient")
    assert twice.returncode == 1
    assert "The session patient is there already." in twice.stderr
    assert place.jobs() == [job]
    assert place.run("stop", "--name", "patient").returncode == 0
    assert place.jobs() == []


def test_what_slurm_refuses_leaves_nothing_behind(place: Place) -> None:
    refused = place.run("start", "--existing", str(place.environment), "--partition", "nowhere", "--no-browser")
    assert refused.returncode == 1
    assert "invalid partition specified: nowhere" in refused.stderr
    assert "goes on over there" not in refused.stderr
    assert not list(place.records.glob("*.json"))


def test_what_a_person_types_reaches_no_shell(place: Place) -> None:
    here = place.home / "touched"
    for option in ("--account", "--partition", "--folder", "--module", "--existing", "--login-python", "--name"):
        refused = place.run("start", "--no-browser", option, f"../$(touch {here}); `touch {here}`' \"")
        assert refused.returncode == 1, option
    assert not here.exists()
    assert place.jobs() == []
