"""Lines of the access log: what is in them, what never is, and where they go."""

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.proxy.accesslog import AccessLog, Entry, _combined
from perijove.proxy.deadlines import Deadlines


def entry(**more: object) -> Entry:
    known: dict[str, object] = {
        "client": "192.0.2.1", "method": b"GET", "target": b"/user/ada/lab?token=SECRET", "host": b"hub.example.org", "status": 200, "sent": 17,
        "route": "/user/ada/", "request_id": b"abc-1", "referer": b"https://hub.example.org/hub/login?code=SECRET", "agent": b"Browser/1.0",
    }  # fmt: skip
    return Entry(**known | more)  # type: ignore[arg-type]


def written(path: Path, form: str, *entries: Entry) -> list[str]:
    log = AccessLog(form, 1.0, str(path), Deadlines())
    for each in entries:
        log.add(each)
    log.flush()
    log.close()
    return path.read_text().splitlines()


def test_a_line_of_json_says_all_but_the_query(tmp_path: Path) -> None:
    (text,) = written(tmp_path / "log", "json", entry(began=time.monotonic() - 60))
    line = json.loads(text)
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("ms") >= 60_000
    assert line == {
        "logger": "perijove.proxy.access", "client": "192.0.2.1", "method": "GET", "path": "/user/ada/lab", "host": "hub.example.org", "status": 200, "bytes": 17,
        "route": "/user/ada/", "request_id": "abc-1",
    }  # fmt: skip


COMBINED = re.compile(r'(\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "([^"]*)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"')


def test_a_combined_line_is_apaches(tmp_path: Path) -> None:
    (text,) = written(tmp_path / "log", "combined", entry())
    found = COMBINED.fullmatch(text)
    assert found is not None
    assert found.groups() == ("192.0.2.1", "GET /user/ada/lab HTTP/1.1", "200", "17", "https://hub.example.org/hub/login", "Browser/1.0")


def test_a_combined_line_of_next_to_nothing_has_its_shape_too(tmp_path: Path) -> None:
    (text,) = written(tmp_path / "log", "combined", Entry(client="", status=0, sent=0))
    found = COMBINED.fullmatch(text)
    assert found is not None
    assert found.groups() == ("-", "-", "499", "-", "-", "-")


@given(st.binary(), st.binary(), st.binary())
def test_nobody_can_forge_a_line(target: bytes, referer: bytes, agent: bytes) -> None:
    line = _combined(entry(target=target, referer=referer, agent=agent), datetime.now(UTC), 0.0)
    assert COMBINED.fullmatch(line.decode().removesuffix("\n")) is not None


@pytest.mark.parametrize("target", [b"/hub/invite/SECRET", b"/base/hub/invite/SECRET/more", b"/hub/%69nvite/SECRET", b"/hub%2Finvite/SECRET?x=1"])
@pytest.mark.parametrize("form", ["json", "combined"])
def test_an_invitation_is_nobody_elses_to_read(tmp_path: Path, form: str, target: bytes) -> None:
    (text,) = written(tmp_path / "log", form, entry(target=target))
    assert "/hub/invite/..." in text
    assert "SECRET" not in text


@pytest.mark.parametrize("form", ["json", "combined"])
@pytest.mark.parametrize(
    "ask", ["token/SECRET", "token/SECRET?x=SECRET", "cookie/jupyterhub-hub-login/SECRET", "cookie/%6aupyter/SECRET/SECRET", "/token//SECRET"]
)
def test_a_token_or_cookie_in_an_address_is_nobody_elses_to_read(tmp_path: Path, form: str, ask: str) -> None:
    target = f"/base/hub/api/authorizations/{ask}".encode()
    (text,) = written(tmp_path / "log", form, entry(target=target, referer=b"https://hub" + target))
    assert "/..." in text
    assert "SECRET" not in text


def test_a_sample_holds_some_and_all_failures(tmp_path: Path) -> None:
    log = AccessLog("json", 0.1, str(tmp_path / "log"), Deadlines())
    some = sum(log.wants(200) for _ in range(10_000))
    assert 500 < some < 1500
    assert all(log.wants(status) for status in (500, 502, 503, 599) for _ in range(100))
    none = AccessLog("json", 0.0, str(tmp_path / "log"), Deadlines())
    assert not any(none.wants(404) for _ in range(100))


def test_after_a_rotation_lines_go_to_the_new_file_and_none_is_lost(tmp_path: Path) -> None:
    log = AccessLog("json", 1.0, str(tmp_path / "log"), Deadlines())
    log.add(entry(status=201))
    (tmp_path / "log").rename(tmp_path / "log.1")
    log.reopen()
    log.add(entry(status=202))
    log.reopen()
    files = [tmp_path / name for name in ("log.1", "log")]
    assert sorted(json.loads(line)["status"] for path in files if path.exists() for line in path.read_text().splitlines()) == [201, 202]
    assert '"status": 202' in (tmp_path / "log").read_text()


def test_lines_are_appended_and_none_but_the_group_may_read_them(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, "json", entry())
    assert len(written(path, "json", entry(), entry())) == 3
    assert path.stat().st_mode & 0o007 == 0


def test_a_file_that_cannot_be_opened_is_complained_of_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        AccessLog("json", 1.0, str(tmp_path / "missing" / "log"), Deadlines())


def test_a_full_disk_costs_lines_but_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    log = AccessLog("json", 1.0, "/dev/full", Deadlines())
    log.add(entry())
    log.flush()
    log.close()
    assert "cannot be written to /dev/full" in caplog.text
