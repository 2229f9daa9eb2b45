"""[[services]]: what is read, and what is refused in words that say how to mend it."""

import pytest

from perijove.config.section import Secret
from tests.unit.config.test_load import mistakes, read

_ENTRY = '[[services]]\nname = "dash"\n'


def test_a_managed_service_is_read_with_all_it_needs() -> None:
    (entry,) = read(
        _ENTRY + 'url = "http://127.0.0.1:9000"\ncommand = ["dash", "--port=9000"]\ncwd = "/srv"\nuser = "dash"\ntimeout = "1m"\n'
        'environment = { PLAIN = "a=b", KEY = { env = "DASH_KEY" } }\n',
        {"DASH_KEY": "secret"},
    ).settings.services
    assert (entry.command_words, entry.cwd, entry.user, entry.timeout) == (("dash", "--port=9000"), "/srv", "dash", 60.0)
    assert entry.environment == {"PLAIN": "a=b", "KEY": Secret(env="DASH_KEY")}


def test_a_command_may_be_written_as_one_line() -> None:
    (entry,) = read(_ENTRY + "command = \"python -m dash --title 'Our dash'\"\n").settings.services
    assert entry.command_words == ("python", "-m", "dash", "--title", "Our dash")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('[[services]]\nname = "a/b"', "name", "cannot contain '/'"),
        ('[[services]]\nname = ""', "name", "cannot be empty"),
        ('[[services]]\nname = ".."', "name", "relative path"),
        ('[[services]]\nname = "a%20b"', "name", "percent escapes"),
        ('[[services]]\nname = " a"', "name", "begin or end with a space"),
        (_ENTRY + 'url = "ftp://host:21"', "url", "http:// or https://"),
        (_ENTRY + 'url = "127.0.0.1:9000"', "url", "http:// or https://"),
        (_ENTRY + 'url = "http://127.0.0.1:0"', "url", "the port at which"),
        (_ENTRY + 'url = "http://host:99999"', "url", "Port out of range"),
        (_ENTRY + 'oauth_client_id = "dash"', "oauth_client_id", "Did you mean 'service-dash'?"),
        (_ENTRY + 'api_token = "short"', "api_token", "at least 8 characters"),
        (_ENTRY + "timeout = 0", "timeout", "more than 0"),
        (_ENTRY + 'cwd = "/srv"', "cwd", "only with `command`"),
        (_ENTRY + 'user = "dash"', "user", "only with `command`"),
        (_ENTRY + 'command = ["dash"]\ncwd = "srv"', "cwd", "absolute path"),
        (_ENTRY + 'command = "dash \'"', "command", "Write it as a list"),
        (_ENTRY + 'command = [""]', "command", "must begin with a program"),
        (_ENTRY + 'command = ["dash"]\nenvironment = { "A=B" = "c" }', "environment", "cannot name a variable"),
        (_ENTRY + 'command = ["dash"]\nenvironment = { KEY = { env = "GONE" } }', "environment.KEY", "GONE"),
        (_ENTRY + '[[services]]\nname = "other"\noauth_client_id = "service-dash"', "oauth_client_id", "that of 'dash' too"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(text: str, place: str, words: str) -> None:
    (line,) = mistakes(text)
    assert place in line
    assert words in line
