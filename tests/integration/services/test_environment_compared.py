"""What a managed service is told, beside what JupyterHub's is told."""

import json
import sys
from pathlib import Path

from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.perijove import free_port, perijove, until

from .test_managed import PROGRAM, SETTINGS, started

DIFFERENT = {
    "JUPYTERHUB_API_TOKEN",
    "JPY_API_TOKEN",
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES",  # JupyterHub's is empty always; ours says what `oauth_client_allowed_scopes` allows
}


def told(folder: Path) -> dict[str, str]:
    """The variables of the hub's that the one start in this folder wrote down."""
    until(lambda: started(folder), what="the service")
    (found,) = started(folder).values()
    assert set(found["env"]) >= DIFFERENT
    return {name: value for name, value in found["env"].items() if name.startswith(("JUPYTERHUB_", "JPY_")) and name not in DIFFERENT}


def test_a_service_is_told_the_same(jupyterhub_6_env: Path, tmp_path: Path) -> None:
    folders = theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in folders:
        folder.mkdir()
    command, url = [sys.executable, str(PROGRAM)], f"http://127.0.0.1:{free_port()}"
    spec = {"name": "little", "url": url, "oauth_client_allowed_scopes": ["self"], "command": [*command, str(theirs)]}
    with jupyterhub(jupyterhub_6_env, f"c.JupyterHub.services = [{spec}]"):
        wanted = told(theirs)
    entry = f'[[services]]\nname = "little"\nurl = "{url}"\noauth_client_allowed_scopes = ["self"]\ncommand = {json.dumps([*command, str(ours)])}\n'
    with perijove(SETTINGS + entry, command="hub"):
        assert told(ours) == wanted
    assert len(wanted) == 14
