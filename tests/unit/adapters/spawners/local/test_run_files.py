"""Claims, processes, ports and logs: what is read back must be true also after anything happened."""

import os
import socket
from pathlib import Path

import pytest

from perijove.adapters.spawners.local import logs
from perijove.adapters.spawners.local.listening import Listener, free_port, on_port
from perijove.adapters.spawners.local.words import ending_text, failure_error
from perijove.processes.claims import KEEP_CLAIM_S, Cancelled, Ending, Launched, RunFolder, sweep
from perijove.processes.output import tail
from perijove.processes.process import Process, this_process

LONG_AGO = Process(1, 999_999_999_999)


def run_folder(root: Path, key: str = "k") -> RunFolder:
    run = RunFolder(root, key)
    run.prepare(os.geteuid(), os.getegid())
    return run


def test_a_claim_is_taken_once(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    assert run.claim() is None
    assert run.cancel() == Cancelled()
    assert run.cancel() == run.claim() == Cancelled()
    assert [file.name for file in run.claim_file.parent.iterdir()] == ["k"]


def test_who_cancels_too_late_learns_what_was_launched(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    run.claim_file.write_text("12 345 13 346")
    assert run.cancel() == Launched(Process(12, 345), Process(13, 346))


def test_a_claim_outlives_its_run_folder_for_a_day(tmp_path: Path) -> None:
    ended, runs, fresh = (run_folder(tmp_path, key) for key in ("ended", "runs", "fresh"))
    me = this_process(os.getpid())
    assert me is not None
    for run, process in ((ended, LONG_AGO), (runs, me), (fresh, LONG_AGO)):
        run.claim_file.write_text(f"{process.pid} {process.started} {process.pid} {process.started}")
    now = fresh.claim_file.stat().st_mtime
    for run in (ended, runs):
        os.utime(run.claim_file, (now, now - KEEP_CLAIM_S - 10))
    sweep(tmp_path, now)
    assert not ended.folder.exists()
    assert not ended.claim_file.exists()
    assert runs.folder.exists()
    assert fresh.claim_file.exists()


def test_a_process_is_known_by_when_it_began() -> None:
    me = this_process(os.getpid())
    assert me is not None
    assert me.alive()
    other = Process(me.pid, me.started - 1)
    assert not other.alive()
    other.send(9)  # would end this test run


def test_a_half_written_ending_is_no_ending(tmp_path: Path) -> None:
    run = run_folder(tmp_path)
    assert run.ending() is None
    (run.folder / "exit").write_text("")
    assert run.ending() is None
    (run.folder / "exit").write_text("-9 1")
    assert run.ending() == Ending(-9, out_of_memory=True)


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        (Ending(-9, out_of_memory=True), "more than the 2 GB of memory it may use"),
        (Ending(137, out_of_memory=True), "more than the 2 GB"),
        (Ending(0, out_of_memory=True), "ended by itself"),
        (Ending(-9, out_of_memory=False), "killed by SIGKILL"),
        (Ending(-40, out_of_memory=False), "killed by signal 40"),
        (None, "nobody was left to see how"),
    ],
)
def test_an_ending_is_told_in_words(ending: Ending | None, said: str) -> None:
    assert said in ending_text(ending, 2 * 1024**3)


def test_a_full_disk_is_told_as_such_whatever_was_being_done() -> None:
    error = failure_error({"step": "claim", "path": "/run/x", "errno": 28, "reason": "No space left on device"}, "alice")
    assert error.message == "There is no room left to write /run/x."
    assert "administrator" in error.hint


def test_a_port_in_use_or_promised_is_not_given_again() -> None:
    first = free_port(frozenset(), 7)
    assert free_port(frozenset({first}), 7) != first
    with socket.create_server(("127.0.0.1", first)):
        assert free_port(frozenset(), 7) != first
        assert on_port(first, os.geteuid()) is Listener.EXPECTED
        assert on_port(first, os.geteuid() + 1) is Listener.STRANGER
    assert on_port(first, os.geteuid()) is Listener.NOBODY


def test_a_logs_end_is_whole_lines_without_tokens(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    assert tail(log, 100) == ""
    log.write_bytes(b"x" * 500 + b"\n\0\xffhttp://h/?token=abcdef0123456789abcdef\nAuthorization: token fedcba9876543210\n")
    assert tail(log, 120) == "\ufffdhttp://h/?token=(hidden)\nAuthorization: token (hidden)\n"


def test_people_with_strange_names_have_a_log_folder_each(tmp_path: Path) -> None:
    names = ["alice", "al ice", "../alice", "\u00e4lice", "a" * 255]
    folders = {logs.log_folder(tmp_path, name) for name in names}
    assert len(folders) == len(names)
    assert {folder.parent for folder in folders} == {tmp_path / "logs"}
