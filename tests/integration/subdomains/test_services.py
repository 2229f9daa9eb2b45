"""Services at hosts of their own, built with JupyterHub's own library and run by the hub; by both rules of naming."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.integration.clients import services as programs
from tests.running.hosts import Roamer
from tests.running.perijove import Running, free_port, until

from .place import NULL, URL, person, place

AGREE = re.compile(r'action="([^"]*oauth2/authorize[^"]*)"')
HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')
HOSTS = {"idna": "http://notes--service.perijove.test", "legacy": "http://services.perijove.test"}


@pytest.fixture(scope="module", params=list(HOSTS))
def notes(request: pytest.FixtureRequest, jupyterhub_6_env: Path) -> Iterator[tuple[Running, str]]:
    """A place with the service, and its address."""
    naming, port = request.param, free_port()
    command = json.dumps([str(jupyterhub_6_env / "bin" / "python"), str(Path(str(programs.__file__)).parent / "notes.py")])
    settings = f"""
{NULL}
[[services]]
name = "notes"
url = "http://127.0.0.1:{port}"
command = {command}
oauth_client_allowed_scopes = ["servers!user"]
[[roles]]
name = "readers"
users = ["ada"]
scopes = ["access:services!service=notes"]
"""
    hub = f'subdomain_host = "{URL}"\nsubdomain_naming = "{naming}"'
    with place(settings, hub) as running:
        url = f"{HOSTS[naming]}/services/notes/"

        def up() -> bool:
            host = url.split("/")[2]
            answer = httpx.get(f"{running.url}/services/notes/", headers={"host": host}, timeout=60)
            return "/oauth2/authorize" in answer.headers.get("location", "")  # before there is a route, the hub redirects, too

        until(up, what=f"the service in:\n{running.output}")
        yield running, url


def agrees(visitor: Roamer, page: httpx.Response) -> httpx.Response:
    """Answer the hub's question."""
    form = AGREE.search(page.text)
    assert form, page.text
    fields = HIDDEN.findall(page.text, form.end(), page.text.index("</form>", form.end()))
    sent: dict[str, list[str]] = {}
    for name, value in fields:
        sent.setdefault(name, []).append(unescape(value))
    return visitor.http.post(str(page.url.join(unescape(form[1]))), data=sent)


def test_a_person_opens_it_at_its_host_and_signing_out_ends_that(notes: tuple[Running, str]) -> None:
    running, url = notes
    with person(running, "ada") as ada:
        assert f'href="{url}"' in ada.get("/hub/home").text
        question = ada.get(url)
        assert question.url.host == "perijove.test"
        origin = url.removesuffix("/services/notes/")
        assert f"form-action 'self' http://*.perijove.test {origin};" in question.headers["content-security-policy"]
        page = agrees(ada, question)
        assert (page.status_code, str(page.url)) == (200, url)
        assert "ada" in page.text
        assert not [name for name in ada.cookies_for(page.url.host, "/services/notes/") if "perijove" in name]
        ada.submit("/hub/home", "/hub/logout")
        assert ada.get(url).url.path == "/hub/login"


def test_who_may_not_open_it_is_told_so_by_the_hub(notes: tuple[Running, str]) -> None:
    running, url = notes
    with person(running, "bob") as bob:
        refused = bob.get(url)
        assert (refused.status_code, refused.url.host) == (403, "perijove.test")
