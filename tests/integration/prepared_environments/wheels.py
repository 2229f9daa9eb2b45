"""Tiny wheels, made on the spot: a wheelhouse such as clusters keep."""

import base64
import hashlib
import zipfile
from pathlib import Path


def wheel(folder: Path, name: str, version: str, files: dict[str, str], requires: tuple[str, ...] = ()) -> Path:
    """One pure wheel. `files`: path below site-packages (or NAME-VERSION.data/data/…) to text."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},{_digest(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return made


def wheelhouse(folder: Path) -> Path:
    """What looks to us like JupyterLab and a kernel: the server that it needs, and one that says where it runs."""
    kernel = '{"argv": ["python", "-m", "tinykernel", "-f", "{connection_file}"], "display_name": "Tiny", "language": "python"}'
    wheel(folder, "jupyter_server", "2.14.0", {"jupyter_server/__init__.py": "__version__ = '2.14.0'\n", "jupyter_server/more.py": "MORE = 1\n"})
    wheel(folder, "jupyterlab", "4.3.0", {"jupyterlab/__init__.py": "__version__ = '4.3.0'\n"}, ("jupyter_server>=2",))
    said = "import os, sys\nprint(sys.prefix, os.environ.get('TINY_MODULE'), sys.argv[1:])\n"
    spec = "tinykernel-1.0.data/data/share/jupyter/kernels/tiny"
    wheel(folder, "tinykernel", "1.0", {"tinykernel.py": said, f"{spec}/kernel.json": kernel, f"{spec}/logo-svg.svg": "<svg/>"})
    return folder


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
