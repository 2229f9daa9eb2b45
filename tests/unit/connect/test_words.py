"""What is said to the login node."""

import shlex
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perijove.connect.words import Destination, command_line, destination, session_name
from perijove.domain.errors import BadInputError

_WORD = st.text(st.characters(exclude_characters="!", exclude_categories=("C", "Z")) | st.just(" "), max_size=30)


@given(st.lists(_WORD, min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_shell_reads_exactly_the_words(words: list[str]) -> None:
    said = subprocess.run(["sh", "-c", command_line(["printf", r"%s\0", *words])], capture_output=True, check=True).stdout
    assert said.decode().split("\0")[:-1] == words


@pytest.mark.parametrize("shell", ["sh", "bash", "tcsh", "fish", "zsh"])
def test_login_shells_of_all_families_read_the_same(shell: str) -> None:
    words = [
        "",
        "a b",
        "$HOME",
        "`id`",
        "';id;'",
        '"',
        "\\",
        "\\'",
        "a\\",
        "\\\\",
        "*",
        "ä€",
        "--",
        "a\x1fb",
        "{a,b}",
        "~",
        "#",
        "&&",
        "$(id)",
        "%",
        "^x^y",
        "[a]",
    ]
    program = shutil.which(shell)
    if program is None:
        assert shlex.split(command_line(words)) == words
        return
    done = subprocess.run([program, "-c", command_line(["printf", r"%s\0", *words])], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


@given(st.lists(_WORD, min_size=1, max_size=5))
def test_quoting_is_undone_by_reading(words: list[str]) -> None:
    assert shlex.split(command_line(words)) == words


@pytest.mark.parametrize("word", ["a\nb", "a\rb", "\0", "!", "\x1b[2J", "\u202e"])
def test_words_that_some_login_shell_would_read_otherwise_are_refused(word: str) -> None:
    with pytest.raises(BadInputError):
        command_line(["echo", word])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("login.example", Destination("login.example")),
        ("ada@login.example:2222", Destination("login.example", "ada", 2222)),
        ("ada@site@login", Destination("login", "ada@site")),
        ("alias_1", Destination("alias_1")),
        ("ada@[fe80::1]:22", Destination("fe80::1", "ada", 22)),
        ("-oProxyCommand=id", None),
        ("ada@-oProxyCommand=id", None),
        ("-l@host", None),
        ("a;id", None),
        ("host:0", None),
        ("host:65536", None),
        ("a b", None),
        ("host\n", None),
        ("", None),
    ],
)
def test_a_destination_can_never_be_an_option(text: str, expected: Destination | None) -> None:
    if expected is not None:
        assert destination(text) == expected
    else:
        with pytest.raises(BadInputError):
            destination(text)


@pytest.mark.parametrize("text", ["", "../x", "a/b", ".hidden", "a b", "-a", "x" * 33])
def test_a_sessions_name_names_no_other_file(text: str) -> None:
    with pytest.raises(BadInputError):
        session_name(text)
