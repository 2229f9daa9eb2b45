"""One at a time, whatever became of who was before."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from perijove.agent.environment.lock import DEAD_S, Lock, LockLostError


def elsewhere(count: int = 0) -> str:
    """As it was written by a process of another machine."""
    return json.dumps({"host": "node7", "boot": "b", "space": "s", "pid": 1, "born": "1", "nonce": "other", "count": count})


def nobody_tells(text: str) -> None:
    raise AssertionError(text)


def test_only_one_has_it_and_the_next_waits_for_its_end(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        with Lock(tmp_path / "lock", lambda text: None, rest=lambda seconds: time.sleep(0.001)):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_process_of_this_machine_that_is_gone_is_taken_over_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    dead = os.fork()
    if not dead:
        Lock(file, lambda text: None).__enter__()
        os._exit(0)
    os.waitpid(dead, 0)
    assert file.exists()
    with Lock(file, nobody_tells) as lock:
        lock.check()


def test_that_of_another_machine_is_respected_as_long_as_it_changes_and_taken_over_when_not(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_text(elsewhere(), encoding="ascii")
    told: list[str] = []
    passed = [0.0]

    def rest(seconds: float) -> None:
        """Its owner, whose clock is another, counts for five minutes, and then is heard no more."""
        passed[0] += seconds
        if passed[0] <= 300 and passed[0] % (DEAD_S / 2) == 0:
            file.write_text(elsewhere(int(passed[0])), encoding="ascii")

    with Lock(file, told.append, now=lambda: passed[0], rest=rest) as lock:
        lock.check()
    assert 300 + DEAD_S < passed[0] < 300 + DEAD_S + 1
    assert told == ["Somebody else (process 1 on node7) is at work on this environment; this waits for them."]


def test_its_owner_counts_in_it_and_notices_when_it_is_somebody_elses(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with Lock(file, nobody_tells, beat_s=0.01) as lock:
        first = file.read_text(encoding="ascii")
        deadline = time.monotonic() + 10
        while file.read_text(encoding="ascii") == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert json.loads(file.read_text(encoding="ascii"))["count"] > json.loads(first)["count"]
        lock.check()
        file.unlink()
        file.write_text(elsewhere(), encoding="ascii")
        with pytest.raises(LockLostError):
            lock.check()
    assert file.read_text(encoding="ascii") == elsewhere(), "it is left alone"
