"""The request that a server or service sends a browser with: every good and bad parameter, at JupyterHub's and at ours."""

from collections.abc import Callable

import pytest

from tests.integration.compared_oauth.conftest import Walk
from tests.integration.compared_oauth.walking import CHALLENGE, Params, Walker

Alike = Callable[[Walk], None]
FORUM = "http://127.0.0.1:9/services/forum/oauth_callback"
CHANGED: dict[str, dict[str, str | None]] = {
    "good": {},
    "client unknown": {"client_id": "service-nosuch"},
    "client empty": {"client_id": ""},
    "client missing": {"client_id": None},
    "client of API tokens": {"client_id": "jupyterhub", "redirect_uri": ""},
    "client in another case": {"client_id": "SERVICE-forum"},
    "redirect missing": {"redirect_uri": None},
    "redirect empty": {"redirect_uri": ""},
    "redirect to another host": {"redirect_uri": "https://evil.example/services/forum/oauth_callback"},
    "redirect with a slash": {"redirect_uri": FORUM + "/"},
    "redirect with a query": {"redirect_uri": FORUM + "?a=b"},
    "redirect with a fragment": {"redirect_uri": FORUM + "#a"},
    "redirect with another port": {"redirect_uri": FORUM.replace(":9", ":10")},
    "redirect in another case": {"redirect_uri": FORUM.upper()},
    "redirect with dots": {"redirect_uri": FORUM.replace("forum/", "forum/x/../")},
    "redirect escaped": {"redirect_uri": FORUM.replace("oauth", "%6fauth")},
    "redirect as a path": {"redirect_uri": "/services/forum/oauth_callback"},
    "redirect relative": {"redirect_uri": "oauth_callback"},
    "redirect of another client": {"redirect_uri": FORUM.replace("forum", "reader")},
    "redirect by script": {"redirect_uri": "javascript:alert(1)"},
    "type missing": {"response_type": None},
    "type empty": {"response_type": ""},
    "type token": {"response_type": "token"},
    "type code token": {"response_type": "code token"},
    "type in another case": {"response_type": "CODE"},
    "state missing": {"state": None},
    "state empty": {"state": ""},
    "state with signs": {"state": 'a b&c=d#"é<'},
    "state long": {"state": "x" * 2000},
    "scope empty": {"scope": ""},
    "scope identify": {"scope": "identify"},
    "scope unknown": {"scope": "nosuch"},
    "scope in excess": {"scope": "servers"},
    "scope of access": {"scope": "access:services!service=forum"},
    "scope to know who": {"scope": "read:users:name!user read:users:groups!user"},
    "scope to know others": {"scope": "read:users:name"},
    "scope inherit": {"scope": "inherit"},
    "scope self": {"scope": "self"},
    "scope of a bad kind": {"scope": "servers!nosuch=x"},
    "scope custom": {"scope": "custom:reports"},
    "challenge S256": {"code_challenge": CHALLENGE, "code_challenge_method": "S256"},
    "challenge plain": {"code_challenge": CHALLENGE, "code_challenge_method": "plain"},
    "challenge without method": {"code_challenge": CHALLENGE},
    "challenge with another method": {"code_challenge": CHALLENGE, "code_challenge_method": "S512"},
    "challenge method in another case": {"code_challenge": CHALLENGE, "code_challenge_method": "s256"},
    "challenge empty": {"code_challenge": "", "code_challenge_method": "S256"},
    "challenge method alone": {"code_challenge_method": "S256"},
    "challenge too short": {"code_challenge": "x", "code_challenge_method": "S256"},
    "prompt none": {"prompt": "none"},
    "parameters nobody knows": {"colour": "red", "_xsrf": "x"},
}
READER: dict[str, str] = {
    "what it may": "read:users!user",
    "a part of what it may": "read:users:activity!user",
    "a narrower part": "servers!server=ann/",
    "of somebody else": "read:users!user=bob",
    "itself by name": "read:users!user=ann",
    "what the person lacks": "list:users",
    "what the person lacks, and more": "list:users read:users!user",
    "a custom scope the person lacks": "custom:reports:read",
    "more than a custom scope": "custom:reports",
    "another service": "access:services!service=forum",
    "all services": "access:services",
    "a role": "profile",
    "a role with too much": "teacher",
    "a role and a scope": "profile servers!user",
    "a role that is none": "nosuch",
    "default role": "user",
    "twice the same": "read:users!user read:users!user",
    "identify and more": "identify read:users!user",
    "spaces": "  read:users!user   servers!user ",
    "too much and enough": "servers read:users!user",
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_request(case: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        answer = at.authorize(ann, at.params("service-forum", **CHANGED[case]))
        then = at.said(at.agree(ann, answer)) if at.said(answer) == "asks" else "nothing"
        return f"{at.said(answer)}, then {then}"

    alike(walk)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "response_type", "state", "scope", "code_challenge"])
def test_a_parameter_twice(name: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        first: Params = [*at.params("service-forum", scope="identify", code_challenge=CHALLENGE)]
        return at.said(at.authorize(at.fresh("ann"), [*first, (name, "other")]))

    alike(walk)


@pytest.mark.parametrize("who", ["ann", "tea"])
@pytest.mark.parametrize("case", READER)
def test_what_is_granted(case: str, who: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        person = at.fresh(who)
        answer = at.authorize(person, at.params("service-reader", scope=READER[case]))
        if at.said(answer) != "asks":
            return at.said(answer)
        code = at.code(person, "service-reader", scope=READER[case])
        got = at.exchange("service-reader", code)
        return f"{at.said(got)} {at.holder(got.json()['access_token'])}"

    alike(walk)


@pytest.mark.parametrize("client", ["service-forum", "service-trusted", "service-heir", "service-closed", "service-query", "service-relative"])
def test_a_client(client: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        answer = at.authorize(ann, at.params(client))
        if answer.status_code >= 400:
            return at.said(answer)
        got = at.exchange(client, at.code(ann, client))
        return f"{at.said(answer)}, {at.said(got)}, {at.holder(got.json()['access_token'])}"

    alike(walk)


@pytest.mark.parametrize("who", ["ann", "bob", "cat"])
def test_somebodys_server(who: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        person = at.fresh(who)
        answer = at.authorize(person, at.params("jupyterhub-user-ann"))
        if answer.status_code >= 400:
            return at.said(answer)
        got = at.exchange("jupyterhub-user-ann", at.code(person, "jupyterhub-user-ann"))
        return f"{at.said(answer)}, {at.said(got)}, {at.holder(got.json()['access_token'])}"

    alike(walk)


def test_who_is_not_signed_in_is_asked_to(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        person = at.fresh("cat")
        person.http.cookies.clear()
        return at.said(at.authorize(person, at.params("service-forum")))

    alike(walk)


def test_a_program_with_a_token_is_no_person_at_a_browser(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        person = at.fresh("cat")
        token = at.token(person, "service-heir")
        person.http.cookies.clear()
        person.http.headers["authorization"] = f"token {token}"
        return at.said(at.authorize(person, at.params("service-forum")))

    alike(walk)
