"""What is kept of a connection, and what the login node says of itself."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from perijove.agent.relay import StateError, address
from perijove.connect.asking import Wanted
from perijove.connect.cluster import facts
from perijove.connect.login import ConnectError, Heard
from perijove.connect.record import Record, read, requested
from perijove.domain.errors import BadInputError

_ASKED = Wanted(time="10", gpus="a100:2").request(name="perijove-1", comment="perijove connect x", output="/home/ada/x.log")
RECORD = Record(
    name="x", start_id="1", request=requested(_ASKED), environment={"kind": "venv"}, token="t" * 48, secret="s" * 64,
    made="2026-01-01T00:00:00+00:00", agent="/home/ada/a.pyz", python="/usr/bin/python3", folder="/home/ada", job="7", port=8888,
)  # fmt: skip


def test_a_record_is_read_as_it_was_written() -> None:
    assert read(RECORD.as_json()) == RECORD
    assert read(RECORD.as_json()).asked == _ASKED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version": 1}',
        json.dumps({**json.loads(RECORD.as_json()), "version": 2}).encode(),
        json.dumps({**json.loads(RECORD.as_json()), "job": 7}).encode(),
        json.dumps({**json.loads(RECORD.as_json()), "made": "yesterday"}).encode(),
        replace(RECORD, port="x").as_json(),  # type: ignore[arg-type]
        b"\xff",
    ],
)
def test_what_is_no_record_is_refused(content: bytes) -> None:
    with pytest.raises(BadInputError):
        read(content)


def test_what_start_files_print_is_passed_over() -> None:
    out = "Welcome!\nperijove-says nothing of use\nperijove-says home /home/ada\nperijove-says person ada\nperijove-says conf \n"
    out += "perijove-says sbatch /opt/slurm/bin/sbatch\nperijove-says python /usr/bin/python3\n"
    found = facts(Heard(0, out.encode(), b""))
    assert (found.home, found.person, found.commands, found.python, found.conf) == ("/home/ada", "ada", "/opt/slurm/bin", "/usr/bin/python3", "")


@pytest.mark.parametrize("lacking", ["home", "person", "sbatch", "python"])
def test_a_login_node_that_lacks_something_is_told_of(lacking: str) -> None:
    told = {"home": "/home/ada", "person": "ada", "sbatch": "/usr/bin/sbatch", "python": "/usr/bin/python3", lacking: ""}
    with pytest.raises(ConnectError):
        facts(Heard(0, "".join(f"perijove-says {name} {value}\n" for name, value in told.items()).encode(), b""))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"host": "n1", "port": "22"}', '{"host": "", "port": 22}', '{"host": "n1", "port": 70000}'])
def test_the_relay_goes_nowhere_by_a_file_that_is_not_the_agents(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.agent").write_text(text)
    with pytest.raises(StateError):
        address(tmp_path / "x.agent")
