from __future__ import annotations

import pytest
from perijove_singleuser.signing import Signer
from perijove_singleuser.xsrf import expected_token, is_expected, needs_token

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("method", "headers", "needed"),
    [
        ("POST", {"Sec-Fetch-Mode": "navigate", **SAME}, True),
        ("DELETE", {}, True),
        ("GET", {}, False),
        ("GET", {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}, False),
        ("GET", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", **SAME}, True),
        ("GET", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty", **SAME}, True),
        ("GET", {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image", **SAME}, False),
        ("GET", {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "font", **SAME}, False),
        (
            "GET",
            {
                "Sec-Fetch-Mode": "no-cors",
                "Sec-Fetch-Dest": "image",
                "Sec-Fetch-Site": "same-site",
            },
            True,
        ),
        ("GET", {"Sec-Fetch-Mode": "websocket", "Upgrade": "websocket"}, False),
        ("POST", {"Upgrade": "websocket"}, True),
    ],
)
def test_when_a_cookie_alone_is_not_enough(method: str, headers: dict[str, str], needed: bool) -> None:
    assert needs_token(method, headers) is needed


def test_the_token_belongs_to_one_sign_in_on_one_server() -> None:
    signer = Signer("server")
    token = expected_token(signer, "alice's")
    assert is_expected(token, token)
    for other in (
        None,
        "",
        "näh",
        expected_token(signer, "mallory's"),
        expected_token(Signer("other"), "alice's"),
    ):
        assert not is_expected(token, other)


def test_a_sealed_value_opens_only_under_its_name_and_key_and_age() -> None:
    sealed = Signer("server").seal("a", "value")
    assert Signer("server").unseal("a", sealed, max_age_s=10) == "value"
    assert Signer("server").unseal("b", sealed, max_age_s=10) is None
    assert Signer("other").unseal("a", sealed, max_age_s=10) is None
    assert Signer("server").unseal("a", sealed, max_age_s=-10) is None
    assert Signer("server").unseal("a", "2|nonsense", max_age_s=10) is None
