"""Which cookies reach whom: the sign-in stays with the hub, the public session id goes to all servers."""

from http.cookies import SimpleCookie

import pytest
from starlette.responses import Response

from perijove.domain.addresses import HubAddresses
from perijove.web.cookies import SESSION, SESSION_ID, STATE, VISIT, Jar

PATHS = HubAddresses(base_url="/base/", api_url="x")
PLAIN = HubAddresses(base_url="/base/", api_url="x", public_url="http://hub.test", subdomain_host="http://hub.test")
TLS = HubAddresses(base_url="/base/", api_url="x", public_url="https://hub.test", subdomain_host="https://hub.test")


def sent(jar: Jar, name: str, *, drop: bool = False) -> tuple[str, str, str, bool]:
    """Name, domain, path and whether it is for TLS only."""
    response = Response()
    if drop:
        jar.drop(response, name)
    else:
        jar.set(response, name, "x")
    ((found, morsel),) = SimpleCookie(response.headers["set-cookie"]).items()
    assert morsel["httponly"]
    assert morsel["samesite"] == "lax"
    return found, morsel["domain"], morsel["path"], bool(morsel["secure"])


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("name", [SESSION, VISIT, STATE])
def test_the_hubs_own_are_for_its_own_host_alone(name: str, *, drop: bool) -> None:
    assert sent(Jar(PATHS, secure=True), name, drop=drop) == (name, "", "/base/hub/", True)
    assert sent(Jar(PLAIN, secure=False), name, drop=drop) == (name, "", "/base/hub/", False)
    assert sent(Jar(TLS, secure=True), name, drop=drop) == (f"__Host-{name}", "", "/", True)


@pytest.mark.parametrize("drop", [False, True])
def test_the_public_session_id_reaches_all_hosts_below(*, drop: bool) -> None:
    assert sent(Jar(PATHS, secure=False), SESSION_ID, drop=drop) == (SESSION_ID, "", "/base/", False)
    assert sent(Jar(PLAIN, secure=False), SESSION_ID, drop=drop) == (SESSION_ID, "hub.test", "/base/", False)
    assert sent(Jar(TLS, secure=True), SESSION_ID, drop=drop) == (SESSION_ID, "hub.test", "/base/", True)


def test_with_tls_a_sign_in_that_a_server_set_for_the_whole_domain_is_not_believed() -> None:
    forged = {SESSION: "forged", VISIT: "forged"}
    assert Jar(TLS, secure=True).get(forged, SESSION) == Jar(TLS, secure=True).get(forged, VISIT) == ""
    assert Jar(TLS, secure=True).get({f"__Host-{SESSION}": "mine"}, SESSION) == "mine"
