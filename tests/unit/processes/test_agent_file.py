"""The one file that runs in jobs."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from perijove.processes.agent_file import packed


def test_the_file_runs_by_itself_and_is_the_same_each_time(tmp_path: Path) -> None:
    content = packed("/usr/bin/env python3")
    assert content == packed("/usr/bin/env python3")
    assert content.startswith(b"#!/usr/bin/env python3\n")
    program = tmp_path / "perijove-agent"
    program.write_bytes(content)
    done = subprocess.run([sys.executable, "-I", str(program), "--version"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.startswith("perijove-agent ")
    done = subprocess.run([sys.executable, "-I", str(program), "serve"], capture_output=True, text=True, check=False, cwd=tmp_path, env={})
    assert (done.returncode, "PERIJOVE_AGENT" in done.stderr) == (2, True), done.stderr


def test_it_has_the_servers_half_and_nothing_of_the_hubs() -> None:
    names = zipfile.ZipFile(io.BytesIO(packed())).namelist()
    assert "perijove_singleuser/__main__.py" in names
    assert {name.split("/")[1] for name in names if name.startswith("perijove/")} == {"__init__.py", "agent"}
    assert not [name for name in names if "__pycache__" in name]
