"""Tokens of a browser's session: they end with it, and only they."""

from collections.abc import Callable

import pytest

from tests.integration.compared_oauth.conftest import Walk
from tests.integration.compared_oauth.hubs import TOKEN
from tests.integration.compared_oauth.walking import Walker
from tests.running.perijove import until

Alike = Callable[[Walk], None]


def test_signing_out_ends_the_tokens_of_this_browser_at_once_and_no_others(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        here, there = at.fresh("ann"), at.browser("ann")
        own = at.api(TOKEN, "POST", "/users/ann/tokens", {}).json()["token"]
        tokens = [at.token(here, "service-forum"), at.token(here, "jupyterhub-user-ann"), at.token(there, "service-forum"), own]
        before = [at.holder(token) for token in tokens]
        assert here.http.get(at.url + "/hub/logout").status_code in {200, 302}
        after = [at.holder(token) for token in tokens]
        return f"{before} {after} {at.said(at.authorize(here, at.params('service-forum')))}"

    alike(walk)


def test_signing_out_nowhere_ends_nothing(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        token = at.token(ann, "service-forum")
        session = ann.http.cookies["jupyterhub-session-id"]
        ann.http.cookies.clear()
        ann.http.cookies.set("jupyterhub-session-id", session)
        ann.http.get(at.url + "/hub/logout")
        return at.holder(token)

    alike(walk)


def test_a_code_does_not_outlive_its_session(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        code = at.code(ann, "service-forum")
        ann.http.get(at.url + "/hub/logout")
        return at.said(at.exchange("service-forum", code))

    alike(walk)


def test_how_tokens_are_listed(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        at.token(ann, "service-forum")
        at.token(ann, "jupyterhub-user-ann")
        found = at.api(TOKEN, "GET", "/users/ann/tokens").json()["api_tokens"]
        shown = [
            (token["kind"], token["oauth_client"], token["note"], bool(token["session_id"]), sorted(token["scopes"]), token["expires_at"] is not None)
            for token in found
            if token["session_id"]
        ]
        return str(sorted(str(token).replace("JupyterHub service", "Service") for token in shown))

    alike(walk)


def test_the_session_told_is_the_browsers(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        ann = at.fresh("ann")
        token = at.token(ann, "service-forum")
        found = at.api(token, "GET", "/user").json()
        return str((found["session_id"] == ann.http.cookies["jupyterhub-session-id"], sorted(found)))

    alike(walk)


@pytest.mark.parametrize("client", ["service-forum", "jupyterhub-user-ann"])
def test_revoking_one_token_of_a_client_revokes_all_of_it(client: str, alike: Alike) -> None:
    def walk(at: Walker) -> str:
        here, there = at.fresh("ann"), at.browser("ann")
        tokens = [at.token(here, client), at.token(there, client), at.token(here, "service-trusted")]
        bobs = at.token(at.fresh("bob"), "service-forum")
        at.revoke(tokens[0])
        return str([at.holder(token) for token in (*tokens, bobs)])

    alike(walk)


def test_a_stopped_server_leaves_neither_codes_nor_tokens(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        cat, client = at.fresh("cat"), "jupyterhub-user-cat"

        def server() -> dict[str, object]:
            found: dict[str, dict[str, object]] = at.api(TOKEN, "GET", "/users/cat").json()["servers"]
            return found.get("", {})

        assert at.api(TOKEN, "POST", "/users/cat/server").status_code in {201, 202}
        until(lambda: server().get("ready"), what="cat's server")
        state = server()["state"]
        assert isinstance(state, dict)
        at.secrets[client] = state["token"]
        token, code = at.token(cat, client), at.code(cat, client)
        before = at.holder(token)
        assert at.api(TOKEN, "DELETE", "/users/cat/server").status_code in {202, 204}
        until(lambda: not server(), what="cat's server to stop")
        return f"{before} {at.holder(token)} {at.said(at.exchange(client, code))} {at.said(at.authorize(cat, at.params(client)))}"

    alike(walk)


def test_a_person_who_is_gone_leaves_neither_codes_nor_tokens(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        dora = at.browser("dora")
        token, code = at.token(dora, "service-forum"), at.code(dora, "service-forum")
        assert at.api(TOKEN, "DELETE", "/users/dora").status_code == 204
        return f"{at.holder(token)} {at.said(at.exchange('service-forum', code))} {at.said(at.authorize(dora, at.params('service-forum')))}"

    alike(walk)


def test_a_token_loses_what_its_person_loses(alike: Alike) -> None:
    def walk(at: Walker) -> str:
        tea = at.fresh("tea")
        token = at.token(tea, "service-reader", scope="list:users read:users!user")
        before = at.holder(token)
        assert at.api(TOKEN, "DELETE", "/groups/teachers/users", {"users": ["tea"]}).status_code == 200
        after = at.holder(token)
        assert at.api(TOKEN, "POST", "/groups/teachers/users", {"users": ["tea"]}).status_code == 200
        return f"{before}; {after}; {at.holder(token)}"

    alike(walk)
