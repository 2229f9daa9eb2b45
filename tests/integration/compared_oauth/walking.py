"""Walking through a sign-in to a service by hand, as a browser and the service would, and saying in a few words what came of each step."""

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx2 as httpx

from tests.integration.compared_oauth.hubs import CALLBACK, PEOPLE, SECRETS, SERVICES, TOKEN
from tests.running.browser import Person

AUTHORIZE = "/hub/api/oauth2/authorize"
TOKEN_URL = "/hub/api/oauth2/token"
VERIFIER = "a-verifier-of-more-than-forty-three-characters-1234"
CHALLENGE = "PlceoVvXFCUR6yeCSSHqoZSAiGk5MpVVq9T9EzGTVFE"
Params = list[tuple[str, str]]


class _Form(HTMLParser):
    """The fields of the form that answers the question."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: Params = []
        self.action: str | None = None
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form" and found.get("method", "").lower() == "post" and "logout" not in found.get("action", ""):
            self.action, self.fields, self._inside = found.get("action", ""), [], True
        elif tag == "input" and self._inside and found.get("name") and "disabled" not in found:
            self.fields.append((found["name"], found.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False


@dataclass
class Walker:
    """One hub, its services, and people at browsers."""

    url: str
    secrets: dict[str, str] = field(default_factory=lambda: {f"service-{name}": secret for name, secret in SECRETS.items()})
    browsers: list[Person] = field(default_factory=list)

    def prepare(self) -> None:
        """Make the people, and start a server of ann's."""
        for name in PEOPLE:
            self.browser(name)
        assert self.api(TOKEN, "POST", "/users/ann/server").status_code in {201, 202}
        state = self.api(TOKEN, "GET", "/users/ann").json()["servers"][""]["state"]
        self.secrets["jupyterhub-user-ann"] = state["token"]

    def browser(self, name: str) -> Person:
        """A browser of its own at which this person has signed in."""
        person = Person(self.url)
        self.browsers.append(person)
        page = "/hub/login?next=%2Fhub%2Ftoken"
        found = person.submit(page, page, username=name, password="any")
        assert found.url.path == "/hub/token", f"{self.url}: {found.status_code} {found.url}"
        person.http.follow_redirects = False
        return person

    def fresh(self, name: str) -> Person:
        """The same, for somebody who has not agreed to anything yet."""
        for token in self.api(TOKEN, "GET", f"/users/{name}/tokens").json()["api_tokens"]:
            assert self.api(TOKEN, "DELETE", f"/users/{name}/tokens/{token['id']}").status_code in {204, 404}  # one goes with its like
        return self.browser(name)

    def close(self) -> None:
        for browser in self.browsers:
            browser.close()

    def api(self, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request by a program."""
        return httpx.request(method, f"{self.url}/hub/api{path}", headers={"authorization": f"token {token}"}, json=body, timeout=30)

    def redirect_uri(self, client: str) -> str:
        if client.startswith("jupyterhub-user-"):
            return f"/user/{client.removeprefix('jupyterhub-user-')}/oauth_callback"
        name = client.removeprefix("service-")
        return str(SERVICES.get(name, {}).get("oauth_redirect_uri", CALLBACK.format(name=name)))

    def params(self, client: str, **changed: str | None) -> Params:
        """A good request of this client, with parameters changed, added or (None) left out."""
        found: dict[str, str | None] = {
            "client_id": client,
            "redirect_uri": self.redirect_uri(client),
            "response_type": "code",
            "state": "s1",
            **changed,
        }
        return [(name, value) for name, value in found.items() if value is not None]

    def authorize(self, who: Person, params: Params) -> httpx.Response:
        """Come from the client to the hub."""
        return who.http.get(f"{self.url}{AUTHORIZE}?{urlencode(params)}")

    def agree(self, who: Person, asked: httpx.Response, *, to: Params | None = None, **changed: Any) -> httpx.Response:
        """Press the button, perhaps with fields changed."""
        form = _Form()
        form.feed(asked.text)
        assert form.action is not None, asked.text
        fields = [(name, value) for name, value in form.fields if name not in changed]
        for name, value in changed.items():
            fields += [(name, each) for each in (value if isinstance(value, list) else [value]) if each is not None]
        kind = "application/x-www-form-urlencoded"
        return who.http.post(
            str(asked.url) if to is None else f"{self.url}{AUTHORIZE}?{urlencode(to)}",
            content=urlencode(fields),
            headers={"content-type": kind, "origin": self.url},
        )

    def code(self, who: Person, client: str, **changed: str | None) -> str:
        """A code for this client, agreed to if that was asked."""
        answer = self.authorize(who, self.params(client, **changed))
        if answer.status_code == 200:
            answer = self.agree(who, answer)
        assert answer.status_code == 302, f"{self.url}: {answer.status_code} {answer.text[:2000]}"
        return self.code_of(answer)

    def code_of(self, answer: httpx.Response) -> str:
        """The code that a browser is sent back with."""
        return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]

    def revoke(self, token: str) -> None:
        """As the token page does."""
        found = self.api(token, "GET", "/user").json()
        assert self.api(TOKEN, "DELETE", f"/users/{found['name']}/tokens/{found['token_id']}").status_code == 204

    def exchange(self, client: str, sent: str, /, *, basic: tuple[str, str] | None = None, **changed: str | None) -> httpx.Response:
        """The client's request for a token."""
        form: dict[str, str | None] = {
            "client_id": client,
            "client_secret": self.secrets.get(client, "none"),
            "grant_type": "authorization_code",
            "code": sent,
            "redirect_uri": self.redirect_uri(client),
            **changed,
        }
        headers = {"authorization": "Basic " + b64encode(":".join(basic).encode()).decode()} if basic else {}
        return httpx.post(self.url + TOKEN_URL, data={name: value for name, value in form.items() if value is not None}, headers=headers, timeout=30)

    def token(self, who: Person, client: str, **changed: str | None) -> str:
        """A token for the client."""
        answer = self.exchange(client, self.code(who, client, **changed))
        assert answer.status_code == 200, f"{self.url}: {answer.text}"
        return str(answer.json()["access_token"])

    def holder(self, token: str) -> str:
        """Whose it is and what it may, or the status of the refusal."""
        answer = self.api(token, "GET", "/user")
        if answer.status_code != 200:
            return str(answer.status_code)
        found = answer.json()
        session = " in a session" if found.get("session_id") else ""
        return f"{found['kind']} {found['name']}{session}: {' '.join(sorted(found['scopes']))}"

    def said(self, answer: httpx.Response) -> str:
        """An answer in words that are the same at every hub."""
        if answer.status_code == 302:
            return self._sent(answer.headers["location"])
        if answer.headers.get("content-type", "").startswith("application/json"):
            return f"{answer.status_code} {_json(answer)} {_store(answer)}"
        form = _Form()
        form.feed(answer.text)
        if answer.status_code == 200 and form.action is not None:
            return "asks"
        words = [
            found for found in ("Invalid client_id", "Mismatching redirect URI", "Missing client_id", "Missing redirect") if found in answer.text
        ]
        return " ".join([str(answer.status_code), *words])

    def _sent(self, location: str) -> str:
        parts = urlsplit(location)
        if parts.path == "/hub/login":
            return "302 to sign in"
        query = [
            (name, "CODE" if name == "code" else value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if "description" not in name
        ]
        where = location.partition("?")[0]
        return f"302 to {where.removeprefix(self.url)} with {' '.join(f'{name}={value}' for name, value in query)}"


def _json(answer: httpx.Response) -> str:
    found = answer.json()
    shown = {name: "TEXT" if name in {"access_token", "message"} else value for name, value in found.items() if name != "error_description"}
    if "scope" in shown:
        shown["scope"] = " ".join(sorted(shown["scope"].split()))
    return re.sub(r"[\"{}]", "", json.dumps(shown, sort_keys=True))


def _store(answer: httpx.Response) -> str:
    return " ".join(answer.headers[name] for name in ("cache-control", "pragma", "www-authenticate") if name in answer.headers)
