"""Logs keep addresses whole, but for those that hold a secret."""

import pytest

from perijove.wire.secretpaths import without_secrets


@pytest.mark.parametrize(
    "path",
    [
        b"/hub/home",
        b"/hub/invite",
        b"/hub/invite/",
        b"/hub/api/authorizations/token",
        b"/user/ada/hub/token/x",
        b"/hub/api/users/ann%2Fb",
        b"/%ff\xff",
        b"",
    ],
)
def test_what_holds_no_secret_stays_as_it_came(path: bytes) -> None:
    assert without_secrets(path) == path


def test_the_secret_and_all_behind_it_is_cut_off() -> None:
    assert without_secrets(b"/hub/api/authorizations/cookie/name/SECRET/more") == b"/hub/api/authorizations/cookie/name/..."
    assert without_secrets(b"/b%61se/hub/api/authorizations/token/SECRET") == b"/base/hub/api/authorizations/token/..."
