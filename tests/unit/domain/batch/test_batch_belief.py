"""What is believed of a job, how often it is asked after, and what a person is told of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from perijove.domain.batch.belief import Absence, History, gone
from perijove.domain.batch.pace import Breaker, interval_s
from perijove.domain.batch.status import Cause, Ending, JobId, JobStatus, State
from perijove.domain.batch.words import Kind, Mender, ending_words, hopeless, reason_words, status_words

ABSENT = Absence(times=2, sees_others_jobs=True, heard_s_ago=None, history=History.NONE, absent_s=301, kept_s=300)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("absence", "believed"),
    [
        (ABSENT, True),
        (replace(ABSENT, times=1), False),
        (replace(ABSENT, sees_others_jobs=False), False),
        (replace(ABSENT, heard_s_ago=20), False),
        (replace(ABSENT, heard_s_ago=200), True),
        (replace(ABSENT, absent_s=20), False),
        (replace(ABSENT, history=History.SILENT), True),
        (replace(ABSENT, history=History.SILENT, absent_s=20), False),
        (replace(ABSENT, history=History.ALIVE), False),
        (replace(ABSENT, history=History.ENDED, times=1, absent_s=0, sees_others_jobs=False), True),
        (replace(ABSENT, history=History.ENDED, heard_s_ago=1), False),
    ],
)
def test_a_job_is_gone_only_when_all_speaks_for_it(absence: Absence, believed: bool) -> None:
    assert gone(absence) is believed


def test_a_slow_scheduler_is_asked_less_often() -> None:
    assert interval_s(waiting=0, changing=1, last_took_s=0.01) == 5
    assert interval_s(waiting=1, changing=0, last_took_s=0.01) == 15
    assert interval_s(waiting=0, changing=0, last_took_s=0.01) == 60
    assert interval_s(waiting=1, changing=1, last_took_s=8) == 40
    assert interval_s(waiting=1, changing=1, last_took_s=900) == 300


def test_the_breaker_opens_probes_and_closes() -> None:
    breaker = Breaker().failed(0)
    assert breaker.may_ask(0)
    breaker = breaker.failed(10)
    assert (breaker.open, breaker.may_ask(24.9), breaker.may_ask(25)) == (True, False, True)
    breaker = breaker.failed(25)
    assert (breaker.may_ask(54), breaker.may_ask(55)) == (False, True)
    for _ in range(50):
        breaker = breaker.failed(100)
    assert breaker.may_ask(220)
    assert not breaker.answered().open


@pytest.mark.parametrize(
    ("reason", "kind", "mender"),
    [
        ("Resources", Kind.RESOURCES, Mender.NOBODY),
        ("Priority", Kind.RESOURCES, Mender.NOBODY),
        ("PartitionTimeLimit", Kind.HOPELESS, Mender.PERSON),
        ("QOSMaxGRESPerUser", Kind.LIMIT, Mender.PERSON),
        ("AssocGrpCpuLimit", Kind.LIMIT, Mender.NOBODY),
        ("AssocGrpCPUMinutesLimit", Kind.LIMIT, Mender.ADMINISTRATOR),
        ("QOSMaxWallDurationPerJobLimit", Kind.HOPELESS, Mender.PERSON),
        ("ReqNodeNotAvail, UnavailableNodes:n[1-2]", Kind.RESOURCES, Mender.ADMINISTRATOR),
        ("Nodes required for job are DOWN, DRAINED or reserved", Kind.RESOURCES, Mender.ADMINISTRATOR),
        ("JobHeldUser", Kind.HELD, Mender.PERSON),
        ("JobHeldAdmin", Kind.HELD, Mender.ADMINISTRATOR),
        ("BeginTime", Kind.LATER, Mender.NOBODY),
        ("SomethingNew", Kind.OTHER, Mender.NOBODY),
    ],
)
def test_each_reason_to_wait_has_words_and_says_who_can_mend_it(reason: str, kind: Kind, mender: Mender) -> None:
    words = reason_words(reason)
    assert (words.kind, words.mender) == (kind, mender)
    assert reason not in str(words) or kind is Kind.OTHER


def test_each_state_and_each_end_has_words_of_its_own() -> None:
    job = JobStatus(job=JobId("1"), state=State.RUNNING, host="n1", end=NOW + timedelta(minutes=90), raw_state="ODD")
    told = [str(status_words(replace(job, state=state), NOW)) for state in State if state is not State.ENDED]
    told += [str(ending_words(Ending(cause, 3))) for cause in Cause]
    assert len(set(told)) == len(told)
    assert "It runs on n1, for about 90 minutes yet." in told
    waiting = replace(job, state=State.PENDING, reason="Priority", expected_start=NOW + timedelta(hours=5))
    assert str(status_words(waiting, NOW)) == "Other jobs are before it in the queue. It is expected to begin in about 5 hours."
    assert hopeless(replace(waiting, reason="BadConstraints"))
    assert str(ending_words(Ending(Cause.FAILED, 0, 9))).startswith("It was ended by SIGKILL.")
