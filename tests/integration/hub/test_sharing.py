"""People share servers, as they do it: by the API and at the browser."""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.hub.conftest import SETTINGS
from tests.running.browser import Person
from tests.running.perijove import Running, perijove

SHARING = SETTINGS.replace('"custom:reports", ', '"custom:reports", "shares!user", "read:users:name", "read:groups:name", ').replace(
    '"shutdown",', '"shutdown", "shares", "access:servers",'
)
_NAMES = count(1)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with perijove(SHARING + "[limits]\nnamed_servers = true\n", command="hub") as found:
        yield found


class Account:
    """Somebody with an API token and, if need be, a browser."""

    def __init__(self, running: Running, api: httpx.Client, name: str) -> None:
        self.running, self.name = running, name
        made = api.post(f"/users/{name}/tokens", json={}) if api.post(f"/users/{name}").status_code == 201 else None
        assert made is not None
        self.api = httpx.Client(base_url=f"{running.hub_url}/hub/api", headers={"authorization": f"token {made.json()['token']}"}, timeout=30)
        self._browser: Person | None = None

    @property
    def browser(self) -> Person:
        if self._browser is None:
            self._browser = Person(self.running.hub_url)
            assert self._browser.sign_in(self.name).status_code == 200
        return self._browser

    def close(self) -> None:
        self.api.close()
        if self._browser is not None:
            self._browser.close()

    def may_open(self, owner: "Account", server: str = "") -> bool:
        """Whether the hub would let the browser in at the server."""
        answer = self.browser.get(f"/hub/user/{owner.name}/{server}")
        assert answer.status_code in {403, 404, 424}, answer.text
        return answer.status_code == 424  # not running, but theirs to open

    def offered(self) -> list[str]:
        """What the home page offers."""
        text = self.browser.get("/hub/home").text
        return re.findall(r'<th scope="row">(?:<a [^>]*>)?([^<]*)', text.partition('id="shared"')[2])


@pytest.fixture
def people(running: Running, api: httpx.Client) -> Iterator[list[Account]]:
    """Ann, who has a server lab; bob; cat. New ones for each test."""
    number = next(_NAMES)
    found = [Account(running, api, f"{name}{number}") for name in ("ann", "bob", "cat")]
    assert found[0].api.put(f"/users/{found[0].name}/servers/lab").status_code == 201
    yield found
    for account in found:
        account.close()


def shown(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_sharing_is_off_unless_a_role_allows_it(api: httpx.Client, running: Running) -> None:
    with perijove(SETTINGS, command="hub") as plain, httpx.Client(base_url=f"{plain.hub_url}/hub/api", headers=api.headers) as there:
        account = Account(plain, there, "eve")
        there.post("/users/bob")
        assert account.api.post("/shares/eve/", json={"user": "bob"}).status_code == 403
        assert account.api.post("/share-codes/eve/", json={}).status_code == 403
        assert account.api.get("/shares/eve").json()["items"] == []
        assert account.browser.get("/hub/share/eve").status_code == 403
        assert "Share" not in account.browser.get("/hub/home").text
        account.close()


def test_a_person_is_let_in_and_out_again(people: list[Account]) -> None:
    ann, bob, cat = people
    assert not bob.may_open(ann)
    made = shown(ann.api.post(f"/shares/{ann.name}/", json={"user": bob.name}))
    assert made | {"created_at": ""} == {
        "server": {"user": {"name": ann.name}, "name": "", "url": f"/user/{ann.name}/", "full_url": None, "ready": False},
        "scopes": [f"access:servers!server={ann.name}/"],
        "user": {"name": bob.name},
        "group": None,
        "kind": "user",
        "created_at": "",
    }
    assert bob.may_open(ann)
    assert not bob.may_open(ann, "lab")
    assert not cat.may_open(ann)
    assert f"access:servers!server={ann.name}/" in shown(bob.api.get("/user"))["scopes"]
    assert shown(bob.api.get(f"/users/{bob.name}/shared/{ann.name}/")) == made
    assert shown(ann.api.request("PATCH", f"/shares/{ann.name}/", json={"user": bob.name})) == {}
    assert not bob.may_open(ann)
    assert bob.api.get(f"/users/{bob.name}/shared/{ann.name}/").status_code == 404


def test_members_come_and_go_with_their_group(api: httpx.Client, people: list[Account]) -> None:
    ann, bob, cat = people
    team = f"team-{ann.name}"
    api.post(f"/groups/{team}")
    api.post(f"/groups/{team}/users", json={"users": [bob.name]})
    assert shown(ann.api.post(f"/shares/{ann.name}/", json={"group": team}))["group"] == {"name": team}
    assert bob.may_open(ann)
    assert not cat.may_open(ann)
    assert bob.api.get(f"/groups/{team}/shared").status_code == 404
    assert [share["group"] for share in shown(bob.api.get(f"/users/{bob.name}/shared"))["items"]] == [{"name": team}]
    assert bob.api.delete(f"/users/{bob.name}/shared/{ann.name}/").status_code == 404
    api.request("DELETE", f"/groups/{team}/users", json={"users": [bob.name]})
    api.post(f"/groups/{team}/users", json={"users": [cat.name]})
    assert not bob.may_open(ann)
    assert cat.may_open(ann)
    api.delete(f"/groups/{team}")
    assert not cat.may_open(ann)
    assert shown(ann.api.get(f"/shares/{ann.name}"))["items"] == []


def test_only_whom_a_role_allows_shares_sees_and_ends(people: list[Account]) -> None:
    ann, bob, cat = people
    ann.api.post(f"/shares/{ann.name}/lab", json={"user": bob.name})
    for path in (f"/shares/{ann.name}/lab", f"/share-codes/{ann.name}/lab"):
        for who in (bob, cat):
            assert who.api.get(path).status_code == 404
            assert who.api.post(path, json={"user": cat.name} if path.startswith("/shares") else {}).status_code == 404
            assert who.api.delete(path).status_code == 404
    assert cat.api.get(f"/users/{bob.name}/shared").status_code == 404
    assert cat.api.delete(f"/users/{bob.name}/shared/{ann.name}/lab").status_code == 404
    assert ann.api.delete(f"/users/{bob.name}/shared/{ann.name}/lab").status_code == 404
    assert bob.api.delete(f"/users/{bob.name}/shared/{ann.name}/lab").status_code == 204
    assert bob.api.delete(f"/users/{bob.name}/shared/{ann.name}/lab").status_code == 404


def test_a_share_of_shares_lets_somebody_else_share(people: list[Account]) -> None:
    ann, bob, cat = people
    ann.api.post(f"/shares/{ann.name}/lab", json={"user": bob.name, "scopes": ["shares"]})
    assert shown(bob.api.post(f"/shares/{ann.name}/lab", json={"user": cat.name}))["user"] == {"name": cat.name}
    assert bob.api.post(f"/shares/{ann.name}/lab", json={"user": cat.name, "scopes": ["servers"]}).status_code == 403
    assert bob.api.post(f"/shares/{ann.name}/", json={"user": cat.name}).status_code == 404


def test_lists_come_in_pages(people: list[Account]) -> None:
    ann, bob, cat = people
    for server in ("", "lab"):
        for who in (bob, cat):
            ann.api.post(f"/shares/{ann.name}/{server}", json={"user": who.name})
        ann.api.post(f"/share-codes/{ann.name}/{server}", json={})
    first = shown(ann.api.get(f"/shares/{ann.name}", params={"limit": 3}))
    assert first["_pagination"] | {"next": 0} == {"offset": 0, "limit": 3, "total": 4, "next": 0}
    second = shown(ann.api.get(first["_pagination"]["next"]["url"]))
    assert second["_pagination"] == {"offset": 3, "limit": 3, "total": 4, "next": None}
    found = [(share["server"]["name"], share["user"]["name"]) for share in first["items"] + second["items"]]
    assert found == [("", bob.name), ("", cat.name), ("lab", bob.name), ("lab", cat.name)]
    assert shown(ann.api.get(f"/shares/{ann.name}/"))["_pagination"] == {"offset": 0, "limit": 200, "total": 2, "next": None}
    assert [share["server"]["name"] for share in shown(bob.api.get(f"/users/{bob.name}/shared"))["items"]] == ["", "lab"]
    assert [code["server"]["name"] for code in shown(ann.api.get(f"/share-codes/{ann.name}"))["items"]] == ["", "lab"]
    assert [code["server"]["name"] for code in shown(ann.api.get(f"/share-codes/{ann.name}/lab"))["items"]] == ["lab"]
    assert ann.api.get(f"/shares/{ann.name}", params={"limit": "x"}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": "bob", "group": "team"},
        {"user": 5},
        {"user": "bob", "scopes": "access:servers"},
        {"user": "bob", "more": 1},
        {"user": "bob", "scopes": ["nonsense"]},
        {"user": "bob", "scopes": ["access:servers!user=ann"]},
        {"user": "nobody"},
        {"group": "nobody"},
        [],
    ],
)
def test_a_bad_request_is_told_so(api: httpx.Client, people: list[Account], body: Any) -> None:
    api.post("/users/bob")
    answer = people[0].api.post(f"/shares/{people[0].name}/lab", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


@pytest.mark.parametrize("seconds", [59, 31536001, 0, -1, None, "soon", 1e300])
def test_a_link_lasts_a_minute_at_least_and_a_year_at_most(people: list[Account], seconds: Any) -> None:
    ann = people[0]
    assert ann.api.post(f"/share-codes/{ann.name}/lab", json={"expires_in": seconds}).status_code == 400
    assert shown(ann.api.get(f"/share-codes/{ann.name}"))["items"] == []


def test_a_link_is_shown_and_accepted_at_the_browser(running: Running, people: list[Account]) -> None:
    ann, bob, cat = people
    made = shown(ann.api.post(f"/share-codes/{ann.name}/", json={"scopes": ["access:servers", "servers"]}))
    link = made["accept_url"]
    assert link == f"/hub/accept-share?code={made['code']}"
    stranger = httpx.get(running.hub_url + link)
    assert stranger.status_code == 302
    assert "/hub/login?next=%2Fhub%2Faccept-share%3Fcode%3D" in stranger.headers["location"]
    page = bob.browser.get(link)
    assert page.status_code == 200
    assert f"{ann.name} shares a server with you" in page.text
    assert f"servers!server={ann.name}/" in page.text
    assert page.headers["referrer-policy"] == "strict-origin"
    assert not bob.may_open(ann)
    bob.browser.http.follow_redirects = False
    accepted = bob.browser.submit(link, link, code=made["code"])
    assert (accepted.status_code, accepted.headers["location"]) == (303, f"/user/{ann.name}/")
    onward = link + "&next=/hub/token"
    assert bob.browser.submit(onward, onward).headers["location"] == "/hub/token"
    astray = link + "&next=https://elsewhere.example/"
    assert bob.browser.submit(astray, astray).headers["location"] == f"/user/{ann.name}/"
    bob.browser.http.follow_redirects = True
    assert bob.may_open(ann)
    (code,) = shown(ann.api.get(f"/share-codes/{ann.name}"))["items"]
    assert (code["id"], code["exchange_count"], "code" in code) == (made["id"], 3, False)
    assert cat.browser.submit(link, link).status_code in {404, 424}  # cat goes on to a server that does not run
    assert cat.may_open(ann)


def test_a_link_that_does_not_work_is_refused(people: list[Account]) -> None:
    ann, bob, _ = people
    made = shown(ann.api.post(f"/share-codes/{ann.name}/lab", json={}))
    link = made["accept_url"]
    assert ann.browser.get(link).status_code == 403
    assert bob.browser.get("/hub/accept-share").status_code == 400
    assert bob.browser.get("/hub/accept-share?code=nonsense").status_code == 404
    assert bob.browser.http.post(link, data={"code": made["code"]}).status_code == 403, "not from our page"
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://elsewhere.example"}
    assert bob.browser.http.post(link, data={"code": made["code"]}, headers=foreign).status_code == 403
    assert ann.browser.submit("/hub/home", link).status_code == 400
    assert ann.api.delete(f"/share-codes/{ann.name}/", params={"code": made["code"]}).status_code == 404
    assert ann.api.delete(f"/share-codes/{ann.name}/lab", params={"id": "sc_x"}).status_code == 404
    assert ann.api.delete(f"/share-codes/{ann.name}/lab", params={"id": made["id"]}).status_code == 204
    assert ann.api.delete(f"/share-codes/{ann.name}/lab", params={"id": made["id"]}).status_code == 404
    assert bob.browser.get(link).status_code == 404
    assert bob.browser.submit("/hub/home", link).status_code == 400
    assert not bob.may_open(ann, "lab")


def test_an_api_token_cannot_accept_a_link(people: list[Account]) -> None:
    ann, bob, _ = people
    made = shown(ann.api.post(f"/share-codes/{ann.name}/lab", json={}))
    answer = bob.api.post(made["accept_url"].replace("/hub", "..", 1), data={"code": made["code"]})
    assert answer.status_code in {302, 403}
    assert shown(bob.api.get(f"/users/{bob.name}/shared"))["items"] == []


def test_a_server_is_shared_from_the_home_page_and_left_there(api: httpx.Client, people: list[Account]) -> None:
    ann, bob, cat = people
    team = f"team-{ann.name}"
    api.post(f"/groups/{team}")
    api.post(f"/groups/{team}/users", json={"users": [cat.name]})
    page = f"/hub/share/{ann.name}/lab"
    assert page in ann.browser.get("/hub/home").text
    assert bob.browser.get(page).status_code == 404
    assert "No such user: nobody" in ann.browser.submit(page, page, kind="user", who="nobody").text
    assert ann.browser.submit(page, page, kind="user", who=bob.name, level="servers").status_code == 200
    listed = ann.browser.submit(page, page, kind="group", who=team).text
    assert bob.name in listed
    assert f"the group {team}" in listed
    assert bob.offered() == [f"{ann.name}'s server lab".replace("'", "&#39;")]
    assert cat.offered() == bob.offered()
    home = bob.browser.get("/hub/home").text
    assert f"/hub/spawn/{ann.name}/lab" in home
    assert f"/hub/leave-share/{ann.name}/lab" in home
    assert f"/hub/leave-share/{ann.name}/lab" not in cat.browser.get("/hub/home").text
    bob.browser.submit("/hub/home", f"/hub/leave-share/{ann.name}/lab")
    assert bob.offered() == []
    ann.browser.submit(page, f"/hub/unshare/{ann.name}/lab", kind="group", who=team)
    assert cat.offered() == []
    assert not cat.may_open(ann, "lab")


def test_a_link_is_made_and_taken_back_at_the_browser(running: Running, people: list[Account]) -> None:
    ann, bob, cat = people
    page = f"/hub/share/{ann.name}"
    made = ann.browser.submit(page, f"/hub/share-link/{ann.name}", expires_in="3600", level="access").text
    found = re.search(r'id="share-link">([^<]+)<', made)
    assert found
    assert found[1].startswith(f"{running.hub_url}/hub/accept-share?code=")
    assert "accept-share?code=" not in ann.browser.get(page).text
    bob.browser.submit(found[1], found[1])
    assert bob.may_open(ann)
    (code,) = shown(ann.api.get(f"/share-codes/{ann.name}/"))["items"]
    ann.browser.submit(page, f"/hub/unlink/{ann.name}", id=code["id"].removeprefix("sc_"))
    assert cat.browser.get(found[1]).status_code == 404
    assert bob.may_open(ann)
    assert ann.browser.submit(page, f"/hub/share-link/{ann.name}", expires_in="1").status_code == 400


def test_shares_end_with_their_server_and_their_recipient(api: httpx.Client, people: list[Account]) -> None:
    ann, bob, cat = people
    for who in (bob, cat):
        ann.api.post(f"/shares/{ann.name}/lab", json={"user": who.name})
    assert api.delete(f"/users/{cat.name}").status_code == 204
    assert [share["user"]["name"] for share in shown(ann.api.get(f"/shares/{ann.name}"))["items"]] == [bob.name]
    assert bob.may_open(ann, "lab")
    assert ann.api.request("DELETE", f"/users/{ann.name}/servers/lab", json={"remove": True}).status_code in {202, 204}
    assert ann.api.put(f"/users/{ann.name}/servers/lab").status_code in {201, 409}
    assert shown(bob.api.get(f"/users/{bob.name}/shared"))["items"] == []
    assert not bob.may_open(ann, "lab")
