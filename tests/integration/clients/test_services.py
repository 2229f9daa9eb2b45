"""Services built with jupyterhub.services.auth: pages that people sign in to by the hub, and an API that takes the hub's tokens."""

import html
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.running.perijove import free_port, until

from .program import program
from .site import Site, site
from .visitor import Visitor

PROGRAMS = Path(__file__).parent / "services"
SETTINGS = """
[spawner]
use = "perijove.testing.null_spawner:NullSpawner"
[[groups]]
name = "staff"
users = ["ann", "sue"]
[[roles]]
name = "staff"
groups = ["staff"]
scopes = ["access:services"]
[[services]]
name = "notes"
url = "http://127.0.0.1:{notes}"
{run notes}
api_token = "the-token-of-notes"
oauth_client_allowed_scopes = ["servers!user"]
[[services]]
name = "quiet"
url = "http://127.0.0.1:{quiet}"
{run quiet}
api_token = "the-token-of-quiet"
oauth_no_confirm = true
[[services]]
name = "figures"
url = "http://127.0.0.1:{figures}"
{run figures}
api_token = "the-token-of-figures"
[[services]]
name = "caller"
api_token = "the-token-of-caller"
[[roles]]
name = "caller"
services = ["caller"]
scopes = ["access:services!service=figures"]
"""


def environment(url: str, name: str, port: int) -> dict[str, str]:
    """What JupyterHub's documentation tells administrators to give a service that they start themselves."""
    return {
        "JUPYTERHUB_API_TOKEN": f"the-token-of-{name}",
        "JUPYTERHUB_API_URL": f"{url}/hub/api",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": f"service-{name}",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps(["access:services", f"access:services!service={name}"]),
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"/services/{name}/oauth_callback",
        "JUPYTERHUB_SERVICE_NAME": name,
        "JUPYTERHUB_SERVICE_PREFIX": f"/services/{name}/",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
    }


@contextmanager
def services(envs: dict[str, Path], folder: Path, *, managed: bool) -> Iterator[Site]:
    """A site with three services, started by the hub or, after it, by somebody else; each in its environment."""
    ports = {"notes": free_port(), "quiet": free_port(), "figures": free_port()}
    commands = {name: [str(envs[name] / "bin" / "python"), str(PROGRAMS / ("figures.py" if name == "figures" else "notes.py"))] for name in ports}
    settings = SETTINGS
    for name, port in ports.items():
        run = f"command = {json.dumps(commands[name])}" if managed else ""
        settings = settings.replace(f"{{{name}}}", str(port)).replace(f"{{run {name}}}", run)
    with ExitStack() as stack:
        found = stack.enter_context(site(settings))
        for name, port in ports.items():
            if managed:
                continue
            place = folder / name
            place.mkdir()
            stack.enter_context(program(place, commands[name], environment(found.running.hub_url, name, port)))
        for name in ports:
            until(partial(listens, found, name), what=f"the service {name}")
        yield found


def listens(site: Site, name: str) -> bool:
    """Whether it answers by now, through the proxy."""
    return httpx.get(f"{site.url}/services/{name}/nothing-here").status_code == 404


@pytest.fixture(scope="module", params=["external", "managed"])
def ours(request: pytest.FixtureRequest, clients_env: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Services of today's JupyterHub that the hub runs; and beside the hub, pages made with JupyterHub's libraries of years ago."""
    envs = dict.fromkeys(("notes", "quiet", "figures"), clients_env)
    if request.param == "external":
        envs |= {"notes": request.getfixturevalue("jupyterhub_5_env"), "quiet": request.getfixturevalue("jupyterhub_4_env")}
    with services(envs, tmp_path_factory.mktemp("services"), managed=request.param == "managed") as found:
        yield found


@pytest.fixture
def ann(ours: Site) -> Iterator[Visitor]:
    with ours.visitor("ann") as person:
        yield person
    for token in ours.api.get("/users/ann/tokens").json()["api_tokens"]:
        ours.api.delete(f"/users/ann/tokens/{token['id']}")


def model(page: httpx.Response) -> dict[str, object]:
    """Who the page says its visitor is."""
    found = re.search("<p>(.*)</p>", page.text)
    assert found, page.text
    said: dict[str, object] = json.loads(html.unescape(found[1]))
    return said


def test_a_visitor_signs_in_to_a_service_and_is_asked_once(ours: Site, ann: Visitor) -> None:
    stranger = Visitor(ours.url)
    assert stranger.open("/services/notes/?a=1").url.path == "/hub/login"
    stranger.close()
    question = ann.open("/services/notes/?a=1")
    assert question.url.path == "/hub/api/oauth2/authorize"
    page = ann.agrees(question)
    assert (page.status_code, page.url.path, page.url.query) == (200, "/services/notes/", b"a=1")
    said = model(page)
    assert (said["name"], said["kind"], said["groups"], said["admin"]) == ("ann", "user", ["staff"], False)
    assert page.headers["content-type"].startswith("text/html")
    ann.forget("/services/notes/")
    assert ann.open("/services/notes/").url.path == "/services/notes/"  # the hub remembers the answer


def test_a_service_that_needs_no_question_asks_none(ann: Visitor) -> None:
    page = ann.open("/services/quiet/")
    assert (page.status_code, page.url.path) == (200, "/services/quiet/")
    assert model(page)["name"] == "ann"


def test_a_form_is_taken_from_the_services_own_page_only(ann: Visitor) -> None:
    page = ann.open("/services/quiet/")
    token = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
    assert token
    headers = {"sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin"}
    sent = ann.http.post("/services/quiet/", data={"_xsrf": token[1], "note": "Ça va"}, headers=headers)
    assert sent.text == "noted for ann: Ça va"
    assert ann.http.post("/services/quiet/", data={"note": "Ça va"}, headers=headers).status_code == 403
    assert ann.fetch("POST", "/services/quiet/?note=2").text == "noted for ann: 2"
    assert ann.fetch("POST", "/services/quiet/?note=2", xsrf=False).status_code == 403


def test_a_service_may_ask_without_blocking(ann: Visitor) -> None:
    ann.open("/services/quiet/")
    assert ann.fetch("GET", "/services/quiet/awaiting").json() == {"name": "ann", "kind": "user"}
    ann.forget("/services/quiet/")
    assert ann.fetch("GET", "/services/quiet/awaiting").status_code == 403


def test_who_may_not_use_a_service_is_stopped_at_the_hub(ours: Site) -> None:
    with ours.visitor("bob") as bob:
        for name in ("notes", "quiet"):
            refused = bob.open(f"/services/{name}/")
            assert (refused.status_code, refused.url.path) == (403, "/hub/api/oauth2/authorize")
        assert "notes" not in bob.open("/hub/home").text
        mine = ours.api.post("/users/bob/tokens").json()["token"]
    answer = httpx.get(f"{ours.url}/services/quiet/awaiting", headers={"authorization": f"token {mine}"})
    assert (answer.status_code, answer.json()["name"]) == (403, "bob")


def test_sign_out_at_the_hub_ends_the_sign_in_at_the_service(ann: Visitor) -> None:
    ann.open("/services/quiet/")
    assert ann.fetch("GET", "/services/quiet/awaiting").status_code == 200
    ann.submit("/hub/home", "/hub/logout")
    assert ann.fetch("GET", "/services/quiet/awaiting").status_code == 403
    assert ann.open("/services/quiet/").url.path == "/hub/login"


def test_a_service_remembers_a_visitor_and_asks_anew_in_another_session(ours: Site, ann: Visitor) -> None:
    ann.open("/services/quiet/")
    for token in ours.api.get("/users/ann/tokens").json()["api_tokens"]:
        assert ours.api.delete(f"/users/ann/tokens/{token['id']}").status_code == 204
    assert ann.fetch("GET", "/services/quiet/awaiting").status_code == 200  # for five minutes, unless told otherwise
    ann.http.cookies.set("jupyterhub-session-id", "another", domain="127.0.0.1", path="/")
    assert ann.fetch("GET", "/services/quiet/awaiting").status_code == 403


def test_a_service_acts_for_its_visitor_as_far_as_it_was_allowed(ours: Site, ann: Visitor) -> None:
    ann.agrees(ann.open("/services/notes/"))
    started = ann.fetch("POST", "/services/notes/start")
    assert started.status_code in {201, 202}, started.text
    until(lambda: ours.server("ann").get("ready"), what="ann's server")
    ours.stop("ann")
    ann.open("/services/quiet/")
    assert ann.fetch("POST", "/services/quiet/start").status_code in {403, 404}
    assert not ours.server("ann")


@pytest.mark.parametrize("path", ["me", "me-awaited"])
def test_an_api_takes_the_hubs_tokens(ours: Site, path: str) -> None:
    def ask(token: str) -> httpx.Response:
        return httpx.get(f"{ours.url}/services/figures/{path}", headers={"authorization": f"token {token}"})

    anns = ours.api.post("/users/ann/tokens", json={"scopes": ["access:services!service=figures"]}).json()["token"]
    weak = ours.api.post("/users/ann/tokens", json={"scopes": ["read:users!user=ann"]}).json()["token"]
    said = ask(anns).json()
    assert (said["name"], said["kind"]) == ("ann", "user")
    assert "access:services!service=figures" in said["scopes"]
    assert ask(weak).status_code == 403
    assert ask("no-token-of-this-hub").status_code == 401
    called = ask("the-token-of-caller").json()
    assert (called["name"], called["kind"]) == ("caller", "service")


def test_a_page_that_signs_people_in_step_by_step_does_so_and_forgets_them(ours: Site, ann: Visitor) -> None:
    page = ann.agrees(ann.open("/services/figures/page"))
    assert (page.text, page.url.path) == ("hello ann", "/services/figures/page")
    ann.submit("/hub/home", "/hub/logout")
    assert ann.open("/services/figures/page").url.path == "/hub/login"  # its cookie is there, but the hub ended the token
