"""The token endpoint: a code for a token, every good and bad way of asking."""

from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.compared_oauth.conftest import Walk
from tests.integration.compared_oauth.walking import CHALLENGE, TOKEN_URL, VERIFIER, Walker

Alike = Callable[[Walk], None]
FORUM = "http://127.0.0.1:9/services/forum/oauth_callback"
CHANGED: dict[str, dict[str, Any]] = {
    "good": {},
    "code unknown": {"code": "nosuch"},
    "code missing": {"code": None},
    "code empty": {"code": ""},
    "redirect missing": {"redirect_uri": None},
    "redirect wrong": {"redirect_uri": FORUM + "/x"},
    "grant type missing": {"grant_type": None},
    "grant type refresh": {"grant_type": "refresh_token", "refresh_token": "x"},
    "grant type password": {"grant_type": "password", "username": "ann", "password": "any"},
    "grant type client": {"grant_type": "client_credentials"},
    "grant type unknown": {"grant_type": "nosuch"},
    "client unknown": {"client_id": "service-nosuch"},
    "client missing": {"client_id": None},
    "client of API tokens": {"client_id": "jupyterhub", "client_secret": ""},
    "secret wrong": {"client_secret": "wrong"},
    "secret missing": {"client_secret": None},
    "secret empty": {"client_secret": ""},
    "another client": {"client_id": "service-reader", "client_secret": "reader-" + "1" * 32, "redirect_uri": FORUM.replace("forum", "reader")},
    "another client, same redirect": {"client_id": "service-reader", "client_secret": "reader-" + "1" * 32},
    "verifier without a challenge": {"code_verifier": VERIFIER},
    "scope": {"scope": "tokens"},
    "more": {"colour": "red"},
}
VERIFIED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "S256 right": ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, {"code_verifier": VERIFIER}),
    "S256 missing": ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, {}),
    "S256 empty": ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, {"code_verifier": ""}),
    "S256 wrong": ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, {"code_verifier": VERIFIER[::-1]}),
    "S256 with the challenge itself": ({"code_challenge": CHALLENGE, "code_challenge_method": "S256"}, {"code_verifier": CHALLENGE}),
    "S256 with padding": ({"code_challenge": CHALLENGE + "=", "code_challenge_method": "S256"}, {"code_verifier": VERIFIER}),
    "plain right": ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, {"code_verifier": VERIFIER}),
    "plain wrong": ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, {"code_verifier": VERIFIER + "x"}),
    "plain missing": ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, {}),
    "no method means plain": ({"code_challenge": VERIFIER}, {"code_verifier": VERIFIER}),
    "short verifier": ({"code_challenge": "x", "code_challenge_method": "plain"}, {"code_verifier": "x"}),
}
BASIC: dict[str, tuple[tuple[str, str], dict[str, Any]]] = {
    "right": (("service-forum", "forum-" + "1" * 32), {"client_id": None, "client_secret": None}),
    "right, client in the body too": (("service-forum", "forum-" + "1" * 32), {"client_secret": None}),
    "right, all in the body too": (("service-forum", "forum-" + "1" * 32), {}),
    "wrong": (("service-forum", "wrong"), {"client_id": None, "client_secret": None}),
    "wrong, right in the body": (("service-forum", "wrong"), {}),
    "of another client": (("service-reader", "reader-" + "1" * 32), {"client_secret": None}),
}


def tried(at: Walker, code: str, answer: httpx.Response) -> str:
    """What was answered, and whether the code still works for who it is for."""
    again = at.exchange("service-forum", code)
    return f"{at.said(answer)}, and then {at.said(again)}"


@pytest.mark.parametrize("case", CHANGED)
def test_an_exchange(case: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        code = at.code(at.browser("ann"), "service-forum")
        return tried(at, code, at.exchange("service-forum", code, **CHANGED[case]))

    alike(walk)


@pytest.mark.parametrize("case", VERIFIED)
def test_a_verifier(case: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        challenge, verifier = VERIFIED[case]
        code = at.code(at.browser("ann"), "service-forum", **challenge)
        return at.said(at.exchange("service-forum", code, **verifier))

    alike(walk)


@pytest.mark.parametrize("case", BASIC)
def test_credentials_in_the_header(case: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        basic, changed = BASIC[case]
        code = at.code(at.browser("ann"), "service-forum")
        return at.said(at.exchange("service-forum", code, basic=basic, **changed))

    alike(walk)


@pytest.mark.parametrize("uri", [None, FORUM, FORUM + "/x"], ids=["none", "the registered one", "another"])
def test_a_code_that_was_asked_for_without_a_redirect_uri(uri: str | None, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        code = at.code(at.browser("ann"), "service-forum", redirect_uri=None)
        return at.said(at.exchange("service-forum", code, redirect_uri=uri))

    alike(walk)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(method: str, alike: Alike) -> None:
    alike(lambda at: str(httpx.request(method, at.url + TOKEN_URL, timeout=30).status_code))


@pytest.mark.parametrize(
    "body",
    ["", "{}", "grant_type=authorization_code&grant_type=authorization_code", "\xff=\xfe", "a" * 10_000],
    ids=["empty", "JSON", "twice", "bytes", "long"],
)
def test_other_bodies(body: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        kind = "application/json" if body == "{}" else "application/x-www-form-urlencoded"
        content = body.encode("latin-1")
        return at.said(httpx.post(at.url + TOKEN_URL, content=content, headers={"content-type": kind}, timeout=30))

    alike(walk)


def test_credentials_in_the_address_are_none(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        code = at.code(at.browser("ann"), "service-forum")
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": FORUM}
        asked = {"client_id": "service-forum", "client_secret": at.secrets["service-forum"]}
        return at.said(httpx.post(at.url + TOKEN_URL, params=asked, data=form, timeout=30))

    alike(walk)
