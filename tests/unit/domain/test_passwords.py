"""Which passwords are refused, and that good ones are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.passwords import MAX_PASSWORD, password_problem


@pytest.mark.parametrize(
    ("password", "about"),
    [
        ("", "at least 8"),
        ("sevench", "at least 8"),
        ("x1" * MAX_PASSWORD, "at most"),
        ("margarete", "user name"),
        ("Margarete", "user name"),
        ("margarete1!", "user name"),
        ("eteragram", "user name"),
        ("password", "first that others"),
        ("Password1!", "first that others"),
        ("12password34", "first that others"),
        ("changeme", "first that others"),
        ("testtest", "first that others"),
        ("aaaaaaaaaaaa", "repeats"),
        ("1212121212", "repeats"),
        ("12345678", "row"),
        ("9876543210", "row"),
        ("qwertyui", "row"),
        ("abcdefgh", "row"),
        ("good enough\0", "NUL"),
    ],
)
def test_a_password_that_anybody_would_try_is_refused(password: str, about: str) -> None:
    assert about in password_problem(password, "margarete")


@pytest.mark.parametrize("password", ["correct horse", "pass the salt please", "Ünï cödé wörds", "mmargarete loves tea", "8-ball fuchsia"])
def test_ordinary_good_passwords_pass(password: str) -> None:
    assert password_problem(password, "margarete") == ""


@given(st.text(), st.text(max_size=20))
def test_short_ones_never_pass_and_no_text_breaks_the_check(password: str, name: str) -> None:
    problem = password_problem(password, name)
    if len(password) < 8:
        assert problem
