"""Services and clients that others published for JupyterHub, run by the hub as their documentation says."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.running.perijove import free_port, until

from .site import TOKEN, Site, local, site
from .visitor import Visitor

SETTINGS = """
[[roles]]
name = "classroom"
users = ["ann", "tom"]
scopes = ["access:services!service=announcement", "access:services!service=dask-gateway"]
[[users]]
name = "ann"
admin = true
[[services]]
name = "announcement"
url = "http://127.0.0.1:{announcement}"
command = ["{bin}/python", "-m", "jupyterhub_announcement", "--AnnouncementService.port={announcement}"]
cwd = "{folder}"
[[services]]
name = "ngshare"
url = "http://127.0.0.1:{ngshare}"
command = [
  "{bin}/python", "-m", "ngshare", "--admins=ann", "--database=sqlite:///{folder}/ngshare.db", "--storage={folder}/ngshare-files", "--no-upgrade-db",
]
[[services]]
name = "dask-gateway"
url = "http://127.0.0.1:{dask-gateway}"
command = [
  "{bin}/dask-gateway-server",
  "--DaskGateway.address=127.0.0.1:{dask-gateway-api}",
  "--DaskGateway.backend_class=dask_gateway_server.backends.local.UnsafeLocalBackend",
  "--DaskGateway.authenticator_class=dask_gateway_server.auth.JupyterHubAuthenticator",
  "--Proxy.address=127.0.0.1:{dask-gateway}",
  "--Proxy.prefix=/services/dask-gateway",
]
cwd = "{folder}"
environment = { PATH = "{bin}:/usr/bin:/bin" }
"""
CLIENT = """
import asyncio, json, sys
from jhub_client.api import JupyterHubAPI

async def main(url):
    async with JupyterHubAPI(url) as hub:
        server = await hub.ensure_server("uma", timeout=60, create_user=True)
        async with server:
            kernel_id, kernel = await server.ensure_kernel()
            async with kernel:
                printed = await kernel.send_code("uma", "print(6 * 7)")
            await server.delete_kernel(kernel_id)
        await hub.ensure_server_deleted("uma", 60)
        users = [user["name"] for user in await hub.list_users()]
        await hub.delete_user("uma")
        print(json.dumps({"printed": printed, "users": users, "left": await hub.get_user("uma")}))

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def ours(clients_env: Path) -> Iterator[Site]:
    settings = SETTINGS.replace("{bin}", str(clients_env / "bin"))
    for name in ("announcement", "ngshare", "dask-gateway", "dask-gateway-api"):
        settings = settings.replace(f"{{{name}}}", str(free_port()))
    with site(local(f"{clients_env}/bin/jupyterhub-singleuser") + settings) as found:
        yield found


@pytest.fixture
def ann(ours: Site) -> Iterator[Visitor]:
    with ours.visitor("ann") as person:
        yield person


def up(ours: Site, path: str) -> bool:
    return httpx.get(ours.url + path).status_code < 500


def test_an_announcement_is_made_by_administrators_and_read_by_all(ours: Site, ann: Visitor) -> None:
    until(lambda: up(ours, "/services/announcement/latest"), what=f"the service: {log(ours, 'announcement')}")
    page = ann.agrees(ann.open("/services/announcement/"))
    assert (page.status_code, page.url.path) == (200, "/services/announcement/"), page.text
    token = re.search(r'name="_xsrf"[^>]*value="([^"]+)"', page.text)
    assert token
    posted = ann.http.post("/services/announcement/update", data={"_xsrf": token[1], "announcement": "Closed on Monday"})
    assert posted.status_code == 200, posted.text
    assert httpx.get(f"{ours.url}/services/announcement/latest").json()["announcement"] == "Closed on Monday"
    with ours.visitor("tom") as tom:
        assert "Closed on Monday" in tom.agrees(tom.open("/services/announcement/")).text
        assert tom.fetch("POST", "/services/announcement/update?announcement=no").status_code in {400, 403}


def test_an_exchange_of_assignments_knows_teachers_and_students(ours: Site) -> None:
    until(lambda: up(ours, "/services/ngshare/healthz"), what=f"the service: {log(ours, 'ngshare')}")

    def token(name: str) -> dict[str, str]:
        ours.api.post(f"/users/{name}")
        return {"authorization": f"token {ours.api.post(f'/users/{name}/tokens').json()['token']}"}

    course = f"{ours.url}/services/ngshare/course/maths"
    made = httpx.post(course, headers=token("ann"), data={"instructors": json.dumps(["tom"])})
    assert made.json()["success"], made.text
    assert httpx.get(f"{ours.url}/services/ngshare/courses", headers=token("tom")).json()["courses"] == ["maths"]
    assert not httpx.post(course + "2", headers=token("tom"), data={"instructors": "[]"}).json()["success"]


def test_a_gateway_to_clusters_takes_the_tokens_of_those_who_may_use_it(ours: Site) -> None:
    until(lambda: up(ours, "/services/dask-gateway/api/health"), what=f"the service: {log(ours, 'dask-gateway')}")

    def ask(name: str) -> int:
        ours.api.post(f"/users/{name}")
        token = ours.api.post(f"/users/{name}/tokens").json()["token"]
        headers = {"authorization": f"jupyterhub {token}"}
        return httpx.get(f"{ours.url}/services/dask-gateway/api/v1/clusters/", headers=headers).status_code

    assert ask("ann") == 200
    assert ask("bob") == 401


def test_a_client_library_starts_a_server_and_runs_code_in_it(ours: Site, clients_env: Path) -> None:
    command = [str(clients_env / "bin" / "python"), "-c", CLIENT, ours.url]
    done = subprocess.run(command, env={"JUPYTERHUB_API_TOKEN": TOKEN}, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["printed"] == "42\n"
    assert "uma" in said["users"]
    assert said["left"] is None


def log(ours: Site, name: str) -> str:
    """What the service wrote so far."""
    return "\n".join(file.read_text(errors="replace")[-3000:] for file in ours.running.folder.glob(f"**/services/{name}.log"))
