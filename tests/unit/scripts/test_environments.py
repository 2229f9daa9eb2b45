"""When an environment is made again, and where root's goes."""

from dataclasses import replace
from pathlib import Path

import environments
import pytest
from environments import CannotError, Environment, describe, digest, make, others_can_enter, up_to_date


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """One that looks made, without having been."""
    made = Environment("user", "a test", tmp_path / "env", ["jupyterlab"], ())
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to("/bin/sh")
    made.stamp.write_text(digest(made))
    return made


def test_what_is_up_to_date_is_left_alone(environment: Environment) -> None:
    before = environment.stamp.stat()
    make(environment)
    assert environment.stamp.stat() == before


def test_it_is_made_again_when_what_it_is_made_from_changes(environment: Environment) -> None:
    assert not up_to_date(environment, digest(replace(environment, source=["jupyterlab", "ipykernel"])))


def test_it_is_made_again_when_its_python_is_gone(environment: Environment) -> None:
    environment.python.unlink()
    environment.python.symlink_to("/nowhere/python3")
    assert not up_to_date(environment, digest(environment))


def test_the_digest_of_sources_sees_contents_and_names(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    file = tmp_path / "src" / "a.py"
    seen = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "2")):
        file = file.rename(file.with_name(name)) if file.exists() else file
        file.write_text(text)
        seen.add(environments.digest_of_files(tmp_path))
    assert len(seen) == 3


def test_a_closed_folder_anywhere_above_is_found(tmp_path: Path) -> None:
    open_folder = tmp_path / "closed" / "open"
    open_folder.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not others_can_enter(open_folder)
    assert others_can_enter(Path("/usr/bin"))


def test_an_unknown_environment_is_refused_with_those_there_are() -> None:
    with pytest.raises(CannotError, match="hub, dev, docs, user"):
        describe("prod")
