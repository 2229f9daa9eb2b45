"""A hub that is not root: one account for all, one folder for each."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from perijove.adapters.spawners.local.command import closed_folder
from perijove.domain.errors import SettingsError
from perijove.ports.spawner import Running
from perijove.processes import launcher

from .stage import Stage, ask


@pytest.mark.parametrize(("directory", "place"), [("", "state/people/alice"), ("people/{username}/work", "people/alice/work")])
async def test_without_root_a_server_runs_as_the_hub_in_a_folder_of_its_person(stage: Stage, directory: str, place: str) -> None:
    """Root runs this hub as an ordinary account; an ordinary account runs it as itself."""
    as_account = []
    if os.geteuid() == 0:
        if closed := closed_folder(Path(sys.executable)) or closed_folder(Path(launcher.__file__)):
            pytest.skip(f"other accounts may not pass {closed}: check Perijove out where they may, or run this test not as root")
        as_account = ["runuser", "-u", stage.account, "--"]
        _ = stage.context
        for name in ("state", "run"):
            os.chown(stage.folder / name, stage.uid, pwd.getpwnam(stage.account).pw_gid)
        os.chown(stage.folder, stage.uid, -1)
    else:
        (stage.folder / "state").mkdir()
        (stage.folder / "run").mkdir()
    hub = shutil.copy(Path(__file__).with_name("dying_hub.py"), stage.folder)
    request = stage.request()
    words = [str(stage.folder), stage.account, request.handle.start_id, "0", *([str(stage.folder / directory)] if directory else [])]
    subprocess.run([*as_account, sys.executable, hub, *words], check=True, stdout=subprocess.DEVNULL)
    state = json.loads((stage.folder / "saved").read_text())
    run = Path(state["root"]) / state["key"]
    handle = replace(request.handle, state=state, address=f"http+unix://{str(run / 'p/s').replace('/', '%2F')}")
    stage.handles.append(handle)
    about = ask(handle)
    assert about["uid"] == [stage.uid] * 3
    assert about["cwd"] == about["env"]["HOME"] == str(stage.folder / place)
    for folder in (Path(about["cwd"]), run, run / "u", run / "p"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("state", "run"):
        os.chown(stage.folder / name, os.geteuid(), -1)
    async with stage.spawner() as spawner:
        assert await spawner.poll([handle]) == [Running()]
        await spawner.stop(handle, 5)
        await spawner.forget("alice", "")
    assert not stage.processes(handle.start_id)
    assert Path(about["cwd"]).exists()


async def test_settings_that_need_root_or_its_absence_are_refused(stage: Stage) -> None:
    if os.geteuid() == 0:
        with pytest.raises(SettingsError, match="for a hub that is not root"):
            async with stage.spawner(directory="/srv/{username}"):
                pass
    else:
        with pytest.raises(SettingsError, match="need a hub that runs as root"):
            async with stage.spawner(create_accounts=True):
                pass
