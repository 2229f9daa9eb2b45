"""Questions to a Python that is not ours, by a short text that any Python since 3.6 runs. Answers are one line of JSON behind a mark, since modules
and profiles print what they like."""

from __future__ import annotations

import json
from typing import Any, Mapping, Sequence

from perijove.agent.environment.run import run
from perijove.agent.environment.trouble import ProgramError

_MARK = "perijove-answer: "
_BEGIN = "import json, os, sys\nif sys.path[:1] == ['']: del sys.path[0]\n"
_END = f"\nsys.stdout.write('\\n{_MARK}' + json.dumps(answer) + '\\n')\n"

# What a virtualenv can be made with, and what pip and the network are told.
BASE = (
    _BEGIN
    + r"""
from importlib.util import find_spec
import subprocess
answer = {
    "version": "%d.%d" % sys.version_info[:2], "where": os.path.realpath(sys.executable), "prefix": sys.prefix,
    "venv": find_spec("venv") is not None and find_spec("ensurepip") is not None, "bare": find_spec("venv") is not None,
    "virtualenv": find_spec("virtualenv") is not None, "pip": find_spec("pip") is not None,
    "environ": {name: value for name, value in os.environ.items() if name.lower() in ("http_proxy", "https_proxy", "no_proxy")},
    "pip_config": "",
}
if answer["venv"]:  # Debian takes the wheels out of ensurepip
    try:
        import ensurepip
        ensurepip.version()
    except Exception:
        answer["venv"] = False
if answer["pip"]:
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    answer["pip_config"] = asked.stdout.decode("utf-8", "replace")
"""
    + _END
)

# What is in an environment: whether Jupyter's server is, its kernels, and packages that have lost files.
INSIDE = (
    _BEGIN
    + r"""
try:
    from importlib import metadata
except ImportError:
    metadata = None
answer = {
    "version": "%d.%d.%d" % sys.version_info[:3], "python": sys.executable, "prefix": sys.prefix, "jupyter": "", "problem": "", "broken": [], "kernels": []
}
try:
    import jupyter_server
    answer["jupyter"] = jupyter_server.__version__
except ImportError as error:
    answer["problem"] = str(error)
except Exception as error:
    answer["problem"] = repr(error)
if metadata is not None and "--files" in sys.argv[1:]:
    for one in metadata.distributions():
        names = one.files
        name, version = one.metadata["Name"], one.metadata["Version"]
        if not name or not str(one.locate_file("")).startswith(sys.prefix):
            continue
        if names is None:
            continue  # not put there by pip, or not as a wheel
        if any(not os.path.exists(str(file.locate())) for file in names if not str(file).endswith(".pyc")):
            answer["broken"].append([name, version])
folder = os.path.join(sys.prefix, "share", "jupyter", "kernels")
for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
    try:
        with open(os.path.join(folder, name, "kernel.json"), encoding="utf-8") as file:
            spec = json.load(file)
        answer["kernels"].append({"name": name, "folder": os.path.join(folder, name), "spec": spec})
    except (OSError, ValueError):
        pass
"""
    + _END
)


def ask(words: Sequence[str], text: str, *arguments: str, doing: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """`words`: those of the Python, with all that comes before it. Raises ProgramError."""
    said = run([*words, "-c", text, *arguments], doing=doing, environ=environ)
    for line in reversed(said.splitlines()):
        if line.startswith(_MARK):
            found = json.loads(line[len(_MARK) :])
            if isinstance(found, dict):
                return found
    raise ProgramError(f"{doing} failed: Python gave no answer.", said)
