"""The program `perijove-agent` as one file: what runs in jobs, on machines that have nothing of ours.

A zip archive that Python runs (zipapp), of perijove.agent and of perijove_singleuser, which the agent unpacks for the server that it starts.
Our wheel carries the latter's files (pyproject.toml), for hubs in whose environment it is not installed.
"""

import io
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from perijove.domain.errors import SettingsError

INTERPRETER: Final = "/usr/bin/env python3"
_STAMP: Final = (1980, 1, 1, 0, 0, 0)
_MAIN: Final = """\
import sys

if sys.version_info < (3, 8):
    sys.exit("perijove-agent needs Python 3.8 or newer, and this is " + sys.version.split()[0])

from perijove.agent.__main__ import main

sys.exit(main(sys.argv[1:]))
"""


def packed(interpreter: str = INTERPRETER) -> bytes:
    """The same bytes for the same version, wherever and whenever it is made. Raises SettingsError without perijove_singleuser."""
    agent = _sources("perijove.agent", "perijove/agent")
    singleuser = _sources("perijove_singleuser", "perijove_singleuser")
    files = {"__main__.py": _MAIN.encode(), "perijove/__init__.py": b"", **agent, **singleuser}
    archive = io.BytesIO()
    archive.write(f"#!{interpreter}\n".encode())
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            written.writestr(entry, files[name])
    return archive.getvalue()


def _folder(package: str) -> Path | None:
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        spec = None
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent
    carried = Path(__file__).parent / "carried" / package
    return carried if carried.is_dir() else None


def _sources(package: str, below: str) -> dict[str, bytes]:
    """Its files by their names in the archive. Raises SettingsError."""
    folder = _folder(package)
    if folder is None:
        raise SettingsError(
            f"{package} is not installed beside the hub, and belongs into the program that runs in jobs.",
            "The administrator installs it into the hub's environment: pip install --no-deps perijove-singleuser",
        )
    return {
        f"{below}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
