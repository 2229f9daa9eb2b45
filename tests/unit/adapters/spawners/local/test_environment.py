from pathlib import Path

import pytest

from perijove.adapters.spawners.local.command import search_path, server_command, socket_arguments, socket_url
from perijove.adapters.spawners.local.config import Config
from perijove.adapters.spawners.local.environment import environment, kept
from perijove.adapters.spawners.local.limits import Limits
from perijove.domain.errors import SettingsError
from perijove.domain.server import ServerId
from perijove.ports.spawner import Handle, StartRequest
from perijove.processes.account import Account

ALICE = Account("alice", 1000, 1000, Path("/home/alice"), "/bin/zsh")
REQUEST = StartRequest(
    handle=Handle(server_id=ServerId(1), user_name="alice", server_name="lab", start_id="abc", state=None),
    prefix="/user/alice/lab/",
    env={"JUPYTERHUB_USER": "alice", "JUPYTERHUB_API_TOKEN": "token"},
)


def made(hub: dict[str, str], **settings: object) -> dict[str, str]:
    config = Config(**settings)  # type: ignore[arg-type]
    return environment(REQUEST, ALICE, Limits(), config=config, hub=hub, command=("/opt/py/bin/x",), bind_url="http+unix://%2Frun%2Fs")


def test_only_named_variables_of_the_hub_are_kept() -> None:
    hub = {"LANG": "de_DE", "LC_TIME": "C", "LANGUISH": "no", "DATABASE_PASSWORD": "x", "PATH": "/evil", "PYTHONPATH": "/hub"}
    assert kept(hub, Config().keep_env) == {"LANG": "de_DE", "LC_TIME": "C"}
    assert made(hub)["PATH"] == "/opt/py/bin:/usr/local/bin:/usr/bin:/bin"
    assert "PYTHONPATH" not in made(hub)
    assert kept(hub, ()) == {}


def test_the_administrator_has_the_last_word_except_on_where_it_listens() -> None:
    env = made({}, environment={"SHELL": "/bin/fish", "DATA": "/data/{username}/{server_name}", "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:1"})
    assert env["SHELL"] == "/bin/fish"
    assert env["DATA"] == "/data/alice/lab"
    assert env["JUPYTERHUB_SERVICE_URL"] == "http+unix://%2Frun%2Fs/user/alice/lab/"
    assert env["JUPYTERHUB_API_TOKEN"] == "token"


@pytest.mark.parametrize("command", [("/x/bin/jupyterhub-singleuser",), ("python", "-m", "jupyterhub.singleuser"), ("/x/jupyter-labhub", "--debug")])
def test_jupyterhubs_own_server_is_told_of_the_socket_by_arguments(command: tuple[str, ...]) -> None:
    assert socket_arguments(command, ()) == ("--ServerApp.sock={socket}", "--ServerApp.sock_mode=0600")
    assert socket_arguments(command, ("--ServerApp.sock=/mine",)) == ()


def test_other_servers_get_no_arguments_they_did_not_ask_for() -> None:
    assert socket_arguments(("/x/bin/perijove-singleuser",), ()) == ()


def test_a_socket_url_quotes_the_whole_path() -> None:
    assert socket_url(Path("/run/a b/s")) == "http+unix://%2Frun%2Fa%20b%2Fs"


def test_a_command_found_on_the_system_path_adds_nothing_to_it() -> None:
    assert search_path(("/usr/bin/x",)) == search_path(("x",)) == "/usr/local/bin:/usr/bin:/bin"


def test_without_any_server_installed_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(SettingsError, match="pip install perijove-singleuser"):
        server_command(Config(), str(tmp_path))
    program = tmp_path / "jupyterhub-singleuser"
    program.touch(mode=0o755)
    assert server_command(Config(), None) == (str(program),)
