"""A hub that starts one server and, at a line of the spawner's code counted from the first, kills itself.

Arguments: the stage's folder, the account, the start id, the line (0: live to the end, and print how many lines there were),
and, if wanted, the setting `directory`.
"""

import asyncio
import json
import os
import pwd
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from perijove.adapters.spawners.local import Config, LocalSpawner
from perijove.adapters.system_clock import SystemClock
from perijove.domain.server import ServerId
from perijove.ports.plugin import PluginContext
from perijove.ports.spawner import Address, Checkpoint, Handle, StartRequest

FOLDER, ACCOUNT, START_ID, LINE = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
HERE = "/spawners/local/"
seen: list[int] = []


def trace(frame: FrameType, event: str, _argument: Any) -> Any:
    if HERE not in frame.f_code.co_filename:
        return None
    if event == "line":
        seen.append(frame.f_lineno)
        if len(seen) == LINE:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace


def save(state: Any) -> None:
    (FOLDER / "saved.new").write_text(json.dumps(dict(state)))
    (FOLDER / "saved.new").rename(FOLDER / "saved")


async def main() -> None:
    clock: Any = SystemClock()
    nothing: Any = None
    context = PluginContext(
        state_dir=FOLDER / "state", runtime_dir=FOLDER / "run", base_url="/", exposed=False, store=nothing, clock=clock, secrets=nothing
    )
    account = ACCOUNT if os.geteuid() == 0 else "{username}"
    directory = sys.argv[5] if len(sys.argv) > 5 else ""
    config = Config(account=account, directory=directory, command=("/usr/bin/python3", str(FOLDER / "little_server.py")))
    handle = Handle(server_id=ServerId(1), user_name="alice", server_name="", start_id=START_ID, state=None)
    env = {"JUPYTERHUB_API_TOKEN": "token", "JUPYTERHUB_USER": pwd.getpwuid(os.geteuid()).pw_name}
    async with LocalSpawner.open(config, context) as spawner:
        sys.settrace(trace)
        async for event in spawner.start(StartRequest(handle=handle, prefix="/user/alice/", env=env)):
            if isinstance(event, Checkpoint | Address) and event.state is not None:
                save(event.state)
    sys.settrace(None)
    sys.stdout.write(str(len(seen)))


asyncio.run(main())
