"""A server without a hub: what it is told, and that configuration files do not open it."""

from pathlib import Path

import pytest
from perijove_singleuser.alone import TOKEN_VARIABLE, AloneServer, told

_TOKEN = "t" * 48


def test_the_token_is_taken_out_of_the_environment() -> None:
    environ = {"JUPYTERHUB_SERVICE_URL": "http+unix://%2Ftmp%2Fx%2Fserver.sock/", TOKEN_VARIABLE: _TOKEN}
    assert told(environ) == ("/tmp/x/server.sock", _TOKEN)
    assert TOKEN_VARIABLE not in environ


@pytest.mark.parametrize(
    ("address", "token"), [("http://127.0.0.1:8888/", _TOKEN), ("", _TOKEN), ("http+unix://%2Fx/", ""), ("http+unix://%2Fx/", "short")]
)
def test_it_does_not_begin_where_others_reach_it_or_without_a_secret(address: str, token: str) -> None:
    with pytest.raises(ValueError, match="must"):
        told({"JUPYTERHUB_SERVICE_URL": address, TOKEN_VARIABLE: token})


def test_a_persons_configuration_does_not_say_who_comes_in(tmp_path: Path) -> None:
    (tmp_path / "jupyter_server_config.py").write_text(
        "c.IdentityProvider.token = ''\nc.ServerApp.allow_origin = '*'\nc.ServerApp.allow_remote_access = True\nc.ServerApp.disable_check_xsrf = True\n"
        "c.ServerApp.sock = ''\nc.ServerApp.ip = '0.0.0.0'\nc.ServerApp.allow_unauthenticated_access = True\nc.ServerApp.default_url = '/tree'\n"
    )
    server = AloneServer(place=str(tmp_path / "s"), secret=_TOKEN, config_dir=str(tmp_path))
    server._page = "/lab"
    server.load_config_file()
    assert server.config.IdentityProvider.token == _TOKEN
    assert server.sock == str(tmp_path / "s")
    assert (server.allow_origin, server.allow_remote_access, server.disable_check_xsrf) == ("", False, False)
    assert not server.allow_unauthenticated_access
    assert server.default_url == "/tree"  # but what they are for, it does
