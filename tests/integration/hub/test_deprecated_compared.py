"""The deprecated endpoints beside JupyterHub's, and what logs keep of the secrets in their addresses."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import httpx2 as httpx
import pytest

from tests.integration.compared.hubs import THEIRS, ours
from tests.integration.compared.talk import NOBODY, Talk
from tests.integration.hub.jupyterhub import jupyterhub
from tests.running.perijove import perijove, until

COOKIES = {"theirs": "jupyterhub-hub-login", "mine": "perijove-session"}
ASKERS = (
    "test",
    "weak",
    "reader",
    "ada",
    "ann",
    "bob",
    "nothing",
    "groupie",
    "server of ann",
    "wrong",
    "expired",
    "revoked",
    NOBODY,
    "cookie of ada",
)
OWNERS = ("ada", "ann", "nothing", "test", "weak", "server of ann", "wrong", "expired", "revoked")
METHODS = ("POST", "PUT", "DELETE", "PATCH")
DIFFERENCES = {
    "GET /authorizations/token without a token: 405 and not 500": {("GET", "/authorizations/token")},
    "POST with a token in the path was removed as well: 405, as other methods, and not 500": {("POST", "/authorizations/token/x")},
}


@pytest.fixture(scope="module")
def hubs(jupyterhub_6_env: Path) -> Iterator[dict[str, Talk]]:
    with (
        TemporaryDirectory(prefix="both-") as folder,
        jupyterhub(jupyterhub_6_env, THEIRS) as url,
        perijove(ours(), command="hub") as running,
        closing(Talk(url, Path(folder, "theirs"))) as theirs,
        closing(Talk(running.hub_url, Path(folder, "ours"))) as mine,
    ):
        for talk in (theirs, mine):
            talk.prepare()
        yield {"theirs": theirs, "mine": mine}


def seen(answer: httpx.Response) -> tuple[int, object]:
    """Status, and of a model what neither moments nor defaults of services decide."""
    body = answer.json() if answer.status_code == 200 and answer.text else {}
    return answer.status_code, {
        key: value for key, value in body.items() if key not in {"created", "last_activity", "servers", "url", "info", "display"}
    }


@pytest.mark.parametrize("owner", OWNERS)
def test_whose_token_it_is_depends_on_who_asks_as_there(hubs: dict[str, Talk], owner: str) -> None:
    for asker in ASKERS:
        theirs, mine = (seen(talk.request(asker, "GET", f"/authorizations/token/{talk.tokens[owner]}")) for talk in hubs.values())
        assert mine == theirs, f"{asker} about {owner}"


def test_whose_cookie_it_is(hubs: dict[str, Talk]) -> None:
    for asker in ("test", "weak", "ann", "wrong", NOBODY, "cookie of ada"):
        found = []
        for which, talk in hubs.items():
            name = COOKIES[which]
            cookie = next(cookie.value or "" for cookie in talk.browsers["bob"].http.cookies.jar if cookie.name == name).strip('"')
            asked = [f"{name}/{quote(cookie, safe='')}", f"other/{quote(cookie, safe='')}", f"{name}/nonsense"]
            found.append([seen(talk.request(asker, "GET", f"/authorizations/cookie/{path}")) for path in asked])
            found[-1].append(seen(talk.request(asker, "GET", f"/authorizations/cookie/{name}", raw=cookie.encode())))
        assert found[1] == found[0], asker
    mine = hubs["mine"]
    cookie = next(cookie.value or "" for cookie in mine.browsers["bob"].http.cookies.jar if cookie.name == COOKIES["mine"])
    assert mine.request("test", "GET", f"/authorizations/cookie/jupyterhub-hub-login/{cookie}").json()["name"] == "bob", "by JupyterHub's name, too"


def test_what_was_removed_stays_removed_and_admin_access_is_no_door(hubs: dict[str, Talk]) -> None:
    asks = [
        ("GET", "/authorizations/token"),
        *((method, f"/authorizations/{path}") for method in METHODS for path in ("token", "token/x", "cookie/a/b")),
    ]
    asks += [("POST", f"/users/{name}/admin-access") for name in ("ann", "nobody")]
    different = set()
    for method, path in asks:
        for asker in ("test", "weak", "ada", "ann", NOBODY):
            theirs, mine = (talk.request(asker, method, path) for talk in hubs.values())
            if mine.status_code != theirs.status_code:
                assert mine.status_code < 500
                different.add((method, path))
    assert different == set().union(*DIFFERENCES.values())


def test_no_log_keeps_the_secret_of_an_address() -> None:
    secret = "s3cr3t-in-an-address-" + "0" * 20
    settings = (
        ours()
        .replace('listen = "PROXY"', 'listen = "PROXY"\naccess_log = "json"\naccess_log_file = "{folder}/access.log"')
        .replace('[log]\nlevel = "warning"', '[log]\nlevel = "debug"')
    )
    with perijove(settings) as running:
        for path in (f"token/{secret}", f"token/%73{secret[1:]}?x={secret}", f"cookie/perijove-session/{secret}", f"cookie/a/{secret}/more"):
            for method in ("GET", "POST"):
                httpx.request(
                    method,
                    f"{running.url}/hub/api/authorizations/{path}",
                    headers={"authorization": "token tester-" + "0" * 32, "referer": running.url + path},
                )
        log = running.folder / "access.log"
        until(lambda: log.exists() and log.read_text().count("/hub/api/authorizations/") == 8, what="eight lines in the access log")
        text = log.read_text() + running.output
    assert secret not in text
    assert secret[1:] not in text
