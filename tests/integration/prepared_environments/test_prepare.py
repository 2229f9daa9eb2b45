"""Environments are made ready by real programs (venv, pip, modules), killed on the way, mended, and used."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from perijove.agent.environment.use import command_in, server_words
from tests.integration.prepared_environments.conftest import Account

LAB: dict[str, Any] = {"name": "lab", "packages": ["jupyterlab", "tinykernel"]}


def tiny(account: Account, **more: Any) -> dict[str, Any]:
    return {**LAB, "python": account.quick, "find_links": [str(account.wheels)], **more}


def steps(lines: list[dict[str, Any]]) -> list[str]:
    """In their order, each once."""
    return list(dict.fromkeys(line["step"] for line in lines if line["state"] == "done"))


def output(account: Account, words: list[str], more: dict[str, str]) -> str:
    return subprocess.run(words, env={**account.environ, **more}, check=True, stdout=subprocess.PIPE, text=True, cwd="/").stdout


def test_with_modules_and_without_a_network_it_is_made_used_found_again_and_removed(modules: Account) -> None:
    describe = tiny(modules, modules=["tiny/1.0"], python="python-of-tiny")
    lines = modules.prepare(describe)
    assert steps(lines) == ["modules", "create", "packages", "check", "ready", "folder"]
    assert any("from the wheels in" in line["text"] for line in lines), "there is no index here"
    assert [line["percent"] for line in lines] == sorted(line["percent"] for line in lines)
    folder = Path(lines[-1]["text"])

    prefix, more = command_in(describe, modules.environ)
    said = output(
        modules, [*prefix, "python", "-c", "import os, sys, jupyterlab; print(sys.prefix, os.environ['TINY_MODULE'], sys.argv[1:])", "$(id)"], more
    )
    assert said == f"{folder / 'env'} loaded ['$(id)']\n", "what a profile prints is not the program's output"

    assert steps(modules.prepare({**describe, "name": "another"})) == ["ready", "folder"], "it is the same by another name"
    (listed,) = modules.prepare(None, "--list")
    assert (listed["name"], listed["ready"], listed["jupyter"]) == ("lab", True, "2.14.0")
    modules.prepare(describe, "--remove")
    assert not folder.exists()
    assert modules.prepare(None, "--list") == []


def test_killed_at_each_step_it_goes_on_where_it_was_and_leaves_no_program_behind(account: Account) -> None:
    describe = tiny(account)
    for step in ("modules", "create", "packages", "check"):
        children = account.killed_at(describe, lambda line, step=step: line["step"] == step)  # type: ignore[misc]
        deadline = time.monotonic() + 20
        while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
        with pytest.raises(Exception, match="is not ready"):
            command_in(describe, account.environ)
    lines = account.prepare(describe)
    assert "create" not in steps(lines)
    assert "packages" not in steps(lines), "they were done when it was killed at the check"
    command_in(describe, account.environ)


def test_what_an_interrupted_installation_left_half_done_is_installed_anew(account: Account) -> None:
    describe = tiny(account)
    folder = Path(account.prepare(describe)[-1]["text"])
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    # as pip leaves it: METADATA is there, so that pip takes the package for installed; RECORD, which it writes last, is not, nor are all files
    next(packages.glob("jupyter_server-*.dist-info/RECORD")).unlink()
    (packages / "jupyter_server" / "more.py").unlink()
    record = folder / "environment.json"
    told = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps({**told, "complete": False, "steps": {"create": "done", "packages": "running"}}), encoding="utf-8")
    assert steps(account.prepare(describe)) == ["modules", "packages", "check", "ready", "folder"]
    assert (packages / "jupyter_server" / "more.py").exists()

    (packages / "tinykernel.py").unlink()
    assert steps(account.prepare(describe)) == ["ready", "folder"]
    assert any("Files are missing of tinykernel==1.0" in line["text"] for line in account.prepare(describe, "--repair"))
    assert (packages / "tinykernel.py").exists()


def test_of_two_at_once_one_makes_it_and_the_other_waits(account: Account) -> None:
    describe = tiny(account)
    with account.started(describe) as first, account.started(describe) as second:
        told = [first.communicate()[0], second.communicate()[0]]
    assert (first.returncode, second.returncode) == (0, 0), told
    made = [text for text in told if '"create", "state": "done"' in text]
    waited = [text for text in told if "this waits for them" in text]
    assert len(made) == 1
    assert len(waited) == 1
    assert waited != made


def test_kernels_of_other_environments_appear_with_modules_of_their_own(modules: Account, tmp_path: Path) -> None:
    other = tiny(modules, name="other", modules=["tiny/1.0"])
    modules.prepare(other)
    mine = tiny(modules, packages=["jupyterlab"])
    modules.prepare(mine)
    _, more = server_words(mine, ["python"], modules.environ, tmp_path / "run")
    (spec,) = Path(more["JUPYTER_PATH"]).glob("kernels/*/kernel.json")
    assert spec.parent.name == "other-tiny"
    assert (spec.parent / "logo-svg.svg").exists()
    told = json.loads(spec.read_text(encoding="utf-8"))
    assert told["display_name"] == "Tiny · other"
    # as Jupyter starts it: from the server's own environment, where that module is loaded already
    kernel = [word.replace("{connection_file}", "/run/c.json") for word in told["argv"]]
    server = [*command_in(other, modules.environ)[0]]
    said = output(modules, [*server, *kernel], {})
    assert said.split(" ", 1)[1] == "loaded ['-f', '/run/c.json']\n"
    assert "/venv-" in said


def test_what_the_agent_brings_is_found_though_a_profile_sets_the_path_of_python(modules: Account, tmp_path: Path) -> None:
    (tmp_path / "run" / "python").mkdir(parents=True)
    (tmp_path / "run" / "python" / "brought.py").write_text("", encoding="ascii")
    with (modules.home / ".bash_profile").open("a", encoding="ascii") as profile:
        profile.write("export PYTHONPATH=/theirs\n")
    describe = tiny(modules, modules=["tiny/1.0"])
    modules.prepare(describe)
    environ = {**modules.environ, "PYTHONPATH": str(tmp_path / "run" / "python")}
    code = "import brought, os; print(os.environ['PYTHONPATH'], 'PERIJOVE_PYTHONPATH' in os.environ)"
    words, more = server_words(describe, ["python", "-c", code], environ, tmp_path / "run")
    assert output(modules, words, {**environ, **more}) == f"{tmp_path / 'run' / 'python'}:/theirs False\n"


@pytest.mark.parametrize(
    ("describe", "sentence"),
    [
        ({"modules": ["tiny/9.9"]}, "The module tiny/9.9 cannot be loaded here"),
        ({"python": "python9.9"}, "There is no python9.9 here"),
        ({"packages": ["jupyterlab", "nowhere-to-be-found"]}, "There is no nowhere-to-be-found among the wheels that this cluster keeps"),
        ({"packages": ["tinykernel"]}, "add jupyterlab to them"),
        ({"find_links": []}, "cannot be reached from this machine"),
        ({"kind": "existing", "path": "/nowhere", "packages": None, "find_links": None}, "There is no Python in /nowhere"),
        ({"kind": "container", "image": "/nowhere.sif", "packages": None, "find_links": None}, "neither apptainer nor singularity"),
    ],
)
def test_what_is_in_the_way_is_told_in_a_sentence(modules: Account, describe: dict[str, Any], sentence: str) -> None:
    assert sentence in modules.prepare(tiny(modules) | describe, status=1)[-1]["text"]


def test_a_folder_that_cannot_be_written_to_is_named_with_what_to_do(account: Account) -> None:
    last = account.prepare(tiny(account), status=1, PERIJOVE_ENVIRONMENTS="/proc/environments")[-1]
    assert "/proc/environments" in last["text"]
    assert last["state"] == "failed"
    shared = account.home / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert "Everybody can write to" in account.prepare(tiny(account), status=1, PERIJOVE_ENVIRONMENTS=str(shared))[-1]["text"]


def test_an_existing_environment_is_looked_at_and_never_changed(account: Account) -> None:
    theirs = Path(account.prepare(tiny(account))[-1]["text"]) / "env"
    before = sorted(str(path) for path in theirs.rglob("*") if path.suffix != ".pyc")
    describe = {"name": "theirs", "kind": "existing", "path": str(theirs)}
    assert steps(account.prepare(describe)) == ["check", "ready", "folder"]
    prefix, more = command_in(describe, account.environ)
    assert output(account, [*prefix, "python", "-c", "import sys; print(sys.prefix)"], more) == f"{theirs}\n"
    account.prepare(describe, "--remove")
    assert sorted(str(path) for path in theirs.rglob("*") if path.suffix != ".pyc") == before
