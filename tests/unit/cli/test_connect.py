"""`perijove connect` at the edge: what it takes, what it shows."""

import stat
import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner

from perijove.cli import connect, main
from perijove.cli.connect import _open_browser, _Terminal


def test_a_login_node_alone_means_start() -> None:
    for words in (["-oProxyCommand=id"], ["start", "--", "-oProxyCommand=id"], ["--time", "3h", "a b"]):
        assert CliRunner().invoke(main, ["connect", *words]).exit_code != 0
    said = CliRunner().invoke(main, ["connect", "a b", "--time", "3h"])
    assert said.exit_code == 1
    assert "'a b' is not a login node" in said.output


def test_mistakes_are_told_before_anybody_is_called() -> None:
    said = CliRunner().invoke(main, ["connect", "nowhere.invalid", "--mem", "1G", "--mem-per-cpu", "1G"])
    assert "choose one of the two" in said.output


def test_a_missing_library_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "find_spec", lambda _: None)
    said = CliRunner().invoke(main, ["connect", "list", "nowhere.invalid", "--ssh", "asyncssh"])
    assert "pip install 'perijove[connect]'" in said.output


def test_the_browser_is_led_by_a_file_that_only_the_person_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    _open_browser(tmp_path, "http://127.0.0.1:8888/?token=secret&a=b")
    (page,) = tmp_path.iterdir()
    assert opened == [page.as_uri()]
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert 'content="0;url=http://127.0.0.1:8888/?token=secret&amp;a=b"' in page.read_text()


def test_what_another_machine_says_gives_the_terminal_no_orders(capsys: pytest.CaptureFixture[str]) -> None:
    person = _Terminal()
    person.say("one\ntwo\x1b]0;title\x07")
    person.tell("three\x1b[2J\r")
    assert capsys.readouterr().err == "one\ntwo ]0;title \nthree [2J \n"
