"""Conda and Apptainer, whose programs are stood in for at the edge: neither can be had as a package where tests run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perijove.agent.environment.trouble import TroubleError
from perijove.agent.environment.use import command_in, server_words
from tests.integration.prepared_environments.conftest import Account
from tests.integration.prepared_environments.test_prepare import tiny

# As `micromamba create -y -p PREFIX …`: it refuses a folder that is there, and makes an environment with a script for those who enter it.
_MICROMAMBA = f"""#!{sys.executable}
import os, subprocess, sys
with open(os.environ["HOME"] + "/asked", "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
prefix = sys.argv[sys.argv.index("-p") + 1]
if os.path.exists(prefix):
    sys.exit("prefix already exists")
os.makedirs(prefix + "/conda-meta")
if os.path.exists(os.environ["HOME"] + "/full"):
    sys.exit("error    libmamba Non-recoverable error: No space left on device")
subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
site = prefix + "/lib/python%d.%d/site-packages/jupyter_server" % sys.version_info[:2]
os.makedirs(site)
open(site + "/__init__.py", "w").write("__version__ = '2.14.0'\\n")
os.makedirs(prefix + "/etc/conda/activate.d")
open(prefix + "/etc/conda/activate.d/geo.sh", "w").write("export GEO_DATA=$CONDA_PREFIX/share\\n")
"""

# As `apptainer exec [options] IMAGE PROGRAM …`: the program sees another PATH, and what was bound.
_APPTAINER = """#!/bin/sh
if [ "$1" = pull ]; then echo image > "$3"; exit; fi
[ "$1" = exec ] || exit 1
shift
binds=
while [ "$1" = --bind ] || [ "$1" = --nv ] || [ "$1" = --rocm ]; do
    if [ "$1" = --bind ]; then binds="$binds $2"; shift; fi
    shift
done
[ -r "$1" ] || { echo "FATAL: could not open image $1" >&2; exit 255; }
image=$1; shift
export IMAGE="$image" BINDS="$binds" PATH="INSIDE:/usr/bin:/bin"
exec "$@"
"""


def program(account: Account, name: str, text: str) -> None:
    folder = account.home / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="ascii")
    (folder / name).chmod(0o755)
    account.environ["PATH"] = f"{folder}:/usr/bin:/bin"


def said(account: Account, words: list[str], more: dict[str, str]) -> str:
    return subprocess.run(words, env={**account.environ, **more}, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def test_a_conda_environment_is_made_anew_after_a_failure_and_entered_with_its_scripts(account: Account) -> None:
    program(account, "micromamba", _MICROMAMBA)
    describe = {"name": "geo", "kind": "conda", "python": "python3.11", "packages": ["jupyterlab", "gdal>=3"], "channels": ["conda-forge"]}
    (account.home / "full").touch()
    assert "The file system is full" in account.prepare(describe, status=1)[-1]["text"]
    (account.home / "full").unlink()
    folder = account.prepare(describe)[-1]["text"]
    asked = (account.home / "asked").read_text(encoding="ascii").splitlines()
    assert asked == [f"create -y -p {folder}/env -c conda-forge python=3.11 jupyterlab gdal>=3"] * 2
    prefix, more = command_in(describe, account.environ)
    told = said(account, [*prefix, "python", "-c", "import os, sys; print(sys.prefix, os.environ['GEO_DATA'], os.environ['CONDA_PREFIX'])"], more)
    assert told == f"{folder}/env {folder}/env/share {folder}/env"
    # the same environment, as one that somebody else has made
    theirs = {"name": "theirs", "kind": "conda", "path": f"{folder}/env", "packages": []}
    account.prepare(theirs)
    assert said(account, [*command_in(theirs, account.environ)[0], "sh", "-c", "echo $GEO_DATA"], {}) == f"{folder}/env/share"


def test_a_server_runs_in_a_container_that_sees_the_runs_folder(account: Account, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "python3").write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n', encoding="ascii")
    (inside / "python3").chmod(0o755)
    (tmp_path / "jupyter_server").mkdir()
    (tmp_path / "jupyter_server" / "__init__.py").write_text("__version__ = '2.9'\n", encoding="ascii")
    program(account, "apptainer", _APPTAINER.replace("INSIDE", str(inside)))
    describe = {"name": "image", "kind": "container", "image": "docker://quay.io/jupyter/base-notebook:latest", "binds": ["/scratch"]}
    image = Path(account.prepare(describe)[-1]["text"]) / "env" / "image.sif"
    assert image.exists()
    words, more = server_words(
        describe, ["python", "-c", "import json, os; print(json.dumps([os.environ['IMAGE'], os.environ['BINDS']]))"], account.environ, tmp_path
    )
    assert json.loads(said(account, words, more)) == [str(image), f" /scratch {tmp_path}"]
    account.prepare(describe, "--remove")
    assert not image.exists()


def test_a_container_without_a_server_of_its_own_lends_its_kernels(account: Account, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    specs = inside / "share" / "jupyter" / "kernels" / "python3"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(inside)], check=True)
    program(account, "apptainer", _APPTAINER.replace("INSIDE", str(inside / "bin")))
    image = tmp_path / "torch.sif"
    image.touch()
    torch = {"name": "torch", "kind": "container", "image": str(image), "server": False}
    assert "There is no kernel" in account.prepare(torch, status=1)[-1]["text"]
    specs.mkdir(parents=True)
    code = "import os, sys; print(os.environ['IMAGE'], sys.prefix, sys.argv[1])"
    spec = {"argv": [f"{inside}/bin/python3", "-c", code, "{connection_file}"], "display_name": "Python 3", "language": "python"}
    (specs / "kernel.json").write_text(json.dumps(spec), encoding="ascii")
    account.prepare(torch)

    lab = tiny(account, packages=["jupyterlab"])
    account.prepare(lab)
    _, more = server_words(lab, ["python"], account.environ, tmp_path / "run")
    (made,) = Path(more["JUPYTER_PATH"]).glob("kernels/*/kernel.json")
    told = json.loads(made.read_text(encoding="utf-8"))
    assert told["display_name"] == "Python 3 · torch"
    words = [word.replace("{connection_file}", "/run/c.json") for word in told["argv"]]
    assert said(account, words, {}) == f"{image} {inside} /run/c.json"
    with pytest.raises(TroubleError, match="for its kernels only"):
        server_words(torch, ["python"], account.environ, tmp_path / "run")
