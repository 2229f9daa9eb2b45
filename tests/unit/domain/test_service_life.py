"""When a managed service is started again, what is said of its end, and what health remembers."""

import signal
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.domain.service_life import LONGEST_WAIT_S, STEADY_S, Backoff, ServiceHealth, ending_words
from perijove.domain.service_rules import client_id_problem, name_problem, url_problem

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_each_failure_in_a_row_doubles_the_pause_up_to_a_minute() -> None:
    backoff, waits = Backoff(), []
    for _ in range(9):
        backoff = backoff.ended(0.5)
        waits.append(backoff.wait_s)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_ran_well_for_a_while_is_started_again_soon() -> None:
    assert Backoff(7).ended(STEADY_S).wait_s == 1
    assert Backoff(7).ended(STEADY_S - 0.1).wait_s == LONGEST_WAIT_S


@given(st.lists(st.floats(0, 1e6)))
def test_it_always_waits_and_never_longer_than_a_minute(runs: list[float]) -> None:
    backoff = Backoff()
    for ran_s in runs:
        backoff = backoff.ended(ran_s)
        assert 1 <= backoff.wait_s <= LONGEST_WAIT_S


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-signal.SIGKILL, "SIGKILL"), (-250, "signal 250"), (None, "not known")]
)
def test_an_ending_is_told_in_words(code: int | None, words: str) -> None:
    assert words in ending_words(code)


def test_health_remembers_since_when_it_is_so() -> None:
    later, first = NOW + timedelta(minutes=5), ServiceHealth().seen("refused", NOW)
    assert (first.up, first.since, first.problem) == (False, NOW, "refused")
    assert first.seen("refused", later) is first
    assert (first.seen("silent", later).since, first.seen("silent", later).problem) == (NOW, "silent")
    assert first.seen("", later) == ServiceHealth(up=True, since=later)


@pytest.mark.parametrize("name", ["", "a/b", ".", "..", "...", "a%2Fb", " a", "a ", "a\nb", "x" * 256])
def test_names_that_no_service_can_have(name: str) -> None:
    assert name_problem(name)


@pytest.mark.parametrize("name", ["a", "My Service", "wiki-2", "ü", ".hidden", "100%"])
def test_names_that_a_service_can_have(name: str) -> None:
    assert not name_problem(name)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "wiki",
        "ftp://host",
        "http://",
        "http://:80",
        "http://host:0",
        "http://host:x",
        "http://u:p@host",
        "http://a b",
        "http://a\0b",
        "http://h?q",
        "//host",
    ],
)
def test_addresses_at_which_no_service_can_be(url: str) -> None:
    assert url_problem(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "https://wiki.example.org", "http://[::1]:9000/", "http://host/below"])
def test_addresses_at_which_a_service_can_be(url: str) -> None:
    assert not url_problem(url)


def test_client_ids_of_services_cannot_be_those_of_servers() -> None:
    assert client_id_problem("jupyterhub-user-ada")
    assert not client_id_problem("service-wiki")
