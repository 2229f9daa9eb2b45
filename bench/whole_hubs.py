"""Hubs with everything a person meets: their own proxy, servers as local processes, all three with one environment to work in."""

import hashlib
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hubs import CACHE, CLONE, JUPYTERHUB, cached_venv, clean_environ, free_port, jupyterhub_venv, running, until_up

_CHP = "5.3.0"
_SCOPES = ["admin:users", "admin:servers", "access:servers", "list:users", "tokens", "read:hub"]


@dataclass(frozen=True, slots=True)
class Whole:
    """`url` of the public door, without a slash at its end."""

    name: str
    url: str
    token: str


@cache
def user_venv() -> Path:
    """The environment that people's servers run in, the same for all: JupyterLab, JupyterHub's single-user server, and ours as it stands here."""
    digest = hashlib.sha256()
    for path in sorted((CLONE / "singleuser").rglob("*.py")):
        digest.update(path.read_bytes())
    return cached_venv("bench-user", "jupyterlab", f"jupyterhub=={JUPYTERHUB}", str(CLONE / "singleuser"), version=digest.hexdigest())


def _chp() -> Path:
    """configurable-http-proxy, JupyterHub's default proxy."""
    folder = CACHE / "bench-chp"
    program = folder / "node_modules/.bin/configurable-http-proxy"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--prefix", folder, "--no-fund", "--no-audit", f"configurable-http-proxy@{_CHP}"], check=True)
    return program


_JUPYTERHUB_CONFIG = """\
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.JupyterHub.db_url = "sqlite:///{folder}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.pid_file = "{folder}/jupyterhub.pid"
c.ConfigurableHTTPProxy.command = ["{chp}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/home/{{username}}"
c.Spawner.cmd = ["{venv}/bin/jupyterhub-singleuser"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.log_level = "WARN"
c.JupyterHub.services = [{{"name": "bench", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "bench", "services": ["bench"], "scopes": {scopes}}}]
"""


@asynccontextmanager
async def whole_jupyterhub(folder: Path, account: str | None) -> AsyncIterator[Whole]:
    """JupyterHub with configurable-http-proxy and SimpleLocalProcessSpawner. Raises BenchError."""
    port, token, config, log = free_port(), secrets.token_hex(16), folder / "jupyterhub_config.py", folder / "hub.log"
    config.write_text(
        _JUPYTERHUB_CONFIG.format(
            port=port, hub_port=free_port(), api_port=free_port(), folder=folder, chp=_chp(), venv=user_venv(), token=token, scopes=_SCOPES
        ),
        encoding="utf-8",
    )
    environ = clean_environ(HOME=str(folder))
    with running([jupyterhub_venv() / "bin/jupyterhub", "--config", config], log, environ, account=account, cwd=folder) as pid:
        await until_up(f"http://127.0.0.1:{port}/hub/health", pid, log)
        yield Whole(f"jupyterhub {JUPYTERHUB}", f"http://127.0.0.1:{port}", token)


_PERIJOVE_CONFIG = """\
[proxy]
listen = "127.0.0.1:{port}"
[hub]
listen = "127.0.0.1:{hub_port}"
state_dir = "{folder}/state"
[spawner]
use = "local"
command = ["{venv}/bin/perijove-singleuser"]
[authenticator]
use = "dummy"
[access]
allow_all = true
[log]
level = "warning"
[[services]]
name = "bench"
api_token = "{token}"
[[roles]]
name = "bench"
services = ["bench"]
scopes = {scopes}
"""


@asynccontextmanager
async def whole_perijove(folder: Path, account: str | None) -> AsyncIterator[Whole]:
    """`perijove up` with its local spawner. Raises BenchError."""
    port, token, config, log = free_port(), secrets.token_hex(16), folder / "perijove.toml", folder / "hub.log"
    text = _PERIJOVE_CONFIG.format(
        port=port, hub_port=free_port(), folder=folder, venv=user_venv(), token=token, scopes=str(_SCOPES).replace("'", '"')
    )
    config.write_text(text, encoding="utf-8")
    environ = clean_environ(HOME=str(folder))
    with running([sys.executable, "-m", "perijove", "up", "--config", config], log, environ, account=account, cwd=folder) as pid:
        await until_up(f"http://127.0.0.1:{port}/hub/health", pid, log)
        yield Whole("perijove", f"http://127.0.0.1:{port}", token)
