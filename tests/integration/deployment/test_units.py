"""What deploy/ tells systemd is what the commands, and the example configurations, really are."""

import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from perijove.cli.main import main
from perijove.cli.replacing import END_S
from perijove.config.quantities import parse_duration
from tests.integration.deployment.examples import CONFIGURATIONS, DEPLOY, UNITS, commands, unit, with_words
from tests.integration.proxy.certificates import write_certificate

ETC = Path("/etc/perijove")


def understood(words: list[str]) -> click.Context:
    """As the command line does; raises click.UsageError if it would refuse."""
    program = main.make_context("perijove", list(words))
    name, command, rest = main.resolve_command(program, [*program._protected_args, *program.args])
    assert command is not None
    return command.make_context(name, rest, parent=program)


def configuration(path: Path) -> str:
    """The name of the file in /etc/perijove that all commands of the unit are given."""
    (config,) = {understood(words[1:]).params["config"] for words in commands(path)}
    assert config.parent == ETC
    assert config.name in CONFIGURATIONS
    return str(config.name)


def example(name: str) -> Path:
    return DEPLOY / CONFIGURATIONS[name] / name


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
class TestUnits:
    def test_what_it_runs_is_a_command_with_options_that_exist(self, path: Path) -> None:
        run = commands(path)
        assert len(run) == 2
        for words in run:
            assert words[0] == "/opt/perijove/bin/perijove"
            assert understood(words[1:]).info_name == "up", "the only one that tells systemd when it is ready, and is replaced in place"

    def test_a_reload_replaces_the_very_parts_that_were_started(self, path: Path) -> None:
        (start,), (reload,) = unit(path)["ExecStart"], unit(path)["ExecReload"]
        assert unit(path)["Type"] == ["notify"]
        assert reload.replace(" --replace", "") == start
        assert "--replace" in reload

    def test_its_folders_are_those_of_its_configuration(self, path: Path) -> None:
        hub = tomllib.loads(example(configuration(path)).read_text())["hub"]
        assert unit(path)["StateDirectory"] == [Path(hub["state_dir"]).name]
        assert unit(path)["RuntimeDirectory"] == [Path(hub["runtime_dir"]).name]
        assert [Path(hub[name]).parent for name in ("state_dir", "runtime_dir")] == [Path("/var/lib"), Path("/run")]

    def test_the_hub_has_time_to_end(self, path: Path) -> None:
        hub = tomllib.loads(example(configuration(path)).read_text())["hub"]
        (stop,) = unit(path)["TimeoutStopSec"]
        assert parse_duration(stop) > parse_duration(hub.get("drain", "0s")) + END_S

    def test_its_account_is_made(self, path: Path) -> None:
        made = {line.split()[1] for line in (DEPLOY / "sysusers.d" / "perijove.conf").read_text().splitlines() if line.startswith("u ")}
        assert set(unit(path).get("User", [])) <= made


def test_peoples_servers_outlive_the_hub_and_an_end_by_memory() -> None:
    found = unit(DEPLOY / "systemd" / "perijove.service")
    assert (found["KillMode"], found["OOMPolicy"], found["RuntimeDirectoryPreserve"]) == (["process"], ["continue"], ["yes"])
    assert "User" not in found, "only root starts servers as other accounts"


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_perijove_check_finds_no_mistake_in_the_examples(name: str, tmp_path: Path) -> None:
    text = example(name).read_text()
    (tmp_path / "tls").mkdir()
    certificate, key = write_certificate(tmp_path, "jupyter.example.org")
    files = {"cert.pem": Path(certificate).read_text(), "key.pem": Path(key).read_text(), "database-url": "postgresql://perijove:x@db/perijove"}
    for folder in ("tls", "hub.d", "proxy.d"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for file in ("cert.pem", "key.pem", "database-url", "master", "proxy-token", "token"):
            (tmp_path / folder / file).write_text(files.get(file, "0123456789abcdef" * 4))
    config = tmp_path / name
    config.write_text(with_words(text, {"/etc/perijove": str(tmp_path)}))
    done = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert "no mistakes found" in done.output
