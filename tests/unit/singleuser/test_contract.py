from __future__ import annotations

import pytest
from perijove_singleuser.contract import Bind, ContractError, parse_bind, read_contract

GOOD = {
    "JUPYTERHUB_API_TOKEN": "very-secret",
    "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api",
    "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-alice-gpu",
    "JUPYTERHUB_SERVICE_PREFIX": "/base/user/alice/gpu/",
    "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:4321/base/user/alice/gpu/",
    "JUPYTERHUB_USER": "alice",
    "JUPYTERHUB_SERVER_NAME": "gpu",
    "JUPYTERHUB_BASE_URL": "/base/",
}


def test_the_variables_of_a_hub_are_read() -> None:
    contract = read_contract(GOOD)
    assert contract.bind == Bind(ip="127.0.0.1", port=4321)
    assert contract.prefix == "/base/user/alice/gpu/"
    assert contract.callback_url == "/base/user/alice/gpu/oauth_callback"
    assert contract.authorize_url == "/base/hub/api/oauth2/authorize"
    assert contract.access_scopes == {
        "access:servers!server=alice/gpu",
        "access:servers!user=alice",
    }


def test_with_a_host_of_its_own_the_hub_is_addressed_in_full() -> None:
    contract = read_contract({**GOOD, "JUPYTERHUB_HOST": "https://hub.example.org"})
    assert contract.logout_url == "https://hub.example.org/base/hub/logout"


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(ContractError) as error:
        read_contract({})
    for name in ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_SERVICE_URL", "JUPYTERHUB_USER"):
        assert name in str(error.value)


def test_all_mistakes_are_named_at_once_and_no_secret_is() -> None:
    broken = {
        "JUPYTERHUB_SERVICE_URL": "ftp://x/",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": "[]",
        "JUPYTERHUB_COOKIE_OPTIONS": "{",
        "JUPYTERHUB_ACTIVITY_INTERVAL": "soon",
        "PERIJOVE_SINGLEUSER_GRACE": "-1",
        "JUPYTERHUB_API_URL": "127.0.0.1:8081",
    }
    with pytest.raises(ContractError) as error:
        read_contract({**GOOD, **broken})
    for name in broken:
        assert name in str(error.value)
    assert "very-secret" not in str(error.value)


def test_the_token_does_not_show_when_a_contract_is_printed() -> None:
    assert "very-secret" not in repr(read_contract(GOOD))


@pytest.mark.parametrize(
    ("url", "bind"),
    [
        ("http://127.0.0.1:8888/user/x/", Bind("127.0.0.1", 8888)),
        ("http://:8888/user/x/", Bind("", 8888)),
        ("http://[::1]:8888/user/x/", Bind("::1", 8888)),
        ("https://0.0.0.0/user/x/", Bind("0.0.0.0", 443, tls=True)),
        ("http+unix://%2Frun%2FAlice.sock/user/x/", Bind(socket_path="/run/Alice.sock")),
    ],
)
def test_where_to_listen_is_read_from_a_url(url: str, bind: Bind) -> None:
    assert parse_bind(url) == bind


@pytest.mark.parametrize(
    "url",
    [
        "http+unix://relative.sock/x",
        f"http+unix://%2F{'a' * 110}/x",
        "tcp://1.2.3.4:5",
        "http://h:x/",
    ],
)
def test_a_place_nobody_can_listen_on_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        parse_bind(url)
