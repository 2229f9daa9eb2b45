"""Names are parsed once, at the edge."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.wire.names import BadNameError, parse_server_name, parse_user_name, server_prefix, user_segment


@pytest.mark.parametrize(("text", "name"), [(" Ada ", "ada"), ("ada@example.org", "ada@example.org"), ("É", "é"), ("E\u0301", "é")])
def test_a_user_name_is_normalised(text: str, name: str) -> None:
    assert parse_user_name(text) == name


@pytest.mark.parametrize("text", ["", "  ", "a/b", ".", "..", "a\nb", "a\x00b", "x" * 256, "a\u202eb"])
def test_a_bad_user_name_is_refused(text: str) -> None:
    with pytest.raises(BadNameError):
        parse_user_name(text)


@given(st.text())
def test_parsing_a_name_twice_changes_nothing(text: str) -> None:
    try:
        name = parse_user_name(text)
    except BadNameError:
        return
    assert parse_user_name(name) == name


@pytest.mark.parametrize("text", ["", "a", "lab", "my-lab-2", "a" * 30])
def test_a_server_name_as_jupyterhub_takes_it(text: str) -> None:
    assert parse_server_name(text) == text


@pytest.mark.parametrize("text", ["Lab", "2lab", "-lab", "lab-", "a--b", "a_b", "a/b", "a" * 31, "..", "a b"])
def test_a_bad_server_name_is_refused(text: str) -> None:
    with pytest.raises(BadNameError):
        parse_server_name(text)


def test_prefixes_are_quoted_as_jupyterhub_does() -> None:
    assert server_prefix("/", "ada@x y", "") == "/user/ada@x%20y/"
    assert server_prefix("/base/", "ada", "lab") == "/base/user/ada/lab/"


@given(st.text(st.sampled_from("aZ09_.~@-/ %ä\n+") | st.characters(exclude_categories=["Cs"])))
def test_a_segment_is_the_quoted_name_also_where_there_is_nothing_to_quote(text: str) -> None:
    assert user_segment(text) == quote(text, safe="@~")
