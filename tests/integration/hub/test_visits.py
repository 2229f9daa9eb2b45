"""Whoever opens another person's server by OAuth is in the audit log, and the owner reads it on the home page."""

from tests.integration.hub.conftest import SETTINGS
from tests.running.browser import Person
from tests.running.perijove import perijove, until


def test_the_owner_reads_that_an_administrator_opened_the_server() -> None:
    with perijove(SETTINGS.replace('level = "warning"', 'level = "info"')) as running:
        ann, ada = Person(running.url), Person(running.url)
        ann.sign_in("ann")
        ada.sign_in("ada")
        ann.submit("/hub/home", "/hub/spawn/ann")
        until(lambda: "Open my server" in ann.get("/hub/home").text, what="ann's server")
        assert "Opened by others" not in ann.get("/hub/home").text
        ask = "/hub/api/oauth2/authorize?client_id=jupyterhub-user-ann&redirect_uri=%2Fuser%2Fann%2Foauth_callback&response_type=code"
        assert "code=" in ann.http.get(running.url + ask, follow_redirects=False).headers["location"]
        assert ada.http.get(running.url + ask, follow_redirects=False).status_code == 200, "asked first"
        assert "Opened by others" not in ann.get("/hub/home").text
        answer = ada.submit(ask, ask, scopes="access:servers!server=ann/")
        assert "code=" in str(answer.url) or any("code=" in str(past.headers.get("location")) for past in answer.history), answer.text
        page = " ".join(ann.get("/hub/home").text.split())
        assert "<li>ada (administrator) opened your server <time" in page
        (line,) = [line for line in running.lines if '"action": "server.opened"' in line]
        assert "the role admin, as an administrator" in line
        assert '"target": "ann/"' in line
        ann.close()
        ada.close()
