"""JupyterHub 6.1 itself, without a proxy, to compare its API with ours."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2 as httpx

from tests.running.perijove import free_port, until

_CONFIG = """
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.bind_url = "http://127.0.0.1:{public}/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.db_url = "sqlite:///{folder}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.allow_named_servers = True
"""


@contextmanager
def jupyterhub(env: Path, settings: str) -> Iterator[str]:
    """The address of a JupyterHub with these further lines of configuration, asked directly."""
    with TemporaryDirectory(prefix="jh-") as name:
        folder, port = Path(name), free_port()
        (folder / "config.py").write_text(_CONFIG.format(folder=name, port=port, public=free_port()) + settings)
        environ = {**os.environ, "PATH": f"{env}/bin:{os.environ['PATH']}"}
        with (folder / "log").open("wb") as log:
            command = [str(env / "bin" / "jupyterhub"), "-f", str(folder / "config.py")]
            process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environ)
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: _healthy(url) or process.poll() is not None, what="JupyterHub")
            assert process.poll() is None, (folder / "log").read_text(errors="replace")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/hub/health", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
