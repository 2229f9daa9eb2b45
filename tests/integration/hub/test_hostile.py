"""What a hostile page, a hostile server or a stranger may try."""

from collections.abc import Iterator

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS
from tests.running.browser import Person
from tests.running.perijove import Running, perijove


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with perijove(SETTINGS) as found:
        yield found


@pytest.fixture
def ada(running: Running) -> Iterator[Person]:
    person = Person(running.url)
    person.sign_in("ada")
    yield person
    person.close()


def test_what_hub_and_proxy_say_to_each_other_is_not_reached_from_outside(running: Running) -> None:
    for path in ("/hub/perijove/routes", "/hub/perijove/../perijove/routes", "/hub//perijove/routes", "/hub/%70erijove/routes"):
        assert httpx.get(f"{running.url}{path}", headers={"authorization": "token x"}).status_code in {400, 403, 404}


def test_a_form_that_is_not_ours_signs_nobody_in(running: Running) -> None:
    answer = httpx.post(f"{running.url}/hub/login", data={"username": "ada", "password": "x"})
    assert answer.status_code == 403
    assert "perijove-session" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        {"origin": "https://evil.example.org"},
        {"origin": "null"},
        {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},  # a script of a server on the same host, without the page's token
    ],
)
def test_a_foreign_page_changes_nothing_with_somebodys_cookie(running: Running, ada: Person, headers: dict[str, str]) -> None:
    assert ada.http.post(f"{running.url}/hub/spawn/ada", headers=headers).status_code == 403
    assert ada.http.post(f"{running.url}/hub/api/users", json={"usernames": ["eve"]}, headers=headers).status_code == 403
    assert ada.http.post(f"{running.url}/hub/token", data={"note": "x"}, headers=headers).status_code == 403


def test_a_script_of_a_server_cannot_read_pages_or_the_api_with_the_cookie(running: Running, ada: Person) -> None:
    script = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert ada.http.get(f"{running.url}/hub/home", headers=script).status_code == 403
    assert ada.http.get(f"{running.url}/hub/api/user", headers=script).status_code == 403


def test_administrators_read_metrics_at_their_browser_and_nobody_else_does(running: Running, ada: Person) -> None:
    assert "jupyterhub_running_servers" in ada.get("/hub/metrics").text
    script = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert ada.http.get(f"{running.url}/hub/metrics", headers=script).status_code == 403
    bob = Person(running.url)
    assert bob.get("/hub/metrics").status_code == 403
    bob.sign_in("bob")
    assert bob.get("/hub/metrics").status_code == 403
    bob.close()


def test_the_cookie_is_for_the_hub_alone_and_out_of_reach_of_scripts(running: Running) -> None:
    person = Person(running.url)
    person.http.follow_redirects = False
    cookies = person.sign_in("ada").headers.get_list("set-cookie")
    (session,) = [cookie for cookie in cookies if cookie.startswith("perijove-session=")]
    assert "path=/hub/" in session.lower()
    assert "httponly" in session.lower()
    assert "samesite=lax" in session.lower()
    person.close()


def test_a_name_cannot_carry_markup_into_a_page(running: Running, ada: Person) -> None:
    name = "<script>alert(1)<b>"
    ada.submit("/hub/admin", "/hub/admin/add", names=name)
    page = ada.get("/hub/admin?q=" + "%3Cscript%3E")
    assert name not in page.text
    assert "&lt;script&gt;alert(1)&lt;b&gt;" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_signing_in_leads_nowhere_else(running: Running) -> None:
    person = Person(running.url)
    person.http.follow_redirects = False
    for target in ("https://evil.example.org/", "//evil.example.org/", "/\\evil.example.org", "javascript:alert(1)"):
        answer = person.submit(f"/hub/login?next={target}", f"/hub/login?next={target}", username="bob", password="x")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/")
        assert not answer.headers["location"].startswith(("//", "/\\"))
        person.http.cookies.clear()
    person.close()


def test_a_body_without_end_is_refused(running: Running) -> None:
    answer = httpx.post(f"{running.hub_url}/hub/api/oauth2/token", content=b"x" * (9 * 1024 * 1024), timeout=30)
    assert answer.status_code == 400
    assert "larger than" in answer.json()["message"]


def test_somebody_else_sees_neither_page_nor_progress_of_a_server(running: Running, ada: Person) -> None:
    ada.submit("/hub/home", "/hub/spawn/ada")
    bob = Person(running.url)
    bob.sign_in("bob")
    for path in ("/hub/home/ada", "/hub/spawn/ada", "/hub/spawn-pending/ada", "/hub/admin", "/hub/admin/audit", "/hub/api/users/ada/server/progress"):
        assert bob.get(path).status_code in {403, 404}, path
    bob.close()


def test_pages_are_friendly_about_what_is_not_there(ada: Person) -> None:
    missing = ada.get("/hub/no-such-page")
    assert missing.status_code == 404
    assert "<h1>" in missing.text
    assert "Sign out" in missing.text, "who is signed in stays so, and finds the way"
    assert ada.http.get(f"{ada.url}/hub/no-such-page", headers={"accept": "application/json"}).json()["status"] == 404
