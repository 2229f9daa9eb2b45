"""A stage for each test, and as root two Unix accounts for the session."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from .stage import Stage


@pytest.fixture(scope="session")
def two_accounts() -> Iterator[tuple[str, str]]:
    """Two ordinary Unix accounts that exist for this session only."""
    if os.geteuid() != 0:
        pytest.skip("only root can run servers as other accounts: run this test as root, as CI does")
    names = (f"pj-{token_hex(4)}", f"pj-{token_hex(4)}")
    for name in names:
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True, capture_output=True)
    yield names
    for name in names:
        subprocess.run(["userdel", "--force", "--remove", name], check=False, capture_output=True)


@pytest.fixture
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    # not tmp_path: its parents are closed to other accounts, and too long for sockets
    folder = Path(tempfile.mkdtemp(prefix="pj", dir="/tmp"))
    folder.chmod(0o755)
    shutil.copy(Path(__file__).with_name("little_server.py"), folder)
    (folder / "little_server.py").chmod(0o755)
    account, uid = pwd.getpwuid(os.geteuid()).pw_name, os.geteuid()
    if uid == 0:
        account = request.getfixturevalue("two_accounts")[0]
        uid = pwd.getpwnam(account).pw_uid
    made = Stage(folder, account, uid)
    yield made
    await made.clean()


@pytest.fixture
def privileged(stage: Stage) -> Stage:
    """A stage whose hub is root."""
    if os.geteuid() != 0:
        pytest.skip("only root can run servers as other accounts: run this test as root, as CI does")
    return stage
