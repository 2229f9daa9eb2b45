"""Where a browser goes after signing in: `next` may lead to ourselves only."""

from collections.abc import Callable
from urllib.parse import quote, urlsplit

import pytest

from tests.integration.compared_oauth.conftest import Walk
from tests.integration.compared_oauth.walking import Walker
from tests.running.browser import Person

Alike = Callable[[Walk], None]
NEXT = {
    "none": None,
    "empty": "",
    "page": "/hub/token",
    "server": "/user/ann/",
    "query and fragment": "/hub/token?a=b&c=%20d#e",
    "root": "/",
    "outside": "/elsewhere",
    "spaces around": " /hub/token ",
    "own address": "{url}/hub/token?a=b#c",
    "own address without a path": "{url}",
    "own host, no scheme": "//{host}/hub/token",
    "own host, another scheme": "https://{host}/hub/token",
    "own host, another port": "http://127.0.0.1:1/hub/token",
    "own host after a name": "http://evil@{host}/hub/token",
    "another host": "https://evil.example/hub/token",
    "another host, no scheme": "//evil.example/hub/token",
    "three slashes": "///evil.example",
    "four slashes": "////evil.example",
    "backslashes": "\\\\evil.example",
    "slash and backslash": "/\\evil.example",
    "backslash and slash": "\\/evil.example",
    "escaped slash": "/%2Fevil.example",
    "escaped backslash": "/%5Cevil.example",
    "tab in front": "/\t/evil.example",
    "line end": "/hub/\r\nx: y",
    "relative": "hub/token",
    "dots": "/../../evil",
    "script": "javascript:alert(1)",
    "data": "data:text/html,x",
    "scheme without slashes": "https:evil.example",
    "scheme and one slash": "https:/evil.example",
    "accents": "/hub/tök/é",
    "name": "@evil.example",
    "dot": ".evil.example",
    "semicolon": "/hub/token;x=y",
    "brackets": "http://[evil/",
}


@pytest.mark.parametrize("case", NEXT)
def test_after_signing_in(case: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        person = Person(at.url)
        at.browsers.append(person)
        wanted = NEXT[case]
        page = "/hub/login"
        if wanted is not None:
            page += "?next=" + quote(wanted.replace("{url}", at.url).replace("{host}", urlsplit(at.url).netloc), safe="")
        person.http.follow_redirects = False
        answer = person.submit(page, page, username="bob", password="any")
        return str(answer.headers.get("location", answer.status_code)).replace(at.url, "OWN")

    alike(walk)


def test_whoever_is_signed_in_goes_on_at_once(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        bob = at.browser("bob")
        return " ".join(
            bob.http.get(f"{at.url}/hub/login?next={wanted}").headers["location"] for wanted in ("%2Fhub%2Ftoken", "https%3A%2F%2Fevil.example")
        )

    alike(walk)
