"""The life of a job's server: what it finds, how it ends, and that nothing is left."""

import asyncio
import json
import signal
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from perijove.processes.agent_file import packed

TELLS = """
import json, os, stat, sys, signal
from pathlib import Path
names = ("JUPYTERHUB_SERVICE_URL", "JUPYTER_RUNTIME_DIR", "XDG_RUNTIME_DIR", "PYTHONPATH", "PERIJOVE_AGENT", "PERIJOVE_AGENT_TOKEN")
found = {name: os.environ.get(name) for name in names}
found["cwd"] = os.getcwd()
found["modes"] = [stat.S_IMODE(Path(os.environ[name]).stat().st_mode) for name in ("JUPYTER_RUNTIME_DIR", "XDG_RUNTIME_DIR")]
found["carried"] = Path(os.environ["PYTHONPATH"].split(":")[0], "perijove_singleuser", "__main__.py").is_file()
Path(os.environ["TOLD"]).write_text(json.dumps(found))
"""
STUBBORN = TELLS + "signal.signal(signal.SIGTERM, lambda *_: None)\nwhile True: signal.pause()\n"
KIND = TELLS + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nwhile True: signal.pause()\n"
BROKEN = TELLS + "print('no such module: jupyter', flush=True); sys.exit(3)\n"


class Job:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = folder / "told.json"
        (folder / "tmp").mkdir()
        (folder / "perijove-agent").write_bytes(packed())

    async def start(self, code: str, environ: Mapping[str, str] | None = None, **more: object) -> asyncio.subprocess.Process:
        told = {"start_id": "s1", "listen": {"state_file": str(self.folder / "state")}, "grace_s": 0.5, "folder": str(self.folder), **more}
        told.setdefault("command", [sys.executable, "-c", code])
        with (self.folder / "log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                str(self.folder / "perijove-agent"),
                "serve",
                env={
                    "PATH": "/usr/bin:/bin",
                    "TMPDIR": str(self.folder / "tmp"),
                    "TOLD": str(self.told),
                    "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
                    "PERIJOVE_AGENT": json.dumps(told),
                    "PERIJOVE_AGENT_TOKEN": "t0ken",
                    **(environ or {}),
                },
                stdout=log,
                stderr=log,
            )

    async def up(self) -> dict[str, object]:
        """What the server found."""
        async with asyncio.timeout(20):
            while not self.told.exists() or not self.told.stat().st_size or not (self.folder / "state").exists():
                await asyncio.sleep(0.02)
        found: dict[str, object] = json.loads(self.told.read_text())
        return found

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def left(self) -> list[Path]:
        return [*(self.folder / "tmp").iterdir(), *self.folder.glob("state*")]


@pytest.fixture
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Job(tmp_path_factory.mktemp("j"))


async def test_a_server_finds_folders_of_its_own_and_no_secret_of_the_agents(job: Job) -> None:
    process = await job.start(KIND, {"XDG_RUNTIME_DIR": "/run/user/of-the-login-node", "PYTHONPATH": "/mine"})
    found = await job.up()
    assert found["modes"] == [0o700, 0o700]
    assert str(found["XDG_RUNTIME_DIR"]).startswith(str(job.folder / "tmp"))
    assert str(found["JUPYTERHUB_SERVICE_URL"]).endswith("server.sock/user/ada/")
    assert str(found["PYTHONPATH"]).endswith(":/mine")
    assert found["carried"]
    assert (found["PERIJOVE_AGENT"], found["PERIJOVE_AGENT_TOKEN"], found["cwd"]) == (None, None, str(job.folder))
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (job.folder / "tmp").iterdir()] == [0o700]
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert job.left == []
    assert "t0ken" not in job.log


async def test_a_server_that_does_not_end_is_killed_after_its_grace(job: Job) -> None:
    process = await job.start(STUBBORN)
    await job.up()
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 128 + signal.SIGKILL
    assert job.left == []
    assert "did not end within" in job.log


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({}, 3, "no such module: jupyter"),
        ({"command": ["no-such-program"]}, 127, "no-such-program cannot be started: No such file"),
        ({"folder": "/no/such/folder"}, 127, "/no/such/folder"),
        ({"environment": {"name": "x", "kind": "nonsense"}}, 78, "environment"),
    ],
)
async def test_what_goes_wrong_is_said_and_told_by_the_exit_status(job: Job, more: dict[str, object], code: int, said: str) -> None:
    process = await job.start(BROKEN, None, **more)
    assert await process.wait() == code, job.log
    assert said in job.log
    assert job.left == []
