"""The event log: what is written, in which form, and that it survives its file being moved, cut and deleted."""

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from perijove.domain.audit import ACTIONS
from perijove.domain.errors import SettingsError
from perijove.domain.lifecycle import TABLE, Event, Transition
from perijove.domain.server import Phase, Server, ServerId, UserId
from perijove.ports.observer import AuditEvent
from perijove.telemetry.event_log import EventLog
from perijove.telemetry.event_schemas import AUDIT, EVENTS, SERVER_ACTION, STAMPS
from perijove.wire.names import ServerName, UserName

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
SERVER = Server(id=ServerId(1), user_id=UserId(1), user_name=UserName("ann"), name=ServerName("lab"), phase=Phase.ROUTING)
REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "events.md"


def move(before: Phase, event: Event, *, ready_at: datetime | None = None) -> Transition:
    after, effects = TABLE[before, event]
    return Transition(replace(SERVER, phase=before, ready_at=ready_at), event, replace(SERVER, phase=after), effects)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_starting_and_stopping_are_written_and_nothing_else_that_happens_to_servers(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events")
    for before, event in TABLE:
        log.transition(move(before, event), NOW)
    log.transition(move(Phase.ROUTING, Event.ROUTED, ready_at=NOW - timedelta(hours=1)), NOW)  # back after it was lost from sight
    log.close()
    found = lines(tmp_path / "events")
    assert [line["action"] for line in found] == ["start", "stop", "stop"]
    assert found[0] == {
        "__timestamp__": "2026-01-02T03:04:05.000678Z",
        "__schema__": "https://schema.jupyter.org/jupyterhub/events/server-action",
        "__schema_version__": "1",
        "__metadata_version__": 1,
        "action": "start",
        "username": "ann",
        "servername": "lab",
    }


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_what_is_audited_is_written_as_its_schema_says(tmp_path: Path, action: str) -> None:
    log = EventLog(tmp_path / "events")
    log.audit(AuditEvent(action=action, at=NOW, actor="ada", target="ann/lab", address="::1", detail={"roles": ("a", "b"), "when": NOW, "n": None}))
    log.close()
    (line,) = lines(tmp_path / "events")
    Draft202012Validator(AUDIT.json_schema()).validate(line)
    assert (line["actor"], line["detail"]) == ("ada", {"roles": ["a", "b"], "when": "2026-01-02T03:04:05.000678Z", "n": None})


def test_what_is_written_fits_its_schema_and_only_that(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events")
    log.transition(move(Phase.STOPPING, Event.GONE), NOW)
    log.close()
    (line,) = lines(tmp_path / "events")
    schema = SERVER_ACTION.json_schema()
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(line)
    assert not Draft202012Validator(schema).is_valid({**line, "more": 1})
    assert not Draft202012Validator(AUDIT.json_schema()).is_valid(line)


def test_every_event_and_every_field_is_in_the_reference() -> None:
    text = REFERENCE.read_text()
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    for schema in EVENTS:
        assert f"`{schema.id}`, version {schema.version}." in text
        assert {*STAMPS, *schema.properties} <= rows


def test_only_what_is_asked_for_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = EventLog(None, stdout=True, audit=False)
    log.audit(AuditEvent(action="sign-out", at=NOW, actor="ann"))
    log.transition(move(Phase.STOPPING, Event.GONE), NOW)
    EventLog(None, stdout=True, server_actions=False).transition(move(Phase.STOPPING, Event.GONE), NOW)
    assert [json.loads(line)["action"] for line in capsys.readouterr().out.splitlines()] == ["stop"]


def test_it_goes_on_however_its_file_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "events"
    log = EventLog(path)

    def write() -> None:
        log.transition(move(Phase.STOPPING, Event.GONE), NOW)

    write()
    path.rename(tmp_path / "events.1")
    write()
    assert [len(lines(tmp_path / name)) for name in ("events", "events.1")] == [1, 1]
    os.truncate(path, 0)
    write()
    assert len(lines(path)) == 1, "no hole where the cut lines were"
    path.unlink()
    write()
    assert len(lines(path)) == 1
    log.close()


def test_a_file_that_cannot_be_written_refuses_the_start_and_later_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written"):
        EventLog(tmp_path / "missing" / "events")
    folder = tmp_path / "there"
    folder.mkdir()
    log = EventLog(folder / "events")
    (folder / "events").unlink()
    folder.rmdir()
    with capture_logs() as said:
        for _ in range(3):
            log.transition(move(Phase.STOPPING, Event.GONE), NOW)
        folder.mkdir()
        log.transition(move(Phase.STOPPING, Event.GONE), NOW)
    assert [line["log_level"] for line in said] == ["error"]
    assert len(lines(folder / "events")) == 1
    log.close()
