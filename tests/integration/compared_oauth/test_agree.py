"""The question to the person: when it is asked, and what comes of the answer."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.compared_oauth.conftest import Walk
from tests.integration.compared_oauth.walking import Walker

Alike = Callable[[Walk], None]
SCOPE = "read:users!user servers!user"
ANSWERS: dict[str, dict[str, Any]] = {
    "as asked": {},
    "fewer": {"scopes": ["servers!user"]},
    "fewer, with access": {"scopes": ["servers!user", "access:services!service=reader"]},
    "none": {"scopes": []},
    "an empty one": {"scopes": [""]},
    "identify": {"scopes": ["identify"]},
    "in one field": {"scopes": [SCOPE]},
    "twice": {"scopes": ["servers!user", "servers!user"]},
    "unknown": {"scopes": ["nosuch"]},
    "more than was asked": {"scopes": ["servers!user", "access:services!service=forum"]},
    "more than the client may": {"scopes": ["tokens!user"]},
    "without the form's token": {"_xsrf": []},
    "with a wrong token": {"_xsrf": "wrong"},
    "with more fields": {"colour": "red"},
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer(case: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        asked = at.authorize(ann, at.params("service-reader", scope=SCOPE))
        answer = at.agree(ann, asked, **ANSWERS[case])
        said = at.said(answer)
        if "code=" not in said:
            return said
        got = at.exchange("service-reader", at.code_of(answer))
        return f"{said}, {at.said(got)}, {at.holder(got.json()['access_token'])}"

    alike(walk)


def test_another_persons_form_is_refused(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann, bob = at.fresh("ann"), at.fresh("bob")
        asked = at.authorize(bob, at.params("service-forum"))
        return at.said(at.agree(ann, asked))

    alike(walk)


def test_nobody_is_asked_again_for_what_they_agreed_to(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann, said = at.fresh("ann"), []
        params = at.params("service-reader", scope=SCOPE)
        said.append(at.said(at.authorize(ann, params)))
        token = at.token(ann, "service-reader", scope=SCOPE)
        scopes = (SCOPE, "servers!user", "identify", "servers!user read:users!user", "read:users:activity!user", None)
        said += [f"{scope}: {at.said(at.authorize(ann, at.params('service-reader', scope=scope)))}" for scope in scopes]
        said.append(f"another browser: {at.said(at.authorize(at.browser('ann'), params))}")
        said.append(f"another client: {at.said(at.authorize(ann, at.params('service-forum')))}")
        said.append(f"another person: {at.said(at.authorize(at.fresh('bob'), params))}")
        at.revoke(token)
        said.append(f"revoked: {at.said(at.authorize(ann, params))}")
        return "; ".join(said)

    alike(walk)


def test_two_agreements_together_cover_a_third(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        at.token(ann, "service-reader", scope="read:users!user")
        at.token(ann, "service-reader", scope="servers!user")
        return at.said(at.authorize(ann, at.params("service-reader", scope=SCOPE)))

    alike(walk)


def test_a_code_is_no_agreement_until_it_is_used(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        at.code(ann, "service-forum")
        return at.said(at.authorize(ann, at.params("service-forum")))

    alike(walk)


@pytest.mark.parametrize("change", ["scope", "client_id", "redirect_uri", "response_type", "code_challenge_method"])
def test_an_address_changed_before_the_answer_is_judged_anew(change: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        asked = at.authorize(ann, at.params("service-reader", scope=SCOPE))
        other = dict(at.params("service-reader", scope=SCOPE, code_challenge="x" * 43))
        other[change] = {"scope": "servers!user", "client_id": "service-forum"}.get(change, "wrong")
        return at.said(at.agree(ann, asked, to=list(other.items())))

    alike(walk)
