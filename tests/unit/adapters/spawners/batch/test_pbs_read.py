from datetime import UTC, datetime
from typing import Any

import pytest

from perijove.adapters.spawners.batch.pbs.read import read_duration, read_job, read_jobs, read_size_mb, read_time
from perijove.domain.batch.status import Cause, Ending, State
from perijove.domain.batch.words import Kind, Mender, hopeless, reason_words


def job(**about: Any) -> dict[str, Any]:
    return {"Job_Name": "x", "queue": "main", **about}


@pytest.mark.parametrize(
    ("about", "ending"),
    [
        ({"substate": 92, "Exit_status": 0}, Ending(Cause.FINISHED, 0)),
        ({"substate": 93, "Exit_status": 3}, Ending(Cause.FAILED, 3)),
        ({"substate": 93, "Exit_status": 265}, Ending(Cause.FAILED, None, 9)),
        ({"substate": 91, "Exit_status": 271}, Ending(Cause.CANCELLED, None, 15)),
        ({"substate": 91}, Ending(Cause.CANCELLED)),
        ({"substate": 93, "Exit_status": -29}, Ending(Cause.TIME_LIMIT)),
        ({"substate": 93, "Exit_status": -27}, Ending(Cause.OUT_OF_MEMORY)),
        ({"substate": 93, "Exit_status": 271, "comment": "Job exceeded resource walltime"}, Ending(Cause.TIME_LIMIT, None, 15)),
        ({"substate": 93, "Exit_status": -1}, Ending(Cause.LAUNCH_FAILURE)),
        ({"substate": 93, "Exit_status": -20}, Ending(Cause.NODE_FAILURE)),
        ({"substate": 92}, Ending(Cause.UNKNOWN)),
    ],
)
def test_each_end_has_its_cause(about: dict[str, Any], ending: Ending) -> None:
    found = read_job("1.head", job(job_state="F", **about))
    assert (found.state, found.ending) == (State.ENDED, ending)


@pytest.mark.parametrize(
    ("about", "state"),
    [
        ({"job_state": "Q"}, State.PENDING),
        ({"job_state": "Q", "run_count": 1}, State.REQUEUED),
        ({"job_state": "H", "run_count": 21}, State.PENDING),
        ({"job_state": "W"}, State.PENDING),
        ({"job_state": "R", "substate": 41}, State.STARTING),
        ({"job_state": "R", "substate": 42}, State.RUNNING),
        ({"job_state": "S", "substate": 45}, State.SUSPENDED),
        ({"job_state": "U"}, State.SUSPENDED),
        ({"job_state": "E"}, State.COMPLETING),
        ({"job_state": "Z"}, State.UNKNOWN),
        ({"job_state": "M"}, State.UNKNOWN),
    ],
)
def test_a_state_is_told_and_one_that_is_not_known_is_no_end(about: dict[str, Any], state: State) -> None:
    found = read_job("1.head", job(**about))
    assert (found.state, found.alive) == (state, True)


@pytest.mark.parametrize(
    ("comment", "kind", "mender"),
    [
        ("Not Running: Insufficient amount of resource: ncpus (R: 8 A: 2 T: 64)", Kind.RESOURCES, Mender.NOBODY),
        ("Not Running: Not enough free nodes available", Kind.RESOURCES, Mender.NOBODY),
        ("Not Running: Job would conflict with reservation or top job", Kind.RESOURCES, Mender.NOBODY),
        ("Not Running: User has reached server running job limit.", Kind.LIMIT, Mender.PERSON),
        ("Not Running: Queue main per-user limit reached on resource ngpus", Kind.LIMIT, Mender.PERSON),
        ("Not Running: Server job limit has been reached.", Kind.LIMIT, Mender.NOBODY),
        ("Can Never Run: Insufficient amount of resource: ngpus (R: 9 A: 4 T: 4)", Kind.HOPELESS, Mender.PERSON),
        ("Not Running: Queue not started.", Kind.RESOURCES, Mender.ADMINISTRATOR),
        ("Job held, too many failed attempts to run", Kind.HELD, Mender.ADMINISTRATOR),
        ("Job held by ada on Tue Nov 14 22:13:20 2023", Kind.HELD, Mender.PERSON),
        ("Not Running: Dedicated time conflict", Kind.LATER, Mender.NOBODY),
        ("Not Running: The moon is full", Kind.OTHER, Mender.NOBODY),
    ],
)
def test_a_comment_becomes_a_sentence_and_says_who_can_mend_it(comment: str, kind: Kind, mender: Mender) -> None:
    found = read_job("1.head", job(job_state="Q", comment=comment))
    words = reason_words(found.reason)
    assert (words.kind, words.mender) == (kind, mender)
    assert hopeless(found) == (kind is Kind.HOPELESS)


def test_values_are_read_in_all_their_forms() -> None:
    assert [read_duration(text) for text in ("48:00:00", "30:00", "90", "", "UNSET")] == [172800, 1800, 90, None, None]
    assert [read_size_mb(text) for text in ("263719936kb", "132gb", "2097152", "0b", None, "1mw", "?")] == [257539, 135168, 2, 0, 0, 8, 0]
    assert read_time("Tue Oct  4 21:23:20 2022") == datetime(2022, 10, 4, 21, 23, 20, tzinfo=UTC)
    assert [read_time(text) for text in ("UNSET", None, 0)] == [None] * 3
    with pytest.raises(ValueError, match="Expecting"):
        read_jobs("qstat: something")
    assert read_jobs('{"Jobs": {"1.head": {"Error": "?"}}}') == {}
